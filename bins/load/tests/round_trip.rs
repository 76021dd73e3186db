//! `import`, `save` and `load` together: what goes in comes out, and dockerd agrees.

mod words;

use std::fs;
use std::path::Path;
use std::process::Command;

use testkit::engine::{Dockerd, is_here};
use words::*;

/// Tars that GNU tar or others would write, and some that nobody should.
fn odd_tars() -> Vec<(&'static str, Vec<u8>)> {
    let file = |name: &'static [u8], content: &[u8]| Raw::new(name, b'0', content);
    let base256 = |n: i64| {
        let mut field = [if n < 0 { 0xff } else { 0 }; 12];
        field[4..].copy_from_slice(&n.to_be_bytes());
        field[0] |= 0x80;
        field
    };
    let mut tars = vec![
        ("duplicate entries", tar_of(&[file(b"a", b"first"), file(b"b", b"x"), file(b"a", b"second, longer")])),
        ("a hard link before its target", tar_of(&[Raw::link(b"b", b"a"), file(b"a", b"x")])),
        ("a hard link after it", tar_of(&[file(b"a", b"x"), Raw::link(b"b", b"a")])),
        (
            "a global header",
            tar_of(&[Raw::new(b"pax_global_header", b'g', &pax(&[("comment", "x")])), file(b"a", b"x")]),
        ),
        (
            "names of all bytes",
            tar_of(&[file(b"new\nline", b"x"), file(b"bad\xff\xfe", b"y"), file(b"\x1b[31m", b"z")]),
        ),
        (
            "times far away",
            tar_of(&[
                Raw { mtime: base256(-2_000_000_000), ..file(b"old", b"x") },
                Raw { mtime: base256(1 << 40), ..file(b"new", b"x") },
            ]),
        ),
        (
            "times in PAX",
            tar_of(&[Raw::new(b"x", b'x', &pax(&[("mtime", "-1.5"), ("uid", "4000000000")])), file(b"a", b"x")]),
        ),
        (
            "an empty file and folders",
            tar_of(&[Raw::new(b"./", b'5', b""), Raw::new(b"d/", b'5', b""), file(b"d/e", b"")]),
        ),
        ("nothing", vec![0; 1024]),
    ];
    let mut garbage = tar_of(&[file(b"a", b"x")]);
    garbage.extend_from_slice(b"trailing garbage of no particular length");
    tars.push(("trailing garbage", garbage));
    let mut padding = tar_of(&[file(b"a", b"x")]);
    let at = 512 + 100;
    padding[at..at + 3].copy_from_slice(b"dirt"[..3].as_ref());
    tars.push(("padding that is not zero", padding));
    tars
}

/// What GNU tar makes of a tree with all that it can hold.
fn gnu_tars(work: &Path) -> Vec<(String, Vec<u8>)> {
    let script = r#"
        mkdir -p t/dir/$(printf 'long%.0s' $(seq 50)) && cd t
        echo hi > dir/file; ln dir/file dir/hard; ln -s file dir/soft; mkfifo fifo; : > empty
        printf x > "$(printf 'bad\377name')"; printf y > 'new
line'
        truncate -s 9G big; echo end | dd of=big bs=1 seek=9000000000 conv=notrunc status=none
        truncate -s 3M sparse; echo middle | dd of=sparse bs=1 seek=1500000 conv=notrunc status=none
        touch -d '1955-05-05 05:05:05.123456789' old; touch -d '2400-01-01' future
        chmod 1777 dir; chmod 4755 dir/file; chmod 0710 .
        if [ "$(id -u)" = 0 ]; then
            mknod null c 1 3; mknod block b 7 0; chown 4000000:4000001 empty
            setfattr -n user.key -v value dir/file 2>/dev/null; setfattr -n user.top -v value . 2>/dev/null
            setcap cap_net_raw+ep dir/hard 2>/dev/null
            setfacl -m u:1234:rw dir/file 2>/dev/null; setfacl -d -m u:1234:rwx dir 2>/dev/null
        fi
        true"#;
    let made = Command::new("bash").arg("-ec").arg(script).current_dir(work).output().unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let forms = [
        "--format=gnu --exclude=./big",
        "--format=gnu --sparse",
        "--format=oldgnu --sparse",
        "--format=pax --sparse --sparse-version=0.0 --xattrs --acls",
        "--format=pax --sparse --sparse-version=0.1",
        "--format=pax --sparse --sparse-version=1.0 --xattrs --xattrs-include=*",
        "--format=ustar --exclude=./big --exclude=./empty --exclude=*longlong* --exclude=./old",
        "--format=v7 --exclude=./big --exclude=./empty --exclude=*longlong* --exclude=./old --exclude=./null --exclude=./block --exclude=./fifo",
    ];
    let make = |form: &&str| {
        let output =
            Command::new("tar").args(form.split(' ')).args(["-C", "t", "-c", "."]).current_dir(work).output().unwrap();
        assert!(output.stdout.len() > 10_000, "tar {form}: {}", String::from_utf8_lossy(&output.stderr));
        ((*form).to_string(), output.stdout)
    };
    forms.iter().map(make).collect()
}

#[test]
fn layers_come_out_as_the_very_bytes_that_went_in_also_by_docker() {
    if !is_root() && std::env::var_os("CI").is_none() {
        eprintln!("not root: device nodes and owners cannot be made, nothing is tried");
        return;
    }
    let work = tempfile::tempdir().unwrap();
    let (first, second) = (work.path().join("first"), work.path().join("second"));
    let odd = odd_tars().into_iter().map(|(name, tar)| (name.to_string(), tar));
    let tars: Vec<(String, Vec<u8>)> = odd.chain(gnu_tars(work.path())).collect();
    for (n, (what, tar)) in tars.iter().enumerate() {
        let output = run(&first, "import", &["-", &format!("t:{n}")], tar);
        // What a file system cannot hold (a time, an owner) is told, and is in the image all the same.
        assert!(matches!(output.status.code(), Some(0 | 3)), "{what}: {}", String::from_utf8_lossy(&output.stderr));
        let saved = done(&first, "save", &[&format!("t:{n}")], b"");
        assert!(layers(&saved).values().eq([tar]), "{what}");
    }
    let all = done(&first, "save", &["t"], b"");
    assert_eq!(done(&first, "save", &["t"], b""), all, "the same bytes each time");
    done(&second, "load", &[], &all);
    assert!(done(&second, "save", &["t"], b"") == all, "save | load | save");
    assert!(done(&second, "load", &["-i", "-"], &all).starts_with(b"Loaded image: t:"), "loaded again");
    if is_here("dockerd") {
        docker_agrees(&second, &tars);
    }
}

/// dockerd lists what was written, and saves the same layers.
fn docker_agrees(root: &Path, tars: &[(String, Vec<u8>)]) {
    let dockerd = Dockerd::start(root, None);
    for (n, (what, tar)) in tars.iter().enumerate() {
        let saved = dockerd.command(&["save", &format!("t:{n}")]).output().unwrap();
        assert!(saved.status.success(), "{what}: {}", String::from_utf8_lossy(&saved.stderr));
        assert!(layers(&saved.stdout).values().eq([tar]), "{what}, saved by docker");
    }
}

#[test]
fn docker_loads_and_saves_what_others_saved() {
    if !is_here("dockerd") {
        return;
    }
    let work = tempfile::tempdir().unwrap();
    let root = work.path().join("root");
    let old = testdata("v1-1.9.1.tar.gz");
    done(&root, "load", &[], &old);
    let ours = done(&root, "save", &["app:1"], b"");
    let engine = work.path().join("engine");
    for driver in ["overlay2", "vfs"] {
        let dockerd = Dockerd::start(&engine.join(driver), Some(driver));
        let archive = work.path().join("ours.tar");
        fs::write(&archive, &ours).unwrap();
        assert_eq!(dockerd.docker(&["load", "-i", archive.to_str().unwrap()]), "Loaded image: app:1\n");
        let theirs = dockerd.command(&["save", "app:1"]).output().unwrap().stdout;
        drop(dockerd);
        let again = work.path().join(format!("again-{driver}"));
        assert_eq!(done(&again, "load", &[], &theirs), b"Loaded image: app:1\n", "from a pipe, manifest last");
        assert!(done(&again, "save", &["app:1"], b"") == ours, "{driver}");
        done(&engine.join(driver), "load", &[], &old);
    }
}

#[test]
fn what_is_cut_or_wrong_leaves_nothing() {
    let work = tempfile::tempdir().unwrap();
    let root = work.path().join("root");
    let tar = tar_of(&[Raw::new(b"a", b'0', &[b'x'; 3000]), Raw::new(b"b", b'0', b"y")]);
    done(&root, "import", &["-", "kept:1"], &tar);
    let archive = done(&root, "save", &["kept:1"], b"");
    let before = listing(&root);
    let mut damaged = archive.clone();
    let last = damaged.len() - 2048;
    damaged[last] ^= 1;
    for (program, args, input, why) in [
        ("import", &["-", "cut:1"][..], &tar[..3584], "archive ends without end-of-archive blocks after 1 entry"),
        (
            "import",
            &["-", "cut:1"],
            &tar[..2000],
            "archive ends without end-of-archive blocks after 1 entry (last: 'a', cut short)",
        ),
        ("import", &["-", "cut:1"], b"", "the archive is empty: not one byte came"),
        ("import", &["-", "cut:1"], &archive, "this is an archive of images (kept:1), not a root filesystem"),
        ("import", &["-c", "RUN x", "-", "cut:1"], &tar, "run is not a valid change command"),
        ("load", &[], &tar, "this is a root filesystem, not an archive of images"),
        ("load", &[], &archive[..archive.len() - 1024], "archive ends without end-of-archive blocks"),
        ("load", &[], &archive[..700], "archive ends without end-of-archive blocks"),
        ("load", &[], b"", "the archive is empty: not one byte came"),
        ("load", &["nosuch"], &archive, "no image 'nosuch' in the archive; it has kept:1"),
    ] {
        let output = run(&root, program, args, input);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(
            output.status.code() == Some(1) && said.contains(why),
            "{program} {args:?}: {:?} {said}",
            output.status
        );
        assert_eq!(listing(&root), before, "{why}");
    }
    let other = work.path().join("other");
    let output = run(&other, "load", &[], &damaged);
    assert_eq!(output.status.code(), Some(1), "a layer that does not match");
    assert_eq!(listing(&other), "");
    assert_eq!(done(&root, "load", &[], &damaged), b"Loaded image: kept:1\n", "the root has that layer, whole");
    assert_eq!(listing(&root), before);
}

#[test]
fn a_cut_archive_is_taken_as_it_came_when_that_is_wanted() {
    let work = tempfile::tempdir().unwrap();
    let tar = tar_of(&[Raw::new(b"a", b'0', b"x"), Raw::new(b"b", b'0', b"y")]);
    let output = run(work.path(), "import", &["--allow-truncated", "-", "cut:1"], &tar[..1024]);
    assert_eq!(output.status.code(), Some(3));
    let saved = done(work.path(), "save", &["cut:1"], b"");
    assert!(layers(&saved).values().eq([&tar[..1024]]));
}

#[test]
fn equal_tars_give_equal_ids() {
    let work = tempfile::tempdir().unwrap();
    let tar = tar_of(&[Raw::new(b"a", b'0', b"x")]);
    let id = |root: &str| done(&work.path().join(root), "import", &["-", "a"], &tar);
    assert_eq!(id("one"), id("two"));
}

#[test]
fn a_live_host_leaves_out_what_must_not_travel() {
    let work = tempfile::tempdir().unwrap();
    let root = work.path().join("root");
    let dir = |name: &'static [u8]| Raw::new(name, b'5', b"");
    let file = |name: &'static [u8]| Raw::new(name, b'0', b"content");
    let tar = tar_of(&[
        dir(b"./"),
        dir(b"proc/"),
        file(b"proc/version"),
        file(b"etc/hostname"),
        dir(b"tmp/"),
        file(b"tmp/x"),
        file(b"keep"),
    ]);
    let output = run(&root, "import", &["--host", "-", "host:1"], &tar);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(0), "{said}");
    assert!(
        said.contains("left out of proc: 7B in 1 entry") && said.contains("left out of tmp: 7B in 1 entry"),
        "{said}"
    );
    let saved = done(&root, "save", &["host:1"], b"");
    let layer = layers(&saved).into_values().next().unwrap();
    let mut archive = tar::Archive::new(&layer[..]);
    let names: Vec<String> =
        archive.entries().unwrap().map(|entry| entry.unwrap().path().unwrap().display().to_string()).collect();
    assert_eq!(names, ["./", "proc/", "etc/hostname", "tmp/", "keep"]);
    let text = String::from_utf8_lossy(&saved).into_owned();
    assert!(text.contains(r#""dockless.host.name":"content""#) && text.contains(r#""Cmd":["/bin/sh"]"#));
    let warned = run(&root, "import", &["-", "plain:1"], &tar);
    assert!(String::from_utf8_lossy(&warned.stderr).contains("import --host"));
}
