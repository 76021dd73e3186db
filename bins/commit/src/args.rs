//! What can be typed.

/// Create a new image from a container's changes
#[derive(clap::Parser, Debug)]
pub struct Args {
    /// Author (e.g., "John Hannibal Smith <hannibal@a-team.com>")
    #[arg(short, long, value_name = "string", default_value = "", hide_default_value = true)]
    pub author: String,
    /// Apply Dockerfile instruction to the created image
    #[arg(short, long, value_name = "list")]
    pub change: Vec<String>,
    /// Commit message
    #[arg(short, long, value_name = "string", default_value = "", hide_default_value = true)]
    pub message: String,
    /// Pause container during commit
    #[arg(short, long, value_name = "bool", num_args = 0..=1, require_equals = true, default_value = "true", default_missing_value = "true", action = clap::ArgAction::Set)]
    pub pause: bool,
    /// Refuse at once while another program writes to the data root, instead of waiting for it
    #[arg(long)]
    pub no_wait: bool,
    #[command(flatten)]
    pub root: cli::RootArg,
    /// Container by name, id, or the beginning of an id
    pub container: String,
    /// The image's name
    #[arg(value_name = "REPOSITORY[:TAG]")]
    pub name: Option<String>,
}
