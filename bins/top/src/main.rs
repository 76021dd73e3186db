//! `top`: the processes of a running container, as the host's own `ps` shows them.

mod args;
mod run;
mod table;

use std::process::ExitCode;

fn main() -> ExitCode {
    cli::run("top", |args: args::Args| {
        userns::enter()?;
        run::run(&args)
    })
}
