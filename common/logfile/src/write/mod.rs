//! Writes what a container says, in the forms that dockerd reads again: json-file and `local`.
//!
//! In reading order: how one record looks ([`form`]), the files it goes to and how they are turned over ([`files`]), what a
//! container's record asks for ([`options`]), and the [`Writer`] that cuts streams into records.

mod files;
mod form;
mod options;

use std::io;
use std::path::Path;

use model::Timestamp;
use serde_json::Value;

use crate::entry::Stream;
use files::Files;
pub use files::{Packer, pack};
use form::{Form, Record};
pub use options::{Driver, Options};

/// The longest record's text; docker cuts a line there and goes on with the next record (moby v20.10.24
/// daemon/logger/copier.go).
const LONGEST: usize = 16 * 1024;

/// The log of one container, open for writing.
pub struct Writer {
    files: Files,
    form: Form,
    open: [Line; 2],
}

/// The part of a line that is not written yet.
#[derive(Default)]
struct Line {
    text: Vec<u8>,
    /// When the line began, where a part of it was written already: all parts have this time.
    since: Option<Timestamp>,
    parts: u32,
    name: u64,
}

impl Writer {
    /// Opens the log that the container `id`, whose folder is `folder`, asks for in its inspect JSON, and goes on at its end.
    /// `None` where it asks for none, or for a driver that sends elsewhere.
    pub fn open(folder: &Path, id: &str, inspect: &Value, packer: Box<dyn Packer>) -> io::Result<Option<Writer>> {
        let options = Options::of(inspect);
        let (form, path) = match options.driver {
            Driver::JsonFile => (Form::Json(options.attrs), folder.join(format!("{id}-json.log"))),
            Driver::Local => {
                let own = folder.join("local-logs");
                std::fs::create_dir_all(&own)?;
                (Form::Local, own.join("container.log"))
            }
            Driver::Other => return Ok(None),
        };
        let files = Files::open(&path, options.rotation, packer)?;
        Ok(Some(Writer { files, form, open: Default::default() }))
    }

    /// Takes what a stream gave at `now`. Whole lines are written at once; the rest waits for its end.
    pub fn take(&mut self, stream: Stream, mut bytes: &[u8], now: Timestamp) -> io::Result<()> {
        while !bytes.is_empty() {
            let line = &mut self.open[stream as usize];
            let room = LONGEST - line.text.len();
            match bytes.iter().take(room + 1).position(|&b| b == b'\n') {
                Some(end) => {
                    line.text.extend_from_slice(&bytes[..end]);
                    bytes = &bytes[end + 1..];
                    self.record(stream, true, now)?;
                }
                None => {
                    let part = bytes.len().min(room);
                    line.text.extend_from_slice(&bytes[..part]);
                    bytes = &bytes[part..];
                    // With a newline still to come the line may yet end right here.
                    if line.text.len() == LONGEST && !bytes.is_empty() {
                        self.record(stream, false, now)?;
                    }
                }
            }
        }
        Ok(())
    }

    /// Writes what is left of lines that never ended.
    pub fn finish(&mut self, now: Timestamp) -> io::Result<()> {
        for stream in [Stream::Out, Stream::Err] {
            if !self.open[stream as usize].text.is_empty() {
                self.record(stream, false, now)?;
            }
            self.open[stream as usize] = Line::default();
        }
        Ok(())
    }

    fn record(&mut self, stream: Stream, whole: bool, now: Timestamp) -> io::Result<()> {
        let line = &mut self.open[stream as usize];
        let time = *line.since.get_or_insert(now);
        let begun = line.parts > 0;
        line.parts += 1;
        if !whole && !begun {
            line.name = now.seconds as u64 ^ u64::from(now.nanos) << 32;
        }
        let part = (begun || !whole).then_some((line.name, line.parts));
        let bytes = self.form.record(&Record { stream, time, text: &line.text, whole, part });
        line.text.clear();
        if whole {
            *line = Line { text: std::mem::take(&mut line.text), ..Line::default() };
        }
        self.files.write(&bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Log, Tail};
    use hostfs::Root;
    use model::{HostPath, LogForm, LogPlace};
    use serde_json::json;
    use std::path::PathBuf;

    /// Packs at once, in this very process.
    struct Here;

    impl Packer for Here {
        fn settle(&mut self) {}

        fn pack(&mut self, path: PathBuf) {
            pack(&path).unwrap();
        }
    }

    fn opened(folder: &Path, driver: &str, config: Value) -> Writer {
        let inspect = json!({"Id": "id", "Name": "/web", "Config": {"Labels": {"a": "1", "b": "2"}, "Env": ["E=x"]},
            "HostConfig": {"LogConfig": {"Type": driver, "Config": config}}});
        Writer::open(folder, "id", &inspect, Box::new(Here)).unwrap().unwrap()
    }

    fn at(seconds: i64) -> Timestamp {
        Timestamp::new(seconds, 5)
    }

    /// What our own reader, which was tested on dockers' files, makes of a log: stream, text and time of each record.
    fn read(folder: &Path, file: &str, form: LogForm) -> Vec<(Stream, String, i64)> {
        let root = Root::open(folder).unwrap();
        let place = LogPlace {
            driver: String::new(),
            file: Some(HostPath::from(file)),
            form,
            terminal: false,
            whole_seconds: false,
        };
        let mut log = Log::open(&root, &place, Tail::All, "x").unwrap();
        let mut out = Vec::new();
        while let Some(entry) = log.next_entry(false) {
            let text = if entry.text.len() > 100 {
                format!("{} bytes", entry.text.len())
            } else {
                String::from_utf8_lossy(&entry.text).into_owned()
            };
            out.push((entry.stream, text, entry.time.unwrap().seconds));
        }
        assert_eq!(log.into_findings(), []);
        out
    }

    fn check(driver: &str, file: &str, form: LogForm) {
        let folder = tempfile::tempdir().unwrap();
        let mut log = opened(folder.path(), driver, Value::Null);
        log.take(Stream::Out, b"one\ntw", at(1)).unwrap();
        log.take(Stream::Err, b"bad <\n\n", at(2)).unwrap();
        log.take(Stream::Out, b"o\n", at(3)).unwrap();
        log.take(Stream::Out, &[b'x'; LONGEST + 1], at(4)).unwrap();
        log.take(Stream::Out, b"y\nlast", at(5)).unwrap();
        log.finish(at(6)).unwrap();
        let text = |text: &str| text.to_string();
        assert_eq!(
            read(folder.path(), file, form),
            [
                (Stream::Out, text("one\n"), 1),
                (Stream::Err, text("bad <\n"), 2),
                (Stream::Err, text("\n"), 2),
                (Stream::Out, text("two\n"), 3),
                (Stream::Out, text("16384 bytes"), 4),
                (Stream::Out, text("xy\n"), 4),
                (Stream::Out, text("last"), 6),
            ]
        );
    }

    #[test]
    fn lines_are_records_and_long_lines_several() {
        check("json-file", "id-json.log", LogForm::JsonFile);
        check("local", "local-logs/container.log", LogForm::Local);
    }

    #[test]
    fn a_line_of_just_the_most_is_one_record() {
        let folder = tempfile::tempdir().unwrap();
        let mut log = opened(folder.path(), "json-file", Value::Null);
        log.take(Stream::Out, &[b'x'; LONGEST], at(1)).unwrap();
        log.take(Stream::Out, b"\nn\n", at(1)).unwrap();
        let lines = read(folder.path(), "id-json.log", LogForm::JsonFile);
        assert_eq!(lines.iter().map(|line| line.1.as_str()).collect::<Vec<_>>(), ["16385 bytes", "n\n"]);
    }

    #[test]
    fn full_files_are_turned_over_and_packed() {
        for (driver, config, file, form, kept) in [
            ("json-file", json!({"max-size": "100", "max-file": "3"}), "id-json.log", LogForm::JsonFile, 2..8),
            (
                "json-file",
                json!({"max-size": "100", "max-file": "3", "compress": "true"}),
                "id-json.log",
                LogForm::JsonFile,
                2..8,
            ),
            ("json-file", json!({"max-size": "100"}), "id-json.log", LogForm::JsonFile, 6..8),
            ("local", json!({"max-size": "40", "max-file": "2"}), "local-logs/container.log", LogForm::Local, 4..8),
        ] {
            let folder = tempfile::tempdir().unwrap();
            let mut log = opened(folder.path(), driver, config.clone());
            for n in 0..8 {
                log.take(Stream::Out, format!("{n}\n").as_bytes(), at(n)).unwrap();
            }
            let times: Vec<i64> = read(folder.path(), file, form).iter().map(|entry| entry.2).collect();
            assert_eq!(times, kept.collect::<Vec<_>>(), "{config}");
            let packed = folder.path().join(format!("{file}.1.gz")).exists();
            assert_eq!(packed, driver == "local" || config["compress"] == "true", "{config}");
        }
    }

    #[test]
    fn labels_and_variables_stand_in_the_record() {
        let folder = tempfile::tempdir().unwrap();
        let config = json!({"labels": "b,none", "env": "E", "tag": "{{.Name}}/{{.ID}}"});
        let mut log = opened(folder.path(), "json-file", config);
        log.take(Stream::Out, b"x\n", at(0)).unwrap();
        let text = std::fs::read_to_string(folder.path().join("id-json.log")).unwrap();
        assert_eq!(
            text,
            "{\"log\":\"x\\n\",\"stream\":\"stdout\",\"attrs\":{\"E\":\"x\",\"b\":\"2\",\"tag\":\"web/id\"},\"time\":\"1970-01-01T00:00:00.000000005Z\"}\n"
        );
    }

    #[test]
    fn a_driver_that_sends_elsewhere_writes_nothing() {
        let inspect = json!({"HostConfig": {"LogConfig": {"Type": "none"}}});
        let folder = tempfile::tempdir().unwrap();
        assert!(Writer::open(folder.path(), "id", &inspect, Box::new(Here)).unwrap().is_none());
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    }
}
