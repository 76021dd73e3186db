//! What can be typed.

/// Display a live stream of container(s) resource usage statistics
#[derive(clap::Parser, Debug)]
pub struct Args {
    #[command(flatten)]
    pub root: cli::RootArg,
    /// Show all containers (default shows just running)
    #[arg(short, long)]
    pub all: bool,
    /// Disable streaming stats and only pull the first result
    #[arg(long)]
    pub no_stream: bool,
    /// Do not truncate output
    #[arg(long)]
    pub no_trunc: bool,
    /// Print by a Go template, 'table TEMPLATE', or 'json'
    #[arg(long, value_name = "FORMAT")]
    pub format: Option<String>,
    /// Containers by name, id, or the beginning of an id; all that run where none is named
    #[arg(value_name = "CONTAINER")]
    pub containers: Vec<String>,
}
