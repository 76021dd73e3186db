//! Hard links, also those whose target comes later.

use std::os::fd::BorrowedFd;

use model::EntryPath;
use model::path::shown;
use rustix::fs::{self, AtFlags};
use tarball::Header;

use super::{Unpacker, Word, is_dir, short};
use crate::unpack::Meaning;
use crate::unpack::error::{Trouble, UnpackError};

impl Unpacker<'_> {
    pub(super) fn put_link(
        &mut self,
        path: &EntryPath,
        header: &Header,
        target: &[u8],
        is_new: bool,
        was_own: bool,
    ) -> Result<(), Trouble> {
        let mut aim = self
            .checked(target)
            .map_err(|_| Trouble::Refused(format!("its target '{}' leads elsewhere", shown(short(target)))))?;
        if let (Meaning::Layer, Ok(Word::Links(name))) = (self.meaning, self.word(aim.clone())) {
            aim = self.aside.hidden(&self.tree, &name)?;
        }
        if let Some(fresh) = self.link(path, &aim, was_own)? {
            return self.named(header, is_new && fresh);
        }
        if self.deferred.len() >= self.limits.held {
            return Err(Trouble::Refused(format!(
                "more than {} hard links come before their target",
                self.limits.held
            )));
        }
        self.deferred.push((header.path.clone(), path.clone(), aim));
        Ok(())
    }

    /// Makes a hard link; gives whether its name is new in this layer, `None` where its target is not there (yet).
    pub(super) fn link(&mut self, path: &EntryPath, aim: &EntryPath, was_own: bool) -> Result<Option<bool>, Trouble> {
        let Some(old) = self.tree.find_parent(aim)? else { return Ok(None) };
        let Some(stat) = self.tree.stat(old)?.filter(|stat| !self.is_whiteout(stat)) else { return Ok(None) };
        if is_dir(&stat) {
            return Err(Trouble::Refused(format!("its target '{aim}' is a folder")));
        }
        let folder = self.tree.here().try_clone_to_owned().map_err(|error| Trouble::System("open", error))?;
        let name = self.tree.enter_parent(path)?;
        if self.tree.stat(name)?.is_some_and(|here| (here.st_dev, here.st_ino) == (stat.st_dev, stat.st_ino)) {
            return Ok(Some(false));
        }
        let link = |here: BorrowedFd, name: &[u8]| fs::linkat(&folder, old, here, name, AtFlags::empty());
        Ok(Some(self.make(path, link, "link", was_own)?.1))
    }

    /// Makes the links whose targets came after them; a link may be the target of another.
    pub(super) fn link_deferred(&mut self) -> Result<(), UnpackError> {
        loop {
            let waiting = std::mem::take(&mut self.deferred);
            let before = waiting.len();
            for (raw, path, aim) in waiting {
                let done = self.link_late(&path, &aim).map_err(|trouble| trouble.at(short(&raw)))?;
                if !done {
                    self.deferred.push((raw, path, aim));
                }
            }
            match self.deferred.first() {
                None => return Ok(()),
                Some((raw, _, aim)) if self.deferred.len() == before => {
                    let why = format!("its target '{aim}' is not in the archive");
                    return Err(UnpackError::Refused { entry: short(raw).into(), why });
                }
                Some(_) => {}
            }
        }
    }

    /// The same as [`Unpacker::link`], unless a later entry has taken the name.
    pub(super) fn link_late(&mut self, path: &EntryPath, aim: &EntryPath) -> Result<bool, Trouble> {
        let name = self.tree.enter_parent(path)?;
        if self.tree.own.is_none() && self.tree.stat(name)?.is_some_and(|stat| !self.is_whiteout(&stat)) {
            return Ok(true);
        }
        Ok(self.link(path, aim, false)?.is_some())
    }
}
