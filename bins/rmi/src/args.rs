//! What can be typed.

/// Remove one or more images
#[derive(clap::Parser, Debug)]
pub struct Args {
    /// Images: name with tag or digest, id, or the beginning of an id
    #[arg(required = true, value_name = "IMAGE")]
    pub images: Vec<String>,
    /// Remove also what has several names or is used by a stopped container; what is not there is no error
    #[arg(short, long)]
    pub force: bool,
    /// Keep parents that have no name
    #[arg(long)]
    pub no_prune: bool,
    /// Refuse at once while another program writes to the data root, instead of waiting for it
    #[arg(long)]
    pub no_wait: bool,
    #[command(flatten)]
    pub root: cli::RootArg,
}
