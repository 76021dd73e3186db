//! What flags do inside.

use crate::image::Place;

fn check(place: &Place, words: &[&str], script: &str, said: &str) {
    let ended = place.run(&[&["--rm", "--net", "none"], words, &["img", "sh", "-c", script]].concat());
    assert_eq!((ended.stdout.as_str(), ended.stderr.as_str()), (said, ""), "{words:?} {script}");
}

#[test]
fn each_does_what_docker_does() {
    let Some(place) = Place::new() else { return };
    let env = place.host().join("env");
    std::fs::write(&env, "# note\nONE=1\nTWO=a b\nHOME\n").unwrap();
    let env = env.to_str().unwrap();
    check(&place, &["--env-file", env, "-e", "ONE=2"], "echo $ONE $TWO", "2 a b\n");
    check(&place, &["-e", "PATH", "-e", "A="], "env | grep -E '^(A|HOSTNAME)=' | sort | grep A=", "A=\n");
    check(
        &place,
        &["-h", "web", "--domainname", "example.org"],
        "hostname; cat /proc/sys/kernel/domainname",
        "web\nexample.org\n",
    );
    check(
        &place,
        &["-u", "web", "--group-add", "50"],
        "id",
        "uid=1000(web) gid=1001(web) groups=1001(web),50,2000(extra)\n",
    );
    check(&place, &["-u", "web:0"], "id -u; id -g; id -G", "1000\n0\n0\n");
    check(&place, &["-w", "/new/folder"], "pwd; stat -c %a%u .", "/new/folder\n7550\n");
    check(&place, &["--tmpfs", "/tmp"], "stat -fc %T /tmp; stat -c %a /tmp", "tmpfs\n1777\n");
    check(
        &place,
        &["--tmpfs", "/data:size=64k,mode=700"],
        "stat -c %a /data; stat -fc '%b %S' /data",
        "700\n16 4096\n",
    );
    check(&place, &["--tmpfs", "/data"], "stat -c %a /data", "750\n");
    check(
        &place,
        &["--mount", "type=tmpfs,dst=/m,tmpfs-size=8k,ro"],
        "(echo > /m/x) 2>/dev/null || echo locked",
        "locked\n",
    );
    check(&place, &["-v", "v1:/data"], "cat /data/file; stat -c '%a %u %g' /data", "inside\n750 1000 1001\n");
    check(&place, &["-v", "v2:/data:nocopy"], "ls /data; stat -c %u /data", "0\n");
    check(&place, &["--mount", "src=v3,dst=/data,volume-nocopy"], "ls /data", "");
    check(
        &place,
        &["--read-only", "--tmpfs", "/tmp"],
        "(echo > /x) 2>/dev/null || echo locked; echo > /tmp/x",
        "locked\n",
    );
    check(&place, &["--shm-size", "1m"], "stat -fc '%b %S' /dev/shm", "256 4096\n");
    check(&place, &["--ipc", "none"], "grep -c ' /dev/shm ' /proc/mounts; true", "0\n");
    check(&place, &["--ulimit", "nofile=100:200"], "ulimit -n; ulimit -Hn", "100\n200\n");
    check(&place, &["--oom-score-adj", "300"], "cat /proc/self/oom_score_adj", "300\n");
    check(&place, &["--sysctl", "kernel.msgmax=9000"], "cat /proc/sys/kernel/msgmax", "9000\n");
    check(
        &place,
        &["--device", "/dev/null:/dev/other:r"],
        "stat -c '%t:%T' /dev/other; (echo > /dev/other) 2>/dev/null",
        "1:3\n",
    );
    check(&place, &["--init"], "cat /proc/1/cmdline | grep -ac ^/sbin/docker-init", "1\n");
    check(&place, &["--uts", "host"], "[ $(hostname) = $(uname -n) ] && echo same", "same\n");
    check(&place, &["--entrypoint", "", "--add-host", "db:10.0.0.9"], "grep db /etc/hosts", "10.0.0.9\tdb\n");
    check(
        &place,
        &["--dns", "10.0.0.1", "--dns-search", "lan", "--dns-opt", "ndots:1"],
        "cat /etc/resolv.conf",
        "nameserver 10.0.0.1\nsearch lan\noptions ndots:1\n",
    );
    check(&place, &["-a", "stderr"], "echo unheard", "");
    check(&place, &["--ulimit", "nofile=50", "--ulimit", "nofile=90"], "ulimit -n", "90\n");
    let more =
        ["--rm", "--net", "none", "--privileged", "--device", "/dev/null:/dev/more", "img", "stat", "-c", "%t:%T"];
    // On some machines a privileged container is told what it lacks.
    assert_eq!(place.run(&[&more[..], &["/dev/more"]].concat()).stdout, "1:3\n");
    place.run(&["--name", "other", "--net", "none", "-v", "kept:/data", "img", "true"]);
    check(&place, &["--volumes-from", "other", "--tmpfs", "/data"], "ls /data", "");
}

#[test]
fn a_bind_spreads_only_where_the_host_lets_it() {
    let Some(place) = Place::new() else { return };
    let script =
        "mkdir -p $1/in/below && mount --bind $1/in $1/in && mount -t tmpfs none $1/in/below && touch $1/in/below/file";
    let check = |first: &str, how: &str, inside: &str, said: &str| {
        let tail = format!(
            "exec timeout 30 {} --rm --net none --mount type=bind,src=$1/in,dst=/new,{how} img sh -c '{inside}'",
            env!("CARGO_BIN_EXE_run")
        );
        let mut command = std::process::Command::new("unshare");
        command.args(["--net", "--mount", "sh", "-ec", &format!("{script}; {first} $1/in; {tail}"), "sh"]);
        let out = command.arg(place.host()).env("DOCKLESS_ROOT", place.root()).output().expect("unshare starts");
        let told = [out.stdout, out.stderr].concat();
        let told = String::from_utf8_lossy(&told).replace(&*place.host().to_string_lossy(), "HOST");
        assert_eq!(told, said, "{first} {how}");
    };
    let (look, lonely) = ("ls /new/below", "mount --make-rprivate");
    check(lonely, "bind-propagation=rprivate", look, "file\n");
    check(lonely, "bind-nonrecursive", look, "");
    let refused = |what: &str| {
        format!("run: cannot let '/new' spread: path HOST/in is mounted on HOST/in but it is not {what}\n")
    };
    check(lonely, "bind-propagation=rshared", look, &refused("a shared mount"));
    check(lonely, "bind-propagation=rslave", look, &refused("a shared or slave mount"));
    let spread = "grep -o \" /new .* - \" /proc/self/mountinfo | grep -oE \"(shared|master)\"";
    check("mount --make-rshared", "bind-propagation=rshared", spread, "shared\n");
    check("mount --make-rshared", "bind-propagation=rslave", spread, "master\n");
}

#[test]
fn no_record_reaches_the_settings_of_the_host() {
    let Some(place) = Place::new() else { return };
    for (flags, name, why) in [
        (&["--ipc", "host"][..], "kernel.msgmax=9001", "is not allowed in the hosts ipc namespace"),
        (&["--uts", "host"], "kernel.domainname=x", "is not in a separate kernel namespace"),
    ] {
        let ended = place.run(&[&["--rm", "--net", "none", "--sysctl", name], flags, &["img", "true"]].concat());
        let (name, _) = name.split_once('=').expect("it has a value");
        assert_eq!((ended.status, ended.stderr), (125, format!("run: sysctl \"{name}\" {why}\n")));
    }
    let own = |name: &str| std::fs::read_to_string(format!("/proc/sys/kernel/{name}")).unwrap_or_default();
    assert_ne!((own("msgmax").trim(), own("domainname").trim()), ("9001", "x"));
}

#[test]
fn what_is_not_done_is_named_in_one_line_each() {
    let Some(place) = Place::new() else { return };
    let words = [
        "--gpus",
        "all",
        "--storage-opt",
        "size=1G",
        "--isolation",
        "process",
        "--use-api-socket",
        "--volume-driver",
        "nfs",
        "--cpu-count",
        "1",
        "--userns",
        "host",
    ];
    let ended = place.run(&[&["--rm", "--net", "none"], &words[..], &["img", "true"]].concat());
    let mut lines: Vec<&str> = ended.stderr.lines().collect();
    lines.sort_unstable();
    assert_eq!(
        lines,
        [
            "WARNING: --cpu-count is not done",
            "WARNING: --use-api-socket is not done",
            "WARNING: --volume-driver is not done",
            "WARNING: HostConfig.DeviceRequests (--gpus) is not done",
            "WARNING: HostConfig.Isolation (--isolation) is not done",
            "WARNING: HostConfig.StorageOpt (--storage-opt) is not done",
        ]
    );
    assert_eq!((ended.status, ended.stdout.as_str()), (0, ""));
}
