//! What may befall `import` and `load`: hostile archives, a kill, a full disk, a reader that leaves.

mod words;

use std::fs;
use std::io::{Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use tarball::Sha256;
use testkit::engine::{Dockerd, is_here};
use words::*;

/// Kilobytes of address space that a program may take: far more than it needs, far less than a header may claim.
const SPACE: u32 = 600_000;

/// An archive of docker's with one image of these layers, the documents first.
fn archive_of(name: &str, layers: &[&[u8]]) -> Vec<u8> {
    let ids: Vec<String> = layers.iter().map(|layer| format!("\"{}\"", Sha256::of(layer))).collect();
    let config = format!(
        r#"{{"architecture":"amd64","os":"linux","config":{{}},"rootfs":{{"type":"layers","diff_ids":[{}]}}}}"#,
        ids.join(",")
    );
    let members: Vec<String> = (0..layers.len()).map(|n| format!("\"{n}/layer.tar\"")).collect();
    let manifest = format!(r#"[{{"Config":"config.json","RepoTags":["{name}"],"Layers":[{}]}}]"#, members.join(","));
    let mut tar = tar::Builder::new(Vec::new());
    append(&mut tar, "manifest.json", manifest.as_bytes());
    append(&mut tar, "config.json", config.as_bytes());
    for (n, layer) in layers.iter().enumerate() {
        append(&mut tar, &format!("{n}/layer.tar"), layer);
    }
    tar.into_inner().unwrap()
}

fn append(tar: &mut tar::Builder<Vec<u8>>, name: &str, content: &[u8]) {
    let mut header = tar::Header::new_ustar();
    header.set_size(content.len() as u64);
    header.set_mode(0o644);
    tar.append_data(&mut header, name, content).unwrap();
}

/// A program within a bounded address space, its input from a pipe.
fn bounded(root: &Path, name: &str, args: &[&str], input: impl Read + Send + 'static) -> Output {
    let mut child = Command::new("bash")
        .arg("-c")
        .arg(format!("ulimit -v {SPACE}; exec \"$@\""))
        .arg("bash")
        .arg(program(name))
        .args(args)
        .env("DOCKLESS_ROOT", root)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let mut input = input;
    let writing = std::thread::spawn(move || drop(std::io::copy(&mut input, &mut stdin)));
    let output = child.wait_with_output().unwrap();
    writing.join().unwrap();
    output
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn hostile_archives_are_refused_by_the_programs() {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../testdata/hostile/tars");
    let list = fs::read_to_string(corpus.join("refused.txt")).unwrap();
    let work = tempfile::tempdir().unwrap();
    let root = work.path().join("root");
    done(&root, "import", &["-", "kept:1"], &tar_of(&[Raw::new(b"a", b'0', b"x")]));
    let before = listing(&root);
    let mut tried = 0;
    for (file, message) in list.lines().map(|line| line.split_once('\t').unwrap()) {
        let tar = fs::read(corpus.join(file)).unwrap();
        let archive = archive_of("bad:1", &[&tar]);
        for (name, args, input) in [("import", &["-", "bad:1"][..], tar), ("load", &[], archive)] {
            // Only a layer has whiteouts; and what is no tar at all import says in its own words.
            if name == "import" && (file.starts_with("whiteout") || file == "checksum.tar") {
                continue;
            }
            let output = bounded(&root, name, args, std::io::Cursor::new(input));
            let said = said(&output);
            assert_eq!(output.status.code(), Some(1), "{name} {file}: {said}");
            assert!(said.contains(message), "{name} {file}: {said}");
            assert!(!said.trim_end().contains(|c: char| c.is_control() && c != '\n'), "{name} {file}: {said:?}");
            assert_eq!(listing(&root), before, "{name} {file}");
            tried += 1;
        }
    }
    assert!(tried > 100, "{tried}");
}

/// A member of so many bytes: what is given, then spaces.
fn large(name: &'static [u8], begins: &'static [u8], size: u64) -> impl Read + Send {
    let mut header = Raw::new(name, b'0', b"").bytes();
    header[124..136].copy_from_slice(format!("{size:011o}\0").as_bytes());
    header[148..156].copy_from_slice(b"        ");
    let sum: u32 = header[..512].iter().map(|&b| u32::from(b)).sum();
    header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    let spaces = std::io::repeat(b' ').take(size - begins.len() as u64);
    std::io::Cursor::new(header).chain(begins).chain(spaces).chain(std::io::repeat(0).take(1024))
}

#[test]
fn documents_of_300_mb_and_a_hundred_thousand_layers_are_refused() {
    let work = tempfile::tempdir().unwrap();
    let root = work.path().join("root");
    let layer = tar_of(&[Raw::new(b"a", b'0', b"x")]);
    done(&root, "import", &["-", "kept:1"], &layer);
    let before = listing(&root);
    let manifest = format!(
        r#"[{{"Config":"c","RepoTags":["a:1"],"Layers":[{}"z"]}}]"#,
        (0..100_000).map(|n| format!("\"{n}\",")).collect::<String>()
    );
    let mut many = tar::Builder::new(Vec::new());
    append(&mut many, "manifest.json", manifest.as_bytes());
    let ids: String = (0..99_999).map(|n| format!("\"sha256:{n:064x}\",")).collect();
    append(
        &mut many,
        "c",
        format!(r#"{{"rootfs":{{"type":"layers","diff_ids":[{ids}"{}"]}}}}"#, Sha256::of(b"")).as_bytes(),
    );
    for (what, input, why) in [
        (
            "manifest.json",
            Box::new(large(b"manifest.json", b"[{\"Layers\":[", 300 << 20)) as Box<dyn Read + Send>,
            "manifest.json",
        ),
        (
            "index.json",
            Box::new(large(b"index.json", b"{\"schemaVersion\":2,\"manifests\":[", 300 << 20)),
            "index.json",
        ),
        ("100,000 layers", Box::new(std::io::Cursor::new(many.into_inner().unwrap())), "more than 125"),
    ] {
        let begin = Instant::now();
        let output = bounded(&root, "load", &[], input);
        assert_eq!(output.status.code(), Some(1), "{what}: {}", said(&output));
        assert!(said(&output).contains(why), "{what}: {}", said(&output));
        assert!(begin.elapsed() < Duration::from_secs(20), "{what} took {:?}", begin.elapsed());
        assert_eq!(listing(&root), before, "{what}");
    }
}

/// A file of some length, and the same as tar and as archive.
struct Big {
    tar: Vec<u8>,
    archive: Vec<u8>,
}

fn big() -> Big {
    let names: [&[u8]; 8] = [b"a", b"b", b"c", b"d", b"e", b"f", b"g", b"h"];
    let layer = |n: u8| tar_of(&names.map(|name| Raw::new(name, b'0', &vec![n; 400_000])));
    let layers: Vec<Vec<u8>> = (1..5).map(layer).collect();
    let refs: Vec<&[u8]> = layers.iter().map(Vec::as_slice).collect();
    Big { tar: layers[0].clone(), archive: archive_of("big:1", &refs) }
}

/// Starts a program, gives it the first bytes of its input, and kills it after a while; says whether it was still at work.
/// It gets the end of its input only with all of it.
fn killed(root: &Path, name: &str, args: &[&str], input: &[u8], given: usize, after: Duration) -> bool {
    let mut child = Command::new(program(name))
        .args(args)
        .env("DOCKLESS_ROOT", root)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    if let Err(error) = stdin.write_all(&input[..given]) {
        panic!("{name} {given} of {}: {error}: {:?}", input.len(), child.wait_with_output());
    }
    let more = (given < input.len()).then_some(stdin);
    std::thread::sleep(after);
    let was_at_work = child.try_wait().unwrap().is_none();
    child.kill().unwrap();
    child.wait().unwrap();
    drop(more);
    was_at_work
}

#[test]
fn a_kill_at_any_moment_leaves_a_root_that_dockerd_opens() {
    /// Points within the input, and after it, while the root is written.
    const POINTS: usize = 12;
    const LATER: u64 = 8;
    if !is_here("dockerd") {
        return;
    }
    let work = tempfile::tempdir().unwrap();
    let root = work.path().join("root");
    let big = big();
    done(&root, "import", &["-", "kept:1"], &tar_of(&[Raw::new(b"kept", b'0', b"x")]));
    for (name, args, input) in [("import", &["-", "big:2"][..], &big.tar), ("load", &[], &big.archive)] {
        let within = (0..POINTS).map(|n| (input.len() * n / POINTS, Duration::from_millis(n as u64 % 5)));
        let later = (0..LATER).map(|n| (input.len(), Duration::from_millis(n * n / 2)));
        for (given, after) in within.chain(later) {
            let was_at_work = killed(&root, name, args, input, given, after);
            assert!(was_at_work || given == input.len(), "{name} ended after {given} bytes of {}", input.len());
            let images = done(&root, "save", &["kept:1"], b"");
            assert_eq!(layers(&images).len(), 1, "{name} killed after {given} bytes and {after:?}");
        }
    }
    // The next writer sweeps.
    done(&root, "load", &[], &big.archive);
    assert_eq!(fs::read_dir(root.join("tmp")).map_or(0, Iterator::count), 0);
    let saved = done(&root, "save", &["big:1"], b"");
    assert_eq!(layers(&saved).len(), 4);
    let daemon = Dockerd::start(&root, None);
    assert!(layers(&daemon.command(&["save", "big:1"]).output().unwrap().stdout).values().eq(layers(&saved).values()));
    assert_eq!(daemon.docker(&["images", "-q", "kept:1"]).lines().count(), 1);
}

/// A small file system, gone with this value.
struct Small(tempfile::TempDir);

impl Small {
    fn new(size: &str) -> Small {
        let dir = tempfile::tempdir().unwrap();
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &format!("size={size}"), "small"])
            .arg(dir.path())
            .status();
        assert!(mounted.unwrap().success(), "a tmpfs cannot be mounted");
        Small(dir)
    }
}

impl Drop for Small {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(self.0.path()).status();
    }
}

#[test]
fn a_full_disk_is_told_and_leaves_nothing() {
    if !is_here("mount") {
        return;
    }
    let work = tempfile::tempdir().unwrap();
    let small = Small::new("24m");
    let root = small.0.path().join("root");
    done(&root, "import", &["-", "kept:1"], &tar_of(&[Raw::new(b"kept", b'0', b"x")]));
    let before = listing(&root);
    let content = vec![7; 30 << 20];
    let tar = tar_of(&[Raw::new(b"big", b'0', &content)]);
    let archive = archive_of("big:1", &[&tar]);
    let (tar_file, archive_file) = (work.path().join("tar"), work.path().join("archive"));
    fs::write(&tar_file, &tar).unwrap();
    fs::write(&archive_file, &archive).unwrap();
    let (tar_file, archive_file) = (tar_file.to_str().unwrap(), archive_file.to_str().unwrap());
    for (name, args, input) in [
        ("import", &["-", "big:2"][..], &tar[..]),
        ("import", &[tar_file, "big:2"], b""),
        ("load", &[], &archive),
        ("load", &["-i", archive_file], b""),
    ] {
        let output = run(&root, name, args, input);
        assert_eq!(output.status.code(), Some(1), "{name} {args:?}");
        assert!(said(&output).contains("no space left: needs "), "{name} {args:?}: {}", said(&output));
        assert_eq!(listing(&root), before, "{name} {args:?}");
    }
}

#[test]
fn a_bomb_ends_where_the_room_ends() {
    if !is_here("mount") {
        return;
    }
    let small = Small::new("40m");
    let root = small.0.path().join("root");
    done(&root, "import", &["-", "kept:1"], &tar_of(&[Raw::new(b"kept", b'0', b"x")]));
    let before = listing(&root);
    let make = "head -c 2G /dev/zero | tr '\\0' x | zstd -q -c";
    let header = large(b"bomb", b"", 2 << 30).take(512);
    let mut bomb = Command::new("bash").arg("-c").arg(make).stdout(Stdio::piped()).spawn().unwrap();
    let mut raw = Vec::new();
    let mut head = Vec::new();
    { header }.read_to_end(&mut head).unwrap();
    let mut child =
        Command::new("zstd").args(["-q", "-c"]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(&head).unwrap();
    child.stdout.take().unwrap().read_to_end(&mut raw).unwrap();
    child.wait().unwrap();
    bomb.stdout.take().unwrap().read_to_end(&mut raw).unwrap();
    bomb.wait().unwrap();
    assert!(raw.len() < 1 << 20, "it is no bomb");
    let output = bounded(&root, "import", &["-", "bomb:1"], std::io::Cursor::new(raw));
    assert_eq!(output.status.code(), Some(1));
    assert!(said(&output).contains("no space left: needs "), "{}", said(&output));
    assert_eq!(listing(&root), before);
}

#[test]
fn a_reader_that_leaves_ends_the_work_without_a_word() {
    let work = tempfile::tempdir().unwrap();
    done(work.path(), "load", &[], &big().archive);
    let before = listing(work.path());
    let mut child = Command::new(program("save"))
        .arg("big:1")
        .env("DOCKLESS_ROOT", work.path())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdout.take().unwrap().read_exact(&mut [0; 600]).unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!((output.status.code(), said(&output)), (Some(0), String::new()));
    assert_eq!(listing(work.path()), before);
}

/// The programs where everyone may start them.
fn for_everyone(work: &Path) -> PathBuf {
    fs::set_permissions(work, fs::Permissions::from_mode(0o755)).unwrap();
    let bin = work.join("bin");
    fs::create_dir(&bin).unwrap();
    for name in ["import", "save"] {
        fs::copy(program(name), bin.join(name)).unwrap();
    }
    bin
}

#[test]
fn an_ordinary_user_gets_no_devices_and_is_told_what_else_he_may_not_make() {
    if !is_here("setpriv") {
        return;
    }
    let work = tempfile::tempdir().unwrap();
    let bin = for_everyone(work.path());
    let root = work.path().join("root");
    fs::create_dir(&root).unwrap();
    std::os::unix::fs::chown(&root, Some(65534), Some(65534)).unwrap();
    let mut device = tar::Header::new_ustar();
    device.set_entry_type(tar::EntryType::Char);
    device.set_device_major(1).unwrap();
    device.set_device_minor(3).unwrap();
    device.set_size(0);
    let mut tar = tar::Builder::new(Vec::new());
    append(&mut tar, "a", b"x");
    tar.append_data(&mut device, "null", &b""[..]).unwrap();
    let tar = tar.into_inner().unwrap();
    let as_nobody = |name: &str, args: &[&str], input: &[u8]| {
        let mut child = Command::new("setpriv")
            .args(["--reuid=65534", "--regid=65534", "--clear-groups"])
            .arg(bin.join(name))
            .args(args)
            .env("DOCKLESS_ROOT", &root)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(input).unwrap();
        child.wait_with_output().unwrap()
    };
    let output = as_nobody("import", &["-", "mine:1"], &tar);
    assert_eq!(output.status.code(), Some(1));
    assert!(said(&output).contains("entry 'null': a device can be made by root only"), "{}", said(&output));
    let tar = tar_of(&[Raw { uid: *b"0001750\0", ..Raw::new(b"a", b'0', b"x") }]);
    let output = as_nobody("import", &["-", "mine:1"], &tar);
    assert_eq!(output.status.code(), Some(3), "{}", said(&output));
    assert!(said(&output).contains("'a': "), "whose owner cannot be set: {}", said(&output));
    let output = as_nobody("save", &["mine:1"], b"");
    assert!(output.status.success(), "{}", said(&output));
    assert!(layers(&output.stdout).values().eq([&tar]), "the image holds it all the same");
}

#[test]
fn nothing_binary_goes_to_a_terminal() {
    if !is_here("script") {
        return;
    }
    let work = tempfile::tempdir().unwrap();
    done(work.path(), "import", &["-", "a:1"], &tar_of(&[Raw::new(b"a", b'0', b"x")]));
    let command = format!("{} --root {} a:1", program("save").display(), work.path().display());
    let output = Command::new("script").args(["-qec", &command, "/dev/null"]).stdin(Stdio::null()).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert!(text.contains("cowardly refusing to save to a terminal"), "{text}");
}

#[test]
fn a_living_daemon_keeps_its_root_to_itself() {
    if !is_here("dockerd") {
        return;
    }
    let work = tempfile::tempdir().unwrap();
    let root = work.path().join("root");
    let tar = tar_of(&[Raw::new(b"a", b'0', b"x")]);
    done(&root, "import", &["-", "kept:1"], &tar);
    let archive = done(&root, "save", &["kept:1"], b"");
    let daemon = Dockerd::start(&root, None);
    for (name, args, input) in [("import", &["-", "no:1"][..], &tar), ("load", &[], &archive)] {
        let output = run(&root, name, args, input);
        assert_eq!(output.status.code(), Some(1), "{name}");
        assert!(said(&output).contains(&daemon.pid().to_string()), "{name}: {}", said(&output));
    }
    assert!(done(&root, "save", &["kept:1"], b"") == archive, "reading goes on");
    assert!(!daemon.docker(&["images"]).contains("no"));
}
