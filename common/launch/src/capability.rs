//! Capabilities by name and number (include/uapi/linux/capability.h, Linux 6.1), and docker's default set.

use serde::{Serialize, Serializer};

/// Names in the order of their numbers, without `CAP_`.
const NAMES: [&str; 41] = [
    "CHOWN",
    "DAC_OVERRIDE",
    "DAC_READ_SEARCH",
    "FOWNER",
    "FSETID",
    "KILL",
    "SETGID",
    "SETUID",
    "SETPCAP",
    "LINUX_IMMUTABLE",
    "NET_BIND_SERVICE",
    "NET_BROADCAST",
    "NET_ADMIN",
    "NET_RAW",
    "IPC_LOCK",
    "IPC_OWNER",
    "SYS_MODULE",
    "SYS_RAWIO",
    "SYS_CHROOT",
    "SYS_PTRACE",
    "SYS_PACCT",
    "SYS_ADMIN",
    "SYS_BOOT",
    "SYS_NICE",
    "SYS_RESOURCE",
    "SYS_TIME",
    "SYS_TTY_CONFIG",
    "MKNOD",
    "LEASE",
    "AUDIT_WRITE",
    "AUDIT_CONTROL",
    "SETFCAP",
    "MAC_OVERRIDE",
    "MAC_ADMIN",
    "SYSLOG",
    "WAKE_ALARM",
    "BLOCK_SUSPEND",
    "AUDIT_READ",
    "PERFMON",
    "BPF",
    "CHECKPOINT_RESTORE",
];

/// What docker 1.2 to 29 leaves a container (moby v20.10.24 oci/caps/defaults.go).
const DOCKER: [&str; 14] = [
    "CHOWN",
    "DAC_OVERRIDE",
    "FSETID",
    "FOWNER",
    "MKNOD",
    "NET_RAW",
    "SETGID",
    "SETUID",
    "SETFCAP",
    "SETPCAP",
    "NET_BIND_SERVICE",
    "SYS_CHROOT",
    "KILL",
    "AUDIT_WRITE",
];

/// A set of capabilities.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Capabilities(pub u64);

/// A name that is no capability.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("invalid capability: \"{0}\"")]
pub struct UnknownCapability(pub String);

impl Capabilities {
    /// Every capability there is a name for.
    pub fn all() -> Capabilities {
        Capabilities((1 << NAMES.len()) - 1)
    }

    /// What docker gives where nothing else is said.
    pub fn docker() -> Capabilities {
        DOCKER.iter().fold(Capabilities(0), |set, name| set.with(number(name).expect("the table holds its own names")))
    }

    /// Docker's default changed by `--cap-add` and `--cap-drop`: `ALL` is taken, `CAP_` may stand in front, case does
    /// not matter; adding wins over dropping all (moby v20.10.24 oci/caps/utils.go TweakCapabilities).
    pub fn tweak(add: &[String], drop: &[String], privileged: bool) -> Result<Capabilities, UnknownCapability> {
        let added = parse(add)?;
        let dropped = parse(drop)?;
        let set = match (privileged, added.all, dropped.all) {
            (true, _, _) => Capabilities::all(),
            (_, true, _) => Capabilities(Capabilities::all().0 & !dropped.set.0),
            (_, _, true) => added.set,
            _ => Capabilities(Capabilities::docker().0 & !dropped.set.0 | added.set.0),
        };
        Ok(set)
    }

    /// Whether capability number `n` is in the set.
    pub fn holds(self, n: u32) -> bool {
        self.0 >> n & 1 == 1
    }

    fn with(self, n: u32) -> Capabilities {
        Capabilities(self.0 | 1 << n)
    }

    /// The names, `CAP_` in front, by number.
    pub fn names(self) -> Vec<String> {
        (0..64)
            .filter(|&n| self.holds(n))
            .map(|n| match NAMES.get(n as usize) {
                Some(name) => format!("CAP_{name}"),
                None => format!("CAP_{n}"),
            })
            .collect()
    }
}

impl Serialize for Capabilities {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.names())
    }
}

struct Parsed {
    all: bool,
    set: Capabilities,
}

fn parse(names: &[String]) -> Result<Parsed, UnknownCapability> {
    let mut parsed = Parsed { all: false, set: Capabilities(0) };
    for name in names {
        let upper = name.to_ascii_uppercase();
        match upper.strip_prefix("CAP_").unwrap_or(&upper) {
            "ALL" => parsed.all = true,
            bare => parsed.set = parsed.set.with(number(bare).ok_or_else(|| UnknownCapability(name.clone()))?),
        }
    }
    Ok(parsed)
}

fn number(name: &str) -> Option<u32> {
    NAMES.iter().position(|known| *known == name).map(|at| at as u32)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tweaked(add: &[&str], drop: &[&str]) -> String {
        let own = |list: &[&str]| list.iter().map(|name| name.to_string()).collect::<Vec<_>>();
        match Capabilities::tweak(&own(add), &own(drop), false) {
            Ok(set) => format!("{:x}", set.0),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn flags_change_dockers_default() {
        assert_eq!(tweaked(&[], &[]), "a80425fb");
        assert_eq!(tweaked(&["NET_ADMIN"], &["cap_mknod"]), "a00435fb");
        assert_eq!(tweaked(&["chown"], &["ALL"]), "1");
        assert_eq!(tweaked(&["ALL"], &["SYS_ADMIN"]), "1ffffdfffff");
        assert_eq!(tweaked(&["NOSUCH"], &[]), "invalid capability: \"NOSUCH\"");
    }
}
