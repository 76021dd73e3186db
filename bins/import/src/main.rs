//! `import`: a root filesystem becomes an image.
//!
//! What can be typed ([`args`]), what it means ([`plan`]), and the work ([`run`]): the input is opened ([`input`],
//! [`fetch`], [`walk`]), what must not travel is left out ([`rules`], [`filter`]), and what the tree itself tells is
//! recorded ([`tree`]).

mod args;
mod fetch;
mod filter;
mod input;
mod plan;
mod rules;
mod run;
mod tree;
mod walk;

use std::process::ExitCode;

fn main() -> ExitCode {
    cli::run("import", |args: args::Args| {
        userns::enter_whole(&args.root.path());
        run::run(plan::Plan::new(args)?)
    })
}
