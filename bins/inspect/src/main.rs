//! `inspect NAME…` shows containers, images, volumes and networks of any host as docker's own JSON.
//!
//! In reading order: what can be typed ([`args`]), which objects the names mean ([`plan`]), what is printed ([`run`]), the
//! host as a whole ([`survey`]), and sizes ([`sizes`]).

mod args;
mod plan;
mod run;
mod sizes;
mod survey;

use std::process::ExitCode;

fn main() -> ExitCode {
    cli::run("inspect", |args: args::Args| {
        let plan = plan::Plan::new(&args)?;
        run::run(&args, plan)
    })
}
