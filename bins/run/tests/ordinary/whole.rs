//! With ranges of ids: all of docker's verbs, and owners as they are in the image.

use std::os::unix::fs::MetadataExt;

use crate::person::{Person, World, root};

#[test]
fn everything_is_done_to_a_container() {
    let Some(person) = Person::with_image(&World::default()) else { return };
    let script = "echo out; echo new > /new; rm -r /old; mkdir /old; while :; do sleep 0.1; done";
    let id = person.ok(&["run", "-d", "--name", "web", "--net", "none", "box:1", "sh", "-c", script]);
    person.until("logs web", "out");
    assert_eq!(person.ok(&["ps", "-q", "--no-trunc"]), id);
    assert_eq!(person.ok(&["exec", "web", "id"]), "uid=0(root) gid=0(root) groups=0(root)");
    assert_eq!(person.ok(&["exec", "-u", "web", "web", "id"]), "uid=33(web) gid=34(web) groups=34(web)");
    assert_eq!(person.ok(&["exec", "-u", "web", "web", "cat", "/home/web/own"]), "secret");
    assert!(person.ok(&["top", "web", "-o", "pid,args"]).contains("while :;"));
    assert_eq!(person.sh("printf 'from here' > file; cp file web:/copied").stderr, "");
    assert_eq!(person.ok(&["exec", "web", "cat", "/copied"]), "from here");
    assert_eq!(person.sh("cp web:/home/web/own - | tar -tv --numeric-owner | cut -c1-16").stdout, "-rw------- 33/34\n");
    person.ok(&["stop", "-t", "0", "web"]);
    assert_eq!(person.ok(&["ps", "-a", "--format", "{{.Names}} {{.Image}}"]), "web box:1");
    assert_eq!(person.ok(&["inspect", "-f", "{{.State.Status}} {{.State.ExitCode}}", "web"]), "exited 137");
    // What the kernel wrote as changes is read again as such.
    let tree = person.sh(
        "env export web | tar -tv --numeric-owner | grep -E ' (home/web/own|new|copied|old/)' | awk '{print $2, $6}'",
    );
    assert_eq!(tree.stdout, "0/0 copied\n33/34 home/web/own\n0/0 new\n0/0 old/\n");
    assert_eq!(person.ok(&["start", "web"]), "web");
    assert_eq!(person.ok(&["kill", "web"]), "web");
    assert_eq!(person.ok(&["rm", "web"]), "web");
    person.leaves_nothing();
}

#[test]
fn owners_are_those_of_the_archive() {
    let Some(person) = Person::with_image(&World::default()) else { return };
    let first: u32 =
        root(&format!("grep ^{}: /etc/subuid | cut -d: -f2", person.name)).trim().parse().expect("a number");
    let script = "for folder in .local/share/docker/overlay2/*/diff; do echo $HOME/$folder; done";
    let diff = person.sh(script).stdout.trim_end().to_string();
    let owner =
        |path: &str| std::fs::symlink_metadata(format!("{diff}/{path}")).map(|stat| (stat.uid(), stat.mode() & 0o7777));
    assert_eq!(owner("home/web/own").expect("it is there"), (first + 32, 0o600));
    assert_eq!(owner("etc/passwd").expect("it is there").0, person.uid);
    assert_eq!(person.ok(&["run", "--rm", "--net", "none", "box:1", "stat", "-c", "%u:%g", "/home/web/own"]), "33:34");
    // Capabilities of files hold inside.
    let caps = [
        "run",
        "--rm",
        "--net",
        "none",
        "-u",
        "web",
        "box:1",
        "/able/busybox",
        "sh",
        "-c",
        "grep CapEff /proc/self/status",
    ];
    assert_eq!(person.ok(&caps), "CapEff:\t0000000000002000");
    // And an archive that was saved is loaded into another root of his the same.
    let again = "save box:1 -o box.tar && DOCKLESS_ROOT=$HOME/other load -i box.tar \
                 && DOCKLESS_ROOT=$HOME/other run --rm --net none box:1 stat -c %u:%g /home/web/own && rmi box:1";
    let done = person.sh(again);
    assert!(done.stdout.contains("33:34\nUntagged: "), "{}{}", done.stdout, done.stderr);
}

#[test]
fn what_root_may_is_had_inside() {
    let Some(person) = Person::with_image(&World::default()) else { return };
    let none = ["run", "--rm", "--net", "none"];
    for (flags, script, said) in [
        (
            &[][..],
            "ls -1 /dev | tr '\\n' ' '",
            "fd full mqueue null ptmx pts random shm stderr stdin stdout tty urandom zero",
        ),
        (&[], "echo x > /dev/null; cat /proc/self/uid_map | wc -l; cat /proc/interrupts", "2"),
        (
            &["--cap-add", "SYS_ADMIN", "--security-opt", "seccomp=unconfined"],
            "mount -t tmpfs x /tmp && echo yes",
            "yes",
        ),
        (&["--privileged"], "mount -t tmpfs x /tmp && echo yes", "yes"),
        (&[], "mount -t tmpfs x /tmp 2>/dev/null || echo no", "no"),
        (&[], "mknod /tmp/disk b 8 0 2>/dev/null || echo no", "no"),
        (&["-v", "kept:/data"], "echo more >> /data/log; cat /data/log", "more"),
        (&["-v", "kept:/data"], "echo more >> /data/log; cat /data/log", "more\nmore"),
        (&["--tmpfs", "/run:size=64k", "--read-only"], "touch /run/x && ! touch /x 2>/dev/null && echo yes", "yes"),
        (&["--init"], "cat /proc/1/cmdline | tr '\\0' ' ' | cut -c1-20", "/sbin/docker-init --"),
        (&["--pid", "host"], "ls -d /proc/1", "/proc/1"),
        (&["--ipc", "host"], "echo yes", "yes"),
        (&["--sysctl", "net.ipv4.ip_forward=1"], "cat /proc/sys/net/ipv4/ip_forward", "1"),
        (&["--ephemeral"], "touch /x && echo yes", "yes"),
        (&[], "ip -o link | cut -d: -f2; ip -o addr show lo | grep -c 127.0.0.1", " lo\n1"),
    ] {
        assert_eq!(person.ok(&[&none[..], flags, &["box:1", "sh", "-c", script]].concat()), said, "{flags:?} {script}");
    }
    let net = [
        "run",
        "--rm",
        "--net",
        "host",
        "box:1",
        "sh",
        "-c",
        "ls -d /sys/class/net/out; touch /sys/x 2>&1 | grep -c Read-only",
    ];
    assert_eq!(person.ok(&net), "/sys/class/net/out\n1");
    let terminal = person.sh(
        "script -qec 'run --rm -it --net none box:1 sh -c \"stat -c %g /dev/console; id -u\"' /dev/null < /dev/null",
    );
    // `script` itself echoes the end of its input, whenever it comes.
    assert_eq!(terminal.stdout.replace("^@", "").replace("\r\n", "\n"), "5\n0\n");
}

#[test]
fn limits_that_nobody_keeps_are_said() {
    let Some(person) = Person::with_image(&World::default()) else { return };
    let done = person.run(&["run", "--rm", "--net", "none", "-m", "100m", "--pids-limit", "10", "box:1", "true"]);
    let said = "WARNING: an ordinary user has no cgroups: limits discarded (memory, memory with swap, pids)\n";
    assert_eq!((done.status, &*done.stderr), (0, said));
}

#[test]
fn containers_begun_at_once_share_a_namespace() {
    let Some(person) = Person::with_image(&World::default()) else { return };
    let begin = "for n in 1 2 3 4 5 6; do run -d --name c$n --net none box:1 sleep 100 > /dev/null & done; wait";
    assert_eq!(person.sh(begin).stderr, "");
    let seen = "for n in 1 2 3 4 5 6; do exec_ c$n sh -c 'stat -Lc %i /proc/1/ns/user'; done | sort -u | wc -l";
    let program = person.folder().join("bin/exec");
    assert_eq!(person.sh(&seen.replace("exec_", &program.to_string_lossy())).stdout.trim(), "1");
    assert_eq!(
        person.ok(&[
            "run",
            "--rm",
            "--net",
            "container:c1",
            "--pid",
            "container:c2",
            "box:1",
            "sh",
            "-c",
            "ls -d /proc/1"
        ]),
        "/proc/1"
    );
    assert_eq!(person.ok(&["stop", "-t", "0", "c1", "c2", "c3", "c4", "c5", "c6"]).lines().count(), 6);
    person.leaves_nothing();
}
