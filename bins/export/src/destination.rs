//! Where a tree goes: a stream, or a new folder.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use cli::Output;
use model::path::shown;

/// A stream, or a folder.
pub enum Destination {
    /// A file or stdout.
    Stream(Output),
    /// A folder of files.
    Folder(NewFolder),
}

/// A folder that gets its name when all is in it; removed when dropped before.
pub struct NewFolder {
    part: PathBuf,
    path: PathBuf,
}

impl NewFolder {
    /// Makes the folder beside its later name, which nothing may have yet but an empty folder.
    pub fn create(path: Option<&Path>) -> anyhow::Result<NewFolder> {
        let Some(path) = path.filter(|path| *path != Path::new("-")) else {
            bail!("a folder cannot go to stdout: name it with -o");
        };
        let name = shown(path.as_os_str().as_encoded_bytes()).into_owned();
        if fs::symlink_metadata(path).is_ok() && !fs::read_dir(path).is_ok_and(|mut dir| dir.next().is_none()) {
            bail!("cannot make '{name}': something of that name is there and is no empty folder");
        }
        let last = path.file_name().with_context(|| format!("cannot make '{name}': it has no name of its own"))?;
        let mut hidden = std::ffi::OsString::from(".");
        hidden.push(last);
        hidden.push(format!(".{}.part", std::process::id()));
        let part = path.with_file_name(hidden);
        fs::create_dir(&part).with_context(|| format!("cannot make '{name}'"))?;
        Ok(NewFolder { part, path: path.to_path_buf() })
    }

    /// Where to write.
    pub fn part(&self) -> &Path {
        &self.part
    }

    /// Says that all is there: the folder gets its name.
    pub fn finish(self) -> anyhow::Result<()> {
        let name = || shown(self.path.as_os_str().as_encoded_bytes()).into_owned();
        fs::rename(&self.part, &self.path).with_context(|| format!("cannot make '{}'", name()))
    }
}

impl Drop for NewFolder {
    fn drop(&mut self) {
        // After `finish` there is nothing of that name.
        let _ = fs::remove_dir_all(&self.part);
    }
}
