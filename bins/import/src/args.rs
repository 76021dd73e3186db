//! What can be typed.

use std::ffi::OsString;

/// Make an image of a root filesystem
///
/// The tar may be plain or compressed by gzip, bzip2, xz or zstd; its bytes come out again by save exactly as they went
/// in. A directory is walked. A URL is fetched over http or https.
#[derive(clap::Parser, Debug)]
#[command(
    after_help = "Examples:\n  tar -C / --one-file-system -c . | import --host - myhost:today\n  import rootfs.tar.xz debian:12\n  \
    import -c 'CMD [\"/bin/bash\"]' -c 'ENV LANG=C.UTF-8' ./tree app:1"
)]
pub struct Args {
    /// Tar, directory, URL, or - for stdin
    #[arg(value_name = "FILE|DIR|URL|-", value_hint = clap::ValueHint::AnyPath)]
    pub source: OsString,
    /// Name of the image
    #[arg(value_name = "REPOSITORY[:TAG]")]
    pub name: Option<String>,
    /// Its tag, as docker 0.x took it
    #[arg(hide = true)]
    pub tag: Option<String>,
    /// Apply a Dockerfile instruction to the image (CMD, ENTRYPOINT, ENV, EXPOSE, HEALTHCHECK, LABEL, ONBUILD,
    /// STOPSIGNAL, USER, VOLUME, WORKDIR)
    #[arg(short, long, value_name = "INSTRUCTION")]
    pub change: Vec<String>,
    /// Comment to record [default: Imported from -]
    #[arg(short, long, value_name = "TEXT")]
    pub message: Option<String>,
    /// Platform to record, as linux/arm64 [default: told from the programs in the tree]
    #[arg(long, value_name = "OS/ARCH[/VARIANT]")]
    pub platform: Option<String>,
    /// Take it as a live host: leave out what must not travel, set PATH and a shell, record where it comes from
    #[arg(long)]
    pub host: bool,
    /// Leave out names that match: a/b below the top, or a component anywhere
    #[arg(long, value_name = "PATTERN")]
    pub exclude: Vec<String>,
    /// Only say what would be taken and left out, in bytes per directory
    #[arg(long)]
    pub dry_run: bool,
    /// Walking a directory, stay on its file system
    #[arg(long)]
    pub one_file_system: bool,
    /// Take an archive that was cut short, as far as it came
    #[arg(long)]
    pub allow_truncated: bool,
    /// Print the id only
    #[arg(short, long)]
    pub quiet: bool,
    /// Wait until the disk has the whole layer before it is named, so that not even a power cut can cost it
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
