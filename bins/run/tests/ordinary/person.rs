//! A user of this machine who goes with the test, with all that is his.
//!
//! He lives in network and mount namespaces of the test's own: with a way out that leads nowhere, and a `/dev/net/tun` that he may
//! open, as udev makes it on machines that have one.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use tempfile::TempDir;
use testkit::engine::is_here;

/// Programs of ours that he has.
const PROGRAMS: &[&str] = &[
    "attach", "cp", "exec", "export", "import", "inspect", "kill", "load", "logs", "ps", "rm", "rmi", "run", "save",
    "start", "stop", "top",
];
/// What the image holds beside busybox: a folder of the user `web`.
const NAMES: &str = "sh cat chmod echo httpd id ip ls mkdir mknod mount rm sleep stat touch true wget";

/// Goes into a user namespace in which every id is itself, and becomes the program that its arguments name.
const APART: &str = "
import ctypes, os, sys
left, told = os.pipe(); mapped, tell = os.pipe(); own = os.getpid()
if os.fork() == 0:
    os.read(left, 1)
    for name in 'uid_map', 'gid_map':
        open(f'/proc/{own}/{name}', 'w').write('0 0 65536')
    os._exit(os.write(tell, b'x') - 1)
assert ctypes.CDLL(None).unshare(0x10000000) == 0
os.write(told, b'x'); os.read(mapped, 1)
os.execvp(sys.argv[1], sys.argv[1:])
";

/// What a command came to.
pub struct Ended {
    pub status: i32,
    pub stdout: String,
    pub stderr: String,
}

/// The user, his home, and the process that holds his namespaces.
pub struct Person {
    pub name: String,
    pub uid: u32,
    folder: TempDir,
    world: Child,
    path: String,
}

/// What is different about his world.
#[derive(Default)]
pub struct World<'a> {
    /// Whether `/etc/subuid` and `/etc/subgid` give him nothing.
    pub has_no_ranges: bool,
    /// What is done in his namespaces first.
    pub script: &'a str,
    /// Whether it lies in a user namespace, so that its settings of namespaces are its own.
    pub is_apart: bool,
}

impl Person {
    /// Makes him; `None` where tests of containers have no verdict.
    fn in_world(world: &World) -> Option<Person> {
        let needed = [
            "useradd",
            "newuidmap",
            "busybox",
            "setpriv",
            "unshare",
            "nsenter",
            "ip",
            "slirp4netns",
            "pasta",
            "setcap",
            "python3",
        ];
        if !needed.iter().all(|program| is_here(program)) {
            return None;
        }
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let name = format!("dl{}x{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let folder = tempfile::Builder::new().prefix("dlo").tempdir_in("/tmp").expect("a folder is made");
        std::fs::set_permissions(folder.path(), PermissionsExt::from_mode(0o755)).expect("it is opened to all");
        let home = folder.path().join("home");
        // Told to useradd, which locks the files: edited out after it, another test's useradd might put them back.
        let ranges = if world.has_no_ranges { "-K SUB_UID_COUNT=0 -K SUB_GID_COUNT=0" } else { "" };
        root(&format!("useradd -K UMASK=077 {ranges} -m -d {} -s /bin/sh {name}", home.display()));
        let uid = root(&format!("id -u {name}")).trim().parse().expect("a number");
        programs(folder.path());
        let script = format!(
            "ip link set lo up; ip link add out type veth peer name far; ip addr add 192.0.2.9/24 dev out; \
             ip link set out up; ip link set far up; mount -t sysfs sysfs /sys; \
             ip route add default via 192.0.2.1; mkdir -p /dev/net; [ -e /dev/net/tun ] || touch /dev/net/tun; \
             mount --bind {0}/tun /dev/net/tun; {1} echo ready; exec sleep 1000",
            folder.path().display(),
            world.script
        );
        root(&format!("mknod -m 666 {}/tun c 10 200", folder.path().display()));
        let mut command = Command::new(if world.is_apart { "python3" } else { "unshare" });
        if world.is_apart {
            command.args(["-c", APART, "unshare"]);
        }
        command.args(["--net", "--mount", "sh", "-ec", &script]).stdout(Stdio::piped());
        let mut child = command.spawn().expect("unshare starts");
        let stdout = child.stdout.take();
        let path = format!("{}/bin:/usr/sbin:/usr/bin:/sbin:/bin", folder.path().display());
        let person = Person { name, uid, folder, world: child, path };
        let heard = stdout.map(|mut stdout| std::io::Read::read_exact(&mut stdout, &mut [0; 6]));
        assert!(heard.is_some_and(|heard| heard.is_ok()), "his world is not made");
        Some(person)
    }

    /// A user with an image `box:1`.
    pub fn with_image(world: &World) -> Option<Person> {
        let person = Person::in_world(world)?;
        person.image();
        Some(person)
    }

    /// His folder for files of the test.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Has him find no other programs than these, ours, and what every shell has.
    pub fn finds_only(&mut self, programs: &[&str]) {
        let bin = self.folder.path().join("found");
        let _ = std::fs::remove_dir_all(&bin);
        std::fs::create_dir(&bin).expect("a folder is made");
        for program in programs.iter().chain(&["sh", "env", "cat", "sleep", "timeout", "newuidmap", "newgidmap"]) {
            root(&format!("ln -s \"$(command -v {program})\" {}/", bin.display()));
        }
        self.path = format!("{}/bin:{}", self.folder.path().display(), bin.display());
    }

    /// Runs a script as him, in his home.
    pub fn sh(&self, script: &str) -> Ended {
        let out = self.command(&["sh", "-c", &format!("cd\n{script}")]).output().expect("nsenter starts");
        ended(out)
    }

    /// Runs a program as him that must succeed and say nothing on stderr. Returns its output, trimmed.
    pub fn ok(&self, words: &[&str]) -> String {
        let done = ended(self.command(words).output().expect("nsenter starts"));
        assert_eq!((done.status, &*done.stderr), (0, ""), "{words:?}\n{}", done.stdout);
        done.stdout.trim_end().to_string()
    }

    /// Runs a program as him.
    pub fn run(&self, words: &[&str]) -> Ended {
        ended(self.command(words).output().expect("nsenter starts"))
    }

    fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new("timeout");
        command.args(["50", "nsenter", "-t", &self.world.id().to_string(), "--all", "--wd=/", "setpriv"]);
        command.args([format!("--reuid={}", self.name), format!("--regid={}", self.name), "--init-groups".into()]);
        let home = self.folder.path().join("home");
        command.args(["env", "-i", &format!("HOME={}", home.display()), &format!("PATH={}", self.path)]).args(words);
        command.stdin(Stdio::null());
        command
    }

    /// Waits until a script of his says this.
    pub fn until(&self, script: &str, said: &str) {
        let begin = Instant::now();
        loop {
            let done = self.sh(script);
            if done.stdout.trim_end() == said {
                return;
            }
            assert!(begin.elapsed() < Duration::from_secs(10), "{script}: {}{}", done.stdout, done.stderr);
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// Waits until no process of his runs and no container of his has a folder: what ends takes some instants.
    pub fn leaves_nothing(&self) {
        let begin = Instant::now();
        while !(self.remains().is_empty() && self.processes().is_empty()) {
            let late = begin.elapsed() > Duration::from_secs(5);
            assert!(!late, "left: {:?} {:?}", self.remains(), self.processes());
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// The command lines of his processes, those of containers too.
    fn processes(&self) -> Vec<String> {
        let uids = root(&format!("grep ^{}: /etc/subuid | cut -d: -f2", self.name)).trim().parse::<u32>().ok();
        let listed = root("/usr/bin/ps -eo uid=,args=");
        let own = |line: &&str| {
            let uid = line.split_whitespace().next().and_then(|uid| uid.parse::<u32>().ok());
            uid.is_some_and(|uid| uid == self.uid || uids.is_some_and(|first| (first..first + 65_536).contains(&uid)))
        };
        // Those that have ended wait for whoever the machine has for them.
        listed
            .lines()
            .filter(|line| !line.ends_with("<defunct>"))
            .filter(own)
            .map(|line| line.trim().to_string())
            .collect()
    }

    /// The folders of living containers in his part of `/run`.
    fn remains(&self) -> Vec<String> {
        let listed = std::fs::read_dir(format!("/tmp/dockless-{}", self.uid)).into_iter().flatten().flatten();
        listed.filter_map(|entry| entry.file_name().into_string().ok()).filter(|name| name != "namespace").collect()
    }

    fn image(&self) {
        let script = format!(
            "cd {0}; mkdir -p img/bin img/etc img/tmp img/home/web img/dev; cp \"$(command -v busybox)\" img/bin/; \
             for name in {NAMES}; do ln -s busybox img/bin/$name; done; \
             printf 'root:x:0:0::/root:/bin/sh\\nweb:x:33:34::/home/web:/bin/sh\\n' > img/etc/passwd; \
             printf 'root:x:0:\\nweb:x:34:\\n' > img/etc/group; echo secret > img/home/web/own; chmod 600 img/home/web/own; \
             chown -R 33:34 img/home/web; chmod 1777 img/tmp; mkdir img/old img/able; touch img/old/file; \
             cp img/bin/busybox img/able/; setcap cap_net_raw=ep img/able/busybox; \
             tar --xattrs --xattrs-include='*' -cf img.tar -C img .; rm -r img",
            self.folder.path().display()
        );
        root(&script);
        let tar = self.folder.path().join("img.tar");
        let done = self.sh(&format!("import -c 'ENV PATH=/bin' {} box:1", tar.display()));
        assert!(done.status == 0 || done.stderr.contains("finding"), "{}", done.stderr);
    }
}

impl Drop for Person {
    fn drop(&mut self) {
        let _ = self.sh("for id in $(ps -aq); do rm -f $id; done");
        let _ = self.world.kill();
        let _ = self.world.wait();
        // His only: the user was made by this test.
        let _ = Command::new("sh")
            .args(["-c", &format!("pkill -9 -U {0}; sleep 0.1; userdel {1}", self.uid, self.name)])
            .output();
        let _ = std::fs::remove_dir_all(format!("/tmp/dockless-{}", self.uid));
    }
}

fn ended(out: Output) -> Ended {
    let text = |raw: Vec<u8>| String::from_utf8_lossy(&raw).into_owned();
    Ended { status: out.status.code().unwrap_or(-1), stdout: text(out.stdout), stderr: text(out.stderr) }
}

/// What a script says that root runs and that must succeed.
pub fn root(script: &str) -> String {
    let done = ended(Command::new("sh").args(["-ec", script]).output().expect("sh starts"));
    assert_eq!(done.status, 0, "{script}: {}", done.stderr);
    done.stdout
}

/// Gives him our programs: where they are built he may not look.
fn programs(folder: &Path) {
    let built = testkit::programs::built();
    let bin = folder.join("bin");
    std::fs::create_dir(&bin).expect("a folder is made");
    for program in PROGRAMS {
        let (from, to) = (built.join(program), bin.join(program));
        if std::fs::hard_link(&from, &to).is_err() {
            std::fs::copy(&from, &to).expect("the program is copied");
        }
    }
}
