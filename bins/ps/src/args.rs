//! What can be typed.

use clap::Parser;
use cli::{Era, FilterArg, RootArg};

/// List containers
///
/// Shows the containers of a data root as docker does, those that were running when the root was last written; with -a
/// all of them. What was running then is shown as running: nobody can tell what became of it, unless its process lives on
/// this machine.
#[derive(Parser, Debug)]
#[command(
    after_help = "Filters: id, name, label, status, exited, before, since, volume, network, ancestor, publish, expose, health, is-task"
)]
pub struct Args {
    #[command(flatten)]
    pub root: RootArg,
    /// Show all containers, also those that were not running
    #[arg(long, short)]
    pub all: bool,
    /// Show ids only
    #[arg(long, short)]
    pub quiet: bool,
    /// Do not shorten ids, commands and names
    #[arg(long)]
    pub no_trunc: bool,
    /// Show the last N containers that were made, in any state
    #[arg(long, short = 'n', value_name = "N", default_value_t = -1, hide_default_value = true, allow_negative_numbers = true)]
    pub last: i64,
    /// Show the container that was made last, in any state
    #[arg(long, short)]
    pub latest: bool,
    /// Show how many bytes each container wrote, and how many its image has
    #[arg(long, short)]
    pub size: bool,
    #[command(flatten)]
    pub filter: FilterArg,
    /// Print by a Go template, 'table TEMPLATE', or 'json'
    #[arg(long, value_name = "FORMAT")]
    pub format: Option<String>,
    /// Print the columns of an old docker
    #[arg(long = "as", value_name = "VERSION", value_enum, conflicts_with = "format")]
    pub era: Option<Era>,
    /// Show what was made after this container (docker before 1.10)
    #[arg(long, value_name = "CONTAINER", hide = true)]
    pub since: Option<String>,
    /// Show what was made before this container (docker before 1.10)
    #[arg(long, value_name = "CONTAINER", hide = true)]
    pub before: Option<String>,
}

#[cfg(test)]
mod tests {
    #[test]
    fn help_is_as_reviewed() {
        assert_eq!(
            cli::usage::help::<super::Args>("ps"),
            include_str!("../help.txt"),
            "if this is meant: ps --help > help.txt"
        );
    }
}
