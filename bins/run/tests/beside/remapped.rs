//! A data root of user namespaces: what we write and run there, a dockerd with `--userns-remap` goes on with.

use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::PathBuf;

use testkit::engine::{Dockerd, is_here};
use testkit::home::Home;

/// A user whose first id names the root; he goes with the test.
struct Owner(String);

impl Owner {
    fn new() -> Owner {
        let name = format!("dlr{}", std::process::id());
        let add = format!(
            "useradd -K SUB_UID_COUNT=0 -K SUB_GID_COUNT=0 -M -s /bin/false {name} \
             && echo {name}:700000:65536 | tee -a /etc/subuid >> /etc/subgid"
        );
        assert!(std::process::Command::new("sh").args(["-c", &add]).status().expect("sh starts").success());
        Owner(name)
    }
}

impl Drop for Owner {
    fn drop(&mut self) {
        let gone = format!("userdel {0}; sed -i '/^{0}:/d' /etc/subuid /etc/subgid", self.0);
        let _ = std::process::Command::new("sh").args(["-c", &gone]).status();
    }
}

#[test]
fn a_root_of_user_namespaces_is_written_as_dockerd_writes_it() {
    if !is_here("dockerd") || !is_here("useradd") {
        return;
    }
    let Some(home) = Home::below("root/700000.700000") else { return };
    let top: PathBuf = home.root().parent().expect("it lies in a folder").to_path_buf();
    // As dockerd makes them: the root of inside passes through.
    for above in top.ancestors().take(2) {
        std::fs::set_permissions(above, PermissionsExt::from_mode(0o711)).expect("it is opened");
    }
    let script = "id -u; touch /new; mkdir /kept; echo more > /data/file; exec sleep 100";
    home.ok("run", &["-d", "--name", "web", "--net", "none", "-v", "kept:/data", "base:1", "sh", "-c", script]);
    home.until("web", "{{.State.Running}}", "true");
    assert_eq!(
        home.ok("exec", &["web", "sh", "-c", "id -u; cat /proc/self/uid_map"]),
        "0\n         0     700000      65536"
    );
    assert_eq!(home.ok("exec", &["-u", "user", "web", "id", "-u"]), "1000");
    std::fs::write(home.place().join("file"), "from here").expect("it is written");
    home.ok("cp", &[home.place().join("file").to_str().expect("words"), "web:/copied"]);
    assert_eq!(home.ok("exec", &["web", "ls", "-ln", "/copied"]).split_whitespace().nth(2), Some("0"));
    home.ok("stop", &["-t", "0", "web"]);
    home.ok("commit", &["web", "made:1"]);
    let owner = |path: &str| std::fs::metadata(home.root().join(path)).map(|stat| (stat.uid(), stat.gid()));
    assert_eq!(owner("volumes/kept/_data/file").expect("it is there"), (700_000, 700_000));
    assert_eq!(owner("overlay2").expect("it is there"), (0, 700_000));
    for (flags, said) in [(&["--userns", "host"][..], "4294967295"), (&[], "65536"), (&["--ephemeral"], "65536")] {
        let words = [&["--rm", "--net", "none"][..], flags, &["base:1", "sh", "-c", "cat /proc/self/uid_map"]].concat();
        assert_eq!(home.ok("run", &words).split_whitespace().last(), Some(said), "{flags:?}");
    }
    let score = ["--rm", "--net", "none", "--oom-score-adj", "100", "base:1", "cat", "/proc/self/oom_score_adj"];
    assert_eq!(home.ok("run", &score), "100");
    let host = (125, "cannot share the host's network namespace when user namespaces are enabled".to_string());
    assert_eq!(home.refused("run", &["--rm", "--net", "host", "base:1", "true"]), host);

    let user = Owner::new();
    let flags = ["--iptables=false", "--ip6tables=false", "--bridge=none", "-s", "overlay2", "--userns-remap", &user.0];
    let docker = Dockerd::with_flags(&top, &flags);
    let say = |args: &[&str]| docker.docker(args).trim_end().to_string();
    assert_eq!(
        say(&["ps", "-a", "--format", "{{.Names}} {{.Image}} {{.Status}}"]).split(" (").next(),
        Some("web base:1 Exited")
    );
    assert_eq!(say(&["start", "web"]), "web");
    assert_eq!(say(&["exec", "web", "sh", "-c", "ls -ln /new /copied | while read a b c d; do echo $c; done"]), "0\n0");
    assert_eq!(say(&["run", "--rm", "--net", "none", "made:1", "cat", "/copied"]), "from here");
    assert_eq!(say(&["rm", "-f", "web"]), "web");
    assert_eq!(say(&["rmi", "made:1", "base:1"]).lines().filter(|line| line.starts_with("Untagged")).count(), 2);
}
