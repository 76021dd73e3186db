//! What can be typed.

/// Show what a container changed in its filesystem: A added, C changed, D deleted
#[derive(clap::Parser, Debug)]
pub struct Args {
    /// Container: id, name, or the beginning of an id
    pub container: String,
    /// How to print: a line each, or JSON Lines
    #[arg(long, value_name = "FORMAT", default_value = "table")]
    pub format: Format,
    #[command(flatten)]
    pub root: cli::RootArg,
}

/// How differences are printed.
#[derive(clap::ValueEnum, Clone, Copy, PartialEq, Eq, Debug)]
pub enum Format {
    /// Docker's lines: `A /etc/hosts`
    Table,
    /// One object a line: `{"Kind":"A","Path":"/etc/hosts"}`
    Json,
}
