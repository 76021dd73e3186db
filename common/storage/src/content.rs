//! The content of one file, whole whatever happens to the file meanwhile.

use std::io::{self, Read};
use std::os::fd::BorrowedFd;

use hostfs::File;
use model::{Content, Extent, Finding, HostPath};

/// Reads the data of a file. What cannot be read, or is no longer there, comes as zeros and is a finding, so that an
/// archive whose header has promised the bytes stays whole.
pub struct FileContent<'a, P> {
    file: &'a File,
    extents: Vec<Extent>,
    place: P,
    findings: &'a mut Vec<Finding>,
    extent: usize,
    /// Bytes of the extent that were given.
    given: u64,
    lost: bool,
}

impl<'a, P: Fn() -> HostPath> FileContent<'a, P> {
    /// The content of `file`, of which `size` bytes were promised; `place` says where it lies.
    pub fn new(
        file: &'a File,
        size: u64,
        place: P,
        findings: &'a mut Vec<Finding>,
    ) -> Result<FileContent<'a, P>, hostfs::Problem> {
        let mut extents = file.extents()?;
        // The attributes may be another file's, where content lies in a lower layer.
        extents.retain(|extent| extent.offset < size);
        if let Some(last) = extents.last_mut() {
            last.size = last.size.min(size - last.offset);
        }
        Ok(FileContent { file, extents, place, findings, extent: 0, given: 0, lost: false })
    }

    /// The same with holes as zeros.
    pub fn dense(
        file: &'a File,
        size: u64,
        place: P,
        findings: &'a mut Vec<Finding>,
    ) -> Result<FileContent<'a, P>, hostfs::Problem> {
        let extents = vec![Extent { offset: 0, size }];
        Ok(FileContent { file, extents, place, findings, extent: 0, given: 0, lost: false })
    }

    fn lose(&mut self, at: u64, why: &str) {
        if !self.lost {
            self.lost = true;
            let detail = format!("{why} at byte {at}; zeros stand for the rest");
            self.findings.push(Finding::new("content-lost", detail).at((self.place)()));
        }
    }
}

impl<P: Fn() -> HostPath> Content for FileContent<'_, P> {
    fn extents(&self) -> &[Extent] {
        &self.extents
    }

    fn file(&self) -> Option<BorrowedFd<'_>> {
        self.file.fd()
    }
}

impl<P: Fn() -> HostPath> Read for FileContent<'_, P> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.extents.get(self.extent).is_some_and(|extent| self.given == extent.size) {
            (self.extent, self.given) = (self.extent + 1, 0);
        }
        let Some(extent) = self.extents.get(self.extent).copied() else { return Ok(0) };
        let wanted = usize::try_from(extent.size - self.given).unwrap_or(usize::MAX).min(buffer.len());
        let at = extent.offset + self.given;
        let read = if self.lost { Ok(0) } else { self.file.read_at(&mut buffer[..wanted], at) };
        let read = match read {
            Ok(0) if wanted > 0 => {
                self.lose(at, "the file ends early");
                buffer[..wanted].fill(0);
                wanted
            }
            Ok(read) => read,
            Err(error) => {
                self.lose(at, &error.to_string());
                buffer[..wanted].fill(0);
                wanted
            }
        };
        self.given += read as u64;
        Ok(read)
    }
}
