//! Limits as the kernel has them, read from the container's own cgroups while it runs.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use launch::cgroup::Hosts;

use crate::image::Place;

/// A disk in a file, gone with the value.
struct Disk(String);

impl Disk {
    fn new(folder: &Path) -> Disk {
        let file = folder.join("disk");
        std::fs::File::create(&file).and_then(|file| file.set_len(1 << 20)).expect("a file is made");
        let out = Command::new("losetup").args(["--find", "--show"]).arg(&file).output().expect("losetup starts");
        assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
        Disk(String::from_utf8_lossy(&out.stdout).trim().to_string())
    }

    /// `major:minor`.
    fn number(&self) -> String {
        let name = self.0.trim_start_matches("/dev/");
        std::fs::read_to_string(format!("/sys/block/{name}/dev")).expect("it is a block device").trim().to_string()
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = Command::new("losetup").args(["--detach", &self.0]).status();
    }
}

/// Runs a container with these flags and reads files of its cgroups meanwhile.
fn kept(place: &Place, words: &[&str], files: &[&str]) -> (Vec<String>, String) {
    let name = words.concat().replace(['/', '-'], "");
    let parent = format!("/dockless-test-{}-{}", std::process::id(), name.len());
    let flags = ["--rm", "-i", "--net", "none", "--cgroup-parent", &parent];
    let mut command = place.command(&[&flags, words, &["img", "sh", "-c", "echo up; cat"]].concat());
    let mut child =
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("run starts");
    let mut word = [0; 3];
    let up = std::io::Read::read_exact(child.stdout.as_mut().expect("it is piped"), &mut word);
    let found = files.iter().map(|file| up.as_ref().ok().map_or(String::new(), |()| read(&parent, file))).collect();
    drop(child.stdin.take());
    let ended = crate::image::ended(child.wait_with_output().expect("run ends"));
    assert_eq!(ended.status, 0, "{words:?}: {}", ended.stderr);
    (found, ended.stderr)
}

fn read(parent: &str, file: &str) -> String {
    let tops: Vec<PathBuf> = match Hosts::read() {
        Hosts::Version1(all) => all.into_iter().map(|hierarchy| hierarchy.top).collect(),
        Hosts::Version2(top) => vec![top],
        Hosts::None => Vec::new(),
    };
    let folders = tops.iter().map(|top| top.join(parent.trim_start_matches('/')));
    let own = folders.flat_map(|folder| std::fs::read_dir(folder).into_iter().flatten().flatten());
    let texts = own.filter_map(|entry| std::fs::read_to_string(entry.path().join(file)).ok());
    texts.map(|text| text.trim().to_string()).next().unwrap_or_default()
}

#[test]
fn a_block_devices_limits_reach_the_kernel() {
    let Some(place) = Place::new() else { return };
    if !matches!(Hosts::read(), Hosts::Version1(_)) || !testkit::engine::is_here("losetup") {
        return;
    }
    std::fs::create_dir_all(place.host()).expect("a folder is made");
    let disk = Disk::new(&place.host());
    let limit = |value: &str| format!("{}:{value}", disk.0);
    let (read_bps, write_bps, read_iops, write_iops) = (limit("1mb"), limit("2mb"), limit("300"), limit("400"));
    let words = [
        "--device-read-bps",
        &read_bps,
        "--device-write-bps",
        &write_bps,
        "--device-read-iops",
        &read_iops,
        "--device-write-iops",
        &write_iops,
    ];
    let files =
        ["read_bps", "write_bps", "read_iops", "write_iops"].map(|what| format!("blkio.throttle.{what}_device"));
    let (found, said) = kept(&place, &words, &files.each_ref().map(String::as_str));
    let number = disk.number();
    assert_eq!(found, ["1048576", "2097152", "300", "400"].map(|value| format!("{number} {value}")));
    assert_eq!(said, "");
    let ended = place.run(&["--rm", "--net", "none", "--device-read-bps", "/dev/nosuch:1mb", "img", "true"]);
    assert_eq!((ended.status, ended.stderr.as_str()), (125, "run: stat /dev/nosuch: no such file or directory\n"));
}

#[test]
fn weights_and_real_time_reach_the_kernel_where_it_has_them() {
    let Some(place) = Place::new() else { return };
    let Hosts::Version1(all) = Hosts::read() else { return };
    let has = |file: &str| all.iter().any(|hierarchy| hierarchy.top.join(file).exists());
    if has("cpu.rt_runtime_us") {
        let words = ["--cpu-rt-runtime", "9000", "--cpu-rt-period", "500000"];
        let (found, said) = kept(&place, &words, &["cpu.rt_runtime_us", "cpu.rt_period_us"]);
        assert_eq!((found.join(" "), said.as_str()), ("9000 500000".to_string(), ""));
    }
    let (found, said) = kept(&place, &["--blkio-weight", "300"], &["blkio.bfq.weight", "blkio.weight"]);
    let known = found.iter().find(|text| !text.is_empty());
    match known {
        Some(text) => assert!(text.split_whitespace().any(|word| word == "300"), "{text}"),
        None => assert!(said.contains("'blkio.weight'; the limit is not kept"), "{said}"),
    }
}
