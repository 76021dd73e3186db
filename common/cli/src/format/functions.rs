//! The functions that a template may call: Go's (text/template/funcs.go) and docker's (docker/cli, templates/templates.go).

use std::cmp::Ordering;

use serde_json::Value;

use super::printf::{alone, quoted, sprint, sprintf, sprintln};
use super::value::{Val, compare, equal};
use crate::json;

/// All functions, `and` and `or` among them, which the evaluation itself does since they need not look at all arguments.
const KNOWN: [&str; 27] = [
    "and", "call", "eq", "ge", "gt", "html", "index", "join", "js", "json", "le", "len", "lower", "lt", "ne", "not",
    "or", "pad", "print", "printf", "println", "slice", "split", "title", "truncate", "upper", "urlquery",
];

/// Whether there is a function of that name.
pub fn is_known(name: &str) -> bool {
    KNOWN.contains(&name)
}

/// Why a call failed.
pub enum CallError {
    /// Too few or too many arguments.
    Count(String),
    /// The argument at this place is of another type.
    Type {
        /// Counted from 0.
        at: usize,
        /// Go's name of the type that it should have.
        wanted: &'static str,
    },
    /// The function itself says what is wrong.
    Failed(String),
}

type Called<'a> = Result<Val<'a>, CallError>;

fn failed<T>(text: impl Into<String>) -> Result<T, CallError> {
    Err(CallError::Failed(text.into()))
}

/// Calls a function with all its arguments.
pub fn call<'a>(name: &str, args: &[Val<'a>]) -> Called<'a> {
    check_count(name, args.len())?;
    Ok(match name {
        "call" => return failed(format!("non-function of type {}", args[0].kind())),
        "eq" => Val::owned(eq(args)?),
        "ne" => Val::owned(!equal(&args[0], &args[1]).or_else(failed)?),
        "lt" => Val::owned(order(args)? == Ordering::Less),
        "le" => Val::owned(order(args)? != Ordering::Greater),
        "gt" => Val::owned(order(args)? == Ordering::Greater),
        "ge" => Val::owned(order(args)? != Ordering::Less),
        "not" => Val::owned(!args[0].is_true()),
        "html" => Val::owned(html(&joined(args))),
        "js" => Val::owned(js(&joined(args))),
        "urlquery" => Val::owned(urlquery(&joined(args))),
        "print" => Val::owned(sprint(args)),
        "println" => Val::owned(sprintln(args)),
        "printf" => Val::owned(sprintf(text(args, 0)?, &args[1..])),
        "index" => index(args)?,
        "slice" => slice(args)?,
        "len" => Val::owned(len(&args[0])?),
        "json" => Val::owned(json::line(&args[0].ordered())),
        "join" => Val::owned(join(args)?),
        "split" => Val::owned(split(text(args, 0)?, text(args, 1)?)),
        "lower" => Val::owned(text(args, 0)?.to_lowercase()),
        "upper" => Val::owned(text(args, 0)?.to_uppercase()),
        "title" => Val::owned(title(text(args, 0)?)),
        "pad" => Val::owned(pad(text(args, 0)?, number(args, 1)?, number(args, 2)?)),
        "truncate" => Val::owned(truncate(text(args, 0)?, number(args, 1)?)),
        other => return failed(format!("function {} not defined", quoted(other))),
    })
}

/// How many arguments a function takes; Go says so before it calls.
fn check_count(name: &str, given: usize) -> Result<(), CallError> {
    let (least, most) = match name {
        "ne" | "lt" | "le" | "gt" | "ge" | "join" | "split" | "truncate" => (2, 2),
        "not" | "len" | "json" | "lower" | "upper" | "title" => (1, 1),
        "pad" => (3, 3),
        "eq" | "printf" | "index" | "slice" | "call" => (1, usize::MAX),
        _ => (0, usize::MAX),
    };
    if (least..=most).contains(&given) {
        return Ok(());
    }
    let wanted = if most == usize::MAX { format!("at least {least}") } else { least.to_string() };
    Err(CallError::Count(format!("wrong number of args for {name}: want {wanted} got {given}")))
}

fn text<'v>(args: &'v [Val], at: usize) -> Result<&'v str, CallError> {
    args[at].text().ok_or(CallError::Type { at, wanted: "string" })
}

fn number(args: &[Val], at: usize) -> Result<i64, CallError> {
    args[at].json().as_i64().ok_or(CallError::Type { at, wanted: "int" })
}

fn eq(args: &[Val]) -> Result<bool, CallError> {
    if args.len() < 2 {
        return failed("missing argument for comparison");
    }
    for other in &args[1..] {
        if equal(&args[0], other).or_else(failed)? {
            return Ok(true);
        }
    }
    Ok(false)
}

fn order(args: &[Val]) -> Result<Ordering, CallError> {
    compare(&args[0], &args[1]).or_else(failed)
}

fn len(of: &Val) -> Result<usize, CallError> {
    match of.json() {
        Value::String(text) => Ok(text.len()),
        Value::Array(items) => Ok(items.len()),
        Value::Object(object) => Ok(object.len()),
        Value::Null => failed("len of nil pointer"),
        _ => failed(format!("len of type {}", of.kind())),
    }
}

fn index<'a>(args: &[Val<'a>]) -> Called<'a> {
    let mut at = args[0].clone();
    for key in &args[1..] {
        at = match (at.json(), key.json()) {
            (Value::Object(_), Value::String(name)) => at.indexed(name),
            (Value::Object(_), _) => return failed(format!("value has type {}; should be string", key.kind())),
            (Value::Array(items), Value::Number(_)) => at.item(place(key, items.len())?),
            (Value::String(text), Value::Number(_)) => {
                let byte = text.as_bytes().get(place(key, text.len())?).copied().unwrap_or_default();
                Val::owned(byte)
            }
            (Value::Array(_) | Value::String(_), _) => {
                return failed(format!("cannot index slice/array with type {}", key.kind()));
            }
            (Value::Null, _) => return failed("index of untyped nil"),
            _ => return failed(format!("can't index item of type {}", at.kind())),
        };
    }
    Ok(at)
}

fn place(key: &Val, length: usize) -> Result<usize, CallError> {
    let at = key.json().as_i64().unwrap_or(i64::MAX);
    usize::try_from(at)
        .ok()
        .filter(|&at| at < length)
        .ok_or_else(|| CallError::Failed(format!("index out of range: {at}")))
}

fn slice<'a>(args: &[Val<'a>]) -> Called<'a> {
    let length = match args[0].json() {
        Value::String(text) if args.len() <= 3 => text.len(),
        Value::String(_) => return failed("cannot 3-index slice a string"),
        Value::Array(items) => items.len(),
        Value::Null => return failed("slice of untyped nil"),
        _ => return failed(format!("can't slice item of type {}", args[0].kind())),
    };
    if args.len() > 4 {
        return failed(format!("too many slice indexes: {}", args.len() - 1));
    }
    let mut bounds = [0, length, length];
    for (n, arg) in args[1..].iter().enumerate() {
        bounds[n] = place(arg, length + 1)?;
    }
    let [from, to, most] = bounds;
    if from > to || to > most {
        let (low, high) = if from > to { (from, to) } else { (to, most) };
        return failed(format!("invalid slice index: {low} > {high}"));
    }
    Ok(match args[0].json() {
        Value::String(text) => Val::owned(String::from_utf8_lossy(&text.as_bytes()[from..to]).into_owned()),
        Value::Array(items) => Val::owned(items[from..to].to_vec()),
        _ => Val::Nothing,
    })
}

fn join(args: &[Val]) -> Result<String, CallError> {
    let separator = text(args, 1)?;
    match args[0].json() {
        Value::Array(items) => Ok(items.iter().map(alone).collect::<Vec<_>>().join(separator)),
        Value::Null => Ok(String::new()),
        _ => Err(CallError::Type { at: 0, wanted: "[]string" }),
    }
}

fn split(text: &str, separator: &str) -> Vec<Value> {
    if separator.is_empty() {
        return text.chars().map(|c| c.to_string().into()).collect();
    }
    text.split(separator).map(Value::from).collect()
}

/// Go's `strings.Title`: a letter that follows no letter, digit or underscore is put in upper case.
fn title(text: &str) -> String {
    let mut begins = true;
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if begins {
            out.extend(c.to_uppercase())
        } else {
            out.push(c)
        }
        begins = if c.is_ascii() { !c.is_ascii_alphanumeric() && c != '_' } else { c.is_whitespace() };
    }
    out
}

/// The most spaces that `pad` adds on a side. Docker has no limit but memory.
const WIDEST: i64 = 1 << 16;

fn pad(text: &str, before: i64, after: i64) -> String {
    if text.is_empty() {
        return String::new();
    }
    let spaces = |n: i64| " ".repeat(n.clamp(0, WIDEST) as usize);
    format!("{}{text}{}", spaces(before), spaces(after))
}

// Docker counts bytes; half a character is left out.
fn truncate(text: &str, length: i64) -> String {
    let mut end = usize::try_from(length).unwrap_or(0).min(text.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text[..end].to_string()
}

/// All arguments as one text, as the three escapes take them.
fn joined(args: &[Val]) -> String {
    match args {
        [one] if one.text().is_some() => one.text().unwrap_or_default().to_string(),
        _ => sprint(args),
    }
}

fn html(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\0' => out.push('\u{fffd}'),
            '"' => out.push_str("&#34;"),
            '\'' => out.push_str("&#39;"),
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            c => out.push(c),
        }
    }
    out
}

fn js(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\\' => out.push_str("\\\\"),
            '\'' => out.push_str("\\'"),
            '"' => out.push_str("\\\""),
            '<' | '>' | '&' | '=' => out.push_str(&format!("\\u{:04X}", c as u32)),
            c if (c as u32) < 0x20 || model::path::is_unsafe(c) => out.push_str(&format!("\\u{:04X}", c as u32)),
            c => out.push(c),
        }
    }
    out
}

fn urlquery(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b' ' => out.push('+'),
            b'-' | b'_' | b'.' | b'~' => out.push(byte as char),
            byte if byte.is_ascii_alphanumeric() => out.push(byte as char),
            byte => out.push_str(&format!("%{byte:02X}")),
        }
    }
    out
}
