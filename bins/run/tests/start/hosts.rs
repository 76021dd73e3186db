//! Hosts by their cgroups: version 1 beside version 2, version 1 alone, version 2 alone, none.

use crate::image::{Ended, Place, ended};

/// In mounts of its own: takes all cgroups away and mounts those of `$MODE`; afterwards says which groups are left.
const HOST: &str = r#"
if [ "$MODE" != hybrid ]; then
    umount /sys/fs/cgroup/* 2>/dev/null; umount /sys/fs/cgroup 2>/dev/null
    case $MODE in
    2) mount -t cgroup2 none /sys/fs/cgroup ;;
    1) mount -t tmpfs none /sys/fs/cgroup
       for name in memory pids devices freezer cpuset; do
           mkdir /sys/fs/cgroup/$name; mount -t cgroup -o $name none /sys/fs/cgroup/$name || exit 77
       done ;;
    esac
fi
"$@"; status=$?
find /sys/fs/cgroup -path "*$PARENT*" -type d
exit $status"#;

/// What the container tries: a device of its own, one that nobody has, and a loop device.
const PROBE: &str = "head -c 1 /dev/zero | tr '\\0' z; for node in mem loop; do \
    (cat /made/$node | head -c 0) 2>&1 | grep -o 'not permitted' | sed \"s/^/$node /\"; done; exit 5";

fn run(place: &Place, mode: &str, flags: &[&str]) -> Ended {
    let parent = format!("dockless-test-{}-{mode}", std::process::id());
    let mut command = std::process::Command::new("unshare");
    let made = format!("{}:/made", place.host().join("made").display());
    command.args(["--net", "--mount", "sh", "-c", HOST, "sh", "timeout", "30", env!("CARGO_BIN_EXE_run")]);
    command.args(["--rm", "--net", "none", "--cgroup-parent", &parent, "-v", &made]).args(flags);
    command
        .args(["img", "sh", "-c", PROBE])
        .env("DOCKLESS_ROOT", place.root())
        .env("MODE", mode)
        .env("PARENT", &parent);
    ended(command.stdin(std::process::Stdio::null()).output().expect("it starts"))
}

#[test]
fn containers_run_on_each_and_devices_are_kept_from_them() {
    let Some(place) = Place::new() else { return };
    let script = "mkdir $HOST/made; mknod $HOST/made/mem c 1 1; mknod $HOST/made/loop b 7 0";
    crate::image::shell(script, &[], &place.host());
    let is_version_two = std::path::Path::new("/sys/fs/cgroup/cgroup.controllers").exists();
    for mode in ["hybrid", "1", "2", "none"] {
        let ended = run(&place, mode, &[]);
        if ended.status == 77 && is_version_two {
            continue;
        }
        assert_eq!(ended.status, 5, "{mode}: {}", ended.stderr);
        let forbidden = ["mem", "loop"].map(|node| ended.stdout.contains(&format!("{node} not permitted")));
        // Without cgroups memory may be kept from it by rights, which are not what is tested here.
        assert!(
            ended.stdout.starts_with('z') && forbidden == [mode != "none" || forbidden[0], mode != "none"],
            "{mode}: {}",
            ended.stdout
        );
        assert!(!ended.stdout.contains("/sys/fs/cgroup"), "{mode}: groups are left: {}", ended.stdout);
        let said = "WARNING: no cgroups here: no limit is kept, and devices are not restricted\n";
        assert_eq!(ended.stderr.contains(said), mode == "none", "{mode}: {}", ended.stderr);
        let ended = run(&place, mode, &["--device-cgroup-rule", "b 7:* rwm"]);
        assert!(ended.stdout.starts_with('z') && !ended.stdout.contains("loop"), "{mode}: {}", ended.stdout);
    }
}

#[test]
fn a_limit_that_cannot_be_kept_is_said_and_the_container_runs() {
    let Some(place) = Place::new() else { return };
    crate::image::shell("mkdir $HOST/made", &[], &place.host());
    let ended = run(&place, "none", &["-m", "64m", "--pids-limit", "50"]);
    assert_eq!(ended.status, 5);
    assert!(ended.stderr.starts_with("WARNING: no cgroups here: no limit is kept"), "{}", ended.stderr);
    // Where version 1 has the controllers, version 2 beside it lacks them.
    if !std::path::Path::new("/sys/fs/cgroup/cgroup.controllers").exists() {
        let ended = run(&place, "2", &["-m", "64m"]);
        assert!(ended.stderr.contains("WARNING: this host does not keep 'memory.max'"), "{}", ended.stderr);
        assert_eq!(ended.status, 5);
    }
}
