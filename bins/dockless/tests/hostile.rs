//! Roots made to harm who reads them: every program ends in five seconds and 128 MiB, opens nothing outside, changes nothing,
//! and prints nothing that a terminal obeys.

mod harm;

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use harm::{Answer, CANARY, Host, Lab};

const MOST_TIME: Duration = Duration::from_secs(5);
const MOST_MEMORY: u64 = 128 << 10;

/// A way to harm a host.
type Case<'a> = (&'static str, Box<dyn Fn(&mut Host) + 'a>);

#[test]
fn hostile_roots_are_answered_in_bounds_and_let_nothing_out() {
    let lab = Lab::new();
    let host = &mut lab.host("docker-20.10.24-overlay2");
    let ids = host.run(&["ps", "-aq", "--no-trunc", "--filter", "name=exit3"]).out;
    let id = String::from_utf8(ids).expect("it is text").trim().to_string();
    let cases = cases(host, &id);
    for (name, harm) in &cases {
        harm(host);
        answered(name, host, &id);
        host.mend();
    }
    traced(host, &id, &cases);
}

/// Everything is asked of a harmed host.
fn answered(name: &str, host: &Host, id: &str) {
    let asked: [&[&str]; 11] = [
        &["ps", "-a", "--format", "json"],
        &["ps", "-a"],
        &["inspect", "--type", "container", id],
        &["images", "-a", "--format", "json"],
        &["history", "tiny:1.0"],
        &["logs", "--tail", "5", id],
        &["port", id],
        &["diff", id],
        &["volumes"],
        &["networks"],
        &["export", id],
    ];
    for words in asked {
        let answer = host.run(words);
        let what = format!("{name}: {}", answer.command);
        assert!(matches!(answer.code, Some(0 | 1 | 3)), "{what} ended with {:?}: {}", answer.code, answer.err);
        assert!(answer.took < MOST_TIME, "{what} took {:?}", answer.took);
        assert!(answer.peak < MOST_MEMORY, "{what} held {} KiB", answer.peak);
        let said = [String::from_utf8_lossy(&answer.out).into_owned(), answer.err.clone()].concat();
        assert!(!said.contains(CANARY), "{what} tells what lies outside");
        if words.contains(&"json") {
            answer.rows();
        } else if matches!(words[0], "ps" | "volumes" | "networks" | "history" | "port") {
            assert!(!has_control(&answer), "{what} lets a terminal obey");
        }
    }
}

fn has_control(answer: &Answer) -> bool {
    let text = String::from_utf8_lossy(&answer.out);
    text.chars().any(|c| c.is_control() && !matches!(c, '\n' | '\t') || ('\u{202a}'..='\u{202e}').contains(&c))
}

/// What is opened and changed, by strace, while the whole host and the worst ones are read.
fn traced(host: &mut Host, id: &str, cases: &[Case]) {
    let ways_out = |name: &str| ["out", "FIFO", "zero", "loop", "lower"].iter().any(|word| name.contains(word));
    let whole: Case = ("nothing harmed", Box::new(|_| {}));
    for (name, harm) in [&whole].into_iter().chain(cases.iter().filter(|(name, _)| ways_out(name))) {
        harm(host);
        let before = state(&host.root);
        for words in [&["ps", "-a"][..], &["inspect", "--type", "container", id], &["logs", id], &["export", id]] {
            let log = tempfile::NamedTempFile::new().expect("a file is made");
            let answer = host.trace(words, log.path());
            let calls = fs::read_to_string(log.path()).expect("strace wrote it");
            stays_inside(&format!("{name}: {}", answer.command), &host.root, &calls);
        }
        // Looked at before anything is read here: that would move access times too.
        assert_eq!(
            state_of(&before),
            before.iter().map(|(_, state)| state.clone()).collect::<Vec<_>>(),
            "{name}: changed"
        );
        host.mend();
    }
}

/// Every call that opens something names a part of the system that every program has, or the root, or is kept below what is
/// open already: by the kernel, or since one name is not followed. None opens for writing.
fn stays_inside(what: &str, root: &Path, calls: &str) {
    // The last ones by the analyst's own system, for who he is and which ids are his.
    const SYSTEMS: [&str; 10] = [
        "/lib",
        "/usr/lib",
        "/etc/ld.so",
        "/proc/",
        "/sys/",
        "/dev/null",
        "/usr/share/zoneinfo",
        "/etc/localtime",
        "/etc/passwd",
        "/etc/sub",
    ];
    let root = root.to_str().expect("it is text");
    let mut inside = 0;
    let opens = |call: &&str| ["open(", "openat(", "openat2(", "open_tree("].iter().any(|name| call.starts_with(name));
    for call in calls.lines().filter_map(|line| Some(line.split_once(' ')?.1.trim_start())).filter(opens) {
        let path = call.split('"').nth(1).unwrap_or_default();
        let is_systems = SYSTEMS.iter().any(|place| path.starts_with(place));
        let is_kept = call.contains("RESOLVE_BENEATH")
            || call.contains("O_NOFOLLOW") && !path.contains('/')
            || call.starts_with("open_tree(") && path.is_empty();
        assert!(path == root || is_systems || is_kept && !path.starts_with('/'), "{what}: {call}");
        assert!(!["O_WRONLY", "O_RDWR", "O_CREAT"].iter().any(|flag| call.contains(flag)), "{what}: {call}");
        inside += usize::from(is_kept);
    }
    assert!(inside > 3, "{what}: hardly anything was opened");
}

/// All that lies in a root, with what reading must not move: type, mode, owner, size, all three times, inode, content.
fn state(root: &Path) -> Vec<(String, String)> {
    let names = Command::new("find").arg(root).args(["-print0"]).output().expect("find starts").stdout;
    let names = String::from_utf8_lossy(&names).into_owned();
    let set =
        Command::new("find").arg(root).args(["-exec", "touch", "-h", "-a", "-d", "2001-01-01", "{}", "+"]).status();
    assert!(set.expect("find starts").success());
    names.split('\0').filter_map(|name| Some((name.to_string(), one(name)?))).collect()
}

fn state_of(before: &[(String, String)]) -> Vec<String> {
    before.iter().map(|(name, _)| one(name).unwrap_or_default()).collect()
}

/// `None` for a name that is no UTF-8.
fn one(name: &str) -> Option<String> {
    let stat = fs::symlink_metadata(name).ok()?;
    let times =
        [(stat.mtime(), stat.mtime_nsec()), (stat.ctime(), stat.ctime_nsec()), (stat.atime(), stat.atime_nsec())];
    Some(format!("{name} {:o} {}:{} {} {times:?} {}", stat.mode(), stat.uid(), stat.gid(), stat.size(), stat.ino()))
}

/// The harms; `id` is a container that ended.
fn cases<'a>(host: &Host, id: &str) -> Vec<Case<'a>> {
    let folder = format!("containers/{id}");
    let record = format!("{folder}/config.v2.json");
    let log = format!("{folder}/{id}-json.log");
    let raw = host.read(&record).trim_ascii_end().to_vec();
    let mount =
        String::from_utf8(host.read(&format!("image/overlay2/layerdb/mounts/{id}/mount-id"))).expect("it is text");
    let upper = format!("overlay2/{mount}/diff");
    let kv = "network/files/local-kv.db";
    let pages = host.read(kv);
    let grown = move |more: &[u8]| [&raw[..raw.len() - 1], more, b"}"].concat();
    let (deep, pad) = ("[".repeat(100_000) + &"]".repeat(100_000), "A".repeat(300 << 20));
    let evil = br#","Name":"/\u001b]0;pwned\u0007\u001b[2Jevil\nFAKE\u202e","Path":"\u001b[31m\r""#;
    let secret = |text: &str| text.replace("TEXT", CANARY);
    let link = |path: String, target: &'static str| -> Box<dyn Fn(&mut Host)> {
        Box::new(move |it| it.make(&path, "ln", &["-s", target], &[]))
    };
    let fifo = |path: String| -> Box<dyn Fn(&mut Host)> { Box::new(move |it| it.make(&path, "mkfifo", &[], &[])) };
    let to_analyst = |path: String, text: String| -> Box<dyn Fn(&mut Host)> {
        Box::new(move |it| {
            let file = it.analysts_file(&text);
            it.make(&path, "ln", &["-s", file.to_str().expect("it is text")], &[]);
        })
    };
    let put = |path: String, bytes: Vec<u8>| -> Box<dyn Fn(&mut Host)> { Box::new(move |it| it.put(&path, &bytes)) };
    let hole = |path: String| -> Box<dyn Fn(&mut Host)> { Box::new(move |it| it.hole(&path, b"{")) };
    let record_of = || record.clone();
    vec![
        (
            "record a link to the analyst's file, out",
            to_analyst(record_of(), secret(r#"{"ID":"TEXT","Name":"/TEXT"}"#)),
        ),
        ("record a link to /dev/zero", link(record_of(), "/dev/zero")),
        ("record a FIFO", fifo(record_of())),
        ("record a device", {
            let path = record_of();
            Box::new(move |it| it.make(&path, "mknod", &[], &["c", "1", "5"]))
        }),
        ("record of 100,000 levels", put(record_of(), deep.into_bytes())),
        ("record of 300 MiB", put(record_of(), grown(format!(",\"pad\":\"{pad}\"").as_bytes()))),
        ("record of 300 MiB that is no JSON", put(record_of(), [b"[", pad.as_bytes()].concat())),
        ("record a hole of 20 GiB", hole(record_of())),
        ("control characters in names", put(record_of(), grown(evil))),
        ("log a FIFO", fifo(log.clone())),
        (
            "log a link out",
            to_analyst(
                log.clone(),
                secret("{\"log\":\"TEXT\\n\",\"stream\":\"stdout\",\"time\":\"2020-01-01T00:00:00Z\"}\n"),
            ),
        ),
        ("log a hole of 20 GiB", hole(log)),
        ("folder of a container a link out", link(folder, "/etc")),
        (
            "tags a link out",
            to_analyst(
                "image/overlay2/repositories.json".into(),
                secret(r#"{"Repositories":{"TEXT":{"TEXT:1":"sha256:00"}}}"#),
            ),
        ),
        (
            "mount-id leads out",
            put(format!("image/overlay2/layerdb/mounts/{id}/mount-id"), b"../../../../../../../../etc".to_vec()),
        ),
        ("lower leads out", put(format!("overlay2/{mount}/lower"), b"l/../../../../../../../../etc:/etc".to_vec())),
        ("files: a link out", to_analyst(format!("{upper}/innocent"), CANARY.into())),
        ("files: a FIFO", fifo(format!("{upper}/fifo"))),
        ("files: a device of zeros", {
            let path = format!("{upper}/zero");
            Box::new(move |it| it.make(&path, "mknod", &[], &["c", "1", "5"]))
        }),
        ("files: the top a link out", link(upper.clone(), "/etc")),
        ("files: a thousand folders in one another", {
            let path = format!("{upper}/deep");
            Box::new(move |it| {
                it.take(&path);
                let make =
                    "for i in $(seq 1000); do mkdir d$(printf %0100d 0) && cd d$(printf %0100d 0) || exit 1; done";
                let line = format!("mkdir -p '{0}' && cd -P '{0}' && {make}", it.path(&path).display());
                assert!(Command::new("bash").args(["-c", &line]).status().expect("bash starts").success());
            })
        }),
        (
            "layers their own parents",
            Box::new(|it| {
                let chain = it.path("image/overlay2/layerdb/sha256");
                for entry in fs::read_dir(chain).expect("it is there").flatten() {
                    let name = entry.file_name().to_string_lossy().into_owned();
                    it.put(
                        &format!("image/overlay2/layerdb/sha256/{name}/parent"),
                        format!("sha256:{name}").as_bytes(),
                    );
                }
            }),
        ),
        ("a database of half its size", put(kv.into(), pages[..pages.len() / 2].to_vec())),
        ("a database whose pages are their own children", put(kv.into(), looped(pages))),
        ("a database a FIFO", fifo(kv.into())),
    ]
}

/// Each data page of bbolt's becomes a branch page whose only child is itself.
fn looped(mut pages: Vec<u8>) -> Vec<u8> {
    for at in 2..pages.len() / 4096 {
        let page = &mut pages[at * 4096..][..32];
        page[..8].copy_from_slice(&(at as u64).to_le_bytes());
        page[8..16].copy_from_slice(&[1, 0, 1, 0, 0, 0, 0, 0]);
        page[16..24].copy_from_slice(&[16, 0, 0, 0, 0, 0, 0, 0]);
        page[24..32].copy_from_slice(&(at as u64).to_le_bytes());
    }
    pages
}
