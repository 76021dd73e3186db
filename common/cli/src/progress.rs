//! How far long work has come, on stderr.

use std::io::{self, IsTerminal, Write};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde_json::json;

use crate::json;

/// How to show progress.
#[derive(clap::ValueEnum, Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Show {
    /// A line that changes, where stderr is a terminal; nothing elsewhere
    #[default]
    Auto,
    /// JSON Lines on stderr, for programs
    Json,
    /// Nothing
    None,
}

/// The flag `--progress`. Flatten into a program's arguments.
#[derive(clap::Args, Clone, Copy, Debug, Default)]
pub struct ProgressArg {
    /// How to show progress on stderr
    #[arg(long, value_enum, value_name = "HOW", default_value_t = Show::Auto)]
    progress: Show,
}

impl ProgressArg {
    /// Begins showing `what`, bytes out of `total` where that is known; nothing when `quiet`.
    pub fn start(self, what: &str, total: Option<u64>, quiet: bool) -> Progress {
        Progress::start(if quiet { Show::None } else { self.progress }, what, total)
    }
}

/// Progress of one long work. Clones count together.
#[derive(Clone, Debug)]
pub struct Progress {
    form: Form,
}

#[derive(Clone, Debug)]
enum Form {
    Hidden,
    Bar(ProgressBar),
    Json(Arc<Mutex<Lines>>),
}

/// What the last line of JSON said and what has come since.
#[derive(Debug)]
struct Lines {
    what: String,
    item: String,
    bytes: u64,
    total: Option<u64>,
    started: Instant,
    said: Instant,
}

/// How often progress is said. Less often would look like standing still; more often costs and shows nothing more.
const EVERY: Duration = Duration::from_millis(200);

impl Progress {
    /// Shows nothing.
    pub fn hidden() -> Progress {
        Progress { form: Form::Hidden }
    }

    /// Begins showing `what`, bytes out of `total` where that is known.
    pub fn start(show: Show, what: &str, total: Option<u64>) -> Progress {
        let form = match show {
            Show::Json => Form::Json(Arc::new(Mutex::new(Lines::new(what, total)))),
            Show::Auto if io::stderr().is_terminal() => Form::Bar(bar(what, total)),
            Show::Auto | Show::None => Form::Hidden,
        };
        Progress { form }
    }

    /// Adds bytes done.
    pub fn add(&self, bytes: u64) {
        match &self.form {
            Form::Hidden => {}
            Form::Bar(bar) => bar.inc(bytes),
            Form::Json(lines) => with(lines, |lines| lines.add(bytes)),
        }
    }

    /// Says what is being worked on: a layer, a file.
    pub fn at(&self, item: &str) {
        match &self.form {
            Form::Hidden => {}
            Form::Bar(bar) => bar.set_message(model::path::shown(item.as_bytes()).into_owned()),
            Form::Json(lines) => with(lines, |lines| lines.item = item.to_string()),
        }
    }

    /// Sets the total once it is known.
    pub fn total(&self, bytes: u64) {
        match &self.form {
            Form::Hidden => {}
            Form::Bar(bar) => {
                bar.set_style(style(true));
                bar.set_length(bytes);
            }
            Form::Json(lines) => with(lines, |lines| lines.total = Some(bytes)),
        }
    }

    /// Prints a line above the bar, or plainly where there is none.
    pub fn say(&self, line: &str) {
        match &self.form {
            Form::Bar(bar) => bar.suspend(|| eprintln_quiet(line)),
            Form::Hidden | Form::Json(_) => eprintln_quiet(line),
        }
    }

    /// Ends: the bar goes away, JSON gets its last line.
    pub fn finish(&self) {
        match &self.form {
            Form::Hidden => {}
            Form::Bar(bar) => bar.finish_and_clear(),
            Form::Json(lines) => with(lines, |lines| lines.say(true)),
        }
    }
}

fn with(lines: &Mutex<Lines>, change: impl FnOnce(&mut Lines)) {
    // A thread that panicked while counting left at worst a wrong count.
    change(&mut lines.lock().unwrap_or_else(std::sync::PoisonError::into_inner));
}

impl Lines {
    fn new(what: &str, total: Option<u64>) -> Lines {
        let now = Instant::now();
        Lines { what: what.into(), item: String::new(), bytes: 0, total, started: now, said: now }
    }

    fn add(&mut self, bytes: u64) {
        self.bytes += bytes;
        if self.said.elapsed() >= EVERY {
            self.say(false);
        }
    }

    fn say(&mut self, done: bool) {
        self.said = Instant::now();
        let rate = self.bytes as f64 / self.started.elapsed().as_secs_f64().max(0.001);
        let line = json!({ "progress": self.what, "item": self.item, "bytes": self.bytes, "total": self.total,
            "bytesPerSecond": rate as u64, "done": done });
        eprintln_quiet(&json::line(&line));
    }
}

// That stderr is closed is nobody's concern.
fn eprintln_quiet(line: &str) {
    let _ = io::stderr().lock().write_all(format!("{line}\n").as_bytes());
}

fn bar(what: &str, total: Option<u64>) -> ProgressBar {
    let bar = match total {
        Some(total) => ProgressBar::new(total),
        None => ProgressBar::new_spinner(),
    };
    bar.set_draw_target(ProgressDrawTarget::stderr_with_hz(10));
    bar.set_style(style(total.is_some()));
    bar.set_prefix(what.to_string());
    bar
}

fn style(has_total: bool) -> ProgressStyle {
    let template = if has_total {
        "{prefix} {bar:20} {decimal_bytes}/{decimal_total_bytes} {decimal_bytes_per_sec} {eta} left {wide_msg}"
    } else {
        "{prefix} {spinner} {decimal_bytes} {decimal_bytes_per_sec} {elapsed} {wide_msg}"
    };
    ProgressStyle::with_template(template).expect("the template is well formed")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_styles_are_well_formed() {
        let _ = (style(true), style(false));
    }

    #[test]
    fn clones_count_together() {
        let progress = Progress::start(Show::Json, "load", Some(10));
        progress.clone().add(3);
        progress.add(4);
        progress.at("layer 1");
        let Form::Json(lines) = &progress.form else { panic!("JSON was asked for") };
        with(lines, |lines| assert_eq!((lines.bytes, lines.item.as_str()), (7, "layer 1")));
    }
}
