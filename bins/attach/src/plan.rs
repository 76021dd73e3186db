//! Which container, and whether it can be attached to.

use std::path::PathBuf;

use anyhow::{Result, bail};
use lifecycle::end::{self, Living};
use model::Id;

use crate::args::Args;

/// Everything that is decided before anything is passed on.
pub struct Plan {
    /// The data root.
    pub root: PathBuf,
    /// The container.
    pub id: Id,
    /// Its process.
    pub living: Living,
}

impl Plan {
    /// Finds the container; refuses one that does not run, in docker's words.
    pub fn new(args: &Args) -> Result<Plan> {
        let root = args.root.path();
        let (_, container, living) = end::named(&root, &args.container, &cli::note)?;
        let Some(living) = living else {
            bail!("You cannot attach to a stopped container, start it first");
        };
        if living.is_halted() {
            bail!("You cannot attach to a paused container, unpause it first");
        }
        if living.record["State"]["Restarting"] == true {
            bail!("You cannot attach to a restarting container, wait until it is running");
        }
        let terminal = living.record["Config"]["Tty"] == true;
        let input = !args.no_stdin && living.record["Config"]["OpenStdin"] == true;
        if terminal && input && !rustix::termios::isatty(rustix::stdio::stdin()) {
            bail!("the input device is not a TTY");
        }
        Ok(Plan { root, id: container.id, living })
    }
}
