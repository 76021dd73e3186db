//! What can be typed.

/// Display the running processes of a container
#[derive(clap::Parser, Debug)]
pub struct Args {
    #[command(flatten)]
    pub root: cli::RootArg,
    /// Container by name, id, or the beginning of an id
    pub container: String,
    /// Options for ps; -ef where none are given
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_name = "ps OPTIONS")]
    pub options: Vec<String>,
}
