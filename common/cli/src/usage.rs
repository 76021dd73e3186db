//! What a wrong command line is answered, in docker's words.

use std::io::Write;
use std::process::ExitCode;

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Command, CommandFactory};

use crate::message;

/// A program's definitions under its name, with what holds for all programs.
pub(crate) fn command<A: CommandFactory>(name: &'static str) -> Command {
    let command = A::command().name(name).bin_name(name).disable_help_subcommand(true).infer_long_args(true);
    let command = if command.get_version().is_some() { command } else { command.version(env!("CARGO_PKG_VERSION")) };
    command.max_term_width(100)
}

/// What a program's `--help` prints, at a fixed width: for a test that keeps it, so that a change is seen in review.
pub fn help<A: CommandFactory>(name: &'static str) -> String {
    command::<A>(name).term_width(100).render_long_help().to_string()
}

/// A mistake in what was typed that only the program itself can see, such as a filter that it does not have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WrongUsage(pub String);

impl std::fmt::Display for WrongUsage {
    fn fmt(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for WrongUsage {}

/// Returns a [`WrongUsage`] made as by `format!`, as `anyhow::bail!` does with an error.
#[macro_export]
macro_rules! wrong_usage {
    ($($text:tt)*) => {
        return Err($crate::usage::WrongUsage(format!($($text)*)).into())
    };
}

/// Answers `--help` and `--version` on stdout, and everything else as a mistake on stderr.
pub(crate) fn answer(name: &str, error: &clap::Error, wrong_usage: u8) -> ExitCode {
    if !error.use_stderr() {
        let _ = write!(crate::stdout(), "{}", error.render());
        return ExitCode::SUCCESS;
    }
    message::say(&model::path::shown(mistake(name, error).as_bytes()));
    message::say_bare(&format!("hint: see '{} --help'", called(name)));
    ExitCode::from(wrong_usage)
}

fn called(name: &str) -> String {
    if name == "dockless" { name.into() } else { format!("dockless {name}") }
}

/// One line that says what is wrong; docker's words (spf13/pflag, cli/required.go) where docker has some.
fn mistake(name: &str, error: &clap::Error) -> String {
    let invalid = text(error, ContextKind::InvalidArg).unwrap_or_default();
    let value = text(error, ContextKind::InvalidValue).unwrap_or_default();
    let flag = invalid.split([' ', '=', '[']).next().unwrap_or_default();
    let more =
        text(error, ContextKind::SuggestedArg).map(|near| format!(" (did you mean '{near}'?)")).unwrap_or_default();
    match error.kind() {
        ErrorKind::UnknownArgument if flag.starts_with("--") => format!("unknown flag: {flag}{more}"),
        ErrorKind::UnknownArgument if flag.starts_with('-') => format!("unknown shorthand flag: {flag}{more}"),
        ErrorKind::UnknownArgument => format!("'{}' does not take the argument '{flag}'", called(name)),
        ErrorKind::MissingRequiredArgument => format!("'{}' requires {}", called(name), invalid),
        ErrorKind::InvalidValue if value.is_empty() => format!("flag needs an argument: {flag}"),
        ErrorKind::InvalidValue => format!("invalid argument '{value}' for '{flag}': {}", choices(error)),
        ErrorKind::ValueValidation => format!("invalid argument '{value}' for '{flag}': {}", reason(error)),
        ErrorKind::ArgumentConflict => {
            format!("'{flag}' and '{}' cannot be used together", text(error, ContextKind::PriorArg).unwrap_or_default())
        }
        _ => first_line(error),
    }
}

fn text(error: &clap::Error, kind: ContextKind) -> Option<String> {
    match error.get(kind)? {
        ContextValue::String(text) => Some(text.clone()),
        ContextValue::Strings(texts) => Some(texts.join(", ")),
        ContextValue::StyledStr(text) => Some(text.to_string()),
        _ => None,
    }
}

fn choices(error: &clap::Error) -> String {
    text(error, ContextKind::ValidValue)
        .map_or_else(|| first_line(error), |valid| format!("one of {valid} is expected"))
}

fn reason(error: &clap::Error) -> String {
    std::error::Error::source(error).map_or_else(|| first_line(error), message::causes)
}

fn first_line(error: &clap::Error) -> String {
    let text = error.render().to_string();
    let line = text.lines().next().unwrap_or_default();
    line.strip_prefix("error: ").unwrap_or(line).to_string()
}
