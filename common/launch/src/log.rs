//! Writes docker's json-file log: one record a line, long lines in parts, files turned over at a size.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use model::Timestamp;

/// The longest record's text; docker cuts a line there and goes on with the next record (moby v20.10.24
/// daemon/logger/copier.go).
const LONGEST: usize = 16 * 1024;

/// Which of the two streams.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Stream {
    /// Standard output; with a terminal everything.
    Stdout,
    /// Standard error.
    Stderr,
}

/// When files are turned over (`--log-opt max-size`, `max-file`).
#[derive(Clone, Copy, Debug)]
pub struct Rotation {
    /// Bytes of one file; `None` never turns over.
    pub size: Option<u64>,
    /// How many files are kept, the newest included.
    pub files: usize,
}

/// The log of one container.
pub struct Log {
    path: PathBuf,
    file: File,
    written: u64,
    rotation: Rotation,
    open: [Vec<u8>; 2],
}

impl Log {
    /// Opens the log at `path`, which is made with mode 0640 where it is not there, and goes on at its end.
    pub fn open(path: &Path, rotation: Rotation) -> io::Result<Log> {
        let file = OpenOptions::new().create(true).append(true).mode(0o640).open(path)?;
        let written = file.metadata()?.len();
        Ok(Log { path: path.to_path_buf(), file, written, rotation, open: [Vec::new(), Vec::new()] })
    }

    /// Takes what a stream gave. Whole lines are written at once; the rest waits for its end.
    pub fn take(&mut self, stream: Stream, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            let waiting = self.open[stream as usize].len();
            let room = LONGEST - waiting;
            let line = bytes.iter().position(|&b| b == b'\n').map_or(bytes.len(), |at| at + 1);
            let part = line.min(room);
            self.open[stream as usize].extend_from_slice(&bytes[..part]);
            bytes = &bytes[part..];
            if self.open[stream as usize].ends_with(b"\n") || waiting + part == LONGEST {
                self.record(stream)?;
            }
        }
        Ok(())
    }

    /// Writes what is left of lines that never ended.
    pub fn finish(&mut self) -> io::Result<()> {
        for stream in [Stream::Stdout, Stream::Stderr] {
            if !self.open[stream as usize].is_empty() {
                self.record(stream)?;
            }
        }
        Ok(())
    }

    fn record(&mut self, stream: Stream) -> io::Result<()> {
        let text = std::mem::take(&mut self.open[stream as usize]);
        let name = if stream == Stream::Stdout { "stdout" } else { "stderr" };
        let line = format!("{{\"log\":{},\"stream\":\"{name}\",\"time\":\"{}\"}}\n", quoted(&text), now().rfc3339());
        if self.rotation.size.is_some_and(|most| self.written > 0 && self.written + line.len() as u64 > most) {
            self.turn_over()?;
        }
        self.file.write_all(line.as_bytes())?;
        self.written += line.len() as u64;
        Ok(())
    }

    /// `.1` becomes `.2` and so on, the file becomes `.1`, and a new one begins.
    fn turn_over(&mut self) -> io::Result<()> {
        let numbered = |n: usize| PathBuf::from(format!("{}.{n}", self.path.display()));
        if self.rotation.files < 2 {
            self.file.set_len(0)?;
        } else {
            for n in (1..self.rotation.files - 1).rev() {
                match std::fs::rename(numbered(n), numbered(n + 1)) {
                    Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                    _ => {}
                }
            }
            std::fs::rename(&self.path, numbered(1))?;
            self.file = OpenOptions::new().create(true).append(true).mode(0o640).open(&self.path)?;
        }
        self.written = 0;
        Ok(())
    }
}

/// This instant.
pub fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp::new(i64::try_from(since.as_secs()).unwrap_or(i64::MAX), since.subsec_nanos())
}

/// JSON as docker's logger writes it: what is not UTF-8 becomes U+FFFD, and `<`, `>`, `&`, U+2028, U+2029 are escaped
/// (moby v20.10.24 daemon/logger/jsonfilelog/jsonlog/jsonlogbytes.go).
fn quoted(text: &[u8]) -> String {
    use std::fmt::Write;
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for c in String::from_utf8_lossy(text).chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            c if (c as u32) < 0x20 || matches!(c, '<' | '>' | '&' | '\u{2028}' | '\u{2029}') => {
                write!(out, "\\u{:04x}", c as u32).expect("a String takes all");
            }
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(path: &Path) -> Vec<String> {
        let all = std::fs::read_to_string(path).unwrap_or_default();
        all.lines()
            .map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap()["log"].as_str().unwrap().to_string())
            .collect()
    }

    #[test]
    fn lines_are_records_and_long_lines_several() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        let mut log = Log::open(&path, Rotation { size: None, files: 1 }).unwrap();
        log.take(Stream::Stdout, b"one\ntw").unwrap();
        log.take(Stream::Stderr, b"bad \xff<\n").unwrap();
        log.take(Stream::Stdout, b"o\n").unwrap();
        log.take(Stream::Stdout, &[b'x'; LONGEST + 1]).unwrap();
        log.finish().unwrap();
        let all = texts(&path);
        assert_eq!(all[..3], ["one\n", "bad \u{fffd}<\n", "two\n"]);
        assert_eq!((all[3].len(), all[4].as_str()), (LONGEST, "x"));
    }

    #[test]
    fn full_files_are_turned_over() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        let mut log = Log::open(&path, Rotation { size: Some(150), files: 3 }).unwrap();
        for n in 0..8 {
            log.take(Stream::Stdout, format!("{n}\n").as_bytes()).unwrap();
        }
        let numbered = |n: usize| texts(Path::new(&format!("{}.{n}", path.display())));
        assert_eq!(
            (texts(&path), numbered(1), numbered(2), numbered(3)),
            (
                vec!["6\n".into(), "7\n".into()],
                vec!["4\n".to_string(), "5\n".into()],
                vec!["2\n".to_string(), "3\n".into()],
                vec![]
            )
        );
    }
}
