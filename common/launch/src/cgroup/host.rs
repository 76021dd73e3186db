//! Which cgroups this host has, told from its mounts.

use std::path::PathBuf;

/// The cgroups of this host.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Hosts {
    /// Version 1: one hierarchy or more, perhaps with an empty version 2 beside them.
    Version1(Vec<Hierarchy>),
    /// Version 2 alone, mounted here.
    Version2(PathBuf),
    /// None mounted.
    None,
}

/// One hierarchy of version 1.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Hierarchy {
    /// Where it is mounted.
    pub top: PathBuf,
    /// The controllers in it: `memory`, `cpu`, …, or `name=systemd`.
    pub controllers: Vec<String>,
}

impl Hosts {
    /// What is mounted now.
    pub fn read() -> Hosts {
        Hosts::parse(&std::fs::read_to_string("/proc/self/mountinfo").unwrap_or_default())
    }

    /// Whether it is version 2 alone.
    pub fn is_unified(&self) -> bool {
        matches!(self, Hosts::Version2(_))
    }

    /// Reads mountinfo (proc(5)): fields up to ` - `, then type, source, options of the file system.
    pub fn parse(mountinfo: &str) -> Hosts {
        let mut hierarchies: Vec<Hierarchy> = Vec::new();
        let mut unified = None;
        for line in mountinfo.lines() {
            let Some((place, kind)) = line.split_once(" - ") else { continue };
            let Some(top) = place.split(' ').nth(4) else { continue };
            let mut fields = kind.split(' ');
            match (fields.next(), fields.nth(1)) {
                (Some("cgroup"), Some(options)) => {
                    let controllers: Vec<String> =
                        options.split(',').filter(|word| is_controller(word)).map(str::to_string).collect();
                    // A hierarchy may be mounted twice; the first place is enough.
                    if !controllers.is_empty() && hierarchies.iter().all(|known| known.controllers != controllers) {
                        hierarchies.push(Hierarchy { top: PathBuf::from(top), controllers });
                    }
                }
                (Some("cgroup2"), _) if unified.is_none() => unified = Some(PathBuf::from(top)),
                _ => {}
            }
        }
        match (hierarchies.is_empty(), unified) {
            (false, _) => Hosts::Version1(hierarchies),
            (true, Some(top)) => Hosts::Version2(top),
            (true, None) => Hosts::None,
        }
    }
}

fn is_controller(word: &str) -> bool {
    const KNOWN: [&str; 13] = [
        "blkio",
        "cpu",
        "cpuacct",
        "cpuset",
        "devices",
        "freezer",
        "hugetlb",
        "memory",
        "misc",
        "net_cls",
        "net_prio",
        "perf_event",
        "pids",
    ];
    KNOWN.contains(&word) || word == "rdma" || word.starts_with("name=")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hybrid_host_counts_as_version_one() {
        let text = "30 20 0:26 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n\
                    31 20 0:27 / /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct\n\
                    32 20 0:28 / /sys/fs/cgroup/systemd rw - cgroup cgroup rw,xattr,name=systemd\n";
        let Hosts::Version1(all) = Hosts::parse(text) else { panic!("not version 1") };
        assert_eq!(all.len(), 2);
        assert_eq!(all[0].controllers, ["cpu", "cpuacct"]);
        assert_eq!(all[1].controllers, ["name=systemd"]);
    }

    #[test]
    fn version_two_alone_is_told_from_none() {
        let line = "30 20 0:26 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw,nsdelegate\n";
        assert_eq!(Hosts::parse(line), Hosts::Version2("/sys/fs/cgroup".into()));
        assert_eq!(Hosts::parse("22 1 8:1 / / rw - ext4 /dev/sda1 rw\n"), Hosts::None);
    }
}
