//! What can be typed.

use clap::{ArgAction, Parser};
use cli::{Era, RootArg};

/// Show how an image was made
///
/// Shows an image's steps as docker does, the last one first, with what each added.
#[derive(Parser, Debug)]
pub struct Args {
    #[command(flatten)]
    pub root: RootArg,
    /// The image, by name or id
    #[arg(value_name = "IMAGE")]
    pub image: String,
    /// Show ids only
    #[arg(long, short)]
    pub quiet: bool,
    /// Do not shorten ids and commands
    #[arg(long)]
    pub no_trunc: bool,
    /// Show sizes and times for people; --human=false shows bytes and instants
    #[arg(long, short = 'H', value_name = "BOOL", action = ArgAction::Set, num_args = 0..=1, require_equals = true)]
    #[arg(
        default_value_t = true,
        default_missing_value = "true",
        hide_default_value = true,
        hide_possible_values = true
    )]
    pub human: bool,
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
            cli::usage::help::<super::Args>("history"),
            include_str!("../help.txt"),
            "if this is meant: history --help > help.txt"
        );
    }
}
