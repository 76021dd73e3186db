//! Which data root is meant: the same rule for every program.

use std::env;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

/// The flags that say which host is read. Flatten into a program's arguments: `#[command(flatten)] root: cli::RootArg`.
#[derive(clap::Args, Clone, Debug, Default)]
pub struct RootArg {
    /// Data root to work on: a directory, or a tar of one [default: $DOCKLESS_ROOT, else /var/lib/docker; for an
    /// ordinary user $XDG_DATA_HOME/docker]
    #[arg(long, short = 'g', visible_alias = "data-root", alias = "graph", value_name = "DIR", global = true)]
    #[arg(value_hint = clap::ValueHint::AnyPath)]
    root: Option<PathBuf>,
    /// The studied host's own '/', for paths outside of its data root such as bind mounts
    #[arg(long, value_name = "DIR", global = true, value_hint = clap::ValueHint::DirPath)]
    host_root: Option<PathBuf>,
}

impl RootArg {
    /// The data root: as given, else `$DOCKLESS_ROOT`, else where this user's docker keeps it.
    pub fn path(&self) -> PathBuf {
        chosen(self.root.as_deref(), &|name| env::var_os(name), is_superuser())
    }

    /// Whether it was named on the command line.
    pub fn is_given(&self) -> bool {
        self.root.is_some()
    }

    /// The studied host's own `/`, where given. Never the analyst's by default.
    pub fn host_root(&self) -> Option<&Path> {
        self.host_root.as_deref()
    }
}

/// Whether root started this program. Asked first when it starts: in his own user namespace everybody is root later.
pub(crate) fn is_superuser() -> bool {
    static STARTED_BY: OnceLock<bool> = OnceLock::new();
    *STARTED_BY.get_or_init(|| rustix::process::geteuid().is_root())
}

// An empty variable counts as unset, as the XDG base directory specification has it.
fn chosen(given: Option<&Path>, variable: &dyn Fn(&str) -> Option<OsString>, is_superuser: bool) -> PathBuf {
    let set = |name: &str| variable(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    if let Some(path) = given {
        return path.to_path_buf();
    }
    if let Some(path) = set("DOCKLESS_ROOT") {
        return path;
    }
    if is_superuser {
        return "/var/lib/docker".into();
    }
    let data = set("XDG_DATA_HOME").or_else(|| set("HOME").map(|home| home.join(".local/share")));
    data.map_or_else(|| "/var/lib/docker".into(), |data| data.join("docker"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(given: Option<&str>, variables: &[(&str, &str)], is_superuser: bool, path: &str) {
        let variable = |name: &str| variables.iter().find(|(n, _)| *n == name).map(|(_, value)| OsString::from(value));
        assert_eq!(chosen(given.map(Path::new), &variable, is_superuser), Path::new(path), "{given:?} {variables:?}");
    }

    #[test]
    fn the_flag_wins_then_the_variable_then_the_user() {
        check(Some("/mnt"), &[("DOCKLESS_ROOT", "/r")], true, "/mnt");
        check(None, &[("DOCKLESS_ROOT", "/r"), ("HOME", "/h")], false, "/r");
        check(None, &[("DOCKLESS_ROOT", ""), ("HOME", "/h")], true, "/var/lib/docker");
        check(None, &[("HOME", "/h")], false, "/h/.local/share/docker");
        check(None, &[("HOME", "/h"), ("XDG_DATA_HOME", "/x")], false, "/x/docker");
        check(None, &[], false, "/var/lib/docker");
    }
}
