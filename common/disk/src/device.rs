//! Anything that has a fixed number of bytes.

use std::io;

use crate::error::DiskError;

/// A block device, or what stands for one.
pub trait Device: Send + Sync {
    /// Bytes.
    fn size(&self) -> u64;

    /// Fills the buffer from `offset`; less than all of it is an error.
    fn read(&self, buffer: &mut [u8], offset: u64) -> Result<(), DiskError>;
}

/// A device in a file of the evidence.
pub struct Image(hostfs::File);

impl Image {
    /// The bytes of that file.
    pub fn new(file: hostfs::File) -> Image {
        Image(file)
    }
}

impl Device for Image {
    fn size(&self) -> u64 {
        self.0.stat().size
    }

    fn read(&self, buffer: &mut [u8], offset: u64) -> Result<(), DiskError> {
        let size = buffer.len();
        let fail = |source| DiskError::Read { offset, size, source };
        let mut done = 0;
        while done < size {
            match self.0.read_at(&mut buffer[done..], offset + done as u64) {
                Ok(0) => return Err(fail(io::ErrorKind::UnexpectedEof.into())),
                Ok(count) => done += count,
                Err(source) => return Err(fail(source)),
            }
        }
        Ok(())
    }
}

/// Bytes in memory.
impl Device for Vec<u8> {
    fn size(&self) -> u64 {
        self.len() as u64
    }

    fn read(&self, buffer: &mut [u8], offset: u64) -> Result<(), DiskError> {
        let size = buffer.len();
        let range = usize::try_from(offset).ok().and_then(|start| self.get(start..start.checked_add(size)?));
        let fail = || DiskError::Read { offset, size, source: io::ErrorKind::UnexpectedEof.into() };
        buffer.copy_from_slice(range.ok_or_else(fail)?);
        Ok(())
    }
}
