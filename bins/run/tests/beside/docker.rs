//! The same options under dockerd and under `run`: one probe, and the same lines, but for differences that are named.

use std::path::{Path, PathBuf};
use std::process::Command;

use testkit::engine::Dockerd;

use crate::image::{Ended, ended, made_root};

/// What a process sees. The container's own name stands as `ID`.
const PROBE: &str = r#"
id; pwd; hostname; cat /proc/sys/kernel/domainname; umask
env | sort
grep -E '^(Cap|NoNewPrivs|Seccomp:|Groups)' /proc/self/status
cat /proc/self/oom_score_adj
ulimit -n; ulimit -Hn; ulimit -c
cat /etc/hosts; cat /etc/resolv.conf; cat /etc/hostname
ls -l /dev | while read mode n user group rest; do echo $mode $user $group $rest; done | sed 's/[A-Z][a-z][a-z] [ 0-9][0-9] [0-9:]*//'
stat -c '%n %a %u %g %F' / /tmp /data /dev /dev/shm /proc /sys /etc/hosts /var /new 2>/dev/null
stat -fc '%n %b %S' /dev/shm
while read a b c root point options rest; do set -- $rest; while [ "$1" != - ]; do shift; done; echo "$point $options $2 ${root##*/containers/}"; done < /proc/self/mountinfo | sed 's/,relatime//; s/[0-9a-f]\{64\}/ID/'
cat /proc/self/cgroup | sed 's/^[0-9]*://; s#:/.*##' | sort
ls /sys/firmware /proc/acpi /proc/scsi 2>/dev/null
readlink /proc/self/ns/uts /proc/self/ns/ipc /proc/self/ns/net /proc/self/ns/pid | sed 's/\[.*//'
cat /proc/1/cmdline | tr '\0' ' '
"#;

/// Option lists, one a line. `$H` is a folder of the host.
const CASES: &str = "
--cap-drop ALL
--cap-add SYS_PTRACE
--cap-add NET_ADMIN --cap-drop CHOWN
--cap-drop ALL --cap-add KILL
--cap-add sys_time --cap-add CAP_SYS_NICE
--security-opt no-new-privileges
--security-opt seccomp=unconfined
--security-opt no-new-privileges:false
--env-file $H/env
--env-file $H/env -e B -e C
-u web
-u web:0
-u 1234
-u 1234:5678
-u web --group-add 77
-u web --group-add extra
-u root:extra
-e A=1 -e B=two
-e A= -e PATH=/bin
-e HOME=/else
-e HOSTNAME=told
-e FROM=over
-w /data
-w /new/folder
-w /data/.. -u web
-h web
-h web --domainname example.org
-h web.example.org
--add-host db:10.0.0.9
--dns 10.1.1.1
--dns 10.1.1.1 --dns-search lan --dns-opt ndots:3
--tmpfs /tmp
--tmpfs /data
--tmpfs /new:size=64k,mode=700
--tmpfs /run:rw,exec,size=1m
--tmpfs /new:size=10%,noatime,uid=5,gid=6
--tmpfs /new:defaults,strictatime
--mount type=tmpfs,dst=/new
--mount type=tmpfs,dst=/new,tmpfs-mode=700,tmpfs-size=64k
-v named:/data
-v named2:/new
-v named3:/data:ro
-v named4:/data:nocopy
-v /data
-v $H:/new
-v $H:/new:ro
-v $H:/new -v $H:/new
--mount type=bind,src=$H,dst=/new,bind-nonrecursive
-v $H/file:/new
-v $H/file:/etc/added:ro
--mount type=bind,src=$H,dst=/new
--mount type=bind,src=$H,dst=/new,readonly
--mount type=volume,dst=/data
--mount type=volume,src=named5,dst=/data,volume-nocopy
--read-only
--read-only --tmpfs /tmp
--shm-size 1m
--ipc none
--ipc host
--ipc private
--ipc shareable
--pid host
--uts host
--ulimit nofile=100:200
--ulimit core=0 --ulimit nofile=1024
--oom-score-adj 300
--sysctl kernel.msgmax=9000
--device /dev/null:/dev/other
--device /dev/zero:/dev/other:r
--device-cgroup-rule 'c 1:5 r'
-m 64m
-m 64m --memory-swap -1
--memory-reservation 32m
--cpus 0.5
-c 512
--pids-limit 50
--entrypoint /bin/env
-l a=b
--label x
--expose 80
--stop-signal INT --stop-timeout 3
--log-driver none
--log-opt max-size=1m
--no-healthcheck
--health-cmd true --health-interval 10s
--init
--init -u web
";

/// Lines that differ, and why: masks are those of docker 29, and what runc has of cgroups v1 is not mounted.
fn named_difference(line: &str) -> bool {
    let point = line.split(' ').next().unwrap_or_default();
    point.starts_with("/sys/fs/cgroup")
        || point.starts_with("/proc/")
        || point.starts_with("/sys/")
        // The init is a file of the engine's.
        || point == "/sbin/docker-init"
}

struct Both {
    daemon: Dockerd,
    place: tempfile::TempDir,
}

impl Both {
    fn host(&self) -> PathBuf {
        self.place.path().join("host")
    }

    fn theirs(&self, words: &[String]) -> Ended {
        let all: Vec<&str> =
            ["run", "--rm", "--net", "none"].into_iter().chain(words.iter().map(String::as_str)).collect();
        ended(self.daemon.command(&all).output().expect("docker starts"))
    }

    fn ours(&self, words: &[String]) -> Ended {
        let mut command = Command::new("timeout");
        command.args(["30", env!("CARGO_BIN_EXE_run"), "--rm", "--net", "none"]).args(words);
        ended(command.env("DOCKLESS_ROOT", self.place.path().join("ours")).output().expect("it starts"))
    }
}

/// A root of docker's with the image, and its copy, which is ours.
fn both() -> Both {
    let place = tempfile::tempdir().expect("a folder is made");
    let (theirs, ours) = (place.path().join("theirs"), place.path().join("ours"));
    std::fs::create_dir(place.path().join("host")).expect("a folder is made");
    std::fs::write(place.path().join("host/file"), "x").expect("a file is made");
    let tar = place.path().join("base.tar");
    let lines = "# no line\nFROM\nNO_SUCH_VARIABLE\n  C=3\nD=x=y \nB=file\n";
    std::fs::write(place.path().join("host/env"), lines).expect("a file is made");
    let packed = Command::new("tar").arg("-C").arg(made_root()).arg("-cf").arg(&tar).arg(".").status();
    assert!(packed.expect("tar starts").success());
    {
        let daemon = Dockerd::start(&theirs, Some("overlay2"));
        let tar = tar.to_str().expect("a path in words");
        daemon.docker(&["import", "-c", "ENV FROM=image", "-c", "ENV PATH=/bin:/usr/bin", tar, "img"]);
    }
    let copied = Command::new("cp").arg("-a").args([&theirs, &ours]).status();
    assert!(copied.expect("cp starts").success());
    Both { daemon: Dockerd::start(&theirs, Some("overlay2")), place }
}

/// Lines without what is of one run only, sorted: the order of mounts is nobody's concern.
fn plain(ended: &Ended) -> Vec<String> {
    let is_id = |word: &&str| word.len() == 12 && word.bytes().all(|b| b.is_ascii_hexdigit());
    let own =
        ended.stdout.lines().map(|line| line.trim_start_matches("HOSTNAME=")).find(is_id).unwrap_or("-").to_string();
    let line = |line: &str| {
        let line = if own == "-" { line.to_string() } else { line.replace(&own, "NAME") };
        line.replace("/theirs/", "/ROOT/").replace("/ours/", "/ROOT/")
    };
    let mut all: Vec<String> = ended.stdout.lines().map(line).filter(|line| !named_difference(line)).collect();
    all.sort_unstable();
    all
}

fn words(case: &str, host: &Path) -> Vec<String> {
    let mut all = Vec::new();
    let mut parts = case.split('\'');
    while let Some(plain) = parts.next() {
        all.extend(plain.split_whitespace().map(|word| word.replace("$H", &host.to_string_lossy())));
        all.extend(parts.next().map(str::to_string));
    }
    all
}

/// What differs with these options; `None` where nothing does.
fn differs(both: &Both, case: &str) -> Option<String> {
    let probe: &[&str] = if case.contains("--entrypoint") { &["img", "A=1"] } else { &["img", "sh", "-c", PROBE] };
    let mut all = words(case, &both.host());
    all.extend(probe.iter().map(|word| word.to_string()));
    let (theirs, ours) = (both.theirs(&all), both.ours(&all));
    let (expected, seen) = (plain(&theirs), plain(&ours));
    if theirs.status == ours.status && expected == seen {
        return None;
    }
    let only = |these: &[String], others: &[String]| -> String {
        these.iter().filter(|line| !others.contains(line)).map(String::as_str).collect::<Vec<_>>().join("\n    ")
    };
    Some(format!(
        "{case}: {} {}\n  docker: {}\n    {}\n  run: {}\n    {}",
        theirs.status,
        ours.status,
        theirs.stderr.trim_end(),
        only(&expected, &seen),
        ours.stderr.trim_end(),
        only(&seen, &expected)
    ))
}

#[test]
fn a_process_sees_the_same_under_both() {
    if !testkit::engine::is_here("dockerd") {
        return;
    }
    let both = both();
    let cases: Vec<&str> = CASES.lines().filter(|line| !line.is_empty()).collect();
    assert!(cases.len() >= 60);
    let wrong: Vec<String> = std::thread::scope(|scope| {
        let parts = cases.chunks(cases.len().div_ceil(4));
        let all: Vec<_> = parts
            .map(|part| scope.spawn(|| part.iter().filter_map(|case| differs(&both, case)).collect::<Vec<_>>()))
            .collect();
        all.into_iter().flat_map(|thread| thread.join().expect("it does not panic")).collect()
    });
    assert!(wrong.is_empty(), "{} of {} differ:\n{}", wrong.len(), cases.len(), wrong.join("\n"));
}
