//! Namespaces: the container's own, another container's, or the host's.

use std::path::PathBuf;

use serde_json::Value;

use super::json::text;
use super::{DockerError, Surroundings};
use crate::spec::{Namespace, Namespaces};

/// Which namespaces it has for itself, and whose the others are.
pub(super) fn namespaces(host: &Value, around: &Surroundings, notes: &mut Vec<String>) -> Namespaces {
    let mode =
        |key: &str, joined: &Option<PathBuf>, notes: &mut Vec<String>| match (text(&host[key]).unwrap_or(""), joined) {
            (_, Some(path)) => Namespace::Of(path.clone()),
            ("host", _) => Namespace::Host,
            ("" | "private" | "shareable" | "none", _) => Namespace::New,
            (other, _) => {
                notes.push(format!("HostConfig.{key} '{other}' is not done: it gets its own"));
                Namespace::New
            }
        };
    Namespaces {
        network: around.network.clone(),
        pid: mode("PidMode", &around.joined.pid, notes),
        ipc: mode("IpcMode", &around.joined.ipc, notes),
        uts: mode("UTSMode", &None, notes),
        user: around.user.filter(|_| text(&host["UsernsMode"]) != Some("host")),
        cgroup: match text(&host["CgroupnsMode"]) {
            Some("host") => Namespace::Host,
            _ => Namespace::New,
        },
    }
}

/// What a container with a user namespace of its own cannot have of others; the texts but the last are docker's (moby v20.10.24
/// runconfig/hostconfig_unix.go, daemon/daemon_unix.go verifyPlatformContainerSettings).
pub(super) fn refuse_sharing(own: &Namespaces, privileged: bool) -> Result<(), DockerError> {
    let refusal = match (&own.network, &own.pid, &own.ipc) {
        _ if privileged => {
            "privileged mode is incompatible with user namespaces.  You must run the container in the host namespace when running privileged mode"
        }
        (Namespace::Host, ..) => "cannot share the host's network namespace when user namespaces are enabled",
        (_, Namespace::Host, _) => "cannot share the host PID namespace when user namespaces are enabled",
        (Namespace::Of(_), ..) | (_, Namespace::Of(_), _) | (_, _, Namespace::Of(_)) => {
            "namespaces of another container are not shared when user namespaces are enabled"
        }
        _ => return Ok(()),
    };
    Err(DockerError::Users(refusal))
}
