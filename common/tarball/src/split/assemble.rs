//! The archive again, from a tar-split and the layer's files.

use std::io::{self, BufRead, Read, Write};

use model::path::shown;

use super::{Entry, Reader, SplitError};
use crate::crc::Crc64;

/// Why an archive cannot be put together.
#[derive(Debug, thiserror::Error)]
pub enum AssembleError {
    /// The tar-split itself.
    #[error(transparent)]
    Split(#[from] SplitError),
    /// A file that it names cannot be opened or read.
    #[error("cannot read '{}'", shown(name))]
    File {
        /// The name in the tar-split.
        name: Vec<u8>,
        /// Why.
        source: io::Error,
    },
    /// A file has not the content any more that the archive had.
    #[error("'{}' is not what it was: {why}", shown(name))]
    Changed {
        /// The name in the tar-split.
        name: Vec<u8>,
        /// Its size or its checksum.
        why: &'static str,
    },
    /// The archive could not be written.
    #[error("cannot write the archive")]
    Write(#[source] io::Error),
}

/// Writes the archive that `split` tells; `open` gives the content of a file by its name in the archive, which is not
/// cleaned and may hold `..`. The caller compares the digest of what was written: checksums cover contents only.
pub fn assemble<S: BufRead, F: Read>(
    split: &mut Reader<S>,
    mut open: impl FnMut(&[u8]) -> io::Result<F>,
    out: &mut dyn Write,
) -> Result<(), AssembleError> {
    let mut copy = Copy { buffer: vec![0; 256 << 10], crc: Crc64::default() };
    while let Some(entry) = split.next()? {
        match entry {
            Entry::Segment(raw) => out.write_all(&raw).map_err(AssembleError::Write)?,
            // Docker wrote a size, and the checksum of nothing, for links and directories whose header had one.
            Entry::File { crc: 0, .. } | Entry::File { size: 0, .. } => {}
            Entry::File { name, size, crc } => match open(&name) {
                Ok(file) => copy.file(file, name, size, crc, out)?,
                Err(source) => return Err(AssembleError::File { name, source }),
            },
        }
    }
    Ok(())
}

struct Copy {
    buffer: Vec<u8>,
    crc: Crc64,
}

impl Copy {
    fn file(
        &mut self,
        file: impl Read,
        name: Vec<u8>,
        size: u64,
        crc: u64,
        out: &mut dyn Write,
    ) -> Result<(), AssembleError> {
        self.crc.reset();
        let mut left = size;
        // One byte more than stated would show that the file has grown.
        let mut file = file.take(size.saturating_add(1));
        loop {
            let count = match file.read(&mut self.buffer) {
                Ok(0) => break,
                Ok(count) => count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(source) => return Err(AssembleError::File { name, source }),
            };
            let Some(rest) = left.checked_sub(count as u64) else {
                return Err(AssembleError::Changed { name, why: "it is longer" });
            };
            left = rest;
            self.crc.update(&self.buffer[..count]);
            out.write_all(&self.buffer[..count]).map_err(AssembleError::Write)?;
        }
        match (left, self.crc.sum() == crc) {
            (0, true) => Ok(()),
            (0, false) => Err(AssembleError::Changed { name, why: "its checksum differs" }),
            _ => Err(AssembleError::Changed { name, why: "it is shorter" }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SPLIT: &str = concat!(
        "{\"type\":2,\"payload\":\"YQ==\",\"position\":0}\n",
        "{\"type\":1,\"name\":\"d/\",\"payload\":null,\"position\":1}\n",
        "{\"type\":1,\"name\":\"d/a\",\"size\":2,\"payload\":\"YVMQAAAAAAA=\",\"position\":2}\n",
        "{\"type\":1,\"name\":\"link\",\"size\":7,\"payload\":\"AAAAAAAAAAA=\",\"position\":3}\n",
        "{\"type\":2,\"payload\":\"Yg==\",\"position\":4}\n",
        "{\"type\":2,\"payload\":\"\",\"position\":5}\n"
    );

    fn check(split: &str, content: &str, outcome: Result<&str, &str>) {
        let mut out = Vec::new();
        let done = assemble(&mut Reader::new(split.as_bytes()), |_| Ok(content.as_bytes()), &mut out);
        let told = done.map(|()| String::from_utf8(out).unwrap()).map_err(|error| error.to_string());
        assert_eq!(told.as_deref().map_err(String::as_str), outcome);
    }

    #[test]
    fn archives_are_put_together_and_changed_files_named() {
        check(SPLIT, "x\n", Ok("ax\nb"));
        check(SPLIT, "y\n", Err("'d/a' is not what it was: its checksum differs"));
        check(SPLIT, "x", Err("'d/a' is not what it was: it is shorter"));
        check(SPLIT, "x\n\n", Err("'d/a' is not what it was: it is longer"));
        check("{\"type\":3}\n", "", Err("tar-split entry 0 is damaged: type 3 is unknown"));
        check("{\"type\":2,\"payload\":\"?\"}\n", "", Err("tar-split entry 0 is damaged: it holds no base64"));
    }
}
