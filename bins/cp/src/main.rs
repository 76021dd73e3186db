//! `cp`: files out of a container of any root, and into one of a root that is written.
//!
//! What can be typed ([`args`]), which way it goes ([`plan`]), the container's files and what lies over them ([`tree`]), parts
//! of trees under other names ([`parts`]), where copies land by docker's rules ([`landing`]), and the two ways ([`out`],
//! [`into`]).

mod args;
mod into;
mod landing;
mod out;
mod parts;
mod plan;
mod tree;

use std::process::ExitCode;

use plan::Way;

fn main() -> ExitCode {
    cli::run("cp", |args: args::Args| {
        userns::enter_whole(&args.root.path());
        match Way::of(&args)? {
            Way::Out { container, path } => out::run(&args, &container, &path),
            Way::Into { container, path } => into::run(&args, &container, &path),
        }
    })
}
