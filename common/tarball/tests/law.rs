//! The records of any archive, joined, are the archive; and an archive of ours is read back as what was written.

use std::io::{self, Read};
use std::path::Path;
use std::process::Command;

use model::{Content, Entry, EntryPath, Extent, Kind, Metadata, Timestamp};
use proptest::prelude::*;
use tarball::{Reader, Scanner, Step, TarError, Writer};

/// The records of an archive joined, and what was read of each member: name, kind, size, content.
fn scan(raw: &[u8], buffer: usize) -> (Vec<u8>, Vec<String>, Option<TarError>) {
    let mut scanner = Scanner::new(io::BufReader::with_capacity(buffer, raw));
    let (mut joined, mut told) = (Vec::new(), Vec::new());
    loop {
        let step = scanner.step();
        joined.extend_from_slice(scanner.raw());
        match step {
            Ok(Some(Step::Member(header))) => {
                let at = joined.len();
                loop {
                    let bytes = match scanner.content() {
                        Ok(bytes) => bytes,
                        Err(error) => return (joined, told, Some(error)),
                    };
                    if bytes.is_empty() {
                        break;
                    }
                    joined.extend_from_slice(bytes);
                    let count = bytes.len();
                    scanner.consume(count);
                }
                assert_eq!((joined.len() - at) as u64, header.stored);
                told.push(format!(
                    "{} {:?} {} {:?}",
                    String::from_utf8_lossy(&header.path),
                    header.kind,
                    header.size,
                    header.sparse
                ));
            }
            Ok(Some(_)) => {}
            Ok(None) => return (joined, told, None),
            Err(error) => return (joined, told, Some(error)),
        }
    }
}

fn check_law(raw: &[u8]) -> Vec<String> {
    let (joined, told, error) = scan(raw, 64 << 10);
    assert!(error.is_none(), "{error:?}");
    assert!(joined == raw, "the records joined differ from the archive");
    assert!(scan(raw, 513).0 == raw, "the records joined differ with a small buffer");
    told
}

fn sh(dir: &Path, script: &str) {
    let done =
        Command::new("sh").args(["-ec", script]).current_dir(dir).env("LC_ALL", "C").status().expect("sh starts");
    assert!(done.success(), "{script}");
}

/// A tree with one of everything that an ordinary user can make.
const TREE: &str = r#"
mkdir -p t/dir/sub; echo text > t/dir/file; : > t/empty; ln -s ../dir t/dir/link; ln t/dir/file t/hard; mkfifo t/fifo
mkdir -p t/$(printf 'n%.0s' $(seq 90))/$(printf 'm%.0s' $(seq 90)); echo long > t/$(printf 'n%.0s' $(seq 90))/$(printf 'm%.0s' $(seq 90))/$(printf 'k%.0s' $(seq 120))
ln -s $(printf 'z%.0s' $(seq 150)) t/longlink; printf x > "$(printf 't/bad\377name')"; printf y > "$(printf 't/new\nline')"
touch -d '1969-12-31 23:59:58.5 UTC' t/old; touch -d '2500-01-01 UTC' t/far
truncate -s 300000 t/hole; printf a | dd of=t/hole bs=1 seek=100000 conv=notrunc 2>/dev/null; printf b | dd of=t/hole bs=1 seek=200000 conv=notrunc 2>/dev/null
truncate -s 9G t/huge
"#;

fn tree() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    sh(dir.path(), TREE);
    dir
}

fn check_program(dir: &Path, make: &str, expected_sparse: bool) {
    sh(dir, make);
    let raw = std::fs::read(dir.join("a.tar")).unwrap();
    let told = check_law(&raw);
    let has = |text: &str| assert!(told.iter().any(|line| line.contains(text)), "{make}: no '{text}' in {told:#?}");
    has("dir/file");
    has("empty File 0 None");
    has("fifo Fifo");
    if expected_sparse {
        has("hole File 300000 Some");
        has("huge File 9663676416 Some");
    }
}

#[test]
fn archives_of_gnu_tar_are_their_records() {
    let dir = tree();
    for (options, sparse) in [
        ("-H v7 --exclude=n* --exclude=far --exclude=old --exclude=huge --exclude=fifo --exclude=longlink", false),
        ("-H ustar --exclude=nnn* --exclude=far --exclude=old --exclude=huge --exclude=longlink", false),
        ("-H gnu --exclude=huge", false),
        ("-H oldgnu -S", true),
        ("-H gnu -S", true),
        ("-H pax -S --sparse-version=0.0", true),
        ("-H pax -S --sparse-version=0.1", true),
        ("-H pax -S --sparse-version=1.0", true),
        ("-H pax -S --pax-option=globexthdr.name=g,comment=x,gname=staff", true),
    ] {
        // v7 leaves FIFOs out; the check wants one.
        if options.starts_with("-H v7") {
            sh(dir.path(), &format!("tar -C t -cf a.tar {options} . 2>/dev/null"));
            check_law(&std::fs::read(dir.path().join("a.tar")).unwrap());
            continue;
        }
        check_program(dir.path(), &format!("tar -C t -cf a.tar {options} ."), sparse);
    }
}

#[test]
fn archives_of_bsdtar_and_python_are_their_records() {
    let dir = tree();
    for (make, sparse) in [
        ("bsdtar -C t --format pax -cf a.tar .", true),
        (
            "bsdtar -C t --format ustar --exclude 'nnn*' --exclude huge --exclude hole -cf a.tar . 2>/dev/null || true",
            false,
        ),
        ("bsdtar -C t --format gnutar --exclude huge -cf a.tar .", false),
        (
            "rm t/huge; python3 -c 'import tarfile; t=tarfile.open(\"a.tar\",\"w\",format=tarfile.PAX_FORMAT); t.add(\"t\",\".\"); t.close()'",
            false,
        ),
        (
            "python3 -c 'import tarfile; t=tarfile.open(\"a.tar\",\"w\",format=tarfile.GNU_FORMAT); t.add(\"t\",\".\"); t.close()'",
            false,
        ),
    ] {
        check_program(dir.path(), make, sparse);
    }
}

#[test]
fn trailing_bytes_belong_to_the_archive() {
    let dir = tempfile::tempdir().unwrap();
    sh(dir.path(), "echo x > x; tar -cf a.tar x; printf garbage >> a.tar; head -c 3000000 /dev/zero >> a.tar");
    assert_eq!(check_law(&std::fs::read(dir.path().join("a.tar")).unwrap()), ["x File 2 None"]);
}

#[test]
fn cut_archives_are_told_with_the_last_entry() {
    let dir = tempfile::tempdir().unwrap();
    sh(dir.path(), "echo x > x; head -c 2000 /dev/zero > y; tar -cf a.tar x y");
    let raw = std::fs::read(dir.path().join("a.tar")).unwrap();
    let check = |cut: usize, message: &str| {
        let (joined, _, error) = scan(&raw[..cut], 64 << 10);
        let error = error.expect("a cut archive is an error");
        assert!(error.is_truncated());
        assert_eq!(error.to_string(), message);
        assert!(joined == raw[..cut], "what came is not all there at {cut}");
    };
    let ends = "archive ends without end-of-archive blocks";
    check(0, "the archive is empty: not one byte came");
    check(100, &format!("{ends} before the first entry"));
    check(513, &format!("{ends} after 1 entry (last: 'x', cut short)"));
    check(600, &format!("{ends} after 1 entry (last: 'x')"));
    check(1024, &format!("{ends} after 1 entry (last: 'x')"));
    check(1600, &format!("{ends} after 2 entries (last: 'y', cut short)"));
    check(3584, &format!("{ends} after 2 entries (last: 'y')"));
    check(3584 + 512, &format!("{ends} after 2 entries (last: 'y')"));
    check_law(&raw[..3584 + 1024]);
}

struct Sparse {
    extents: Vec<Extent>,
    data: io::Cursor<Vec<u8>>,
}

impl Read for Sparse {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.data.read(buffer)
    }
}

impl Content for Sparse {
    fn extents(&self) -> &[Extent] {
        &self.extents
    }
}

fn bytes(max: usize) -> impl Strategy<Value = Vec<u8>> {
    proptest::collection::vec(any::<u8>(), 0..max)
}

fn name() -> impl Strategy<Value = Vec<u8>> {
    proptest::collection::vec(prop_oneof![4 => b'a'..=b'z', 1 => 1u8..=255], 1..150)
        .prop_map(|name| name.into_iter().map(|b| if b == b'/' { b'_' } else { b }).collect::<Vec<u8>>())
        .prop_filter("no dots", |name: &Vec<u8>| name != b"." && name != b"..")
}

fn path() -> impl Strategy<Value = EntryPath> {
    proptest::collection::vec(name(), 1..4).prop_map(|parts| EntryPath::parse(&parts.join(&b'/')).unwrap())
}

fn metadata() -> impl Strategy<Value = Metadata> {
    let xattrs = proptest::collection::btree_map(
        name().prop_map(|n| [b"user.", &n[..]].concat().into_boxed_slice()),
        bytes(50).prop_map(Vec::into_boxed_slice),
        0..3,
    );
    (0u32..0o10000, any::<u32>(), any::<u64>(), -1i64 << 40..1i64 << 40, 0u32..1_000_000_000, xattrs).prop_map(
        |(mode, uid, gid, seconds, nanos, xattrs)| Metadata {
            mode,
            uid: u64::from(uid),
            gid,
            mtime: Timestamp { seconds, nanos },
            xattrs,
        },
    )
}

fn kind() -> impl Strategy<Value = (Kind, Option<Vec<Extent>>)> {
    let sparse = (1u64..1 << 40, proptest::collection::vec((1u64..1000, 1u64..600), 0..5)).prop_map(|(tail, pairs)| {
        let mut end = 0;
        let extents: Vec<Extent> = pairs
            .iter()
            .map(|&(gap, size)| {
                let e = Extent { offset: end + gap, size };
                end += gap + size;
                e
            })
            .collect();
        (Kind::File { size: end + tail }, Some(extents))
    });
    prop_oneof![
        (0u64..2000).prop_map(|size| (Kind::File { size }, None)),
        sparse,
        Just((Kind::Directory, None)),
        name().prop_map(|target| (Kind::Symlink { target: target.into() }, None)),
        (0u32..1 << 12, 0u32..1 << 20).prop_map(|(major, minor)| (Kind::CharDevice { major, minor }, None)),
        Just((Kind::Fifo, None)),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn what_is_written_is_read_back(entries in proptest::collection::vec((path(), metadata(), kind()), 0..8)) {
        let mut writer = Writer::new(Vec::new());
        for (path, meta, (kind, extents)) in &entries {
            let entry = Entry { path: path.clone(), kind: kind.clone(), meta: meta.clone() };
            let size = if let Kind::File { size } = kind { *size } else { 0 };
            let extents = extents.clone().unwrap_or_else(|| if size > 0 { vec![Extent { offset: 0, size }] } else { Vec::new() });
            let data: u64 = extents.iter().map(|e| e.size).sum();
            writer.put_content(&entry, &mut Sparse { extents, data: io::Cursor::new(vec![7; data as usize]) }).unwrap();
        }
        let raw = writer.finish().unwrap();
        prop_assert!(scan(&raw, 64 << 10).0 == raw);
        let mut reader = Reader::new(&raw[..]);
        for (path, meta, (kind, extents)) in &entries {
            let header = reader.next().unwrap().unwrap();
            prop_assert_eq!(header.entry().unwrap().unwrap(), Entry { path: path.clone(), kind: kind.clone(), meta: meta.clone() });
            if let Some(extents) = extents {
                prop_assert_eq!(&header.extents(), extents);
            }
            let mut content = Vec::new();
            reader.content().read_to_end(&mut content).unwrap();
            prop_assert!(content.iter().all(|&byte| byte == 7) && content.len() as u64 == header.stored);
        }
        prop_assert!(reader.next().unwrap().is_none());
    }

    #[test]
    fn no_bytes_make_the_scanner_panic_or_lose_one(raw in bytes(4000), at in 0usize..4000, change in any::<u8>()) {
        let (joined, _, _) = scan(&raw, 512);
        prop_assert!(raw.starts_with(&joined));
        let mut writer = Writer::new(Vec::new());
        let entry = Entry { path: EntryPath::parse(b"a").unwrap(), kind: Kind::File { size: 700 }, meta: Metadata { gid: 1 << 40, ..Metadata::default() } };
        writer.put(&entry, &mut &[1; 700][..]).unwrap();
        let mut whole = writer.finish().unwrap();
        let at = at % whole.len();
        whole[at] ^= change;
        let (joined, _, _) = scan(&whole, 512);
        prop_assert!(whole.starts_with(&joined));
    }

    #[test]
    fn no_bytes_make_tar_split_or_compression_panic(raw in bytes(500), line in "\\{\"type\":[12],\"(name|payload|size)\":\"?[A-Za-z0-9=]{0,12}\"?\\}") {
        let mut split = tarball::split::Reader::new(&raw[..]);
        while let Ok(Some(_)) = split.next() {}
        let _ = tarball::split::Reader::new(line.as_bytes()).next();
        for magic in [&b""[..], b"\x1f\x8b\x08", b"BZh9\x31\x41\x59\x26\x53\x59", b"\xfd7zXZ\0", b"\x28\xb5\x2f\xfd"] {
            let raw = [magic, &raw].concat();
            if let Ok((_, mut plain)) = tarball::compress::decoder(Box::new(io::Cursor::new(raw))) {
                let _ = io::copy(&mut plain, &mut io::sink());
            }
        }
    }
}
