//! Data roots that real engines wrote, and what one `run` on them says.

use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use host::Host;
use model::Container;
use testkit::hosts::Hosts;

/// What a program said and how it ended.
pub struct Ended {
    pub status: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

/// All roots, unpacked once for all tests; `None` where tests of containers have no verdict.
pub fn all() -> Option<&'static Hosts> {
    static HOSTS: OnceLock<Hosts> = OnceLock::new();
    testkit::engine::is_here("unshare").then(|| HOSTS.get_or_init(Hosts::unpack))
}

/// `run` on one of the roots, in a network and with mounts of its own.
pub fn command(root: &str, words: &[&str]) -> Command {
    let hosts = all().expect("the caller asked").path();
    let mut command = Command::new("unshare");
    command
        .args(["--net", "--mount", "timeout", "-k", "1", "60", env!("CARGO_BIN_EXE_run"), "--root", root])
        .args(words);
    command.current_dir(hosts).env_remove("DOCKLESS_ROOT").stdin(Stdio::null());
    command
}

/// The same to its end.
pub fn run(root: &str, words: &[&str]) -> Ended {
    let out = command(root, words).output().expect("it starts");
    let text = |raw: Vec<u8>| String::from_utf8_lossy(&raw).into_owned();
    Ended { status: out.status.code(), stdout: text(out.stdout), stderr: text(out.stderr) }
}

/// The containers of a root, and docker's inspect JSON of each.
pub fn containers(root: &str) -> Vec<(Container, serde_json::Value)> {
    let place = all().expect("the caller asked").path().join(root);
    let host = Host::open(&place).expect("it is a data root");
    let (containers, _) = host.containers();
    let shown = |container: Container| {
        let (inspect, _) = layout::inspect_container(host.root(), host.stores(), &container);
        (container, inspect)
    };
    containers.into_iter().map(shown).collect()
}

/// Names, kinds, sizes, owners, modes, contents and times of a tree; find itself moves the access times of folders.
pub fn state(root: &Path) -> String {
    let file = "%P %y %s %U %G %m %A@ %C@ %T@\\n";
    let other = "%P %y %s %U %G %m %l %C@ %T@\\n";
    let out = Command::new("find").arg(root).args(["-type", "f", "-printf", file, "-o", "-printf", other]).output();
    String::from_utf8_lossy(&out.expect("find starts").stdout).into_owned()
}
