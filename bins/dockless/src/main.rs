//! `dockless NAME …` starts the program NAME, as `git` does.
//!
//! What can be typed ([`groups`]: docker's own grouping of verbs), where the programs are ([`programs`]), what the help
//! says ([`help`]), and what is completed ([`spec`]).

mod groups;
mod help;
mod programs;
mod spec;

use std::ffi::OsString;
use std::process::ExitCode;

use groups::Meaning;

fn main() -> ExitCode {
    let args: Vec<OsString> = std::env::args_os().skip(1).collect();
    let folder = programs::folder();
    match groups::meaning(&args) {
        Meaning::Program { name, args } => programs::start(&folder, &name, &args),
        Meaning::Help { group: None } => help::all(&folder),
        Meaning::Help { group: Some(group) } => help::group(&folder, group),
        Meaning::Version => help::version(),
        Meaning::Spec { kind } => spec::answer(&folder, &kind),
        Meaning::Wrong { text } => help::wrong(&text),
    }
}
