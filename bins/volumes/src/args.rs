//! What can be typed.

use clap::Parser;
use cli::{FilterArg, RootArg};

/// List volumes
///
/// Shows the volumes of a data root as `docker volume ls` does.
#[derive(Parser, Debug)]
#[command(after_help = "Filters: dangling, driver, label, name")]
pub struct Args {
    #[command(flatten)]
    pub root: RootArg,
    /// Show names only
    #[arg(long, short)]
    pub quiet: bool,
    #[command(flatten)]
    pub filter: FilterArg,
    /// Print by a Go template, 'table TEMPLATE', or 'json'
    #[arg(long, value_name = "FORMAT")]
    pub format: Option<String>,
}

#[cfg(test)]
mod tests {
    #[test]
    fn help_is_as_reviewed() {
        assert_eq!(
            cli::usage::help::<super::Args>("volumes"),
            include_str!("../help.txt"),
            "if this is meant: volumes --help > help.txt"
        );
    }
}
