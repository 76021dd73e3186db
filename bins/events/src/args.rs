//! What can be typed.

use model::Timestamp;

/// Get events of containers, their volumes and networks as they happen
///
/// Shows what dockless wrote down in the data root's journal, and goes on until it is told to stop. With --since, what the
/// records of any data root tell is shown too: when a container was made, last started and last ended.
#[derive(clap::Parser, Debug)]
#[command(after_help = "Filters: container, event, image, label, type, scope, daemon, volume, network, plugin")]
pub struct Args {
    #[command(flatten)]
    pub root: cli::RootArg,
    /// Show events since a time (2026-01-02T03:04:05Z, seconds since 1970) or a while ago (1h30m)
    #[arg(long, value_name = "TIME", value_parser = cli::moment::parse)]
    pub since: Option<Timestamp>,
    /// Show events until a time, and end there
    #[arg(long, value_name = "TIME", value_parser = cli::moment::parse)]
    pub until: Option<Timestamp>,
    #[command(flatten)]
    pub filter: cli::FilterArg,
    /// Print by a Go template, or 'json'
    #[arg(long, value_name = "FORMAT")]
    pub format: Option<String>,
}
