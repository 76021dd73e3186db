//! Docker's exit statuses, by what went wrong.

use serde_json::json;

use crate::image::Place;

/// One command line: its status, and what is said, without who says it.
fn check(place: &Place, words: &[&str], status: i32, said: &str) {
    let ended = place.run(words);
    let plain = ended.stderr.replace("run: ", "");
    assert!(
        ended.status == status && plain.contains(said),
        "{words:?}: {} '{plain}', not {status} '{said}'",
        ended.status
    );
    if (125..128).contains(&status) {
        assert_eq!(ended.stdout, "", "{words:?}");
    }
}

#[test]
fn statuses_are_dockers() {
    let Some(place) = Place::new() else { return };
    place.image(
        "odd",
        "printf '#!/no/such\\n' > script; printf 'text' > text; cp bin/true noexec; chmod 755 script text; chmod 644 noexec",
        json!({}),
    );
    let program = |words: &[&str], status, said| {
        check(&place, &[&["--rm", "--net", "none", "odd"], words].concat(), status, said)
    };
    program(&["nosuchcmd"], 127, "exec: \"nosuchcmd\": executable file not found in $PATH");
    program(&["/nosuch"], 127, "no such file or directory");
    program(&["/etc/passwd/x"], 125, "not a directory");
    program(&["/script"], 127, "'/script' is there, its interpreter or loader is not");
    program(&["/etc"], 126, "permission denied");
    program(&["/noexec"], 126, "permission denied");
    program(&["/text"], 126, "exec format error");
    program(&["sh", "-c", "exit 42"], 42, "");
    // A first process ignores what it has no handler for, also from itself.
    program(&["sh", "-c", "kill -KILL $$; exit 5"], 5, "");
    program(&["sh", "-c", "sh -c 'kill -KILL $$'"], 137, "");
    let init = |words: &[&str], status| {
        check(&place, &[&["--rm", "--init", "--net", "none", "odd"], words].concat(), status, "")
    };
    init(&["sh", "-c", "kill -TERM $$"], 143);
    init(&["sh", "-c", "exit 42"], 42);
    init(&["nosuchcmd"], 127);
    init(&["/etc"], 126);
}

#[test]
fn what_is_refused_before_is_125() {
    let Some(place) = Place::new() else { return };
    check(&place, &["--badflag", "img"], 125, "unknown flag: --badflag");
    check(&place, &["--memory"], 125, "flag needs an argument: --memory");
    check(&place, &[], 125, "requires at least 1 argument");
    check(&place, &["nosuch:image"], 125, "Unable to find image 'nosuch:image' locally");
    let none = |words: &[&str], said| check(&place, &[&["--net", "none"], words, &["img"]].concat(), 125, said);
    none(&["--pull", "always"], "--pull always is refused");
    none(&["-u", "nosuch"], "unable to find user nosuch: no matching entries in passwd file");
    none(&["-w", "tmp"], "the working directory 'tmp' is invalid, it needs to be an absolute path");
    none(&["--memory", "1m"], "Minimum memory limit allowed is 6MB");
    none(&["--restart", "always", "--rm"], "conflicting options");
    none(&["--cap-add", "FLY"], "invalid capability");
    none(&["--volumes-from", "nosuch"], "No such container: nosuch");
    none(&["--pid", "container:nosuch"], "No such container: nosuch");
    none(&["-v", "a b:/c"], "invalid characters for a local volume name");
    none(&["-v", "/proc:/proc"], "\"/proc\" cannot be mounted because it is inside /proc");
    none(&["--security-opt", "seccomp=/no/such"], "opening seccomp profile (/no/such) failed");
    check(&place, &["--rm", "--link", "nosuch", "img"], 125, "No such container: nosuch");
    check(&place, &["--rm", "--net", "nosuch", "img"], 125, "network nosuch not found");
    assert_eq!(place.run(&["--name", "taken", "--net", "none", "img"]).status, 0);
    check(
        &place,
        &["--name", "taken", "--net", "none", "img"],
        125,
        "Conflict. The container name \"/taken\" is already in use by container",
    );
    check(&place, &["--rm", "-it", "img"], 1, "the input device is not a TTY");
}

#[test]
fn ports_that_cannot_be_had_are_125_in_dockers_words() {
    let Some(place) = Place::new() else { return };
    let ended = std::thread::scope(|scope| scope.spawn(|| in_a_network_of_its_own(&place)).join());
    ended.expect("a port was given");
}

/// This thread's, so that it can hold a port there.
fn in_a_network_of_its_own(place: &Place) {
    nix::sched::unshare(nix::sched::CloneFlags::CLONE_NEWNET).expect("it gets a network");
    crate::image::shell("ip link set lo up", &[], &place.host());
    let run = |words: &[&str]| crate::image::ended(place.command_here(words).output().expect("it starts"));
    let check = |words: &[&str], said: &str| {
        let ended = run(words);
        assert!(ended.status == 125 && ended.stderr.ends_with(said), "{words:?}: {} {}", ended.status, ended.stderr);
        assert_eq!(ended.stdout, "", "{words:?}");
    };
    let _tcp = std::net::TcpListener::bind("0.0.0.0:8080").expect("the port is free");
    let _udp = std::net::UdpSocket::bind("0.0.0.0:8053").expect("the port is free");
    for mode in ["--rm", "-d"] {
        check(&[mode, "-p", "8080:80", "img"], ": listen tcp4 0.0.0.0:8080: bind: address already in use\n");
        check(&[mode, "-p", "8053:53/udp", "img"], ": listen udp4 0.0.0.0:8053: bind: address already in use\n");
        let nowhere = ": listen tcp4 203.0.113.7:8081: bind: cannot assign requested address\n";
        check(&[mode, "-p", "203.0.113.7:8081:80", "img"], nowhere);
    }
    assert_eq!(run(&["-d", "--rm", "--name", "first", "-p", "8082:80", "img", "sleep", "20"]).status, 0);
    check(&["--rm", "-p", "8082:80", "img"], ": Bind for 0.0.0.0:8082 failed: port is already allocated\n");
    let pid = std::fs::read_dir(place.root().join("containers")).unwrap().find_map(|folder| {
        let text = std::fs::read_to_string(folder.unwrap().path().join("config.v2.json")).unwrap();
        let record: serde_json::Value = serde_json::from_str(&text).unwrap();
        record["State"]["Pid"].as_i64().filter(|pid| *pid > 0)
    });
    crate::image::end(pid.expect("it runs"));
}

#[test]
fn in_the_background_too() {
    let Some(place) = Place::new() else { return };
    check(&place, &["-d", "--net", "none", "img", "nosuchcmd"], 127, "executable file not found in $PATH");
    check(&place, &["-d", "--net", "none", "img", "/etc"], 126, "permission denied");
    let ended = place.run(&["-d", "--rm", "--net", "none", "img", "true"]);
    let id = ended.stdout.trim_end();
    assert!(ended.status == 0 && id.len() == 64 && id.bytes().all(|b| b.is_ascii_hexdigit()), "{}", ended.stderr);
    // The process that stays leaves the folder that the root was named from.
    let mut command = place.command(&["--root", "root", "-d", "--rm", "--net", "none", "img", "true"]);
    let ended = crate::image::ended(command.current_dir(place.root().parent().unwrap()).output().unwrap());
    assert_eq!((ended.status, ended.stderr.as_str()), (0, ""));
}

#[test]
fn a_signal_from_outside_is_128_and_its_number() {
    let Some(place) = Place::new() else { return };
    let file = place.host().join("cid");
    let words = [
        "--cidfile",
        file.to_str().unwrap(),
        "--ephemeral",
        "--net",
        "none",
        "img",
        "sh",
        "-c",
        "echo up; exec sleep 20",
    ];
    let mut child = place.command(&words).stdout(std::process::Stdio::piped()).spawn().unwrap();
    let mut word = [0; 3];
    std::io::Read::read_exact(child.stdout.as_mut().unwrap(), &mut word).unwrap();
    // Below unshare and timeout: the launcher, and below it the container.
    let below = |pid: u32| -> u32 {
        let path = format!("/proc/{pid}/task/{pid}/children");
        std::fs::read_to_string(path).unwrap().split_whitespace().next().unwrap().parse().unwrap()
    };
    let container = below(below(child.id()));
    assert!(std::process::Command::new("kill").args(["-KILL", &container.to_string()]).status().unwrap().success());
    assert_eq!(crate::image::ended(child.wait_with_output().unwrap()).status, 137);
}
