//! What can be typed.

use clap::Parser;
use cli::{Era, RootArg};

/// Show a container's published ports
///
/// Shows the ports as they were when the container last ran, one line each.
#[derive(Parser, Debug)]
pub struct Args {
    #[command(flatten)]
    pub root: RootArg,
    /// The container, by name or id
    #[arg(value_name = "CONTAINER")]
    pub container: String,
    /// Show only where this port of the container is published, as PORT or PORT/PROTOCOL
    #[arg(value_name = "PRIVATE_PORT[/PROTOCOL]")]
    pub port: Option<String>,
    /// Print as an old docker did
    #[arg(long = "as", value_name = "VERSION", value_enum)]
    pub era: Option<Era>,
}

#[cfg(test)]
mod tests {
    #[test]
    fn help_is_as_reviewed() {
        assert_eq!(
            cli::usage::help::<super::Args>("port"),
            include_str!("../help.txt"),
            "if this is meant: port --help > help.txt"
        );
    }
}
