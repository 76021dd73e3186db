//! `net`: the network that containers need, planned from their configs, made and unmade.

mod args;
mod check;
mod companion;
mod diff;
mod down;
mod files;
mod input;
mod ls;
mod plan;
mod proxy;
mod resolver;
mod up;

use std::process::ExitCode;

use args::{Args, Verb};

fn main() -> ExitCode {
    cli::run("net", |args: Args| match &args.verb {
        Verb::Plan(verb) => plan::run(verb, &args.root),
        Verb::Up(verb) => up::run(verb, &args.root),
        Verb::Down(verb) => down::run(verb),
        Verb::Ls(verb) => ls::run(verb),
        Verb::Diff(verb) => diff::run(verb, &args.root),
        Verb::Check(verb) => check::run(verb),
        Verb::Resolver(verb) => resolver::run(verb),
        Verb::Proxy(verb) => proxy::run(verb),
    })
}
