//! Where contents lie that cannot be read in the archive itself: an unlinked temporary file.

use std::fs::File;
use std::io::{self, BufWriter, Read, Write};
use std::path::PathBuf;

use rustix::fs::{self, Mode, OFlags};
use rustix::io::Errno;

/// Contents, one after the other.
pub(super) struct Spool {
    out: BufWriter<File>,
    at: u64,
}

impl Spool {
    /// An empty spool in $TMPDIR, else /var/tmp (which is on a disk where /tmp may be memory), else /tmp.
    pub fn new() -> io::Result<Spool> {
        let named = std::env::var_os("TMPDIR").filter(|dir| !dir.is_empty()).map(PathBuf::from);
        let mut last = io::Error::from(io::ErrorKind::NotFound);
        for dir in named.into_iter().chain(["/var/tmp".into(), "/tmp".into()]) {
            match nameless(&dir) {
                Ok(file) => return Ok(Spool { out: BufWriter::with_capacity(256 << 10, file), at: 0 }),
                Err(error) => last = error,
            }
        }
        Err(last)
    }

    /// Appends what a reader gives; says where it begins and how many bytes came.
    pub fn take(&mut self, input: &mut impl Read) -> io::Result<(u64, u64)> {
        let begin = self.at;
        let count = io::copy(input, &mut self.out)?;
        self.at += count;
        Ok((begin, count))
    }

    /// The file, for reading.
    pub fn into_file(self) -> io::Result<File> {
        let mut out = self.out;
        out.flush()?;
        out.into_inner().map_err(|error| error.into_error())
    }
}

fn nameless(dir: &std::path::Path) -> io::Result<File> {
    let mode = Mode::RUSR | Mode::WUSR;
    match fs::open(dir, OFlags::TMPFILE | OFlags::RDWR | OFlags::CLOEXEC, mode) {
        Ok(fd) => Ok(fd.into()),
        // A file system without nameless files: named for a moment.
        Err(Errno::OPNOTSUPP | Errno::ISDIR | Errno::INVAL) => {
            let path = dir.join(format!(".dockless-spool-{}", std::process::id()));
            let file = File::options().read(true).write(true).create_new(true).open(&path)?;
            std::fs::remove_file(&path)?;
            Ok(file)
        }
        Err(errno) => Err(errno.into()),
    }
}
