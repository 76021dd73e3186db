//! What can be typed.

use logfile::Tail;
use model::Timestamp;

/// Show what a container wrote: its standard output on stdout, its standard error on stderr
#[derive(clap::Parser, Debug)]
pub struct Args {
    /// Container: id, name, or the beginning of an id
    pub container: String,
    /// Show what the container writes from now on too, while it runs
    #[arg(short, long)]
    pub follow: bool,
    /// Show entries since a time (2026-01-02T03:04:05Z, seconds since 1970) or a while ago (1h30m)
    #[arg(long, value_name = "TIME", value_parser = cli::moment::parse)]
    pub since: Option<Timestamp>,
    /// Show entries before a time or a while ago
    #[arg(long, value_name = "TIME", value_parser = cli::moment::parse)]
    pub until: Option<Timestamp>,
    /// Show only the last so many entries
    #[arg(short = 'n', long, value_name = "NUMBER", default_value = "all", value_parser = tail, allow_hyphen_values = true)]
    pub tail: Tail,
    /// Show the time of each entry
    #[arg(short, long)]
    pub timestamps: bool,
    /// Show labels and variables that the log driver was told to keep
    #[arg(long)]
    pub details: bool,
    /// How to print: as the container wrote it, or JSON Lines with stream, time and text
    #[arg(long, value_name = "FORMAT", default_value = "raw")]
    pub format: Format,
    #[command(flatten)]
    pub root: cli::RootArg,
}

/// How entries are printed.
#[derive(clap::ValueEnum, Clone, Copy, PartialEq, Eq, Debug)]
pub enum Format {
    /// As the container wrote it
    Raw,
    /// One object an entry: `{"Stream":"stdout","Time":"…","Text":"…"}`
    Json,
}

/// Docker takes a number, and everything else, negative numbers among it, as all.
fn tail(text: &str) -> Result<Tail, String> {
    match text.parse::<i64>() {
        Ok(number) => Ok(u64::try_from(number).map_or(Tail::All, Tail::Last)),
        Err(_) if text == "all" || text.is_empty() => Ok(Tail::All),
        Err(_) => Err("a number or 'all' is expected".to_string()),
    }
}
