//! What can be typed.

use clap::Parser;
use cli::{FilterArg, RootArg};

/// List networks
///
/// Shows the networks of a data root as `docker network ls` does.
#[derive(Parser, Debug)]
#[command(after_help = "Filters: dangling, driver, id, label, name, scope, type")]
pub struct Args {
    #[command(flatten)]
    pub root: RootArg,
    /// Show ids only
    #[arg(long, short)]
    pub quiet: bool,
    /// Do not shorten ids
    #[arg(long)]
    pub no_trunc: bool,
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
            cli::usage::help::<super::Args>("networks"),
            include_str!("../help.txt"),
            "if this is meant: networks --help > help.txt"
        );
    }
}
