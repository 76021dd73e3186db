//! A program's man page and completions, from the same definitions as its help.
//!
//! `NAME --dockless-spec man|bash|zsh|fish|json` prints them; `scripts/install` asks. `json` is for the front, which
//! knows no other program's definitions and completes all of them.

use std::ffi::OsString;
use std::io::Write;

use anyhow::{Context, bail};
use clap::{Arg, Command, ValueHint};
use clap_complete::Shell;
use serde_json::{Map, Value, json};

use crate::json;

/// The first argument that asks for a spec instead of the work.
pub const FLAG: &str = "--dockless-spec";

/// Prints what was asked for.
pub(crate) fn answer(command: &Command, args: &[OsString]) -> anyhow::Result<()> {
    let kind = args.first().and_then(|arg| arg.to_str()).unwrap_or_default();
    let mut out = crate::stdout();
    match kind {
        "man" => out.write_all(&man(command.clone())?)?,
        "json" => writeln!(out, "{}", json::line(&describe(command)))?,
        "bash" | "zsh" | "fish" => out.write_all(&completions(command.clone(), kind))?,
        other => bail!("'{other}' is no spec: man, bash, zsh, fish and json are"),
    }
    out.flush().context("cannot write the spec")
}

/// The man page, section 1, under the name `dockless-NAME`: the bare names belong to other programs' pages.
pub fn man(command: Command) -> anyhow::Result<Vec<u8>> {
    let name = command.get_name().to_string();
    let title = if name == "dockless" { name.clone() } else { format!("dockless-{name}") };
    let called = title.replacen('-', " ", 1);
    let mut page = Vec::new();
    clap_mangen::Man::new(command.name(title.clone()).bin_name(called).display_name(title)).render(&mut page)?;
    Ok(page)
}

/// The completion script for `bash`, `zsh` or `fish`.
pub fn completions(mut command: Command, shell: &str) -> Vec<u8> {
    let shell = match shell {
        "zsh" => Shell::Zsh,
        "fish" => Shell::Fish,
        _ => Shell::Bash,
    };
    let name = command.get_name().to_string();
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut command, name, &mut script);
    script
}

/// The definitions as data: what completing needs.
fn describe(command: &Command) -> Value {
    let about = command.get_about().map(ToString::to_string);
    let args: Vec<Value> = command.get_arguments().filter(|arg| !arg.is_hide_set()).map(describe_arg).collect();
    json!({ "name": command.get_name(), "about": about, "args": args })
}

fn describe_arg(arg: &Arg) -> Value {
    let mut map = Map::new();
    map.insert("id".into(), arg.get_id().as_str().into());
    map.insert("short".into(), arg.get_short().map(String::from).into());
    map.insert("long".into(), arg.get_long().into());
    map.insert("help".into(), arg.get_help().map(ToString::to_string).into());
    map.insert("takes_value".into(), arg.get_action().takes_values().into());
    let values: Vec<Value> = arg.get_possible_values().iter().map(|v| v.get_name().into()).collect();
    map.insert("values".into(), values.into());
    let is_path = matches!(arg.get_value_hint(), ValueHint::AnyPath | ValueHint::FilePath | ValueHint::DirPath);
    map.insert("path".into(), is_path.into());
    Value::Object(map)
}

/// Definitions again, from what [`FLAG`] `json` printed; `None` where it is nothing of ours.
pub fn parse(text: &str) -> Option<Command> {
    let spec: Value = serde_json::from_str(text).ok()?;
    let mut command = Command::new(spec["name"].as_str()?.to_string()).disable_help_subcommand(true);
    if let Some(about) = spec["about"].as_str() {
        command = command.about(about.to_string());
    }
    for arg in spec["args"].as_array()? {
        if !matches!(arg["id"].as_str()?, "help" | "version") {
            command = command.arg(parse_arg(arg)?);
        }
    }
    Some(command)
}

fn parse_arg(spec: &Value) -> Option<Arg> {
    let mut arg =
        Arg::new(spec["id"].as_str()?.to_string()).help(spec["help"].as_str().unwrap_or_default().to_string());
    if let Some(short) = spec["short"].as_str().and_then(|s| s.chars().next()) {
        arg = arg.short(short);
    }
    if let Some(long) = spec["long"].as_str() {
        arg = arg.long(long.to_string());
    }
    if spec["path"].as_bool()? {
        arg = arg.value_hint(ValueHint::AnyPath);
    }
    let values: Vec<String> = spec["values"].as_array()?.iter().filter_map(|v| v.as_str().map(String::from)).collect();
    Some(match (spec["takes_value"].as_bool()?, values.is_empty()) {
        (false, _) => arg.action(clap::ArgAction::SetTrue),
        (true, true) => arg,
        (true, false) => arg.value_parser(clap::builder::PossibleValuesParser::new(values)),
    })
}
