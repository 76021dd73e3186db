//! A file's content: on disk, and in the tar-split by name or as bytes.

use std::os::fd::{AsFd, OwnedFd};

use model::{EntryPath, Extent, Metadata};
use rustix::fs::{self, Mode, OFlags};
use rustix::io::Errno;
use tarball::Header;

use super::{Record, Unpacker};
use crate::unpack::LayerForm;
use crate::unpack::error::{Doing, Trouble, UnpackError};

impl Unpacker<'_> {
    pub(super) fn put_file(
        &mut self,
        path: &EntryPath,
        header: &Header,
        meta: &Metadata,
        is_new: bool,
        was_own: bool,
    ) -> Result<(), Trouble> {
        // Bits beyond the permissions are set after the owner, else they would be lost.
        let mode = meta.mode & 0o777;
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let (fd, fresh) = self.make(
            path,
            |folder, name| fs::openat(folder, name, flags, Mode::from_raw_mode(mode)),
            "make the file",
            was_own,
        )?;
        let is_whole = header.sparse.as_deref().is_none_or(|map| map == [Extent { offset: 0, size: header.size }]);
        let record = if is_new && fresh && is_whole { Record::Name } else { Record::Bytes };
        let written = self.write_content(&fd, header, record)?;
        if self.form == LayerForm::Overlay2 {
            self.size += if self.truncated.is_some() { written } else { header.size };
        }
        self.tree.dress_fd(path, fd.as_fd(), meta, Some(mode))?;
        match record {
            Record::Name => self
                .split
                .file(&header.path, written, if written > 0 { self.crc.sum() } else { 0 })
                .map_err(Trouble::Split),
            Record::Bytes => Ok(()),
        }
    }

    /// Writes the content where it belongs in the file. Gives its bytes: fewer than stated where the archive was cut.
    pub(super) fn write_content(&mut self, fd: &OwnedFd, header: &Header, record: Record) -> Result<u64, Trouble> {
        self.crc.reset();
        let mut written = 0;
        for extent in header.extents() {
            let (mut at, end) = (extent.offset, extent.offset + extent.size);
            while at < end && self.truncated.is_none() {
                let count = self.write_some(fd, at, end, record)?;
                at += count;
                written += count;
            }
        }
        if header.sparse.is_some() {
            fs::ftruncate(fd, header.size).doing("set the size of")?;
        }
        Ok(written)
    }

    /// Writes what lies in the buffer, up to `end`.
    pub(super) fn write_some(&mut self, fd: &OwnedFd, at: u64, end: u64, record: Record) -> Result<u64, Trouble> {
        let bytes = match self.scanner.content() {
            Ok(bytes) => bytes,
            Err(error) if self.allow_truncated && error.is_truncated() => {
                self.truncated = Some(error.to_string());
                return Ok(0);
            }
            Err(error) => return Err(error.into()),
        };
        let bytes = &bytes[..usize::try_from(end - at).map_or(bytes.len(), |left| left.min(bytes.len()))];
        let mut rest = bytes;
        while !rest.is_empty() {
            match rustix::io::pwrite(fd, rest, at + (bytes.len() - rest.len()) as u64) {
                Err(Errno::INTR) => {}
                count => rest = &rest[count.doing("write")?..],
            }
        }
        match record {
            Record::Name => self.crc.update(bytes),
            Record::Bytes => {
                self.embedded += bytes.len() as u64;
                self.split.segment(bytes).map_err(Trouble::Split)?;
            }
        }
        let count = bytes.len();
        self.scanner.consume(count);
        self.tick_inside()?;
        Ok(count as u64)
    }

    pub(super) fn tick_inside(&mut self) -> Result<(), Trouble> {
        match self.tick() {
            Err(UnpackError::Stopped(error)) => Err(Trouble::Stopped(error)),
            _ => Ok(()),
        }
    }

    /// Content that has no file goes into the tar-split.
    pub(super) fn embed(&mut self) -> Result<(), Trouble> {
        loop {
            let bytes = match self.scanner.content() {
                Ok([]) => return Ok(()),
                Ok(bytes) => bytes,
                Err(error) if self.allow_truncated && error.is_truncated() => {
                    self.truncated = Some(error.to_string());
                    return Ok(());
                }
                Err(error) => return Err(error.into()),
            };
            self.split.segment(bytes).map_err(Trouble::Split)?;
            let count = bytes.len();
            self.embedded += count as u64;
            self.scanner.consume(count);
            self.tick_inside()?;
        }
    }
}
