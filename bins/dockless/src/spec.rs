//! The front's own man page, and completions for it and all programs behind it.

use std::ffi::{OsStr, OsString};
use std::io::Write;
use std::path::Path;
use std::process::{Command as Process, ExitCode};

use clap::{Arg, Command};

use crate::groups::{GROUPS, Verb};
use crate::help;
use crate::programs::{self, PROGRAMS};

/// Prints what was asked for.
pub fn answer(folder: &Path, kind: &OsStr) -> ExitCode {
    let command = front(folder);
    let text = match kind.to_str() {
        Some("man") => cli::spec::man(command),
        Some(shell @ ("bash" | "zsh" | "fish")) => Ok(cli::spec::completions(command, shell)),
        _ => return help::wrong("man, bash, zsh and fish are specs"),
    };
    match text.map(|text| std::io::stdout().write_all(&text)) {
        Ok(Ok(())) => ExitCode::SUCCESS,
        Ok(Err(error)) => help::wrong(&cli::message::causes(&error)),
        Err(error) => help::wrong(&cli::message::causes(error.as_ref())),
    }
}

/// The front with every program that is there as its subcommand, asked for its definitions.
fn front(folder: &Path) -> Command {
    let root = Arg::new("root")
        .long("root")
        .short('g')
        .value_name("DIR")
        .help("Data root to work on")
        .value_hint(clap::ValueHint::DirPath);
    let mut front = Command::new("dockless").about("Works on a Docker data root with no daemon").arg(root);
    front = front.version(env!("CARGO_PKG_VERSION")).disable_help_subcommand(true).after_help(help::BEGIN);
    let known: Vec<Command> = PROGRAMS.iter().filter_map(|(name, about)| program(folder, name, about)).collect();
    for group in GROUPS {
        front = front.subcommand(Command::new(group.word).about(group.about).subcommands(verbs(group.verbs, &known)));
    }
    front.subcommands(known)
}

fn program(folder: &Path, name: &'static str, about: &'static str) -> Option<Command> {
    if !programs::is_there(folder, OsStr::new(name)) {
        return None;
    }
    let said = Process::new(folder.join(name)).args([cli::spec::FLAG, "json"].map(OsString::from)).output().ok()?;
    // A program that has no definitions to tell is completed by its name alone.
    Some(
        std::str::from_utf8(&said.stdout)
            .ok()
            .and_then(cli::spec::parse)
            .unwrap_or_else(|| Command::new(name))
            .about(about),
    )
}

fn verbs(verbs: &[Verb], known: &[Command]) -> Vec<Command> {
    let named = |verb: &Verb| {
        known.iter().find(|command| command.get_name() == verb.program).map(|c| c.clone().name(verb.word))
    };
    verbs.iter().filter_map(named).collect()
}
