//! A person's own folder for what lives as long as the machine is up.

use std::ffi::OsString;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::path::PathBuf;
use std::{fs, io};

use crate::person;

/// `/run/dockless` for root; for an ordinary user `dockless` in `$XDG_RUNTIME_DIR`, else `/tmp/dockless-<uid>`.
pub fn folder() -> PathBuf {
    of(person().map(|person| person.uid).or(ordinary()), std::env::var_os("XDG_RUNTIME_DIR"))
}

/// Makes the folder of an ordinary user, and sees that it is his alone: `/tmp` is everybody's.
pub(crate) fn make() -> io::Result<PathBuf> {
    let path = folder();
    fs::DirBuilder::new().recursive(true).mode(0o700).create(&path)?;
    let stat = fs::symlink_metadata(&path)?;
    let own = rustix::process::geteuid().as_raw();
    if !stat.is_dir() || stat.uid() != own || stat.permissions().mode() & 0o077 != 0 {
        return Err(io::Error::other("it is not a folder of yours alone"));
    }
    Ok(path)
}

fn ordinary() -> Option<u32> {
    let own = rustix::process::geteuid();
    (!own.is_root()).then(|| own.as_raw())
}

fn of(uid: Option<u32>, runtime: Option<OsString>) -> PathBuf {
    match (uid, runtime.filter(|dir| !dir.is_empty())) {
        (None, _) => PathBuf::from("/run/dockless"),
        (Some(_), Some(dir)) => PathBuf::from(dir).join("dockless"),
        (Some(uid), None) => PathBuf::from(format!("/tmp/dockless-{uid}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_person_has_a_folder_of_his_own() {
        for (uid, runtime, path) in [
            (None, Some("/x"), "/run/dockless"),
            (Some(7), Some("/run/user/7"), "/run/user/7/dockless"),
            (Some(7), Some(""), "/tmp/dockless-7"),
            (Some(7), None, "/tmp/dockless-7"),
        ] {
            assert_eq!(of(uid, runtime.map(OsString::from)), PathBuf::from(path));
        }
    }
}
