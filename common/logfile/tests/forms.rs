//! Every form of log: whole, rotated, cut, damaged; all of it and its end.

use std::fs;
use std::io::Write;
use std::path::Path;

use hostfs::Root;
use logfile::{Log, Stream, Tail};
use model::{HostPath, LogForm, LogPlace};
use proptest::prelude::*;

/// The entries of a log in words (`o:text`, `e:text`, newlines as `$`), and how many findings there were.
fn read(folder: &Path, name: &str, form: LogForm, tail: Tail) -> (String, usize) {
    let root = Root::open(folder).unwrap();
    let place =
        LogPlace { driver: "x".into(), file: Some(HostPath::new(name)), form, terminal: false, whole_seconds: false };
    let mut log = Log::open(&root, &place, tail, "container x").unwrap();
    let mut words = Vec::new();
    while let Some(entry) = log.next_entry(false) {
        let stream = if entry.stream == Stream::Out { "o" } else { "e" };
        let more = if entry.continues { "+" } else { "" };
        words.push(format!("{stream}{more}:{}", String::from_utf8_lossy(&entry.text).replace('\n', "$")));
    }
    (words.join(" "), log.into_findings().len())
}

fn check(files: &[(&str, &[u8])], form: LogForm, tail: Tail, entries: &str, findings: usize) {
    let dir = tempfile::tempdir().unwrap();
    for (name, bytes) in files {
        fs::write(dir.path().join(name), bytes).unwrap();
    }
    let name = files.last().unwrap().0;
    assert_eq!(read(dir.path(), name, form, tail), (entries.to_string(), findings), "{files:?} {tail:?}");
}

fn json(stream: &str, text: &str) -> Vec<u8> {
    format!("{{\"log\":\"{text}\",\"stream\":\"{stream}\",\"time\":\"2014-09-06T10:53:28.854613233Z\"}}\n").into_bytes()
}

/// A frame as docker 20.10 wrote it (`hello` to stdout), with another text of five bytes.
fn frame(text: &str) -> Vec<u8> {
    assert_eq!(text.len(), 5);
    let mut frame = b"\0\0\0\x19\x0a\x06stdout\x10\xff\xdf\xd7\x8e\xa1\x88\xfb\xf4\x18\x1a\x05hello\0\0\0\x19".to_vec();
    frame[24..29].copy_from_slice(text.as_bytes());
    frame
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

#[test]
fn json_lines_are_read_as_they_were_written() {
    let log = [json("stdout", "a\\n"), json("stderr", "b\\u003c\\n"), json("stdout", "part")].concat();
    check(&[("l", &log)], LogForm::JsonFile, Tail::All, "o:a$ e:b<$ o:part", 0);
    check(&[("l", &log)], LogForm::JsonFile, Tail::Last(2), "e:b<$ o:part", 0);
    check(&[("l", &log)], LogForm::JsonFile, Tail::Last(9), "o:a$ e:b<$ o:part", 0);
    check(&[("l", &log)], LogForm::JsonFile, Tail::Last(0), "", 0);
    check(&[("l", b"")], LogForm::JsonFile, Tail::All, "", 0);
}

#[test]
fn damage_costs_only_the_record_that_it_is_in() {
    let (a, b) = (json("stdout", "a\\n"), json("stdout", "b\\n"));
    let without_newline = &a[..a.len() - 1];
    for (log, entries, findings) in [
        (a[..20].to_vec(), "", 1),
        ([&a[..], &b[..20]].concat(), "o:a$", 1),
        ([&a[..20], &b[..]].concat(), "o:b$", 1),
        ([without_newline, &b[..]].concat(), "o:a$ o:b$", 0),
        ([&a[..], &[0; 5000], &b[..]].concat(), "o:a$ o:b$", 1),
        ([&a[..], b"nonsense\n", &b[..]].concat(), "o:a$ o:b$", 1),
        (without_newline.to_vec(), "o:a$", 0),
    ] {
        check(&[("l", &log)], LogForm::JsonFile, Tail::All, entries, findings);
    }
}

#[test]
fn rotated_files_come_first_and_count() {
    let (a, b, c) = (json("stdout", "a\\n"), json("stdout", "b\\n"), json("stdout", "c\\n"));
    let files: &[(&str, &[u8])] = &[("l.2.gz", &gzip(&[&a[..], &b[..]].concat())), ("l.1", &b), ("l", &c)];
    check(files, LogForm::JsonFile, Tail::All, "o:a$ o:b$ o:b$ o:c$", 0);
    check(files, LogForm::JsonFile, Tail::Last(3), "o:b$ o:b$ o:c$", 0);
    check(files, LogForm::JsonFile, Tail::Last(1), "o:c$", 0);
    let cut = gzip(&[json("stdout", "a\\n"), b.clone()].concat());
    check(&[("l.1.gz", &cut[..cut.len() - 12]), ("l", &c)], LogForm::JsonFile, Tail::Last(1), "o:c$", 0);
}

#[test]
fn local_frames_are_read_and_found_again() {
    let (a, b, c) = (frame("aaaaa"), frame("bbbbb"), frame("ccccc"));
    let all = [&a[..], &b[..], &c[..]].concat();
    check(&[("c.log", &all)], LogForm::Local, Tail::All, "o:aaaaa$ o:bbbbb$ o:ccccc$", 0);
    check(&[("c.log", &all)], LogForm::Local, Tail::Last(2), "o:bbbbb$ o:ccccc$", 0);
    check(&[("c.log.1.gz", &gzip(&a)), ("c.log", &b)], LogForm::Local, Tail::All, "o:aaaaa$ o:bbbbb$", 0);
    check(&[("c.log", &all[..all.len() - 3])], LogForm::Local, Tail::All, "o:aaaaa$ o:bbbbb$", 1);
    let mut damaged = all.clone();
    damaged[a.len() + 1] = 7;
    check(&[("c.log", &damaged)], LogForm::Local, Tail::All, "o:aaaaa$ o:ccccc$", 1);
}

#[test]
fn parts_of_a_line_are_joined_on_their_stream_but_podmans() {
    let log = b"2026-11-21T03:45:56.478373126+00:00 stdout P on\n\
        2026-11-21T03:45:56.478373126+00:00 stderr F mid\n\
        2026-11-21T03:45:57.478373126+00:00 stdout F e \n\
        2026-11-21T03:45:57.478373126+00:00 stdout P rest\n";
    check(&[("ctr.log", log)], LogForm::Cri, Tail::All, "e:mid$ o:one $ o:rest", 0);
    check(&[("ctr.log", log)], LogForm::Cri, Tail::Last(2), "o:e $ o:rest", 0);
    check(&[("ctr.log", b"x\n")], LogForm::Cri, Tail::All, "", 1);
    check(&[("ctr.log", log)], LogForm::K8sFile, Tail::All, "o:on e:mid$ o:e $ o:rest", 0);
    check(&[("ctr.log", log)], LogForm::K8sFile, Tail::Last(2), "o:e $ o:rest", 0);
}

#[test]
fn raw_streams_are_apart() {
    let files: &[(&str, &[u8])] = &[("i-stderr.log", b"bad\n"), ("i-stdout.log", b"one\ntwo")];
    check(files, LogForm::Raw, Tail::All, "o:one$ o:two e:bad$", 0);
}

#[test]
fn the_end_of_twenty_gigabytes_of_hole_is_found_at_once() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("l");
    fs::write(&path, [json("stdout", "a\\n"), json("stdout", "b\\n")].concat()).unwrap();
    fs::OpenOptions::new().write(true).open(&path).unwrap().set_len(20 << 30).unwrap();
    let begun = std::time::Instant::now();
    assert_eq!(read(dir.path(), "l", LogForm::JsonFile, Tail::Last(1)), ("o:b$".to_string(), 1));
    assert_eq!(read(dir.path(), "l", LogForm::JsonFile, Tail::All), ("o:a$ o:b$".to_string(), 1));
    assert!(begun.elapsed().as_secs() < 2, "{:?}", begun.elapsed());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn the_end_is_the_end_of_the_whole(lines in proptest::collection::vec("[a-z]{0,200}", 0..300), wanted in 0u64..320) {
        let dir = tempfile::tempdir().unwrap();
        let log: Vec<u8> = lines.iter().flat_map(|line| json("stdout", line)).collect();
        fs::write(dir.path().join("l"), &log).unwrap();
        let all = read(dir.path(), "l", LogForm::JsonFile, Tail::All).0;
        let all: Vec<&str> = all.split(' ').filter(|word| !word.is_empty()).collect();
        let end = read(dir.path(), "l", LogForm::JsonFile, Tail::Last(wanted)).0;
        prop_assert_eq!(end, all[all.len().saturating_sub(wanted as usize)..].join(" "));
    }

    #[test]
    fn no_bytes_make_it_panic_or_loop(bytes in proptest::collection::vec(any::<u8>(), 0..2000), wanted in 0u64..9) {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("l"), &bytes).unwrap();
        for form in [LogForm::JsonFile, LogForm::Local, LogForm::Cri, LogForm::K8sFile, LogForm::Raw] {
            read(dir.path(), "l", form, Tail::All);
            read(dir.path(), "l", form, Tail::Last(wanted));
        }
    }
}
