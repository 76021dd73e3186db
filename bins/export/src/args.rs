//! What can be typed.

use std::path::PathBuf;

/// Write a container's, image's or volume's files as a tar archive
#[derive(clap::Parser, Debug)]
pub struct Args {
    /// Container, image or volume: name, id, or the beginning of an id. Looked for in this order
    #[arg(value_name = "CONTAINER|IMAGE|VOLUME", required_unless_present = "host")]
    pub name: Option<String>,
    /// The data root itself, every file as it lies: to take it along, or to compare it with itself later
    #[arg(long, conflicts_with_all = ["name", "kind", "docker"])]
    pub host: bool,
    /// Write to a file instead of stdout; with --format dir, to a new folder
    #[arg(short, long, value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
    pub output: Option<PathBuf>,
    /// Form of the output
    #[arg(long, value_name = "FORM", default_value = "tar")]
    pub format: Form,
    /// Write tar headers as docker does: whole seconds, no extended attributes but capabilities, no holes
    #[arg(long)]
    pub docker: bool,
    /// Look for an object of this kind only
    #[arg(long = "type", value_name = "KIND")]
    pub kind: Option<Kind>,
    #[command(flatten)]
    pub root: cli::RootArg,
    #[command(flatten)]
    pub progress: cli::ProgressArg,
}

/// Forms of a tree.
#[derive(clap::ValueEnum, Clone, Copy, PartialEq, Eq, Debug)]
pub enum Form {
    /// A tar archive with all attributes
    Tar,
    /// A folder with the files themselves
    Dir,
    /// The Sleuth Kit's body file, for timelines
    Bodyfile,
    /// `sha256sum`'s list of digests
    Sha256sum,
    /// BSD's mtree specification, with digests
    Mtree,
    /// One JSON object a name, with digests
    Jsonl,
}

/// Kinds of object that have a filesystem.
#[derive(clap::ValueEnum, Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// A container
    Container,
    /// An image
    Image,
    /// A volume
    Volume,
}
