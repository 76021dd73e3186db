//! What can be typed.

use clap::Parser;
use cli::RootArg;

/// Show versions of dockless and of the engines that wrote the root
///
/// Shows this program's version, which engines' stores the data root holds, and what it tells of the versions of the
/// engines that wrote it. Without a root, only the first.
#[derive(Parser, Debug)]
pub struct Args {
    #[command(flatten)]
    pub root: RootArg,
    /// Print by a Go template, or 'json'
    #[arg(long, short, value_name = "FORMAT")]
    pub format: Option<String>,
}

#[cfg(test)]
mod tests {
    #[test]
    fn help_is_as_reviewed() {
        assert_eq!(
            cli::usage::help::<super::Args>("version"),
            include_str!("../help.txt"),
            "if this is meant: version --help > help.txt"
        );
    }
}
