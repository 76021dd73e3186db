//! What `import` takes besides a tar on stdin: a directory of this host, and a web server's file.

use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use testkit::engine::is_here;

const IMPORT: &str = env!("CARGO_BIN_EXE_import");

/// The program `export`, built from this workspace.
fn export() -> PathBuf {
    testkit::programs::built().join("export")
}

fn sh(work: &Path, script: &str) -> String {
    let output = Command::new("bash").args(["-ec", script]).current_dir(work).output().unwrap();
    assert!(output.status.success(), "{script}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn import(work: &Path, args: &[&str]) -> Output {
    Command::new(IMPORT).args(args).env("DOCKLESS_ROOT", work.join("root")).current_dir(work).output().unwrap()
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// What an image holds, unpacked by tar.
fn unpacked(work: &Path, image: &str, into: &str) {
    let export = export().display().to_string();
    sh(
        work,
        &format!(
            "mkdir {into}; {export} --root root {image} | tar --xattrs --xattrs-include='*' --acls --numeric-owner -xp -C {into}"
        ),
    );
}

/// Everything that can be said of a tree, a line a name.
fn listing(work: &Path, tree: &str) -> String {
    sh(
        work,
        &format!(
            "cd {tree}; find . -printf '%p %y %m %U %G %s %T@ %l %n\\n' | LC_ALL=C sort; \
             getfattr -R -h -d -m - -e hex . 2>/dev/null | LC_ALL=C sort; getfacl -Rn . | LC_ALL=C sort; \
             find . -type f -print0 | LC_ALL=C sort -z | xargs -0 sha256sum; du -k sparse | cut -f1"
        ),
    )
}

#[test]
fn a_directory_comes_out_again_with_all_that_it_had() {
    if !is_here("setfattr") {
        return;
    }
    let work = tempfile::tempdir().unwrap();
    sh(
        work.path(),
        "mkdir -p tree/dir tree/mnt && cd tree
         echo hi > dir/file; ln dir/file hard; ln -s dir/file soft; mkfifo fifo; mknod null c 1 3
         truncate -s 5M sparse; echo middle | dd of=sparse bs=1 seek=3000000 conv=notrunc status=none
         setfattr -n user.key -v value dir/file; setfacl -m u:1234:rw dir/file; setfacl -d -m u:1234:rwx dir
         cp /bin/true cap; setcap cap_net_raw+ep cap; chown 4000000:4000001 soft cap -h; setcap cap_net_raw+ep cap
         chmod 1751 dir; touch -h -d '2001-02-03 04:05:06.123456789' soft dir/file; touch -d '1955-05-05' .",
    );
    let output = import(work.path(), &["tree", "tree:1"]);
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    unpacked(work.path(), "tree:1", "back");
    assert_eq!(listing(work.path(), "back"), listing(work.path(), "tree"));
}

/// A mount that goes with this value.
struct Mounted(PathBuf);

impl Drop for Mounted {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

#[test]
fn a_walk_stays_on_its_file_system_where_it_is_told_to() {
    if !is_here("mount") {
        return;
    }
    let work = tempfile::tempdir().unwrap();
    sh(work.path(), "mkdir -p tree/mnt; echo x > tree/x; mount -t tmpfs none tree/mnt; echo y > tree/mnt/y");
    let _mounted = Mounted(work.path().join("tree/mnt"));
    assert!(import(work.path(), &["--one-file-system", "tree", "one:1"]).status.success());
    assert!(import(work.path(), &["tree", "all:1"]).status.success());
    unpacked(work.path(), "one:1", "one");
    unpacked(work.path(), "all:1", "all");
    assert_eq!(sh(work.path(), "cd one; find . -mindepth 1 | sort"), "./mnt\n./x\n");
    assert_eq!(sh(work.path(), "cd all; find . -mindepth 1 | sort"), "./mnt\n./mnt/y\n./x\n");
}

#[test]
fn a_walk_keeps_what_has_another_name_in_a_folder_that_is_left_out() {
    let work = tempfile::tempdir().unwrap();
    sh(work.path(), "mkdir -p tree/a-tmp tree/keep; echo x > tree/a-tmp/x; ln tree/a-tmp/x tree/keep/x");
    let output = import(work.path(), &["--exclude", "a-tmp", "tree", "kept:1"]);
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    unpacked(work.path(), "kept:1", "kept");
    assert_eq!(sh(work.path(), "cat kept/keep/x"), "x\n");
}

#[test]
fn files_that_change_under_the_walk_are_named_and_the_image_is_whole() {
    let work = tempfile::tempdir().unwrap();
    sh(work.path(), "mkdir tree; for n in $(seq 300); do head -c 300000 /dev/urandom > tree/$n; done; touch tree/busy");
    let busy =
        "while sleep 0.001; do echo more >> tree/busy; echo x > tree/vanishing.$RANDOM; rm -f tree/vanishing.*; done";
    let mut child = Command::new("bash").args(["-c", busy]).current_dir(work.path()).spawn().unwrap();
    let changed = (0..20).any(|_| {
        let output = import(work.path(), &["tree", "busy:1"]);
        assert!(matches!(output.status.code(), Some(0 | 3)), "{}", said(&output));
        said(&output).contains("'busy': it ") || said(&output).contains("it vanished while the directory was read")
    });
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(changed, "in twenty walks nothing was seen to change");
    unpacked(work.path(), "busy:1", "back");
    assert_eq!(sh(work.path(), "diff -rq tree back | grep -v -e busy -e vanishing || true"), "");
}

#[test]
fn a_dry_run_says_what_would_be_taken_and_writes_nothing() {
    let work = tempfile::tempdir().unwrap();
    sh(
        work.path(),
        "mkdir -p tree/etc tree/proc tree/opt/big tree/skip; head -c 5000 /dev/zero | tr '\\0' x > tree/opt/big/f
         echo abc > tree/etc/hostname; echo 12 > tree/proc/1; echo 1234567 > tree/skip/me; tar -C tree -cf tree.tar .",
    );
    for source in ["tree", "tree.tar"] {
        let output = import(work.path(), &["--host", "--dry-run", "--exclude", "skip", source]);
        assert_eq!(output.status.code(), Some(0), "{}", said(&output));
        let out = String::from_utf8_lossy(&output.stdout).into_owned();
        let line = |folder: &str| {
            let found = out.lines().find(|line| line.ends_with(folder));
            found
                .unwrap_or_else(|| panic!("{source}: no {folder} in {out}"))
                .split_whitespace()
                .next()
                .unwrap()
                .to_string()
        };
        assert_eq!((line("/opt"), line("/etc")), ("5000".into(), "4".into()), "{source}");
        assert!(said(&output).contains("left out of proc: 3B in 1 entry"), "{}", said(&output));
        assert!(said(&output).contains("left out of skip"), "{}", said(&output));
        assert!(!work.path().join("root").exists());
    }
}

/// A server that ends with this value.
struct Server(Child);

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn a_tar_comes_over_https_from_servers_that_this_machine_trusts_alone() {
    if !is_here("openssl") {
        return;
    }
    let work = tempfile::tempdir().unwrap();
    sh(
        work.path(),
        "mkdir tree; echo x > tree/x; tar -C tree -czf tree.tgz .
         openssl req -x509 -newkey rsa:2048 -nodes -keyout ca.key -out ca.crt -days 2 -subj /CN=ca 2>/dev/null
         openssl req -newkey rsa:2048 -nodes -keyout key -out csr -subj /CN=localhost 2>/dev/null
         printf 'subjectAltName=DNS:localhost\\n' > ext
         openssl x509 -req -in csr -CA ca.crt -CAkey ca.key -CAcreateserial -days 2 -extfile ext -out crt 2>/dev/null",
    );
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let _server = Server(
        Command::new("openssl")
            .args(["s_server", "-quiet", "-WWW", "-cert", "crt", "-key", "key", "-accept"])
            .arg(port.to_string())
            .current_dir(work.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap(),
    );
    let begin = Instant::now();
    while std::net::TcpStream::connect(("127.0.0.1", port)).is_err() {
        assert!(begin.elapsed() < Duration::from_secs(20), "openssl does not serve");
        std::thread::sleep(Duration::from_millis(50));
    }
    let fetch = |authorities: &str| {
        Command::new(IMPORT)
            .args([&format!("https://localhost:{port}/tree.tgz"), "net:1"])
            .env("DOCKLESS_ROOT", work.path().join("root"))
            .env("SSL_CERT_FILE", work.path().join(authorities))
            .output()
            .unwrap()
    };
    let output = fetch("ca.crt");
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    unpacked(work.path(), "net:1", "back");
    assert_eq!(fs::read(work.path().join("back/x")).unwrap(), b"x\n");
    sh(
        work.path(),
        "openssl req -x509 -newkey rsa:2048 -nodes -keyout o.key -out other.crt -days 2 -subj /CN=o 2>/dev/null",
    );
    let output = fetch("other.crt");
    assert_eq!(output.status.code(), Some(1));
    assert!(said(&output).contains("certificate"), "{}", said(&output));
}
