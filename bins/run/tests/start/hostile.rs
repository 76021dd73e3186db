//! Images that try to have the launcher write to the host, or read from it. Whatever they get, the host stays as it was.

use serde_json::{Value, json};

use crate::image::Place;

/// What a run may come to.
const REFUSED: &[i32] = &[125, 126, 127];
const STARTED: &[i32] = &[0];

/// One image, made by a script, run with these options, kept on the root and not; the host's folder must be unchanged.
fn check(place: &Place, name: &str, script: &str, config: Value, words: &[&str], statuses: &[i32]) {
    place.image(name, script, config);
    let before = listing(place);
    for more in [&["--rm"][..], &["--ephemeral"]] {
        let all = [&["--net", "none"], more, words].concat();
        let ended = place.run(&all);
        assert!(
            statuses.contains(&ended.status) && !ended.stdout.contains("precious"),
            "{name} {all:?}: {} {} {}",
            ended.status,
            ended.stdout,
            ended.stderr
        );
        assert_eq!(listing(place), before, "{name} {all:?}");
    }
}

/// The host's folder: names, kinds, modes, owners, sizes, times, contents.
pub fn listing(place: &Place) -> String {
    let script = "cd \"$1\"; find . -printf '%p %y %m %U %G %s %T@ %l\\n' | sort; find . -type f | sort | xargs cat";
    let out = std::process::Command::new("sh").args(["-ec", script, "sh"]).arg(place.host()).output().unwrap();
    String::from_utf8(out.stdout).unwrap()
}

pub fn bait(place: &Place) {
    let script = "cd \"$1\"; mkdir -p sub dev pts shm; for name in ptmx hosts hostname resolv.conf passwd console docker-init sub/file; do echo precious > $name; done; printf 'precious:x:77:77::/:/bin/sh\\n' > passwd";
    crate::image::shell(script, &[&place.host()], &place.host());
}

#[test]
fn links_where_the_launcher_mounts() {
    let Some(place) = Place::new() else { return };
    bait(&place);
    for (n, folder) in ["dev", "proc", "sys"].into_iter().enumerate() {
        let script = |link: &str| format!("rm -rf {folder}; ln -s {link} {folder}");
        check(&place, &format!("top{n}"), &script("\"$HOST\""), json!({}), &[&format!("top{n}"), "true"], &[0, 125]);
        check(
            &place,
            &format!("up{n}"),
            &script("../../../../../..\"$HOST\""),
            json!({}),
            &[&format!("up{n}"), "true"],
            &[0, 125],
        );
    }
    for (n, (place_in, to)) in [
        ("dev/pts", "pts"),
        ("dev/shm", "shm"),
        ("dev/mqueue", "sub"),
        ("dev/console", "console"),
        ("dev/ptmx", "ptmx"),
        ("etc/hosts", "hosts"),
        ("etc/hostname", "hostname"),
        ("etc/resolv.conf", "resolv.conf"),
        ("etc/mtab", "hosts"),
        (".dockerenv", "hosts"),
        ("sbin/docker-init", "docker-init"),
    ]
    .into_iter()
    .enumerate()
    {
        let script = format!("mkdir -p \"$(dirname {place_in})\"; rm -rf {place_in}; ln -s \"$HOST/{to}\" {place_in}");
        check(&place, &format!("below{n}"), &script, json!({}), &["--init", &format!("below{n}"), "true"], &[0, 125]);
    }
    check(
        &place,
        "etc",
        "mv etc other; ln -s \"$HOST\" etc",
        json!({}),
        &["etc", "sh", "-c", "cat /etc/hosts >/dev/null; true"],
        &[0, 125],
    );
}

#[test]
fn mounts_of_the_persons_own_go_nowhere_else() {
    let Some(place) = Place::new() else { return };
    bait(&place);
    let link = "ln -s \"$HOST\" link; ln -s ../../../../../.. up; ln -s /proc/self/cwd cwd; ln -s loop loop";
    for (n, words) in [
        &["-v", "vol:/link/new"][..],
        &["-v", "vol:/link"],
        &["-v", "vol2:/up/link/x"],
        &["--tmpfs", "/link"],
        &["--tmpfs", "/link/sub"],
        &["--mount", "type=tmpfs,dst=/up/data"],
        &["--mount", "type=volume,src=vol3,dst=/link/a/b/c"],
        &["-v", "/cwd/x"],
        &["-w", "/link/made"],
        &["-w", "/up/link/made"],
        &["--device", "/dev/null:/link/null"],
        &["--read-only", "-v", "vol4:/link/sub"],
    ]
    .into_iter()
    .enumerate()
    {
        let name = format!("target{n}");
        check(&place, &name, link, json!({}), &[words, &[&name, "true"]].concat(), &[0, 125]);
    }
    check(&place, "loop", link, json!({}), &["-v", "vol5:/loop/x", "loop", "true"], REFUSED);
    // What the image has at a volume's place is the image's, not the host's.
    let words = ["-v", "fresh:/data", "copied", "sh", "-c", "ls /data; cat /data/* 2>/dev/null; true"];
    check(&place, "copied", "rm -rf data; ln -s \"$HOST\" data", json!({}), &words, &[0, 125]);
    let words = ["-v", "fresh2:/data", "copied2", "sh", "-c", "cat /data/file 2>/dev/null; true"];
    check(&place, "copied2", "rm -rf data; mkdir data; ln -s \"$HOST/sub/file\" data/file", json!({}), &words, STARTED);
}

#[test]
fn users_are_read_from_plain_files_of_the_image_only() {
    let Some(place) = Place::new() else { return };
    bait(&place);
    let named = |name: &str, script: &str, statuses: &[i32]| {
        check(&place, name, script, json!({}), &["-u", "precious", name, "true"], statuses);
        check(&place, &format!("{name}-n"), script, json!({}), &["-u", "7:7", &format!("{name}-n"), "true"], STARTED);
    };
    named("link", "ln -sf \"$HOST/passwd\" etc/passwd", REFUSED);
    named("up", "ln -sf ../../../../../..\"$HOST/passwd\" etc/passwd", REFUSED);
    named("fifo", "rm etc/passwd; mkfifo etc/passwd", REFUSED);
    named("zero", "rm etc/passwd; mknod etc/passwd c 1 5", REFUSED);
    named("folder", "rm etc/passwd; mkdir etc/passwd", REFUSED);
    named("huge", "truncate -s 1T etc/passwd", REFUSED);
    named("lines", "yes ::::::: | head -c 8000000 > etc/passwd", REFUSED);
    named("bytes", "head -c 100000 /dev/urandom > etc/passwd; cp etc/passwd etc/group", REFUSED);
    let words = ["-u", "web", "--group-add", "extra", "group", "true"];
    check(&place, "group", "rm etc/group; mkfifo etc/group", json!({}), &words, REFUSED);
}

#[test]
fn a_working_directory_is_inside() {
    let Some(place) = Place::new() else { return };
    bait(&place);
    for (n, folder) in
        ["/proc/self/fd/3", "/proc/self/fd/7", "/proc/self/fd/9/../..", "/proc/1/cwd", "/proc/self/root/tmp"]
            .iter()
            .enumerate()
    {
        let name = format!("cwd{n}");
        check(
            &place,
            &name,
            "",
            json!({"WorkingDir": folder}),
            &[&name, "sh", "-c", "cat hosts ptmx 2>/dev/null; true"],
            &[0, 125],
        );
    }
    check(&place, "file", "", json!({"WorkingDir": "/etc/passwd/x"}), &["file", "true"], REFUSED);
}

#[test]
fn programs_of_the_image_find_nothing_of_the_launcher() {
    let Some(place) = Place::new() else { return };
    bait(&place);
    let own = std::fs::read(env!("CARGO_BIN_EXE_run")).unwrap();
    // What a shell has open, but for its three streams, and the folder that ls reads.
    let ended = place.run(&["--rm", "--net", "none", "img", "sh", "-c", "ls /proc/self/fd; ls /proc/1/fd"]);
    assert_eq!(
        ended.stdout.split_whitespace().collect::<Vec<_>>(),
        ["0", "1", "2", "3", "0", "1", "2"],
        "{}",
        ended.stderr
    );
    let script = "printf '#!/proc/self/exe\\n' > script; chmod 755 script";
    let within = "exec 3< /proc/self/exe; for n in 1 2 3 4 5; do (echo broken > /proc/1/exe) 2>/dev/null; done; true";
    check(&place, "exe", script, json!({}), &["exe", "sh", "-c", within], STARTED);
    for words in [&["exe", "/script"][..], &["exe", "/proc/self/exe", "--version"]] {
        let ended = place.run(&[&["--rm", "--net", "none"], words].concat());
        assert!(!ended.stdout.contains("run"), "our own program ran inside: {}", ended.stdout);
    }
    assert!(std::fs::read(env!("CARGO_BIN_EXE_run")).unwrap() == own, "the program was written");
}

#[test]
fn devices_in_an_image_are_not_usable() {
    let Some(place) = Place::new() else { return };
    if matches!(launch::cgroup::Hosts::read(), launch::cgroup::Hosts::None) {
        return;
    }
    place.image("nodes", "mknod disk b 7 0; mknod mem c 1 1; chmod 666 disk mem", json!({}));
    for device in ["/disk", "/mem"] {
        let ended = place.run(&["--rm", "--net", "none", "nodes", "cat", device]);
        assert!(ended.status != 0 && ended.stderr.contains("Operation not permitted"), "{device}: {}", ended.stderr);
    }
}
