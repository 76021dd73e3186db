//! What can be typed.

/// Remove one or more containers
#[derive(clap::Parser, Debug)]
pub struct Args {
    /// Containers: id, name, or the beginning of an id
    #[arg(required = true, value_name = "CONTAINER")]
    pub containers: Vec<String>,
    /// Force the removal of a running container (uses SIGKILL), and take what is not there for removed
    #[arg(short, long)]
    pub force: bool,
    /// Remove the anonymous volumes of the containers too
    #[arg(short, long)]
    pub volumes: bool,
    /// Remove the specified link (CONTAINER/ALIAS) instead of a container
    #[arg(short, long)]
    pub link: bool,
    /// Refuse at once while another program writes to the data root, instead of waiting for it
    #[arg(long)]
    pub no_wait: bool,
    #[command(flatten)]
    pub root: cli::RootArg,
}
