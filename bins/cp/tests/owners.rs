//! Whose the files are that are copied into a container.

use std::process::{Command, Stdio};

use testkit::home::Home;

#[test]
fn with_archive_they_become_the_containers_users_from_a_tar_too() {
    let Some(home) = Home::new() else { return };
    let source = home.place().join("source");
    std::fs::create_dir(&source).expect("a folder is made");
    std::fs::write(source.join("file"), "text").expect("it is written");
    std::os::unix::fs::chown(source.join("file"), Some(77), Some(88)).expect("this test is root's");
    home.ok("run", &["-d", "--name", "web", "--net", "none", "-u", "user", "base:1", "sleep", "100"]);
    for (flags, owner) in [(&[][..], "77 88"), (&["-a"], "1000 1001")] {
        let mut tar =
            Command::new("tar").arg("-C").arg(&source).args(["-c", "file"]).stdout(Stdio::piped()).spawn().unwrap();
        let mut cp = home.command("cp", &[flags, &["-", "web:/tmp"]].concat());
        let out = cp.stdin(tar.stdout.take().unwrap()).output().expect("cp starts");
        assert!(tar.wait().unwrap().success() && out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
        assert_eq!(home.ok("exec", &["web", "busybox", "stat", "-c", "%u %g", "/tmp/file"]), owner, "{flags:?}");
    }
}
