//! Spellings of flags that docker took and clap does not: `-notrunc` of 0.x, and `--all=true` of every version.
//!
//! The command line is walked as clap will walk it, by the program's own definitions, so that a flag's value, or what
//! stands behind a program's name, is never taken for a flag.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;

use clap::{Arg, ArgAction, Command};

/// Rewrites the arguments to what clap takes; returns a note for each spelling that docker itself has given up.
pub(crate) fn modernise(command: &Command, old: &[(&str, &str)], args: &mut Vec<OsString>) -> Vec<String> {
    let mut notes = Vec::new();
    let mut rest = std::mem::take(args).into_iter();
    let mut command = command;
    while let Some(arg) = rest.next() {
        if !is_flag(&arg) {
            let is_end = arg == "--" || command.get_positionals().any(Arg::is_trailing_var_arg_set);
            command = command.find_subcommand(&arg).unwrap_or(command);
            args.push(arg);
            if is_end {
                break;
            }
            continue;
        }
        let (arg, note) = today(old, arg);
        notes.extend(note);
        let Some(arg) = plain_switch(command, arg) else { continue };
        let wants_value = wants_value(command, &arg);
        args.push(arg);
        if wants_value {
            args.extend(rest.next());
        }
    }
    args.extend(rest);
    notes
}

fn is_flag(arg: &OsStr) -> bool {
    arg.as_bytes().starts_with(b"-") && arg != "-" && arg != "--"
}

/// `-notrunc` or `-notrunc=true` as `--no-trunc…`, with a note; every other argument as it is.
fn today(old: &[(&str, &str)], arg: OsString) -> (OsString, Option<String>) {
    let known = arg.to_str().and_then(|text| {
        let (name, value) = text.split_at(text.find('=').unwrap_or(text.len()));
        let dashes = if name.starts_with("--") { "--" } else { "-" };
        let (was, now) = old.iter().find(|(was, _)| *was == &name[dashes.len()..])?;
        // The name of today, written as today, needs no rewriting.
        (dashes == "-" || was != now)
            .then(|| (format!("--{now}{value}"), format!("'{dashes}{was}' is written '--{now}' today")))
    });
    match known {
        Some((now, note)) => (now.into(), Some(note)),
        None => (arg, None),
    }
}

/// A switch that is told `=true` or `=false`, as docker's flags are: the switch alone, or nothing at all.
fn plain_switch(command: &Command, arg: OsString) -> Option<OsString> {
    let Some((flag, value)) = arg.to_str().and_then(|text| text.split_once('=')) else { return Some(arg) };
    let is_switch =
        find(command, flag).is_some_and(|def| matches!(def.get_action(), ArgAction::SetTrue | ArgAction::Count));
    match value {
        // What Go's strconv.ParseBool takes.
        "1" | "t" | "T" | "true" | "TRUE" | "True" if is_switch => Some(flag.into()),
        "0" | "f" | "F" | "false" | "FALSE" | "False" if is_switch => None,
        _ => Some(arg),
    }
}

/// Whether the next argument is this flag's value: `--name web`, `-qn 5`.
fn wants_value(command: &Command, arg: &OsStr) -> bool {
    let Some(text) = arg.to_str() else { return false };
    let takes = |def: &Arg| {
        matches!(def.get_action(), ArgAction::Set | ArgAction::Append)
            && def.get_num_args().is_none_or(|n| n.min_values() > 0)
    };
    if text.starts_with("--") {
        return !text.contains('=') && find(command, text).is_some_and(takes);
    }
    let mut letters = text[1..].chars();
    while let Some(letter) = letters.next() {
        if find(command, &format!("-{letter}")).is_some_and(takes) {
            return letters.as_str().is_empty();
        }
    }
    false
}

fn find<'a>(command: &'a Command, flag: &str) -> Option<&'a Arg> {
    if let Some(long) = flag.strip_prefix("--") {
        return command.get_opts_and_flags().find(|def| {
            def.get_long() == Some(long) || def.get_all_aliases().is_some_and(|names| names.contains(&long))
        });
    }
    let mut letters = flag.strip_prefix('-')?.chars();
    let letter = letters.next()?;
    letters.as_str().is_empty().then(|| command.get_opts_and_flags().find(|def| def.get_short() == Some(letter)))?
}

trait Definitions {
    fn get_opts_and_flags(&self) -> impl Iterator<Item = &Arg>;
}

impl Definitions for Command {
    fn get_opts_and_flags(&self) -> impl Iterator<Item = &Arg> {
        self.get_arguments().filter(|def| !def.is_positional())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::arg;

    const OLD: &[(&str, &str)] = &[("notrunc", "no-trunc"), ("rm", "rm"), ("link", "link"), ("name", "name")];

    fn check(typed: &str, taken: &str, notes: &[&str]) {
        let command = Command::new("x")
            .args([
                arg!(-a - -all),
                arg!(-q - -quiet),
                arg!(--"no-trunc"),
                arg!(--rm),
                arg!(-n --last <N>),
                arg!(--link <L>),
                arg!(--name <N>),
            ])
            .arg(arg!([command] ...).trailing_var_arg(true).allow_hyphen_values(true));
        let mut args: Vec<OsString> = typed.split_whitespace().map(OsString::from).collect();
        let said = modernise(&command, OLD, &mut args);
        assert_eq!(args.join(OsStr::new(" ")), taken, "{typed}");
        assert_eq!(said, notes, "{typed}");
    }

    #[test]
    fn flags_of_2013_are_taken_with_a_note() {
        check("-notrunc -a", "--no-trunc -a", &["'-notrunc' is written '--no-trunc' today"]);
        check("-notrunc=true", "--no-trunc", &["'-notrunc' is written '--no-trunc' today"]);
        check("-link a:b img", "--link a:b img", &["'-link' is written '--link' today"]);
        check("-rm --name x", "--rm --name x", &["'-rm' is written '--rm' today"]);
    }

    #[test]
    fn switches_may_be_told_true_or_false() {
        check("-a=true -q=false --all=1 --quiet=F", "-a --all", &[]);
        check("-a=perhaps --last=1", "-a=perhaps --last=1", &[]);
    }

    #[test]
    fn values_and_what_stands_behind_a_name_are_left_alone() {
        check("--name -rm img", "--name -rm img", &[]);
        check("-an -rm -a=true", "-an -rm -a", &[]);
        check("img -rm -a=true", "img -rm -a=true", &[]);
        check("-- -rm", "-- -rm", &[]);
    }
}
