//! What a command in a running container is, sees, and ends with.

use std::time::Duration;

use testkit::home::Home;

fn home() -> Option<Home> {
    let home = Home::new()?;
    let flags = ["-d", "--name", "web", "--net", "none", "-e", "OWN=1", "-w", "/tmp"];
    home.ok("run", &[&flags[..], &["base:1", "sleep", "100"]].concat());
    Some(home)
}

#[test]
fn exit_statuses_are_dockers() {
    let Some(home) = home() else { return };
    for (command, status) in [
        (&["true"][..], 0),
        (&["sh", "-c", "exit 42"], 42),
        (&["sh", "-c", "kill -9 $$"], 137),
        (&["nosuch"], 127),
        (&["/bin/nosuch"], 127),
        (&["/bin/script"], 127),
        (&["/etc/passwd"], 126),
        (&["/bin"], 126),
        (&["/bin/plain"], 126),
    ] {
        assert_eq!(home.run("exec", &[&["web"], command].concat()).status.code(), Some(status), "{command:?}");
    }
    let id = home.inspect("web", "{{.Id}}");
    home.ok("stop", &["-t", "0", "web"]);
    assert_eq!(home.refused("exec", &["web", "true"]), (1, format!("Container {id} is not running")));
}

#[test]
fn flags_say_who_and_where_it_is() {
    let Some(home) = home() else { return };
    for (flags, command, said) in [
        (&[][..], "id -u; pwd; echo $OWN", "0\n/tmp\n1"),
        (&["-u", "user"], "id", "uid=1000(user) gid=1001(user) groups=77(more),1001(user)"),
        (&["-u", "1000:77"], "id", "uid=1000(user) gid=77(more) groups=77(more)"),
        (&["-u", "5"], "id -u; id -g", "5\n0"),
        (&["-w", "/etc"], "pwd", "/etc"),
        (&["-e", "OWN=2", "-e", "NEW=a b"], "echo $OWN $NEW", "2 a b"),
        (&[], "grep CapEff /proc/self/status", "CapEff:\t00000000a80425fb"),
        (&["--privileged"], "grep -c 'CapEff:.000001ff' /proc/self/status", "1"),
        (&["-t"], "test -t 0 && echo yes", "yes"),
        (&[], "test -t 0 || echo no", "no"),
    ] {
        let args = [flags, &["web", "sh", "-c", command]].concat();
        assert_eq!(home.ok("exec", &args).trim_end_matches('\r'), said, "{flags:?} {command}");
    }
}

#[test]
fn detached_commands_outlive_their_caller() {
    let Some(home) = home() else { return };
    let script = "sleep 0.3; echo some; echo text >&2; echo done > /tmp/mark";
    assert_eq!(home.ok("exec", &["-d", "web", "sh", "-c", script]), "");
    std::thread::sleep(Duration::from_millis(900));
    assert_eq!(home.ok("exec", &["web", "cat", "/tmp/mark"]), "done");
    assert_eq!(
        home.ok("exec", &["-dt", "web", "sh", "-c", "sleep 0.2; tty > /tmp/tty; echo x; echo y > /tmp/after"]),
        ""
    );
    std::thread::sleep(Duration::from_millis(700));
    assert!(home.ok("exec", &["web", "cat", "/tmp/tty"]).starts_with("/dev/pts/"));
    assert_eq!(home.ok("exec", &["web", "cat", "/tmp/after"]), "y");
}

#[test]
fn input_and_both_outputs_pass_through() {
    use std::io::Write;
    use std::process::Stdio;
    let Some(home) = home() else { return };
    let mut exec = home.command("exec", &["-i", "web", "sh", "-c", "cat; echo err >&2"]);
    let mut child =
        exec.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("exec starts");
    child.stdin.take().expect("it is piped").write_all(b"typed").expect("it takes input");
    let out = child.wait_with_output().expect("exec ends");
    assert_eq!((out.stdout, out.stderr), (b"typed".to_vec(), b"err\n".to_vec()));
}

#[test]
fn an_executed_command_finds_nothing_of_ours() {
    let Some(home) = home() else { return };
    let program = home.command("exec", &[]).get_program().to_owned();
    let before = std::fs::read(&program).expect("it is there");
    // What a command has open, but for its three streams, and the folder that ls reads.
    assert_eq!(
        home.ok("exec", &["web", "ls", "/proc/self/fd"]).split_whitespace().collect::<Vec<_>>(),
        ["0", "1", "2", "3"]
    );
    let script = "printf '#!/proc/self/exe\\n' > /script; busybox chmod 755 /script; echo broken > /proc/self/exe";
    home.run("exec", &["web", "sh", "-c", script]);
    let own = home.run("exec", &["web", "/script"]);
    assert!(!String::from_utf8_lossy(&own.stdout).contains("exec"), "our own program ran inside");
    // Nobody of the container may look into the one that enters it (prctl(2) PR_SET_DUMPABLE).
    let watch = "for n in 1 2 3 4 5 6 7 8 9; do for pid in /proc/[0-9]*; do echo broken > $pid/exe; done; done 2>/dev/null; true";
    let mut watcher = home.command("exec", &["web", "sh", "-c", watch]).spawn().expect("exec starts");
    for _ in 0..5 {
        home.ok("exec", &["web", "true"]);
    }
    watcher.wait().expect("it ends");
    assert!(std::fs::read(&program).expect("it is there") == before, "the program was written");
    home.ok("exec", &["web", "true"]);
}

#[test]
fn a_user_is_a_name_or_a_number_and_nothing_between() {
    let Some(home) = home() else { return };
    for user in ["0x0", "1e3", "-1", " 0", "0 ", "4294967296", "99999999999999999999", "0:0:0", "0:0x0"] {
        let out = home.run("exec", &[&format!("--user={user}"), "web", "id", "-u"]);
        assert!(!out.status.success() && out.stdout.is_empty(), "'{user}': {}", String::from_utf8_lossy(&out.stdout));
    }
}

#[test]
fn variables_come_from_files_and_from_here() {
    let Some(home) = home() else { return };
    let file = home.place().join("variables");
    std::fs::write(&file, "# none\n\nOWN=3\nFILE=a=b\nHERE\n").expect("it is written");
    let file = file.to_str().expect("a path in words");
    let mut exec =
        home.command("exec", &["--env-file", file, "-e", "FILE=c", "web", "sh", "-c", "echo $OWN $FILE $HERE"]);
    let out = exec.env("HERE", "from here").output().expect("exec starts");
    assert_eq!(String::from_utf8_lossy(&out.stdout), "3 c from here\n");
    std::fs::write(home.place().join("bad"), "a b=c\n").expect("it is written");
    let bad = home.place().join("bad");
    let (status, said) = home.refused("exec", &["--env-file", bad.to_str().expect("a path in words"), "web", "true"]);
    assert_eq!((status, said.as_str()), (1, "poorly formatted environment: variable 'a b' contains whitespaces"));
}

/// A program of ours at a terminal of its own, at which this is typed in pieces. Returns its status and all that was shown.
fn typed(home: &Home, program: &str, args: &[&str], pieces: &[&str]) -> (Option<i32>, String) {
    use std::io::Write;
    use std::process::{Command, Stdio};
    let own = home.command(program, args);
    let words: Vec<_> =
        std::iter::once(own.get_program()).chain(own.get_args()).map(|word| word.to_string_lossy()).collect();
    let mut script = Command::new("timeout");
    script.args(["20", "script", "-qefc", &words.join(" "), "/dev/null"]).env("DOCKLESS_ROOT", home.root());
    let mut child = script.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("script starts");
    let mut stdin = child.stdin.take().expect("it is piped");
    for piece in pieces {
        std::thread::sleep(Duration::from_millis(500));
        stdin.write_all(piece.as_bytes()).expect("it takes input");
    }
    let out = child.wait_with_output().expect("it ends");
    drop(stdin);
    (out.status.code(), String::from_utf8_lossy(&out.stdout).into_owned())
}

#[test]
fn keys_leave_what_goes_on() {
    let Some(home) = home() else { return };
    let leave = "sleep 1.5; tty > /tmp/later\n";
    let (status, shown) = typed(&home, "exec", &["-it", "web", "sh"], &[leave, "\x10\x11"]);
    assert!(status == Some(1) && shown.contains("read escape sequence"), "{status:?} {shown}");
    std::thread::sleep(Duration::from_millis(2000));
    assert!(home.ok("exec", &["web", "cat", "/tmp/later"]).starts_with("/dev/pts/"));
    let (status, shown) = typed(&home, "exec", &["-it", "--detach-keys", "a,ctrl-b", "web", "sh"], &["a", "\x02"]);
    assert!(status == Some(1) && shown.contains("read escape sequence"), "{status:?} {shown}");
    let (status, shown) = typed(&home, "exec", &["-it", "web", "sh"], &["exit 7\n"]);
    assert_eq!(status, Some(7), "{shown}");
    home.ok("run", &["-dit", "--name", "shell", "--net", "none", "base:1", "sh"]);
    let (status, shown) = typed(&home, "attach", &["shell"], &["echo $((40 + 2))\n", "\x10\x11"]);
    assert!(status == Some(1) && shown.contains("42") && shown.contains("read escape sequence"), "{status:?} {shown}");
    assert_eq!(home.inspect("shell", "{{.State.Status}}"), "running");
    let (status, shown) = typed(&home, "attach", &["shell"], &["exit 9\n"]);
    assert_eq!(status, Some(9), "{shown}");
    let flags = ["-it", "--name", "left", "--net", "none", "base:1", "sh"];
    let (status, shown) = typed(&home, "run", &flags, &["\x10\x11"]);
    assert_eq!((status, home.inspect("left", "{{.State.Status}}").as_str()), (Some(0), "running"), "{shown}");
}
