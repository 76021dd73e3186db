//! What may be wrong with an archive.

use model::{Digest, EntryPath, StreamError};
use thiserror::Error;

/// Why an archive cannot be read. Nothing of it is to be kept then.
#[derive(Debug, Error)]
pub enum ArchiveError {
    /// The tar or directory itself cannot be read.
    #[error("cannot read the archive")]
    Members(#[source] StreamError),
    /// A document is no JSON, or lacks what it must have.
    #[error("'{name}' does not read as {what}")]
    Document {
        /// The member.
        name: EntryPath,
        /// What it ought to be.
        what: &'static str,
        /// What the parser says.
        source: serde_json::Error,
    },
    /// A document names a member that is not in the archive.
    #[error("'{by}' names '{name}', which is not in the archive")]
    Missing {
        /// The member that names it.
        by: EntryPath,
        /// The name.
        name: String,
    },
    /// A blob's bytes are not those that its name promises.
    #[error("'{name}' holds {found}: the archive is damaged")]
    Digest {
        /// The member.
        name: EntryPath,
        /// What its bytes come to.
        found: Digest,
    },
    /// A layer's tar is not the one that the config names.
    #[error("layer '{name}' is {found}, but the config says {stated}: the archive is damaged")]
    Layer {
        /// The member.
        name: EntryPath,
        /// What its bytes come to.
        found: Digest,
        /// What the config says.
        stated: Digest,
    },
    /// The manifest and the config count layers differently.
    #[error("'{config}' has {diff_ids} layers, but the manifest names {layers}")]
    LayerCount {
        /// The config.
        config: EntryPath,
        /// Layers of the config.
        diff_ids: usize,
        /// Layers of the manifest.
        layers: usize,
    },
    /// Two members have one name and differ.
    #[error("'{name}' is in the archive twice")]
    Twice {
        /// The name.
        name: EntryPath,
    },
    /// More than dockless is willing to take from one archive.
    #[error("the archive has more than {limit} {what}")]
    TooMuch {
        /// Of what.
        what: &'static str,
        /// How many are taken.
        limit: u64,
    },
    /// A document contradicts itself or says what cannot be.
    #[error("'{name}' {why}")]
    Senseless {
        /// The member.
        name: EntryPath,
        /// What is wrong with it.
        why: String,
    },
    /// No document that names images.
    #[error("there is no manifest.json, index.json or repositories in it: not an archive of images")]
    NoImages,
    /// Images there are, but none for this machine.
    #[error("'{name}' has no image for {wanted}, only for {found}")]
    NoPlatform {
        /// The index.
        name: EntryPath,
        /// What was asked for.
        wanted: String,
        /// What there is.
        found: String,
    },
}
