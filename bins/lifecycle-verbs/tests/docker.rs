//! Containers that `run` made under a real dockerd, and containers that dockerd made under our verbs while it is stopped.

use testkit::engine::{Dockerd, is_here};
use testkit::home::Home;

fn home() -> Option<Home> {
    if is_here("dockerd") { Home::new() } else { None }
}

fn daemon(home: &Home) -> Dockerd {
    Dockerd::start(&home.root(), Some("overlay2"))
}

#[test]
fn dockerd_goes_on_with_what_we_made() {
    let Some(home) = home() else { return };
    let script = "echo out; echo new > /new; rm /bin/head; trap 'exit 3' TERM; while :; do sleep 0.05; done";
    home.ok("run", &["-d", "--name", "web", "--net", "none", "--log-opt", "max-size=1m", "base:1", "sh", "-c", script]);
    home.ok("run", &["-d", "--name", "own", "--net", "none", "--log-driver", "local", "base:1", "echo", "local"]);
    home.ok("run", &["--name", "untouched", "--net", "none", "base:1", "true"]);
    home.until("own", "{{.State.Status}}", "exited");
    std::thread::sleep(std::time::Duration::from_millis(300));
    std::fs::write(home.place().join("file"), "from here").expect("it is written");
    home.ok("cp", &[home.place().join("file").to_str().expect("words"), "web:/copied"]);
    home.ok("stop", &["web"]);
    let made = home.ok("commit", &["-a", "me", "-m", "words", "-c", "CMD [\"cat\", \"/new\"]", "web", "made:1"]);
    home.ok("commit", &["untouched", "same:1"]);
    home.ok("rm", &["untouched"]);

    let docker = daemon(&home);
    let say = |args: &[&str]| docker.docker(args).trim_end().to_string();
    assert_eq!(say(&["ps", "-a", "--format", "{{.Names}} {{.Image}}"]), "own base:1\nweb base:1");
    assert_eq!(say(&["inspect", "-f", "{{.State.Status}} {{.State.ExitCode}}", "web"]), "exited 3");
    assert_eq!((say(&["logs", "web"]), say(&["logs", "own"])), ("out".into(), "local".into()));
    let mut changes: Vec<String> = say(&["diff", "web"]).lines().map(str::to_string).collect();
    changes.sort_unstable();
    assert_eq!(changes, ["A /copied", "A /new", "C /bin", "D /bin/head"]);
    assert_eq!(say(&["start", "web"]), "web");
    assert_eq!(say(&["exec", "web", "cat", "/copied", "/new"]), "from herenew");
    assert_eq!(say(&["stop", "web"]), "web");
    // Their image, and ours, of the same container.
    say(&["commit", "web", "theirs:1"]);
    assert_eq!(
        say(&["inspect", "-f", "{{.Id}} {{.Author}} {{.Comment}} {{.Config.Cmd}}", "made:1"]),
        format!("{made} me words [cat /new]")
    );
    assert_eq!(say(&["run", "--rm", "--net", "none", "made:1"]), "new");
    assert_eq!(
        docker.command(&["run", "--rm", "--net", "none", "made:1", "head"]).status().map(|it| it.code()).ok(),
        Some(Some(127))
    );
    let layers =
        ["made:1", "theirs:1", "same:1", "base:1"].map(|name| say(&["inspect", "-f", "{{len .RootFS.Layers}}", name]));
    assert_eq!(layers, ["2", "2", "1", "1"]);
    say(&["rm", "web", "own"]);
    say(&["rmi", "made:1", "theirs:1", "same:1"]);
    assert_eq!(say(&["ps", "-aq"]), "");
}

#[test]
fn we_go_on_with_what_dockerd_made() {
    let Some(home) = home() else { return };
    let (id, said) = {
        let docker = daemon(&home);
        let script = "echo theirs; trap 'exit 9' TERM; while :; do sleep 0.05; done";
        let id = docker
            .docker(&["run", "-d", "--name", "web", "--net", "none", "-v", "/data", "base:1", "sh", "-c", script]);
        std::thread::sleep(std::time::Duration::from_millis(500));
        docker.docker(&["stop", "web"]);
        docker.docker(&["create", "--name", "fresh", "--net", "none", "-u", "user", "base:1", "id"]);
        let said = docker.docker(&["run", "--rm", "--net", "none", "-u", "user", "base:1", "id"]);
        (id.trim().to_string(), said.trim().to_string())
    };
    assert_eq!(home.ok("ps", &["-a", "--no-trunc", "--format", "{{.ID}}", "-f", "name=web"]), id);
    assert_eq!(home.ok("start", &["web"]), "web");
    std::thread::sleep(std::time::Duration::from_millis(300));
    assert_eq!(home.ok("exec", &["web", "sh", "-c", "echo x > /data/x; cat /data/x"]), "x");
    assert_eq!(home.ok("cp", &["web:/data/x", home.place().join("x").to_str().expect("words")]), "");
    assert_eq!(home.ok("stop", &["web"]), "web");
    assert_eq!(home.inspect("web", "{{.State.ExitCode}}"), "9");
    assert_eq!(home.ok("logs", &["web"]), "theirs\ntheirs");
    assert_eq!(home.ok("start", &["-a", "fresh"]), said);
    home.ok("commit", &["web", "made:1"]);
    assert_eq!(home.ok("rm", &["-v", "web", "fresh"]), "web\nfresh");
    let docker = daemon(&home);
    assert_eq!(docker.docker(&["ps", "-aq"]), "");
    assert_eq!(docker.docker(&["volume", "ls", "-q"]), "");
    assert_eq!(docker.docker(&["run", "--rm", "--net", "none", "made:1", "echo", "works"]).trim(), "works");
}

#[test]
fn a_living_daemon_is_not_disturbed() {
    let Some(home) = home() else { return };
    home.ok("run", &["--name", "web", "--net", "none", "base:1", "true"]);
    let docker = daemon(&home);
    for program in ["start", "restart", "commit", "rm"] {
        let (status, said) = home.refused(program, &["web"]);
        assert!(status == 1 && said.contains("daemon") || said.contains("dockerd"), "{program}: {said}");
    }
    assert_eq!(docker.docker(&["ps", "-a", "--format", "{{.Names}}"]).trim(), "web");
}
