//! `net down`: everything as it was.

use std::io::Write;

use cli::Outcome;
use wire::Daemon;
use wire::state::Store;

use crate::args::DownArgs;
use crate::files;
use crate::up::{explain, open};

/// Undoes.
pub fn run(args: &DownArgs) -> anyhow::Result<Outcome> {
    let attacher = open(&args.state.state_dir)?;
    let undone = attacher.down(&args.names, &Daemon::default(), args.dry_run).map_err(explain)?;
    if args.dry_run {
        let mut stdout = cli::stdout();
        undone.iter().try_for_each(|line| writeln!(stdout, "{line}"))?;
        stdout.flush()?;
    } else {
        let state = Store::peek(&args.state.state_dir)?.unwrap_or_default();
        files::sweep(&args.state.state_dir, &state.configs)?;
    }
    Ok(Outcome::done())
}
