//! What a container is without asking for it: rights, masks, memory of the host.

use crate::image::Place;

fn inside(place: &Place, words: &[&str], script: &str) -> String {
    let ended = place.run(&[&["--rm", "--net", "none"], words, &["img", "sh", "-c", script]].concat());
    assert_eq!(ended.status, 0, "{words:?} {script}: {}", ended.stderr);
    ended.stdout
}

#[test]
fn rights_are_dockers_default_and_none_is_inherited() {
    let Some(place) = Place::new() else { return };
    let status = |words: &[&str]| {
        inside(&place, words, "grep -E '^(CapInh|CapPrm|CapEff|CapBnd|CapAmb|NoNewPrivs|Seccomp):' /proc/self/status")
    };
    let lines = |inherited: &str, set: &str, bound: &str, new: u8, filter: u8| {
        format!(
            "CapInh:\t{inherited}\nCapPrm:\t{set}\nCapEff:\t{set}\nCapBnd:\t{bound}\nCapAmb:\t0000000000000000\nNoNewPrivs:\t{new}\nSeccomp:\t{filter}\n"
        )
    };
    let (none, docker) = ("0000000000000000", "00000000a80425fb");
    assert_eq!(status(&[]), lines(none, docker, docker, 0, 2));
    assert_eq!(status(&["-u", "web"]), lines(none, none, docker, 0, 2));
    assert_eq!(status(&["--cap-drop", "ALL"]), lines(none, none, none, 0, 2));
    assert_eq!(status(&["--security-opt", "no-new-privileges"]), lines(none, docker, docker, 1, 2));
    assert_eq!(status(&["--security-opt", "seccomp=unconfined"]), lines(none, docker, docker, 0, 0));
}

#[test]
fn what_tells_of_the_host_is_masked_and_settings_are_locked() {
    let Some(place) = Place::new() else { return };
    let script = "for path in /proc/kcore /proc/keys /proc/timer_list /proc/interrupts; do [ ! -e $path ] || cat $path | head -c1 2>/dev/null; done; \
                  ls /proc/acpi /sys/firmware 2>/dev/null | grep -v :; \
                  for path in /proc/sys/kernel/panic /proc/sysrq-trigger /proc/irq/x /sys/kernel/x; do (echo 1 > $path) 2>/dev/null && echo written $path; done; true";
    let script = script.replace("cat $path | head -c1 2>/dev/null", "cat $path");
    assert_eq!(inside(&place, &[], &script).trim(), "");
}

#[test]
fn no_cgroup_of_the_host_can_be_written() {
    let Some(place) = Place::new() else { return };
    let script = "grep -E ' cgroup2? ' /proc/mounts | grep -v ' ro[, ]'; for file in /sys/fs/cgroup/*/release_agent /sys/fs/cgroup/*/memory.limit_in_bytes /sys/fs/cgroup/memory.max; do [ ! -e $file ] || (echo 1 > $file) 2>/dev/null && [ -e $file ] && echo written; done; true";
    assert_eq!(inside(&place, &["-m", "32m"], script), "");
}

#[test]
fn mounts_of_the_launcher_are_of_use_to_nobody_outside() {
    let Some(place) = Place::new() else { return };
    let before = std::fs::read_to_string("/proc/self/mountinfo").unwrap().lines().count();
    let volume = format!("{}:/shared", place.host().display());
    // A mount made inside below a bind of the host's is not seen on the host.
    inside(&place, &["--privileged", "-v", &volume], "mkdir -p /shared/sub; mount -t tmpfs none /shared/sub");
    assert_eq!(std::fs::read_to_string("/proc/self/mountinfo").unwrap().lines().count(), before);
}

#[test]
fn a_bind_is_as_writable_as_it_was_asked_for() {
    let Some(place) = Place::new() else { return };
    let bind = |mode: &str| format!("{}:/bound{mode}", place.host().display());
    let write = "(echo x > /bound/written) 2>/dev/null && echo done; true";
    assert_eq!(inside(&place, &["-v", &bind(":ro")], write), "");
    assert_eq!(inside(&place, &["-v", &bind("")], write), "done\n");
    let mount = format!("type=bind,src={},dst=/bound,readonly", place.host().display());
    assert_eq!(inside(&place, &["--mount", &mount], write), "");
}
