//! What can be typed.

/// Give an image another name; a name that another image has moves to this one
#[derive(clap::Parser, Debug)]
pub struct Args {
    /// Image: name with tag or digest, id, or the beginning of an id
    #[arg(value_name = "SOURCE_IMAGE[:TAG]")]
    pub source: String,
    /// New name; without a tag it gets `latest`
    #[arg(value_name = "TARGET_IMAGE[:TAG]")]
    pub target: String,
    /// Tag of the new name, as docker before 1.2 took it
    #[arg(hide = true)]
    pub tag: Option<String>,
    /// Move a name that another image has, which is done in any case
    #[arg(short, long, hide = true)]
    pub force: bool,
    /// Refuse at once while another program writes to the data root, instead of waiting for it
    #[arg(long)]
    pub no_wait: bool,
    #[command(flatten)]
    pub root: cli::RootArg,
}
