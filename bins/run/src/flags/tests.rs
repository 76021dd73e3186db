use super::*;
use clap::Parser;

fn tried(typed: &[&str]) -> Result<Value> {
    let mut all = vec!["run"];
    all.extend(typed);
    let args = Args::try_parse_from(all).expect("these can be typed");
    let image = json!({"config": {"Entrypoint": ["/e"], "Cmd": ["c"], "Env": ["A=1", "B=2"], "Labels": {"x": "y"}, "User": "web", "Healthcheck": {"Test": ["CMD", "t"], "Retries": 2}}});
    record(&args, &image, "img", &args.image_and_command[1..], &"f".repeat(64))
}

fn recorded(typed: &[&str]) -> Value {
    tried(typed).expect("these can be run")
}

#[test]
fn flags_go_over_the_images_config() {
    let made = recorded(&["-e", "B=3", "-e", "C=", "-u", "0", "-l", "k=v", "img", "-x", "arg"]);
    assert_eq!((&made["Path"], &made["Args"]), (&json!("/e"), &json!(["-x", "arg"])));
    assert_eq!(made["Config"]["Env"], json!(["B=3", "C=", "A=1"]));
    assert_eq!((&made["Config"]["User"], &made["Config"]["Labels"]), (&json!("0"), &json!({"x": "y", "k": "v"})));
}

#[test]
fn another_entrypoint_does_not_get_the_images_arguments() {
    let made = recorded(&["--entrypoint", "/bin/sh", "img"]);
    assert_eq!((&made["Path"], &made["Args"]), (&json!("/bin/sh"), &json!([])));
    let made = recorded(&["--entrypoint", "", "img", "ls"]);
    assert_eq!(made["Path"], json!("ls"));
}

/// What one key of the record becomes.
fn check(typed: &[&str], place: &str, value: Value) {
    let made = recorded(&[typed, &["img"]].concat());
    assert_eq!(made.pointer(place), Some(&value), "{typed:?}");
}

#[test]
fn each_flag_is_recorded_as_docker_records_it() {
    check(&["-m", "64m"], "/HostConfig/Memory", json!(67_108_864));
    check(&["--cpus", "1.5"], "/HostConfig/NanoCpus", json!(1_500_000_000));
    check(
        &["--device", "/dev/null:/dev/x:rw"],
        "/HostConfig/Devices",
        json!([{"PathOnHost": "/dev/null", "PathInContainer": "/dev/x", "CgroupPermissions": "rw"}]),
    );
    check(&["--ulimit", "nofile=10:20"], "/HostConfig/Ulimits", json!([{"Name": "nofile", "Soft": 10, "Hard": 20}]));
    check(&["--init"], "/HostConfig/Init", json!(true));
    check(&["--link", "db:d"], "/HostConfig/Links", json!(["db:d"]));
    check(&["--volumes-from", "a:ro"], "/HostConfig/VolumesFrom", json!(["a:ro"]));
    check(&["--no-healthcheck"], "/Config/Healthcheck", json!({"Test": ["NONE"], "Retries": 2}));
    check(
        &["--health-cmd", "x y", "--health-interval", "1m30s"],
        "/Config/Healthcheck",
        json!({"Test": ["CMD-SHELL", "x y"], "Retries": 2, "Interval": 90_000_000_000i64}),
    );
    check(
        &["--log-driver", "local", "--log-opt", "max-size=1m"],
        "/HostConfig/LogConfig",
        json!({"Type": "local", "Config": {"max-size": "1m"}}),
    );
    check(&["--log-opt", "max-file=3"], "/HostConfig/LogConfig/Config", json!({"max-file": "3"}));
    check(&["-v", "/a:/b", "-v", "/a:/b"], "/HostConfig/Binds", json!(["/a:/b"]));
    check(&["--security-opt", "systempaths=unconfined"], "/HostConfig/MaskedPaths", json!([]));
    check(&["--security-opt", "systempaths=unconfined"], "/HostConfig/SecurityOpt", json!([]));
    check(&["-w", "", "-u", "", "--stop-signal", ""], "/Config/User", json!("web"));
    check(&["-h", ""], "/Config/Hostname", json!("ffffffffffff"));
    check(&["--stop-timeout", "3"], "/Config/StopTimeout", json!(3));
    check(&["-a", "STDOUT"], "/Config/AttachStderr", json!(false));
    check(&["-a", "STDOUT"], "/Config/AttachStdout", json!(true));
    check(&["-p", "0:80"], "/HostConfig/PortBindings", json!({"80/tcp": [{"HostIp": "", "HostPort": ""}]}));
    check(
        &["-p", "8000-8001:80"],
        "/HostConfig/PortBindings",
        json!({"80/tcp": [{"HostIp": "", "HostPort": "8000-8001"}]}),
    );
    check(
        &["-p", "target=53,published=5353,protocol=udp"],
        "/HostConfig/PortBindings",
        json!({"53/udp": [{"HostIp": "", "HostPort": "5353"}]}),
    );
    check(
        &["--net", "n1", "--ip", "10.0.0.9", "--network-alias", "w", "--network", "name=n2,alias=x"],
        "/NetworkSettings/Networks",
        json!({
            "n1": {"IPAMConfig": {"IPv4Address": "10.0.0.9"}, "Links": null, "Aliases": ["w"]},
            "n2": {"IPAMConfig": null, "Links": null, "Aliases": ["x"]},
        }),
    );
    check(&["--mac-address", "02:42:ac:11:00:09"], "/Config/MacAddress", json!("02:42:ac:11:00:09"));
    check(
        &["--device-read-bps", "/dev/null:1mb"],
        "/HostConfig/BlkioDeviceReadBps",
        json!([{"Path": "/dev/null", "Rate": 1_048_576}]),
    );
    check(&["--annotation", "a=b"], "/HostConfig/Annotations", json!({"a": "b"}));
    check(&["--add-host", "h=10.0.0.1"], "/HostConfig/ExtraHosts", json!(["h:10.0.0.1"]));
}

#[test]
fn a_bare_name_in_a_file_is_no_variable_and_no_label() {
    let folder = tempfile::tempdir().expect("a folder is made");
    let file = folder.path().join("lines");
    std::fs::write(&file, "# no line\nB\n  C=3 \nNO_SUCH_VARIABLE\n").expect("it is written");
    let file = file.to_str().expect("words");
    check(&["--env-file", file, "-e", "NEITHER"], "/Config/Env", json!(["C=3 ", "NEITHER", "A=1", "B=2"]));
    check(&["--label-file", file], "/Config/Labels", json!({"x": "y", "C": "3 "}));
}

/// Refused before anything is looked up, in docker's words.
#[test]
fn what_docker_refuses_is_refused_in_its_words() {
    for (typed, why) in [
        (&["-m", "1m"][..], "Minimum memory limit allowed is 6MB"),
        (&["--memory-swap", "64m"], "You should always set the Memory limit when using Memoryswap limit, see usage"),
        (
            &["-m", "64m", "--memory-swap", "32m"],
            "Minimum memoryswap limit should be larger than memory limit, see usage",
        ),
        (&["--memory-swappiness", "101"], "Invalid value: 101, valid memory swappiness range is 0-100"),
        (
            &["--cpu-period", "10"],
            "CPU cfs period can not be less than 1ms (i.e. 1000) or larger than 1s (i.e. 1000000)",
        ),
        (&["--cpus", "1", "--cpu-quota", "5000"], "Conflicting options: Nano CPUs and CPU Quota cannot both be set."),
        (&["--blkio-weight", "5"], "Range of blkio weight is from 10 to 1000"),
        (&["--oom-score-adj", "2000"], "Invalid value 2000, range for oom score adj is [-1000, 1000]"),
        (&["--restart", "always", "--rm"], "conflicting options: cannot specify both --restart and --rm"),
        (&["--restart", "sometimes"], "invalid restart policy 'sometimes'"),
        (&["--no-healthcheck", "--health-cmd", "x"], "--no-healthcheck conflicts with --health-* options"),
        (&["--health-interval", "1us"], "Interval in Healthcheck cannot be less than 1ms"),
        (&["--log-driver", "paper"], "logger: no log driver named 'paper' is registered"),
        (&["--log-opt", "ink=blue"], "unknown log opt 'ink' for json-file log driver"),
        (
            &["-a", "stdlog"],
            "invalid argument \"stdlog\" for \"-a, --attach\" flag: valid streams are STDIN, STDOUT and STDERR",
        ),
        (&["-d", "-a", "stdout"], "Conflicting options: -a and -d"),
        (
            &["-v", "/a:b"],
            "invalid volume specification: '/a:b': invalid mount config for type \"volume\": invalid mount path: 'b' mount path must be absolute",
        ),
        (&["-v", "/a:/b:loud"], "invalid mode: loud"),
        (&["-v", "/a:/b", "--tmpfs", "/b"], "Duplicate mount point: /b"),
        (&["--ip", "10.0.0.1"], "user specified IP address is supported on user defined networks only"),
        (&["--network-alias", "x"], "network-scoped alias is supported only for containers in user defined networks"),
        (
            &["--net", "host", "--link", "x"],
            "conflicting options: host type networking can't be used with links. This would result in undefined behavior",
        ),
        (&["--net", "container:x", "-h", "y"], "conflicting options: hostname and the network mode"),
        (
            &["--net", "container:x", "-p", "80"],
            "conflicting options: port publishing and the container type network mode",
        ),
        (&["-l", "a b=c"], "label 'a b' contains whitespaces"),
        (&["-p", "x"], "invalid containerPort: x"),
        (&["-p", "80/ftp"], "invalid proto: ftp"),
        (&["--expose", "1-x"], "invalid range format for --expose: 1-x"),
        (&["--dns", "one"], "invalid argument \"one\" for \"--dns\" flag: one is not an ip address"),
        (&["--add-host", "x"], "bad format for add-host: \"x\""),
        (&["--add-host", "x:y"], "invalid IP address in add-host: \"y\""),
        (&["--link", "a:b:c"], "bad format for links: a:b:c"),
        (
            &["--sysctl", "vm.swappiness=1"],
            "invalid argument \"vm.swappiness=1\" for \"--sysctl\" flag: sysctl 'vm.swappiness=1' is not allowed",
        ),
        (
            &["--net", "host", "--sysctl", "net.core.somaxconn=9"],
            "sysctl \"net.core.somaxconn\" not allowed in host network namespace",
        ),
        (&["--stop-signal", "SIGNO"], "Invalid signal: SIGNO"),
        (&["--ipc", "loud"], "--ipc: invalid IPC mode"),
        (
            &["--device", "/dev/nope"],
            "error gathering device information while adding custom device \"/dev/nope\": no such file or directory",
        ),
        (
            &["--device", "/etc/passwd"],
            "error gathering device information while adding custom device \"/etc/passwd\": not a device node",
        ),
        (
            &["--device-cgroup-rule", "c 1:1"],
            "invalid argument \"c 1:1\" for \"--device-cgroup-rule\" flag: invalid device cgroup format 'c 1:1'",
        ),
        (
            &["-v", "/a:/b:nocopy"],
            "invalid volume specification: '/a:/b:nocopy': invalid mount config for type \"bind\": field VolumeOptions must not be specified",
        ),
        (&["--tmpfs", "/t:loud"], "invalid tmpfs option [\"loud\"]"),
        (&["--tmpfs", "/t:size=x"], "invalid tmpfs option: \"size=x\""),
        (&["--tmpfs", "/"], "invalid specification: destination can't be '/'"),
        (&["--uts", "host", "-h", "x"], "conflicting options: hostname and the UTS mode"),
        (&["--userns", "x"], "--userns: invalid USER mode"),
        (&["--cgroupns", "x"], "--cgroupns: invalid CGROUP mode"),
        (&["--dns-search", "-a b"], "invalid argument \"-a b\" for \"--dns-search\" flag: -a b is not a valid domain"),
        (&["--cpu-shares", "-1"], "invalid CPU shares (-1): value must be a positive integer"),
        (&["--cpuset-cpus", "x"], "Invalid value x for cpuset cpus"),
        (
            &["--blkio-weight-device", "/dev/null:5"],
            "invalid argument \"/dev/null:5\" for \"--blkio-weight-device\" flag: invalid weight for device: /dev/null:5",
        ),
        (&["--device-read-bps", "/dev/nope:1"], "stat /dev/nope: no such file or directory"),
        (
            &["--log-opt", "compress=true"],
            "compress cannot be true when max-file is less than 2 or max-size is not set",
        ),
        (&["--log-opt", "max-size=-1"], "invalid value for max-size: '-1'"),
        (&["--security-opt", "seccomp="], "invalid --security-opt: \"seccomp=\""),
        (&["--security-opt", "no-new-privileges=x"], "invalid --security-opt: \"no-new-privileges=x\""),
        (&["--security-opt", "x=y"], "invalid --security-opt: \"x=y\""),
        (&["-e", "=x"], "invalid argument \"=x\" for \"-e, --env\" flag: invalid environment variable: =x"),
        (&["--mac-address", "1:2"], "1:2 is not a valid mac address"),
    ] {
        let said = tried(&[typed, &["img"]].concat()).err().map(|error| error.to_string());
        assert_eq!(said.as_deref(), Some(why), "{typed:?}");
    }
}
