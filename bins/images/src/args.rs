//! What can be typed.

use clap::Parser;
use cli::{Era, FilterArg, RootArg};

/// List images
///
/// Shows the images of a data root as docker does, one row a name, newest first. Images that only others are made on are
/// shown with -a.
#[derive(Parser, Debug)]
#[command(after_help = "Filters: dangling, label, before, since, until, reference")]
pub struct Args {
    #[command(flatten)]
    pub root: RootArg,
    /// Show only images of this name; patterns as in *.example.com/*:1.*
    #[arg(value_name = "REPOSITORY[:TAG]")]
    pub name: Option<String>,
    /// Show all images, also those that others are made on
    #[arg(long, short)]
    pub all: bool,
    /// Show ids only
    #[arg(long, short)]
    pub quiet: bool,
    /// Show digests
    #[arg(long)]
    pub digests: bool,
    /// Do not shorten ids
    #[arg(long)]
    pub no_trunc: bool,
    #[command(flatten)]
    pub filter: FilterArg,
    /// Print by a Go template, 'table TEMPLATE', or 'json'
    #[arg(long, value_name = "FORMAT")]
    pub format: Option<String>,
    /// Print the columns of an old docker
    #[arg(long = "as", value_name = "VERSION", value_enum, conflicts_with = "format")]
    pub era: Option<Era>,
}

#[cfg(test)]
mod tests {
    #[test]
    fn help_is_as_reviewed() {
        assert_eq!(
            cli::usage::help::<super::Args>("images"),
            include_str!("../help.txt"),
            "if this is meant: images --help > help.txt"
        );
    }
}
