//! What can be typed.

use clap::Parser;
use cli::RootArg;

/// Tell which object a path, address or process belongs to
///
/// Takes paths of the old host or in the evidence, IP and MAC addresses, names of network interfaces, process ids,
/// cgroup paths and ids.
#[derive(Parser, Debug)]
pub struct Args {
    /// What to look for; '-' reads one name a line from stdin
    #[arg(value_name = "NAME", required = true)]
    pub names: Vec<String>,
    #[command(flatten)]
    pub root: RootArg,
    /// Print by a Go template, 'table TEMPLATE', or 'json'
    #[arg(long, value_name = "FORMAT")]
    pub format: Option<String>,
}
