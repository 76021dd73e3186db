//! What can be typed.

use clap::Parser;
use cli::RootArg;

/// Show what takes how much room
///
/// Counts images, containers, local volumes and the build cache as `docker system df` does.
#[derive(Parser, Debug)]
pub struct Args {
    #[command(flatten)]
    pub root: RootArg,
    /// Show every object, with what it has alone and what it shares
    #[arg(long, short)]
    pub verbose: bool,
    /// Print by a Go template, 'table TEMPLATE', or 'json', which has exact bytes too
    #[arg(long, value_name = "FORMAT")]
    pub format: Option<String>,
}
