//! What a program says on stderr: one line a message, the program's name first, everything escaped.

use std::error::Error;
use std::fmt;
use std::io::{self, Write};
use std::sync::OnceLock;

use model::path::shown;

static PROGRAM: OnceLock<&'static str> = OnceLock::new();

/// Sets the name that begins every message. The first call counts.
pub(crate) fn set_program(name: &'static str) {
    let _ = PROGRAM.set(name);
}

/// The running program's name, `dockless` where none was set.
pub fn program() -> &'static str {
    PROGRAM.get().copied().unwrap_or("dockless")
}

/// Says something that the person may want to know and need not act on: `ps: note: …`.
pub fn note(text: &str) {
    say(&format!("note: {}", one_line(text)));
}

/// Says something that the person should look at, although the work goes on: `import: warning: …`.
pub fn warning(text: &str) {
    say(&format!("warning: {}", one_line(text)));
}

/// Says an error with its causes, and the hints that go with it.
pub(crate) fn failure(error: &anyhow::Error) {
    say(&one_line(&causes(error.as_ref())));
    for hint in hints(error) {
        line(&format!("hint: {}", one_line(&hint)));
    }
}

/// Says one line as it is.
pub(crate) fn say_bare(text: &str) {
    line(text);
}

/// Says one line after the program's name.
pub(crate) fn say(text: &str) {
    line(&format!("{}: {text}", program()));
}

// One write a line, so that lines of several programs in a pipe do not mix. That stderr is closed is nobody's concern.
fn line(text: &str) {
    let _ = io::stderr().lock().write_all(format!("{text}\n").as_bytes());
}

// Errors quote names that are escaped where they are quoted; what is left here are texts of the system and of libraries.
fn one_line(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if model::path::is_unsafe(c) {
            out.push_str(&shown(c.to_string().as_bytes()));
        } else {
            out.push(c);
        }
    }
    out
}

/// The error and its causes as one text, `a: b: c`. A cause that its error's text ends with already is not said twice.
pub fn causes(error: &(dyn Error + 'static)) -> String {
    let mut text = part(error);
    let mut next = error.source();
    while let Some(cause) = next {
        let more = part(cause);
        if !text.ends_with(&more) {
            text.push_str(": ");
            text.push_str(&more);
        }
        next = cause.source();
    }
    text
}

// The system's errors read `permission denied`, as our own do, not `Permission denied (os error 13)`.
fn part(error: &(dyn Error + 'static)) -> String {
    match error.downcast_ref::<io::Error>() {
        Some(e) if e.raw_os_error().is_some() => system(&e.to_string()),
        Some(_) => error.to_string(),
        None if error.is::<rustix::io::Errno>() => system(&error.to_string()),
        None => error.to_string(),
    }
}

fn system(text: &str) -> String {
    let text = text.split(" (os error").next().unwrap_or(text);
    let mut chars = text.chars();
    chars.next().map_or_else(String::new, |first| first.to_lowercase().chain(chars).collect())
}

/// An error together with what to do about it.
#[derive(Debug)]
pub struct Hinted {
    hint: String,
    error: anyhow::Error,
}

impl Hinted {
    /// What to do.
    pub fn hint(&self) -> &str {
        &self.hint
    }
}

impl fmt::Display for Hinted {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        self.error.fmt(f)
    }
}

impl Error for Hinted {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.error.source()
    }
}

/// An error with what to do about it, where there is something.
pub fn with_hint(error: impl Into<anyhow::Error>, hint: Option<&str>) -> anyhow::Error {
    match hint {
        Some(hint) => anyhow::Error::new(Hinted { hint: hint.into(), error: error.into() }),
        None => error.into(),
    }
}

/// Adds a hint to an error: `Host::open(path).hint("is the disk mounted?")?`.
pub trait WithHint<T> {
    /// Says what the person can do, printed as a line `hint: …` below the error.
    fn hint(self, hint: impl Into<String>) -> anyhow::Result<T>;
}

impl<T, E: Into<anyhow::Error>> WithHint<T> for Result<T, E> {
    fn hint(self, hint: impl Into<String>) -> anyhow::Result<T> {
        self.map_err(|error| anyhow::Error::new(Hinted { hint: hint.into(), error: error.into() }))
    }
}

fn hints(error: &anyhow::Error) -> Vec<String> {
    let mut hints: Vec<String> =
        error.chain().filter_map(|e| e.downcast_ref::<Hinted>()).map(|h| h.hint.clone()).collect();
    let denied = |e: &(dyn Error + 'static)| match e.downcast_ref::<io::Error>() {
        Some(e) => e.kind() == io::ErrorKind::PermissionDenied,
        None => matches!(e.downcast_ref(), Some(&rustix::io::Errno::ACCESS | &rustix::io::Errno::PERM)),
    };
    if hints.is_empty() && error.chain().any(denied) && !rustix::process::geteuid().is_root() {
        hints.push("a data root is mostly readable by root only: run with sudo, or copy it first".into());
    }
    hints
}

#[cfg(test)]
mod tests {
    use super::*;
    use anyhow::{Context, anyhow};

    #[test]
    fn each_level_says_its_own_part_once() {
        let denied = || io::Error::from_raw_os_error(13);
        for (error, text) in [
            (anyhow!("no such container: 'x'"), "no such container: 'x'"),
            (
                anyhow::Error::new(denied()).context("cannot open 'a'").context("cannot read container 'web'"),
                "cannot read container 'web': cannot open 'a': permission denied",
            ),
            (anyhow!("cannot open: permission denied"), "cannot open: permission denied"),
            (
                anyhow::Error::new(denied()).context("said already: permission denied"),
                "said already: permission denied",
            ),
        ] {
            assert_eq!(causes(error.as_ref()), text);
        }
    }

    #[test]
    fn a_hint_survives_what_is_put_around_it() {
        let error = Err::<(), _>(io::Error::from_raw_os_error(2))
            .context("cannot open 'x'")
            .hint("mount it")
            .context("cannot list");
        let error = error.unwrap_err();
        assert_eq!(causes(error.as_ref()), "cannot list: cannot open 'x': no such file or directory");
        assert_eq!(hints(&error), ["mount it"]);
    }

    #[test]
    fn a_message_stays_on_one_line() {
        assert_eq!(one_line("a\nb\x1b[2J 'c\\\\d'"), "a\\nb\\x1b[2J 'c\\\\d'");
    }
}
