//! A layer's tar: the very bytes where a store keeps them, put together again where it keeps a tar-split, written anew
//! where it keeps neither.
//!
//! [`LayerTar::plan`] decides which, and knows the size, before anything is written; [`LayerTar::write`] proves the
//! digest while it writes. Reading and checksums have one core, the digest and the output the other.

mod assemble;
mod files;
mod measure;
mod pipeline;
mod rebuild;

use std::io::{self, Read, Write};

use hostfs::Root;
use model::{Digest, Finding, HostPath, LayerRef, Rootfs};
use tarball::compress;

use self::pipeline::Pieces;
use crate::drivers::short;
use crate::error::StorageError;

/// How a layer's tar came to be.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Exactness {
    /// The very bytes, from a content store.
    Stored,
    /// Headers from the tar-split, contents from the layer's files; the digest is the proof.
    Reassembled,
    /// Written anew from the files: the same tree, the same bytes each time, another digest than recorded.
    Rebuilt,
}

/// A layer's tar, not yet written.
pub struct LayerTar<'a> {
    root: &'a Root,
    stack: Rootfs,
    way: Way,
    size: u64,
}

enum Way {
    Stored(HostPath),
    Reassembled(HostPath),
    /// Why it is not exact.
    Rebuilt(String),
}

/// A layer's tar that was written.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Written {
    /// How it came to be.
    pub exactness: Exactness,
    /// Digest of the bytes that were written.
    pub digest: Digest,
    /// How many.
    pub size: u64,
    /// What could not be read. A digest other than the recorded one is always among them.
    pub findings: Vec<Finding>,
}

/// Why a layer's tar could not be written.
#[derive(Debug, thiserror::Error)]
pub enum LayerTarError {
    /// Its files cannot be had.
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// The output took no more.
    #[error("cannot write the layer")]
    Write(#[source] io::Error),
    /// What it is made from changed meanwhile, so that not the promised number of bytes came.
    #[error("layer {layer} came with {written} bytes instead of {promised}")]
    Size {
        /// The first digits of its digest, or its id.
        layer: String,
        /// Bytes promised.
        promised: u64,
        /// Bytes written.
        written: u64,
    },
}

impl<'a> LayerTar<'a> {
    /// Decides how the tar of the first layer of `stack` is made; the layers below it follow, top first.
    pub fn plan(root: &'a Root, stack: &Rootfs) -> Result<LayerTar<'a>, LayerTarError> {
        let layer = stack.layers.first().ok_or(StorageError::Empty)?;
        let mut why = Vec::new();
        if let Some(blob) = &layer.blob {
            match stored_size(root, blob) {
                Ok(size) => {
                    return Ok(LayerTar::new(root, stack, Way::Stored(blob.clone()), size));
                }
                Err(problem) => why.push(format!("its content cannot be read: {problem}")),
            }
        }
        if let Some(split) = &layer.tar_split {
            match measure::measure(root, stack, split) {
                Ok(size) => {
                    return Ok(LayerTar::new(root, stack, Way::Reassembled(split.clone()), size));
                }
                Err(problem) => why.push(problem),
            }
        }
        let why = if why.is_empty() { "the store keeps no tar-split of it".into() } else { why.join(", and ") };
        let mut counter = Counter(0);
        rebuild::write(root, stack, &mut counter, rebuild::Contents::Zeros)?;
        Ok(LayerTar::new(root, stack, Way::Rebuilt(why), counter.0))
    }

    fn new(root: &'a Root, stack: &Rootfs, way: Way, size: u64) -> LayerTar<'a> {
        LayerTar { root, stack: stack.clone(), way, size }
    }

    /// How it will come to be.
    pub fn exactness(&self) -> Exactness {
        match self.way {
            Way::Stored(_) => Exactness::Stored,
            Way::Reassembled(_) => Exactness::Reassembled,
            Way::Rebuilt(_) => Exactness::Rebuilt,
        }
    }

    /// How many bytes it will have.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Writes it. Exactly [`LayerTar::size`] bytes come, or an error.
    pub fn write(self, out: &mut dyn Write) -> Result<Written, LayerTarError> {
        let (root, stack, size) = (self.root, &self.stack, self.size);
        let exactness = self.exactness();
        let made = pipeline::run(out, |out| match &self.way {
            Way::Stored(blob) => copy_stored(root, blob, out),
            Way::Reassembled(split) => assemble::write(root, stack, split, out),
            Way::Rebuilt(_) => rebuild::write(root, stack, out, rebuild::Contents::Real),
        })?;
        let layer = &stack.layers[0];
        if made.size != size {
            return Err(LayerTarError::Size { layer: name(layer), promised: size, written: made.size });
        }
        let mut findings = made.findings;
        if let Some(recorded) = layer.diff_id.filter(|recorded| *recorded != made.digest) {
            findings.push(differs(layer, recorded, made.digest, &self.way));
        }
        Ok(Written { exactness, digest: made.digest, size, findings })
    }
}

fn with_source(error: &dyn std::error::Error) -> String {
    error.source().map_or_else(|| error.to_string(), |source| format!("{error}: {source}"))
}

/// The digest by which people know the layer, else its id, cut to twelve digits.
fn name(layer: &LayerRef) -> String {
    layer.diff_id.map_or_else(|| short(&layer.id).to_string(), |digest| digest.short())
}

fn differs(layer: &LayerRef, recorded: Digest, came: Digest, way: &Way) -> Finding {
    let detail = match way {
        Way::Rebuilt(why) => format!("{why}; its tar is written anew, with the digest {came} instead of {recorded}"),
        _ => format!("its bytes have the digest {came} instead of {recorded}"),
    };
    Finding::new("digest-differs", detail)
        .about(format!("layer {}", recorded.short()))
        .at(layer.folder.join(layer.id.as_bytes()))
}

/// The size of a blob's content. It is unpacked for that, since no header of it can be trusted to say.
fn stored_size(root: &Root, blob: &HostPath) -> Result<u64, String> {
    let (compression, mut content) = open_blob(root, blob)?;
    if compression == compress::Compression::None {
        return root.stat(blob).map(|stat| stat.size).map_err(|error| error.problem.to_string());
    }
    io::copy(&mut content, &mut io::sink()).map_err(|error| error.to_string())
}

fn copy_stored(root: &Root, blob: &HostPath, out: &mut Pieces) -> Result<Vec<Finding>, LayerTarError> {
    let changed = |problem: String| Finding::new("content-lost", problem).at(blob.clone());
    let (_, mut content) = match open_blob(root, blob) {
        Ok(opened) => opened,
        Err(problem) => return Ok(vec![changed(problem)]),
    };
    loop {
        match content.read(out.space().map_err(LayerTarError::Write)?) {
            Ok(0) => return Ok(Vec::new()),
            Ok(count) => out.filled(count),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Ok(vec![changed(error.to_string())]),
        }
    }
}

fn open_blob(root: &Root, blob: &HostPath) -> Result<(compress::Compression, Box<dyn Read + Send>), String> {
    let file = root.open_file(blob).map_err(|error| error.problem.to_string())?;
    compress::decoder(Box::new(file)).map_err(|error| error.to_string())
}

/// Counts what is written to it.
struct Counter(u64);

impl Write for Counter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0 += bytes.len() as u64;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
