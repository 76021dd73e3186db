//! What can be typed.

use std::path::PathBuf;

use tarball::compress::Compression;

/// Write images as an archive that docker load, podman load and load read
///
/// Layers are put together again so that their digests are exactly those recorded, and proven while they are written.
/// The same images give the same bytes each time.
#[derive(clap::Parser, Debug)]
#[command(
    after_help = "Examples:\n  save app:1 | ssh other load\n  save -o all.tar.zst --compress zstd app debian:12\n  \
    save --root /mnt/old --format oci-dir -o layout app:1"
)]
pub struct Args {
    /// Images: names (a bare repository means all its tags) or ids
    #[arg(required = true, value_name = "IMAGE")]
    pub images: Vec<String>,
    /// Write to a file (with oci-dir a directory) instead of stdout
    #[arg(short, long, value_name = "FILE", value_hint = clap::ValueHint::AnyPath)]
    pub output: Option<PathBuf>,
    /// Form of the archive
    #[arg(long, value_enum, default_value_t = Form::DockerArchive)]
    pub format: Form,
    /// Compress the whole stream: gzip, zstd, bzip2, xz or none, with a level as in zstd:9
    #[arg(long, value_name = "HOW[:LEVEL]", value_parser = compress)]
    pub compress: Option<(Compression, Option<u32>)>,
    /// Keep the names of images that are named by id
    #[arg(long)]
    pub keep_tags: bool,
    /// Look through every layer first, and write anew those that cannot be put together exactly
    #[arg(long)]
    pub rebuild: bool,
    /// Show no progress
    #[arg(short, long)]
    pub quiet: bool,
    #[command(flatten)]
    pub progress: cli::ProgressArg,
    #[command(flatten)]
    pub root: cli::RootArg,
}

/// The form of an archive.
#[derive(clap::ValueEnum, Clone, Copy, PartialEq, Eq, Debug)]
pub enum Form {
    /// What docker of every age loads
    DockerArchive,
    /// An OCI image layout as a tar
    OciArchive,
    /// An OCI image layout as a directory
    OciDir,
}

fn compress(text: &str) -> Result<(Compression, Option<u32>), String> {
    let (word, level) = match text.split_once(':') {
        Some((word, level)) => (word, Some(level.parse().map_err(|_| format!("'{level}' is no level"))?)),
        None => (text, None),
    };
    let compression = Compression::parse(word).ok_or("gzip, zstd, bzip2, xz or none is expected")?;
    match level {
        Some(level) if !compression.levels().contains(&level) => {
            Err(format!("{word} has levels {} to {}", compression.levels().start(), compression.levels().end()))
        }
        _ => Ok((compression, level)),
    }
}
