//! What can be typed.

use std::path::PathBuf;

/// Load images from an archive into a data root
///
/// Takes what docker save of every age, podman save and skopeo wrote: docker-archives and OCI layouts, as a tar, perhaps
/// compressed, or unpacked in a directory. Nothing is tagged unless all of it was whole.
#[derive(clap::Parser, Debug)]
#[command(
    after_help = "Examples:\n  ssh old docker save app:1 | load\n  load -i images.tar.zst --list\n  load -i images.tar app:1 debian:12"
)]
pub struct Args {
    /// Images of the archive to load, by name or id [default: all]
    #[arg(value_name = "NAME")]
    pub names: Vec<String>,
    /// Read from a file or directory instead of stdin
    #[arg(short, long, value_name = "FILE|DIR", value_hint = clap::ValueHint::AnyPath)]
    pub input: Option<PathBuf>,
    /// Show no progress
    #[arg(short, long)]
    pub quiet: bool,
    /// Only list the images of the archive
    #[arg(long)]
    pub list: bool,
    /// Platform to take from an index of several, as linux/arm64 [default: this machine's]
    #[arg(long, value_name = "OS/ARCH[/VARIANT]", value_parser = platform)]
    pub platform: Option<archive::manifest::Platform>,
    /// Wait until the disk has all layers before they are named, so that not even a power cut can cost one
    #[arg(long)]
    pub sync: bool,
    /// Refuse at once when another program writes to the data root
    #[arg(long)]
    pub no_wait: bool,
    #[command(flatten)]
    pub progress: cli::ProgressArg,
    #[command(flatten)]
    pub root: cli::RootArg,
}

fn platform(text: &str) -> Result<archive::manifest::Platform, String> {
    let parts: Vec<&str> = text.split('/').collect();
    match parts.as_slice() {
        [os, architecture, rest @ ..] if rest.len() < 2 && !os.is_empty() && !architecture.is_empty() => {
            Ok(archive::manifest::Platform {
                os: (*os).to_string(),
                architecture: (*architecture).to_string(),
                variant: rest.first().map(|variant| (*variant).to_string()).unwrap_or_default(),
            })
        }
        _ => Err("linux/amd64, say, is expected".to_string()),
    }
}
