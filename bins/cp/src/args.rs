//! What can be typed.

use std::ffi::OsString;

/// Copy files/folders between a container and the local filesystem
///
/// Use '-' as the source to read a tar archive from stdin and extract it to a directory destination in a container. Use '-' as
/// the destination to stream a tar archive of a container source to stdout.
#[derive(clap::Parser, Debug)]
#[command(
    override_usage = "cp [OPTIONS] CONTAINER:SRC_PATH DEST_PATH|-\n       cp [OPTIONS] SRC_PATH|- CONTAINER:DEST_PATH"
)]
pub struct Args {
    /// Archive mode: keep owners out of a container; into one, give them to the container's user
    #[arg(short, long)]
    pub archive: bool,
    /// Always follow symbol link in SRC_PATH
    #[arg(short = 'L', long)]
    pub follow_link: bool,
    /// Suppress progress output during copy: there is none
    #[arg(short, long)]
    pub quiet: bool,
    #[command(flatten)]
    pub root: cli::RootArg,
    /// What is copied
    #[arg(value_name = "SRC")]
    pub source: OsString,
    /// Where to
    #[arg(value_name = "DEST")]
    pub destination: OsString,
}
