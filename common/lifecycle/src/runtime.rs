//! What lies in `/run` while a container lives, and whether one does.

use std::fs::{self, DirBuilder};
use std::io::Read;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use hostfs::process::Process;
use model::Id;
use serde_json::Value;

use crate::error::{LifeError, at};

/// The folder of one living container: `/run/dockless/<id>`, or below `$XDG_RUNTIME_DIR` for an ordinary user. It goes
/// when this is dropped.
pub struct Folder(PathBuf);

impl Folder {
    /// Makes it, with an empty folder for mounting. Nobody else may look in.
    pub fn make(id: &str) -> Result<Folder, LifeError> {
        let path = place(id);
        DirBuilder::new().recursive(true).mode(0o700).create(path.join("root")).map_err(at("make", &path))?;
        Ok(Folder(path))
    }

    /// Where it lies.
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// Writes one of the files that the container sees in `/etc`.
    pub fn write(&self, name: &str, text: &str) -> Result<(), LifeError> {
        let path = self.0.join(name);
        fs::write(&path, text).map_err(at("write", &path))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // What cannot be removed now goes with the next boot: /run is memory.
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Where the folder of a container lies, made or not.
pub fn place(id: &str) -> PathBuf {
    let own = std::env::var_os("XDG_RUNTIME_DIR").filter(|_| !rustix::process::geteuid().is_root());
    own.map_or_else(|| PathBuf::from("/run"), PathBuf::from).join("dockless").join(id)
}

/// 32 random bytes as 64 hex digits. As docker, takes others where the first twelve digits are all numbers: such an id
/// would be taken for a number (moby v20.10.24 pkg/stringid/stringid.go).
pub fn new_id() -> Result<Id, LifeError> {
    let path = "/dev/urandom";
    let mut random = fs::File::open(path).map_err(at("open", path))?;
    let mut bytes = [0u8; 32];
    loop {
        random.read_exact(&mut bytes).map_err(at("read", path))?;
        let id = Id::from(model::Digest(bytes));
        if id.short().bytes().any(|b| b.is_ascii_alphabetic()) {
            return Ok(id);
        }
    }
}

/// The first process of a container whose record says that it runs: `None` where that process is gone, or another one
/// has its number.
pub fn living(record: &Value) -> Option<i32> {
    let state = &record["State"];
    if !state["Running"].as_bool().unwrap_or(false) {
        return None;
    }
    let pid = state["Pid"].as_i64().and_then(|pid| i32::try_from(pid).ok()).filter(|pid| *pid > 0)?;
    let process = Process::of(pid as u32)?;
    let recorded = state["StartedAt"].as_str().and_then(model::Timestamp::parse_rfc3339)?;
    let since = process.started().map_or(0, |started| (started.seconds - recorded.seconds).abs());
    (since <= SAME_START).then_some(pid)
}

/// A process that began this many seconds away from its container's start is another one under the same number.
const SAME_START: i64 = 60;
