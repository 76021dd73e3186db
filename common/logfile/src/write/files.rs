//! The file that is written, and those that it was turned over into: `.1` is newer than `.2`.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use tarball::compress::{self, Compression};

/// When files are turned over (`--log-opt max-size`, `max-file`, `compress`).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Rotation {
    /// Bytes after which a file is full; `None` never turns over.
    pub size: Option<u64>,
    /// How many files are kept, the newest included.
    pub files: usize,
    /// Whether all but the newest are compressed.
    pub compress: bool,
}

/// Compresses a file beside the writing, so that the container need not wait.
pub trait Packer {
    /// Waits until what was begun is done.
    fn settle(&mut self);

    /// Begins with the file at `path`, by [`pack`].
    fn pack(&mut self, path: PathBuf);
}

/// The files of one log.
pub(super) struct Files {
    path: PathBuf,
    file: File,
    written: u64,
    rotation: Rotation,
    packer: Box<dyn Packer>,
}

impl Files {
    /// Opens the newest file, which is made where it is not there, and goes on at its end.
    pub fn open(path: &Path, rotation: Rotation, packer: Box<dyn Packer>) -> io::Result<Files> {
        let file = open(path)?;
        let written = file.metadata()?.len();
        Ok(Files { path: path.to_path_buf(), file, written, rotation, packer })
    }

    /// Adds a record. A file that has its size already is turned over first, as docker does: it may end a record above
    /// that size (moby v20.10.24 daemon/logger/loggerutils/logfile.go checkCapacityAndRotate).
    pub fn write(&mut self, record: &[u8]) -> io::Result<()> {
        if self.rotation.size.is_some_and(|most| self.written >= most) {
            self.turn_over()?;
        }
        self.file.write_all(record)?;
        self.written += record.len() as u64;
        Ok(())
    }

    /// `.1` becomes `.2` and so on, the file becomes `.1`, and a new one begins. One file alone begins anew.
    fn turn_over(&mut self) -> io::Result<()> {
        self.written = 0;
        if self.rotation.files < 2 {
            return self.file.set_len(0);
        }
        self.packer.settle();
        let ending = if self.rotation.compress { ".gz" } else { "" };
        let numbered = |n: usize| PathBuf::from(format!("{}.{n}{ending}", self.path.display()));
        for n in (1..self.rotation.files - 1).rev() {
            match std::fs::rename(numbered(n), numbered(n + 1)) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        let first = PathBuf::from(format!("{}.1", self.path.display()));
        std::fs::rename(&self.path, &first)?;
        self.file = open(&self.path)?;
        if self.rotation.compress {
            self.packer.pack(first);
        }
        Ok(())
    }
}

fn open(path: &Path) -> io::Result<File> {
    OpenOptions::new().create(true).append(true).mode(0o640).open(path)
}

/// Compresses a full file: `path.gz` stands when it is whole, then `path` goes.
pub fn pack(path: &Path) -> io::Result<()> {
    let packed = PathBuf::from(format!("{}.gz", path.display()));
    let part = PathBuf::from(format!("{}.gz.tmp", path.display()));
    let out = OpenOptions::new().create(true).truncate(true).write(true).mode(0o640).open(&part)?;
    let mut encoder = compress::encoder(Compression::Gzip, None, Box::new(out))?;
    io::copy(&mut File::open(path)?, &mut encoder)?;
    encoder.finish()?;
    std::fs::rename(&part, &packed)?;
    std::fs::remove_file(path)
}
