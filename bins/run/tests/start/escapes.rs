//! Ways out of a container that other programs once had, by number, and the test that each stays shut here. Lines of other files:
//!
//! | escape | test |
//! |---|---|
//! | 2018-15664, 2019-14271, 2021-41089 (programs and libraries of the image on the host's side) | [`nothing_of_the_image_is_loaded_on_the_hosts_side`], `hostile::users_are_read_from_plain_files_of_the_image_only` |
//! | 2019-5736 (`/proc/self/exe`) | `hostile::programs_of_the_image_find_nothing_of_the_launcher`, `exec`'s `an_executed_command_finds_nothing_of_ours` |
//! | 2019-16884 (a volume over `/proc`) | [`an_images_volume_does_not_hide_proc`], `exits::what_is_refused_before_is_125` |
//! | 2019-18837, 2019-19921, 2023-27561, 2023-28642, 2024-45310, 2025-54867, 2026-41579, 2026-47766 (links where the launcher mounts) | `hostile::links_where_the_launcher_mounts`, `hostile::mounts_of_the_persons_own_go_nowhere_else` |
//! | 2020-13401 (router advertisements) | [`a_container_and_its_bridge_take_no_router_advertisement`] |
//! | 2020-15257 (abstract sockets) | [`sockets_have_paths_that_only_root_reaches`] |
//! | 2021-21284, 2021-41091 (open folders) | [`sockets_have_paths_that_only_root_reaches`] |
//! | 2021-30465 (a volume that changes meanwhile) | [`a_volume_that_changes_meanwhile_leads_nowhere`] |
//! | 2021-43784 (netlink lengths) | there is no such channel: the launcher forks and has its spec |
//! | 2022-0492, 2023-25809 (cgroups that can be written) | `safety::no_cgroup_of_the_host_can_be_written`, [`mounting_and_namespaces_are_refused`] |
//! | 2022-24769, 2022-29162, 2022-27650, 2025-27612 (inheritable capabilities) | `safety::rights_are_dockers_default_and_none_is_inherited` |
//! | 2024-21626 (a handle that leaked) | `hostile::a_working_directory_is_inside`, `hostile::programs_of_the_image_find_nothing_of_the_launcher` |
//! | 2025-31133 (the container's own `/dev/null` as a mask) | [`masks_are_of_our_own_null`] |
//! | 2025-52565 (`/dev/console`) | [`a_terminal_is_mounted_by_handle`] |
//! | 2025-52881 (writes below `/proc` led elsewhere) | [`settings_are_written_to_the_kernels_own_proc`] |
//! | 2026-30892 (users misread) | [`a_user_is_a_name_or_a_number_and_nothing_between`] |
//! | GHSA-6fw5, GHSA-jq35 (side channels) | `safety::what_tells_of_the_host_is_masked_and_settings_are_locked` |
//!
//! Networks' lines (2024-29018, 2025-54388, 2025-54410) are tested with `net`: what is published and what is not, packet by packet.

use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::json;

use crate::hostile::{bait, listing};
use crate::image::{Place, ended};

#[test]
fn nothing_of_the_image_is_loaded_on_the_hosts_side() {
    let Some(place) = Place::new() else { return };
    // Whoever opens one of these waits for ever.
    let script = "for name in libnss_files.so.2 libnss_compat.so.2 libnss_dns.so.2 libnss_systemd.so.2; do \
                  for folder in lib lib64 usr/lib lib/x86_64-linux-gnu usr/lib/x86_64-linux-gnu; do \
                  mkdir -p $folder 2>/dev/null || continue; rm -f $folder/$name; mkfifo $folder/$name; done; done; \
                  rm -f etc/nsswitch.conf etc/ld.so.preload; mkfifo etc/nsswitch.conf";
    place.image("libraries", script, json!({}));
    let ended = place.run(&["--rm", "--net", "none", "-u", "web:extra", "-v", "vol:/data", "libraries", "true"]);
    assert_eq!((ended.status, ended.stderr.as_str()), (0, ""));
}

#[test]
fn an_images_volume_does_not_hide_proc() {
    let Some(place) = Place::new() else { return };
    for (n, folder) in ["/proc", "/proc/sys", "/proc/self/attr"].into_iter().enumerate() {
        let name = format!("over{n}");
        place.image(&name, "", json!({"Volumes": {folder: {}}}));
        let ended = place.run(&["--rm", "--net", "none", &name, "true"]);
        assert_eq!(ended.status, 125, "{folder}: {}", ended.stderr);
        assert!(ended.stderr.contains("cannot be mounted because it is inside /proc"), "{}", ended.stderr);
    }
}

#[test]
fn a_container_and_its_bridge_take_no_router_advertisement() {
    let Some(place) = Place::new() else { return };
    std::fs::create_dir_all(place.host()).unwrap();
    let said = place.host().join("said");
    // The bridge is there as long as the container is.
    let line = "\"$RUN\" --rm img sh -c 'cat /proc/sys/net/ipv6/conf/eth0/disable_ipv6; sleep 1' > \"$SAID\" & \
                while [ ! -s \"$SAID\" ] && kill -0 $!; do sleep 0.05; done; \
                cat /proc/sys/net/ipv6/conf/docker0/accept_ra \"$SAID\"; wait";
    let mut command = Command::new("unshare");
    command.args(["--net", "--mount", "timeout", "30", "sh", "-c", line]).env("DOCKLESS_ROOT", place.root());
    command.env("RUN", env!("CARGO_BIN_EXE_run")).env("SAID", &said);
    let ended = ended(command.output().unwrap());
    assert_eq!((ended.stdout.as_str(), ended.stderr.as_str()), ("0\n1\n", ""));
}

#[test]
fn sockets_have_paths_that_only_root_reaches() {
    let Some(place) = Place::new() else { return };
    let before = abstract_sockets();
    let words = ["--rm", "-i", "--net", "host", "img", "sh", "-c", "echo up; cat /proc/net/unix; cat"];
    let mut command = Command::new("timeout");
    command.args(["30", env!("CARGO_BIN_EXE_run")]).args(words).env("DOCKLESS_ROOT", place.root());
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut word = [0; 3];
    std::io::Read::read_exact(child.stdout.as_mut().unwrap(), &mut word).unwrap();
    let modes: Vec<u32> =
        [std::path::PathBuf::from("/run/dockless"), place.root().join("containers"), own_folder(&place)]
            .iter()
            .map(|path| std::fs::metadata(path).unwrap().permissions().mode() & 0o7777)
            .collect();
    let record = std::fs::metadata(own_folder(&place).join("config.v2.json")).unwrap().permissions().mode() & 0o7777;
    drop(child.stdin.take());
    let inside = String::from_utf8(child.wait_with_output().unwrap().stdout).unwrap();
    let ours = |text: &str| text.lines().filter(|line| line.contains(" @") && line.contains("dockless")).count();
    assert_eq!(ours(&inside), 0, "{inside}");
    assert_eq!((modes, record), (vec![0o700, 0o710, 0o710], 0o600));
    assert_eq!(ours(&abstract_sockets()), ours(&before));
}

fn abstract_sockets() -> String {
    std::fs::read_to_string("/proc/net/unix").unwrap()
}

fn own_folder(place: &Place) -> std::path::PathBuf {
    std::fs::read_dir(place.root().join("containers")).unwrap().next().unwrap().unwrap().path()
}

#[test]
fn a_volume_that_changes_meanwhile_leads_nowhere() {
    let Some(place) = Place::new() else { return };
    bait(&place);
    assert_eq!(place.run(&["--rm", "--net", "none", "-v", "shared:/data", "img", "true"]).status, 0);
    let volume = place.root().join("volumes/shared/_data");
    let before = listing(&place);
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let swap = || {
            let (link, folder, name) = (volume.join("link"), volume.join("folder"), volume.join("sub"));
            std::fs::create_dir_all(&folder).unwrap();
            while !done.load(Ordering::Relaxed) {
                // What another container with the same volume would do, faster than any could.
                let _ = std::os::unix::fs::symlink(place.host(), &link);
                let _ = std::fs::rename(&link, &name);
                let _ = std::fs::remove_file(&name);
                let _ = std::fs::rename(&folder, &name);
                let _ = std::fs::rename(&name, &folder);
            }
        };
        scope.spawn(swap);
        for _ in 0..25 {
            let words =
                ["--rm", "--net", "none", "-v", "shared:/data", "--tmpfs", "/data/sub/made", "-v", "/data/sub/new"];
            let ended = place.run(&[&words[..], &["img", "sh", "-c", "cat /data/sub/hosts"]].concat());
            assert!(!ended.stdout.contains("precious"), "{}", ended.stdout);
        }
        done.store(true, Ordering::Relaxed);
    });
    assert_eq!(listing(&place), before);
}

#[test]
fn mounting_and_namespaces_are_refused() {
    let Some(place) = Place::new() else { return };
    let script = "for words in '-t tmpfs none /tmp' '--bind /etc /tmp' '-o remount,rw /proc/sys'; do mount $words 2>/dev/null && echo mounted; done; umount /proc 2>/dev/null && echo unmounted; true";
    for user in ["0", "web"] {
        let ended = place.run(&["--rm", "--net", "none", "-u", user, "img", "sh", "-c", script]);
        assert_eq!((ended.status, ended.stdout.as_str()), (0, ""), "{user}");
    }
}

#[test]
fn masks_are_of_our_own_null() {
    let Some(place) = Place::new() else { return };
    bait(&place);
    place.image("null", "mkdir -p dev; rm -f dev/null; echo 'shown instead' > dev/null; chmod 666 dev/null", json!({}));
    let script = "stat -c '%F %t:%T' /dev/null; cat /proc/timer_list /proc/keys; true";
    let ended = place.run(&["--rm", "--net", "none", "null", "sh", "-c", script]);
    assert_eq!((ended.stdout.as_str(), ended.stderr.as_str()), ("character special file 1:3\n", ""));
    // Even where a file is asked for in its place.
    let bind = format!("{}/hosts:/dev/null", place.host().display());
    let ended =
        place.run(&["--rm", "--net", "none", "-v", &bind, "null", "sh", "-c", "cat /proc/timer_list /proc/keys; true"]);
    assert_eq!(ended.stdout, "");
}

#[test]
fn a_terminal_is_mounted_by_handle() {
    let Some(place) = Place::new() else { return };
    bait(&place);
    let links = "mkdir -p dev/pts; ln -sf \"$HOST/console\" dev/console; ln -sf \"$HOST/ptmx\" dev/ptmx; ln -sf \"$HOST\" dev/pts/0";
    place.image("terminal", links, json!({}));
    let before = listing(&place);
    let script = "stat -c %F /dev/console; stat -c %F /dev/pts/0; echo x > /dev/console";
    let ended = place.run(&["--rm", "-t", "--net", "none", "terminal", "sh", "-c", script]);
    assert_eq!(ended.stdout, "character special file\r\ncharacter special file\r\nx\r\n", "{}", ended.stderr);
    assert_eq!(listing(&place), before);
}

#[test]
fn settings_are_written_to_the_kernels_own_proc() {
    let Some(place) = Place::new() else { return };
    bait(&place);
    let script = "mkdir -p proc/sys/kernel proc/self/attr; ln -sf \"$HOST/hosts\" proc/sys/kernel/msgmax; ln -sf \"$HOST/hosts\" proc/self/oom_score_adj";
    place.image("settings", script, json!({}));
    let before = listing(&place);
    let words = ["--rm", "--net", "none", "--sysctl", "kernel.msgmax=9000", "--oom-score-adj", "300", "settings"];
    let ended = place.run(&[&words[..], &["cat", "/proc/sys/kernel/msgmax", "/proc/self/oom_score_adj"]].concat());
    assert_eq!((ended.stdout.as_str(), ended.stderr.as_str()), ("9000\n300\n", ""));
    // A setting that is none of its own namespaces, or leads out, is refused.
    for setting in ["kernel.core_pattern=x", "kernel/../../../host=x", "net.ipv4.ip_forward/../x=1"] {
        let ended = place.run(&["--rm", "--net", "none", "--sysctl", setting, "settings", "true"]);
        assert_eq!(ended.status, 125, "{setting}: {}", ended.stderr);
    }
    assert_eq!(listing(&place), before);
}

#[test]
fn a_user_is_a_name_or_a_number_and_nothing_between() {
    let Some(place) = Place::new() else { return };
    place.image("users", "printf 'x:x:0x10:0:::\\nneg:x:-1:0:::\\nbig:x:4294967296:0:::\\n' >> etc/passwd", json!({}));
    for user in [
        "0x0",
        "1e3",
        "-1",
        " 0",
        "0 ",
        "1000:",
        "4294967296",
        "99999999999999999999",
        "0:0:0",
        "x",
        "neg",
        "big",
        "0:0x0",
    ] {
        let ended = place.run(&["--rm", "--net", "none", &format!("--user={user}"), "users", "id", "-u"]);
        // What names nobody is refused; nothing becomes root by being misread.
        let plain = user == "1000:" && ended.stdout == "1000\n";
        assert!(
            plain || (ended.status == 125 && ended.stdout.is_empty()),
            "'{user}': {} {}",
            ended.stdout,
            ended.stderr
        );
    }
}
