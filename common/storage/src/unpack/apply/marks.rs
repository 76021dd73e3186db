//! Deletions and opaque folders: what a layer's marks become.

use model::path::shown;
use model::{EntryPath, Metadata};
use rustix::fs::{self, FileType, Mode, Stat, XattrFlags};
use rustix::io::Errno;
use tarball::{Header, Kind};

use super::{TRUSTED, Unpacker, is_dir, is_null_device};
use crate::unpack::error::{Doing, Trouble};
use crate::unpack::remove::{self, remove_tree};
use crate::unpack::{LayerForm, Meaning};

impl Unpacker<'_> {
    /// What the driver would take for a mark of its own cannot be kept as data.
    pub(super) fn check_marks(&mut self, header: &Header) -> Result<(), Trouble> {
        if self.meaning == Meaning::Layer || self.form != LayerForm::Overlay2 {
            return Ok(());
        }
        if header.kind == Kind::CharDevice(0, 0) {
            return Err(Trouble::Refused(
                "a character device 0:0 means 'deleted' to overlay2, so it cannot be kept".to_string(),
            ));
        }
        match header.meta.xattrs.keys().find(|name| self.is_mark(name)) {
            Some(name) => {
                Err(Trouble::Refused(format!("xattr '{}' is overlay2's own mark, so it cannot be kept", shown(name))))
            }
            None => Ok(()),
        }
    }

    /// Whether an attribute is one of overlay2's own, as it will be mounted.
    pub(super) fn is_mark(&self, name: &[u8]) -> bool {
        name.starts_with(TRUSTED) || name.starts_with(self.tree.marks())
    }

    /// A file of aufs's that is there for its links only.
    pub(super) fn put_hidden(&mut self, name: &[u8], header: &Header) -> Result<(), Trouble> {
        if header.kind != Kind::File {
            return self.embed();
        }
        let path = self.aside.hidden(&self.tree, name)?;
        self.must_count = true;
        self.put(&path, header, false)
    }

    pub(super) fn put_gone(&mut self, path: &EntryPath, header: &Header) -> Result<(), Trouble> {
        let is_new = match self.form {
            LayerForm::Overlay2 => self.mark_gone(path, header)?,
            LayerForm::Vfs => self.delete(path)? && self.claim_mark(header)?,
        };
        self.named(header, is_new && !self.aside.covers(path))?;
        self.embed()
    }

    /// Says in the overlay2 form that a name is gone below. What this layer has of that name stays, whatever comes first
    /// (OCI image-spec v1.1 layer.md, "Whiteouts"); only then a folder hides what is below it.
    pub(super) fn mark_gone(&mut self, path: &EntryPath, header: &Header) -> Result<bool, Trouble> {
        let name = self.tree.enter_parent(path)?;
        match self.tree.stat(name)? {
            None => {
                fs::mknodat(self.tree.here(), name, FileType::CharacterDevice, Mode::empty(), 0)
                    .doing("mark as deleted by")?;
                self.tree.touch();
                let meta = Metadata { xattrs: Default::default(), ..header.meta.clone() };
                self.tree.dress_name(path, name, &meta, false)?;
                Ok(true)
            }
            Some(stat) if is_dir(&stat) => {
                self.tree.enter_dir(path, false)?;
                self.mark_opaque()?;
                Ok(false)
            }
            Some(_) => Ok(false),
        }
    }

    /// Deletes in the whole tree what was below this layer.
    pub(super) fn delete(&mut self, path: &EntryPath) -> Result<bool, Trouble> {
        let is_own = self.has(path);
        let Some(name) = self.tree.find_parent(path)? else { return Ok(true) };
        match self.tree.stat(name)? {
            Some(_) if !is_own => {
                self.tree.touch();
                remove_tree(self.tree.here(), name).doing("delete what is named by")?;
            }
            Some(stat) if is_dir(&stat) => self.delete_below(path)?,
            _ => {}
        }
        Ok(true)
    }

    pub(super) fn put_opaque(&mut self, path: &EntryPath, header: &Header) -> Result<(), Trouble> {
        let is_new = match self.form {
            LayerForm::Overlay2 => {
                self.tree.enter_dir(path, true)?;
                self.mark_opaque()?
            }
            LayerForm::Vfs => {
                self.delete_below(path)?;
                self.claim_mark(header)?
            }
        };
        self.named(header, is_new && !self.aside.covers(path))?;
        self.embed()
    }

    /// Marks the deepest open folder; gives whether it was not marked before.
    pub(super) fn mark_opaque(&mut self) -> Result<bool, Trouble> {
        let opaque = [self.tree.marks(), b"opaque"].concat();
        let made = fs::fsetxattr(self.tree.here(), &*opaque, b"y", XattrFlags::CREATE);
        match made {
            Err(Errno::EXIST) => Ok(false),
            made => made.doing("mark as opaque by").map(|()| true),
        }
    }

    /// Deletes all of a folder that was there before this layer.
    pub(super) fn delete_below(&mut self, path: &EntryPath) -> Result<(), Trouble> {
        let mut folders = vec![path.clone()];
        while let Some(folder) = folders.pop() {
            if !self.tree.enter_dir(&folder, false)? {
                continue;
            }
            for (name, is_dir) in remove::names(self.tree.here()).doing("look into the folder of")? {
                let below = folder.join(&name);
                if !self.has(&below) {
                    self.tree.touch();
                    remove_tree(self.tree.here(), &name).doing("delete what is named by")?;
                } else if is_dir {
                    folders.push(below);
                }
            }
        }
        Ok(())
    }

    /// With vfs: notes a whiteout's own name; gives whether it is new.
    pub(super) fn claim_mark(&mut self, header: &Header) -> Result<bool, Trouble> {
        let path = self.checked(&header.path)?;
        Ok(!self.claim(&path))
    }

    pub(super) fn is_whiteout(&self, stat: &Stat) -> bool {
        (self.form, self.meaning) == (LayerForm::Overlay2, Meaning::Layer) && is_null_device(stat)
    }
}
