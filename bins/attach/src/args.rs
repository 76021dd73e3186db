//! What can be typed.

use lifecycle::keys::Keys;

/// Attach local standard input, output, and error streams to a running container
#[derive(clap::Parser, Debug)]
pub struct Args {
    #[command(flatten)]
    pub root: cli::RootArg,
    /// Override the key sequence for detaching a container
    #[arg(long, value_name = "string", value_parser = Keys::parse, default_value = "", hide_default_value = true)]
    pub detach_keys: Keys,
    /// Do not attach STDIN
    #[arg(long)]
    pub no_stdin: bool,
    /// Proxy all received signals to the process
    #[arg(long, value_name = "bool", num_args = 0..=1, require_equals = true, default_value_t = true, default_missing_value = "true", action = clap::ArgAction::Set)]
    pub sig_proxy: bool,
    /// Container by name, id, or the beginning of an id
    pub container: String,
}
