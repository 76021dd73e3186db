//! An OCI runtime spec, as containerd and podman keep one for each container (runtime-spec v1.2, config.md).

use model::{Mount, MountKind};
use serde_json::Value;

/// A runtime spec, taken apart as far as it is what it should be.
pub(crate) struct Spec<'a> {
    value: &'a Value,
}

impl<'a> Spec<'a> {
    pub fn new(value: &'a Value) -> Spec<'a> {
        Spec { value }
    }

    /// What stands at a path (`/process/cwd`); null where nothing does.
    pub fn at(&self, path: &str) -> &'a Value {
        self.value.pointer(path).unwrap_or(&Value::Null)
    }

    /// The program and its arguments.
    pub fn command(&self) -> (String, Vec<String>) {
        let mut args = texts(self.at("/process/args")).into_iter();
        (args.next().unwrap_or_default(), args.collect())
    }

    /// Binds and memory that are mounted by wish, by destination: not what every container has.
    pub fn mounts(&self) -> Vec<Mount> {
        let all = self.at("/mounts").as_array().into_iter().flatten();
        let mut out: Vec<Mount> = all.filter_map(mount).collect();
        out.sort_by(|a, b| a.destination.cmp(&b.destination));
        out
    }
}

/// Where every container has something mounted by the engine itself.
const USUAL: &[&str] =
    &["/proc", "/dev", "/dev/pts", "/dev/shm", "/dev/mqueue", "/sys", "/sys/fs/cgroup", "/run/secrets"];

fn mount(value: &Value) -> Option<Mount> {
    let text = |key: &str| value.get(key).and_then(Value::as_str).unwrap_or_default().to_string();
    let destination = text("destination");
    let options = texts(value.get("options").unwrap_or(&Value::Null));
    let kind = match text("type").as_str() {
        "bind" => MountKind::Bind,
        // Podman puts a layer over a folder of the host (`:O`); its own inspect calls that a bind.
        "overlay" => MountKind::Bind,
        "tmpfs" => MountKind::Tmpfs,
        _ if options.iter().any(|option| option == "bind" || option == "rbind") => MountKind::Bind,
        _ => return None,
    };
    let writable = !options.iter().any(|option| option == "ro");
    let is_usual = kind == MountKind::Tmpfs && (USUAL.contains(&destination.as_str()) || destination == "/run");
    let source = if kind == MountKind::Bind { text("source") } else { String::new() };
    (!is_usual).then_some(Mount { kind, name: String::new(), source, destination, driver: String::new(), writable })
}

/// The texts of a list.
pub(crate) fn texts(list: &Value) -> Vec<String> {
    list.as_array().into_iter().flatten().filter_map(|it| it.as_str().map(str::to_string)).collect()
}
