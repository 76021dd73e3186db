//! A real dockerd on a root of its own, as the judge of what we write.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

/// How long a daemon may take to answer, or to end.
const PATIENCE: Duration = Duration::from_secs(60);

/// Whether a program that a test needs is here, and this is root. Where `CI` is set its absence fails the test; else
/// it is said, and the test ends without a verdict.
pub fn is_here(program: &str) -> bool {
    let found = std::env::split_paths(&std::env::var_os("PATH").unwrap_or_default())
        .any(|folder| folder.join(program).is_file());
    let root = Command::new("id").arg("-u").output().is_ok_and(|out| out.stdout == b"0\n");
    assert!(found && root || std::env::var_os("CI").is_none(), "this test needs {program} and root, and CI is set");
    if !(found && root) {
        eprintln!("no verdict: {program} is not here, or this is not root");
    }
    found && root
}

/// The program by which those of docker 28 are run (`scripts/lib/docker-28`). Where `CI` is set its absence fails the test;
/// else it is said, and the test ends without a verdict.
pub fn docker_28() -> Option<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/docker-28");
    let enter = folder.join("enter");
    if enter.is_file() && is_here("unshare") {
        return Some(enter);
    }
    let why = std::fs::read_to_string(folder.join("why")).unwrap_or_else(|_| "scripts/test unpacks it".to_owned());
    assert!(std::env::var_os("CI").is_none(), "this test needs docker 28, and CI is set: {why}");
    eprintln!("no verdict: docker 28 is not here: {why}");
    None
}

/// A running dockerd with its own folders and socket; it ends with this value.
pub struct Dockerd {
    child: Child,
    place: TempDir,
    /// By which its programs are run, where they are not the machine's own.
    enter: Option<PathBuf>,
}

impl Dockerd {
    /// Starts a daemon on a data root, without networks; `driver` names a storage driver, else it takes its own choice.
    pub fn start(root: &Path, driver: Option<&str>) -> Dockerd {
        let mut flags = vec!["--iptables=false", "--ip6tables=false", "--bridge=none"];
        if let Some(driver) = driver {
            flags.extend(["-s", driver]);
        }
        Dockerd::with_flags(root, &flags)
    }

    /// Starts a daemon on a data root that is told nothing about networks but these flags: only in a network namespace of
    /// the caller's own.
    pub fn with_flags(root: &Path, flags: &[&str]) -> Dockerd {
        Dockerd::of(None, root, flags)
    }

    /// The same of the docker that [`docker_28`] found, or of the machine's own.
    pub fn of(enter: Option<&Path>, root: &Path, flags: &[&str]) -> Dockerd {
        // A socket's path has at most 107 bytes.
        let place = tempfile::Builder::new().prefix("dd").tempdir_in("/tmp").expect("a folder in /tmp is made");
        let log = std::fs::File::create(place.path().join("log")).expect("a log is made");
        let mut command = program(enter, "dockerd");
        command.arg("--data-root").arg(root).arg("--exec-root").arg(place.path().join("exec"));
        command.arg("--pidfile").arg(place.path().join("pid")).arg("-H").arg(socket(place.path()));
        command.args(flags);
        let child = command
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("a handle"))
            .stderr(log)
            .spawn()
            .expect("dockerd starts");
        let mut daemon = Dockerd { child, place, enter: enter.map(Path::to_owned) };
        daemon.wait();
        daemon
    }

    fn wait(&mut self) {
        let begin = Instant::now();
        while !self.command(&["version"]).output().is_ok_and(|out| out.status.success()) {
            let ended = self.child.try_wait().ok().flatten();
            assert!(
                ended.is_none() && begin.elapsed() < PATIENCE,
                "dockerd does not answer; {ended:?}\n{}",
                self.log()
            );
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// The daemon's log so far.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.place.path().join("log")).unwrap_or_default()
    }

    /// The daemon's process.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// One of the programs that this daemon came with.
    pub fn program(&self, name: &str) -> Command {
        program(self.enter.as_deref(), name)
    }

    /// A command of docker's for this daemon, to be run by the caller.
    pub fn command(&self, args: &[&str]) -> Command {
        let mut command = self.program("docker");
        command
            .arg("-H")
            .arg(socket(self.place.path()))
            .args(args)
            .env_remove("DOCKER_HOST")
            .env_remove("DOCKER_CONTEXT");
        command
    }

    /// What a command of docker's prints; it must succeed.
    pub fn docker(&self, args: &[&str]) -> String {
        let out = self.command(args).output().expect("docker starts");
        let text = |raw: &[u8]| String::from_utf8_lossy(raw).into_owned();
        assert!(out.status.success(), "docker {args:?}: {}\n{}", text(&out.stderr), self.log());
        text(&out.stdout)
    }

    /// What the daemon itself answers on its socket: JSON. Docker's own program takes a tenth of a second for the same.
    pub fn answer(&self, path: &str) -> String {
        let mut stream = UnixStream::connect(self.place.path().join("s")).expect("the daemon listens");
        write!(stream, "GET {path} HTTP/1.0\r\nHost: docker\r\n\r\n").expect("the daemon reads");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("the daemon answers");
        let (head, body) = answer.split_once("\r\n\r\n").expect("an answer has a head");
        assert!(head.contains(" 200 "), "{path}: {answer}\n{}", self.log());
        body.to_owned()
    }

    /// What a command of docker's complains of; it must fail.
    pub fn refusal(&self, args: &[&str]) -> String {
        let out = self.command(args).output().expect("docker starts");
        assert!(!out.status.success(), "docker {args:?} was done");
        String::from_utf8_lossy(&out.stderr).into_owned()
    }
}

impl Drop for Dockerd {
    /// Ends the daemon in order, so that the root is at rest afterwards.
    fn drop(&mut self) {
        let _ = Command::new("kill").arg(self.child.id().to_string()).status();
        let begin = Instant::now();
        while self.child.try_wait().ok().flatten().is_none() {
            if begin.elapsed() > PATIENCE {
                let _ = self.child.kill();
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

fn program(enter: Option<&Path>, name: &str) -> Command {
    match enter {
        Some(enter) => {
            let mut command = Command::new(enter);
            command.arg(name);
            command
        }
        None => Command::new(name),
    }
}

fn socket(place: &Path) -> String {
    let path: PathBuf = place.join("s");
    format!("unix://{}", path.display())
}
