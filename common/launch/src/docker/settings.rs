//! Kernel settings: only those that a namespace has for itself, and only where the container has one of its own.
//!
//! A record is somebody else's word: a setting of the host's would be written to this machine's kernel, not to the container.

use serde_json::Value;

use super::DockerError;
use super::json::{pairs, text};
use crate::spec::{Namespace, Namespaces};

/// Settings of the namespace of shared memory (runc v1.1.5 libcontainer/configs/validate/validator.go).
pub const SHARED_MEMORY: &[&str] = &[
    "kernel.msgmax",
    "kernel.msgmnb",
    "kernel.msgmni",
    "kernel.sem",
    "kernel.shmall",
    "kernel.shmmax",
    "kernel.shmmni",
    "kernel.shm_rmid_forced",
];

/// Docker's `HostConfig.Sysctls`, in the form with dots. The texts are runc's.
pub(super) fn sysctls(
    host: &Value,
    config: &Value,
    namespaces: &Namespaces,
) -> Result<Vec<(String, String)>, DockerError> {
    let all: Vec<(String, String)> = pairs(&host["Sysctls"]);
    for (name, _) in &all {
        // The kernel's files are named with slashes, and a name may hold either.
        let dotted = name.replace('/', ".");
        let refuse = |why| Err(DockerError::Setting { name: name.clone(), why });
        let is_plain = |c: char| c.is_ascii_alphanumeric() || "._-/*".contains(c);
        match dotted.as_str() {
            _ if dotted.contains("..") || !name.chars().all(is_plain) => return refuse("is not a valid sysctl"),
            known if SHARED_MEMORY.contains(&known) || known.starts_with("fs.mqueue.") => {
                if namespaces.ipc == Namespace::Host {
                    return refuse("is not allowed in the hosts ipc namespace");
                }
            }
            known if known.starts_with("net.") => {
                if namespaces.network == Namespace::Host {
                    return refuse("not allowed in host network namespace");
                }
            }
            "kernel.domainname" if namespaces.uts == Namespace::New => {}
            _ => return refuse("is not in a separate kernel namespace"),
        }
    }
    // With the host's names docker has none to give (moby v20.10.24 runconfig/errors.go).
    let named = text(&config["Domainname"]).is_some();
    if namespaces.uts == Namespace::Host && named {
        return Err(DockerError::Setting {
            name: "kernel.domainname".to_string(),
            why: "is not in a separate kernel namespace",
        });
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    /// Whether a setting is taken, with all namespaces its own and with none.
    fn check(name: &str, own: bool, shared: bool) {
        let host = json!({ "Sysctls": { name: "1" } });
        let taken = |kind: Namespace| {
            let all = Namespaces {
                network: kind.clone(),
                pid: kind.clone(),
                ipc: kind.clone(),
                uts: kind.clone(),
                user: None,
                cgroup: kind,
            };
            sysctls(&host, &json!({}), &all).is_ok()
        };
        assert_eq!((taken(Namespace::New), taken(Namespace::Host)), (own, shared), "{name}");
    }

    #[test]
    fn no_record_sets_what_is_the_hosts() {
        for name in
            ["kernel.msgmax", "fs.mqueue.msg_max", "net.ipv4.ip_forward", "net/core/somaxconn", "kernel.domainname"]
        {
            check(name, true, false);
        }
        for name in [
            "kernel.core_pattern",
            "kernel/core_pattern",
            "vm.swappiness",
            "fs.file-max",
            "kernel.hostname",
            "net/../kernel/core_pattern",
            "net...kernel.core_pattern",
            "net./../kernel.core_pattern",
            "fs.mqueue./../../kernel/core_pattern",
            "net\n",
            "",
        ] {
            check(name, false, false);
        }
    }
}
