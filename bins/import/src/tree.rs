//! What the unpacked tree itself tells: the machine that its programs are for, the host that it was.

use hostfs::Root;
use model::HostPath;

/// Go's words for a system and a machine.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Platform {
    /// `linux`.
    pub os: String,
    /// `amd64`, `arm64`, …
    pub architecture: String,
    /// `v7`, mostly empty.
    pub variant: String,
}

/// The machine that programs in the tree are for; `None` where none is found.
pub fn platform(root: &Root) -> Option<Platform> {
    const PROGRAMS: [&str; 12] = [
        "bin/sh",
        "bin/busybox",
        "usr/bin/env",
        "bin/ls",
        "bin/bash",
        "usr/bin/bash",
        "usr/bin/perl",
        "sbin/init",
        "usr/bin/dpkg",
        "usr/bin/coreutils",
        "lib/ld-linux.so.2",
        "init",
    ];
    PROGRAMS.iter().find_map(|path| elf(root, &HostPath::new(path))).or_else(|| any_program(root))
}

/// Looks at some files where programs are wont to lie.
fn any_program(root: &Root) -> Option<Platform> {
    const FOLDERS: [&str; 7] = ["", "bin", "usr/bin", "usr/local/bin", "app", "sbin", "usr/sbin"];
    FOLDERS.iter().find_map(|folder| {
        let folder = HostPath::new(folder);
        let mut names: Vec<Box<[u8]>> =
            root.open_dir(&folder).ok()?.entries().ok()?.into_iter().map(|entry| entry.name).collect();
        names.sort();
        names.iter().take(32).find_map(|name| elf(root, &folder.join(name)))
    })
}

fn elf(root: &Root, path: &HostPath) -> Option<Platform> {
    let file = root.open_file(path).ok()?;
    let mut head = [0; 20];
    let mut read = 0;
    while read < head.len() {
        match file.read_at(&mut head[read..], read as u64).ok()? {
            0 => return None,
            n => read += n,
        }
    }
    machine(&head).map(|architecture| Platform {
        os: "linux".to_string(),
        architecture: architecture.to_string(),
        variant: String::new(),
    })
}

/// Go's word for the machine of an ELF header (System V ABI, `e_ident` and `e_machine`).
fn machine(head: &[u8; 20]) -> Option<&'static str> {
    if &head[..4] != b"\x7fELF" {
        return None;
    }
    let is_64 = head[4] == 2;
    let is_little = head[5] == 1;
    let number =
        if is_little { u16::from_le_bytes([head[18], head[19]]) } else { u16::from_be_bytes([head[18], head[19]]) };
    match (number, is_64, is_little) {
        (3, _, _) => Some("386"),
        (62, true, _) => Some("amd64"),
        (40, _, true) => Some("arm"),
        (183, _, _) => Some("arm64"),
        (21, _, true) => Some("ppc64le"),
        (21, _, false) => Some("ppc64"),
        (22, _, _) => Some("s390x"),
        (243, true, _) => Some("riscv64"),
        (258, _, _) => Some("loong64"),
        (8, true, true) => Some("mips64le"),
        (8, true, false) => Some("mips64"),
        (8, false, true) => Some("mipsle"),
        (8, false, false) => Some("mips"),
        _ => None,
    }
}

/// What is recorded of a host, as label and text.
pub fn origin(root: &Root, date: &str, left_out: &str) -> Vec<(String, String)> {
    let mut labels = vec![
        ("dockless.host.date".to_string(), date.to_string()),
        ("dockless.host.left-out".to_string(), left_out.to_string()),
    ];
    if let Some(name) =
        text(root, "etc/hostname").and_then(|text| text.lines().next().map(|line| line.trim().to_string()))
    {
        labels.push(("dockless.host.name".to_string(), name));
    }
    if let Some(release) = text(root, "etc/os-release").or_else(|| text(root, "usr/lib/os-release")) {
        for (key, label) in [
            ("PRETTY_NAME", "dockless.host.os"),
            ("ID", "dockless.host.os-id"),
            ("VERSION_ID", "dockless.host.os-version"),
        ] {
            labels.extend(value(&release, key).map(|value| (label.to_string(), value)));
        }
    }
    labels
}

/// The value of a line `KEY=value`, quotes taken off.
fn value(release: &str, key: &str) -> Option<String> {
    let line = release.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix('='))?;
    Some(line.trim().trim_matches(['"', '\'']).to_string())
}

fn text(root: &Root, path: &str) -> Option<String> {
    let raw = root.read(&HostPath::new(path), 64 << 10).ok()?;
    Some(String::from_utf8_lossy(&raw).into_owned())
}

/// The shell that a host's container starts by default.
pub fn shell(root: &Root) -> &'static str {
    if root.exists(&HostPath::new("bin/bash")) { "/bin/bash" } else { "/bin/sh" }
}

/// Whether the tree holds what only a running kernel shows.
pub fn is_live(root: &Root) -> bool {
    ["proc/self", "proc/version", "proc/1", "sys/kernel", "sys/class"]
        .iter()
        .any(|path| root.exists(&HostPath::new(path)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn machines_are_told_from_elf_headers() {
        let head = |class: u8, data: u8, machine: [u8; 2]| {
            let mut head = [0; 20];
            head[..6].copy_from_slice(&[0x7f, b'E', b'L', b'F', class, data]);
            head[18..].copy_from_slice(&machine);
            head
        };
        assert_eq!(machine(&head(2, 1, [62, 0])), Some("amd64"));
        assert_eq!(machine(&head(2, 1, [183, 0])), Some("arm64"));
        assert_eq!(machine(&head(2, 2, [0, 22])), Some("s390x"));
        assert_eq!(machine(&head(1, 1, [3, 0])), Some("386"));
        assert_eq!(machine(&[0; 20]), None);
    }

    #[test]
    fn os_release_is_read_as_a_shell_would() {
        let release = "ID=debian\nPRETTY_NAME=\"Debian GNU/Linux 12\"\nVERSION_ID='12'\n";
        assert_eq!(value(release, "PRETTY_NAME").as_deref(), Some("Debian GNU/Linux 12"));
        assert_eq!(value(release, "VERSION_ID").as_deref(), Some("12"));
        assert_eq!(value(release, "ID").as_deref(), Some("debian"));
        assert_eq!(value(release, "NAME"), None);
    }
}
