//! Where data goes: stdout, or a file that appears under its name only when whole.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, IsTerminal, Write};
use std::os::unix::fs::{FileTypeExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};

use crate::pipe;

/// Stdout with a buffer, for text. Flush it before the program ends, else what could not be written stays unsaid.
pub fn stdout() -> BufWriter<io::Stdout> {
    BufWriter::with_capacity(64 << 10, io::stdout())
}

/// Stdin by its handle, so that a file is read, and sought in, from where it stands.
pub fn stdin() -> io::Result<File> {
    use std::os::fd::AsFd;
    let stdin = io::stdin().as_fd().try_clone_to_owned()?;
    pipe::widen(&stdin);
    Ok(File::from(stdin))
}

/// Where a program's data goes. [`Output::finish`] makes it count; a file that is not finished does not appear.
#[derive(Debug)]
pub struct Output {
    to: Target,
}

#[derive(Debug)]
enum Target {
    Stdout(io::Stdout),
    /// Something that is there and is no regular file, such as a FIFO or `/dev/null`.
    Special(File),
    File {
        file: File,
        temporary: Temporary,
        path: PathBuf,
    },
}

impl Output {
    /// Opens the file that `-o` names, else stdout. Binary data does not go to a terminal.
    pub fn binary(path: Option<&Path>) -> anyhow::Result<Output> {
        match path {
            Some(path) if path != Path::new("-") => Output::file(path),
            // Docker's own sentence (cli/command/image/save.go).
            _ if io::stdout().is_terminal() => {
                bail!("cowardly refusing to save to a terminal. Use the -o flag or redirect")
            }
            _ => {
                pipe::widen(io::stdout());
                Ok(Output { to: Target::Stdout(io::stdout()) })
            }
        }
    }

    /// Opens the file that `-o` names, else stdout, for text.
    pub fn text(path: Option<&Path>) -> anyhow::Result<Output> {
        match path {
            Some(path) if path != Path::new("-") => Output::file(path),
            _ => Ok(Output { to: Target::Stdout(io::stdout()) }),
        }
    }

    fn file(path: &Path) -> anyhow::Result<Output> {
        let name = model::path::shown(path.as_os_str().as_encoded_bytes()).into_owned();
        let kind = fs::metadata(path).ok().map(|stat| stat.file_type());
        if kind.is_some_and(|kind| kind.is_dir()) {
            bail!("cannot write '{name}': it is a directory");
        }
        if kind.is_some_and(|kind| kind.is_fifo() || kind.is_char_device() || kind.is_block_device()) {
            let file = OpenOptions::new().write(true).open(path).with_context(|| format!("cannot open '{name}'"))?;
            return Ok(Output { to: Target::Special(file) });
        }
        // A link's target is replaced, not the link.
        let path = fs::canonicalize(path).unwrap_or_else(|_| path.to_path_buf());
        let (file, temporary) = Temporary::create(&path).with_context(|| format!("cannot make '{name}'"))?;
        Ok(Output { to: Target::File { file, temporary, path } })
    }

    /// The open file behind it, for copying within the kernel.
    pub fn fd(&self) -> std::os::fd::BorrowedFd<'_> {
        use std::os::fd::AsFd;
        match &self.to {
            Target::Stdout(out) => out.as_fd(),
            Target::Special(file) | Target::File { file, .. } => file.as_fd(),
        }
    }

    /// Says that the data is whole: a file is synced and gets its name.
    pub fn finish(mut self) -> anyhow::Result<()> {
        self.flush()?;
        if let Target::File { file, temporary, path } = self.to {
            let name = model::path::shown(path.as_os_str().as_encoded_bytes()).into_owned();
            file.sync_all().and_then(|()| temporary.rename(&path)).with_context(|| format!("cannot write '{name}'"))?;
        }
        Ok(())
    }
}

impl Write for Output {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match &mut self.to {
            // Not by std's line buffer, which would look for newlines in binary data.
            Target::Stdout(out) => Ok(rustix::io::retry_on_intr(|| rustix::io::write(&*out, bytes))?),
            Target::Special(file) | Target::File { file, .. } => file.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match &mut self.to {
            Target::Stdout(out) => out.flush(),
            Target::Special(file) | Target::File { file, .. } => file.flush(),
        }
    }
}

/// A file beside the one that it is to become; removed when dropped.
#[derive(Debug)]
struct Temporary(PathBuf);

impl Temporary {
    // Readable by the owner only, as docker's `save -o` makes it: an archive may hold what only root may read.
    fn create(beside: &Path) -> io::Result<(File, Temporary)> {
        let name = beside.file_name().ok_or(io::ErrorKind::InvalidInput)?;
        for attempt in 0..1000 {
            let mut temporary = std::ffi::OsString::from(".");
            temporary.push(name);
            temporary.push(format!(".{}-{attempt}.part", std::process::id()));
            let path = beside.with_file_name(temporary);
            match OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path) {
                Ok(file) => return Ok((file, Temporary(path))),
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(error),
            }
        }
        Err(io::ErrorKind::AlreadyExists.into())
    }

    fn rename(self, to: &Path) -> io::Result<()> {
        fs::rename(&self.0, to)
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        // After a rename there is nothing under this name any more.
        let _ = fs::remove_file(&self.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_appears_only_when_finished() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("out.tar");
        let mut half = Output::binary(Some(&path)).unwrap();
        half.write_all(b"half").unwrap();
        assert!(!path.exists());
        drop(half);
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
        let mut whole = Output::binary(Some(&path)).unwrap();
        whole.write_all(b"whole").unwrap();
        whole.finish().unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"whole");
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_link_is_followed_and_a_device_written_to() {
        let dir = tempfile::tempdir().unwrap();
        let (path, link) = (dir.path().join("real"), dir.path().join("link"));
        fs::write(&path, "old").unwrap();
        std::os::unix::fs::symlink("real", &link).unwrap();
        let mut out = Output::text(Some(&link)).unwrap();
        out.write_all(b"new").unwrap();
        out.finish().unwrap();
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
        assert_eq!(fs::read(&path).unwrap(), b"new");
        Output::binary(Some(Path::new("/dev/null"))).unwrap().finish().unwrap();
        assert!(Output::binary(Some(dir.path())).unwrap_err().to_string().ends_with("it is a directory"));
    }
}
