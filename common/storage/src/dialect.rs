//! How each driver marks names that are gone and directories that hide what lies below.
//!
//! Sources: kernel Documentation/filesystems/overlayfs.rst (6.18) for overlay, fuse-overlayfs 1.14 main.c, and the aufs
//! form as docker reads and writes it (moby 28, go-archive whiteouts.go, archive_linux.go).

use model::Xattrs;

/// The beginning of a mark's name in aufs' form.
pub const MARK: &[u8] = b".wh.";
/// The name that makes a directory opaque in aufs' form.
pub const OPAQUE: &[u8] = b".wh..wh..opq";
/// The same in the docker 0.6 root of the tests, which was made without the aufs module. In aufs itself it could only mark
/// the name `.wh.opq`, which cannot exist there.
const OPAQUE_TOO: &[u8] = b".wh..wh.opq";
/// The beginning of the names that aufs keeps for itself at the top of a branch.
pub const AUFS_OWN: &[u8] = b".wh..wh.";

/// One way to mark.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Dialect {
    /// No marks: a full tree.
    Plain,
    /// Names in aufs' form: `.wh.NAME`, `.wh..wh..opq`. A layer's tar speaks it too.
    Aufs,
    /// Overlay's devices 0:0 and attributes.
    Overlay {
        /// Whether marks are `user.overlay.*`; otherwise `trusted.overlay.*`, and `user.overlay.*` is anybody's data.
        user: bool,
    },
    /// fuse-overlayfs writes both forms, one or the other or both at once.
    Fuse {
        /// Whether `user.overlay.*` counts as well.
        user: bool,
    },
}

/// What a listed name may be.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Listed {
    /// A name of the tree. Sorts before a mark for the same name: what a layer puts stays, whatever it marks.
    Name,
    /// A character device, which is a mark if its numbers are 0:0.
    Device,
    /// A mark: the name is gone from lower layers.
    Removed,
}

/// What a directory's attributes or names say about lower layers.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Opacity {
    /// Lower layers show through.
    Open,
    /// Nothing of lower layers shows.
    Opaque,
    /// Lower layers show through, and files of no bytes with an attribute are marks (kernel 6.7 and later).
    Marks,
}

impl Dialect {
    /// What a name of a directory is, and the name that it concerns. `None` for names that are the driver's own.
    /// `top` says that the directory is the branch's own top.
    pub fn read(self, name: &[u8], is_char_device: bool, top: bool) -> Option<(&[u8], Listed)> {
        if self.has_mark_names() {
            if self.is_opaque_name(name) || (top && name.starts_with(AUFS_OWN)) {
                return None;
            }
            // `.wh.` alone marks nothing: it is a name like any other.
            if let Some(gone) = name.strip_prefix(MARK).filter(|gone| !gone.is_empty()) {
                return Some((gone, Listed::Removed));
            }
        }
        let may_be_mark = is_char_device && matches!(self, Dialect::Overlay { .. } | Dialect::Fuse { .. });
        Some((name, if may_be_mark { Listed::Device } else { Listed::Name }))
    }

    /// Whether a name of this directory makes it opaque.
    pub fn is_opaque_name(self, name: &[u8]) -> bool {
        self.has_mark_names() && (name == OPAQUE || name == OPAQUE_TOO)
    }

    /// What a directory's attributes say.
    pub fn opacity(self, xattrs: &Xattrs) -> Opacity {
        match self.own(xattrs, b"opaque") {
            Some(b"y") => Opacity::Opaque,
            Some(b"x") => Opacity::Marks,
            _ => Opacity::Open,
        }
    }

    /// Whether a file of no bytes in a directory of [`Opacity::Marks`] is a mark.
    pub fn is_mark(self, xattrs: &Xattrs) -> bool {
        self.own(xattrs, b"whiteout").is_some()
    }

    /// Where lower layers have what is renamed here: a name in the same directory, or a path from the top after `/`.
    pub fn redirect(self, xattrs: &Xattrs) -> Option<&[u8]> {
        self.own(xattrs, b"redirect").filter(|to| !to.is_empty())
    }

    /// Whether a file has only its attributes here and its content in a lower layer.
    pub fn is_metacopy(self, xattrs: &Xattrs) -> bool {
        self.own(xattrs, b"metacopy").is_some()
    }

    /// Whether attributes can say anything about marks, so that they have to be read before a name is known.
    pub fn reads_xattrs(self) -> bool {
        matches!(self, Dialect::Overlay { .. } | Dialect::Fuse { .. })
    }

    /// The attributes as the merged tree shows them: the driver's own are left out, and those of an overlay inside an
    /// overlay lose one level of `overlay.`.
    pub fn outward(self, xattrs: Xattrs) -> Xattrs {
        if !xattrs.keys().any(|name| self.is_own(name)) {
            return xattrs;
        }
        xattrs
            .into_iter()
            .filter_map(|(name, value)| {
                match self.prefixes().iter().find_map(|own| Some((own, name.strip_prefix(*own)?))) {
                    None => Some((name, value)),
                    Some((own, rest)) => {
                        let outer = own.strip_suffix(b"overlay.").filter(|_| rest.starts_with(b"overlay."))?;
                        Some(([outer, rest].concat().into(), value))
                    }
                }
            })
            .collect()
    }

    fn is_own(self, name: &[u8]) -> bool {
        self.prefixes().iter().any(|own| name.starts_with(own))
    }

    fn own<'x>(self, xattrs: &'x Xattrs, key: &[u8]) -> Option<&'x [u8]> {
        if xattrs.is_empty() {
            return None;
        }
        self.prefixes().iter().find_map(|own| xattrs.get(&*[own, key].concat())).map(|value| &**value)
    }

    /// The beginnings of the driver's own attributes.
    fn prefixes(self) -> &'static [&'static [u8]] {
        match self {
            Dialect::Plain | Dialect::Aufs => &[],
            Dialect::Overlay { user: false } => &[b"trusted.overlay."],
            Dialect::Overlay { user: true } => &[b"user.overlay."],
            Dialect::Fuse { user: false } => &[b"trusted.overlay.", b"user.fuseoverlayfs."],
            Dialect::Fuse { user: true } => &[b"trusted.overlay.", b"user.fuseoverlayfs.", b"user.overlay."],
        }
    }

    fn has_mark_names(self) -> bool {
        matches!(self, Dialect::Aufs | Dialect::Fuse { .. })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TRUSTED: Dialect = Dialect::Overlay { user: false };
    const FUSE: Dialect = Dialect::Fuse { user: false };

    fn xattrs(list: &[(&str, &str)]) -> Xattrs {
        list.iter().map(|(name, value)| (name.as_bytes().into(), value.as_bytes().into())).collect()
    }

    #[test]
    fn names_that_look_like_marks_are_marks_in_the_forms_that_write_them() {
        let gone = |name| Some((name, Listed::Removed));
        let kept = |name| Some((name, Listed::Name));
        for dialect in [Dialect::Aufs, FUSE] {
            assert_eq!(dialect.read(b".wh.x", false, false), gone(b"x".as_slice()));
            assert_eq!(dialect.read(b".wh.", false, false), kept(b".wh.".as_slice()));
            assert_eq!(dialect.read(b".wh..wh..opq", false, false), None);
            assert_eq!(dialect.read(b".wh..wh.plnk", false, true), None);
        }
        for dialect in [Dialect::Plain, TRUSTED] {
            assert_eq!(dialect.read(b".wh.x", false, false), kept(b".wh.x".as_slice()));
            assert_eq!(dialect.read(b".wh..wh..opq", false, true), kept(b".wh..wh..opq".as_slice()));
        }
        assert_eq!(TRUSTED.read(b"x", true, false), Some((b"x".as_slice(), Listed::Device)));
        assert_eq!(Dialect::Plain.read(b"x", true, false), kept(b"x".as_slice()));
    }

    #[test]
    fn attributes_of_users_are_no_marks_where_marks_are_trusted() {
        let trap = xattrs(&[("user.overlay.opaque", "y")]);
        assert_eq!(TRUSTED.opacity(&trap), Opacity::Open);
        assert_eq!(TRUSTED.outward(trap.clone()), trap);
        assert_eq!(Dialect::Overlay { user: true }.opacity(&trap), Opacity::Opaque);
        assert_eq!(Dialect::Overlay { user: true }.outward(trap), Xattrs::new());
    }

    #[test]
    fn the_attributes_of_an_overlay_in_an_overlay_lose_one_level() {
        let inner =
            xattrs(&[("trusted.overlay.overlay.opaque", "y"), ("trusted.overlay.origin", "…"), ("user.a", "1")]);
        assert_eq!(TRUSTED.outward(inner), xattrs(&[("trusted.overlay.opaque", "y"), ("user.a", "1")]));
    }

    #[test]
    fn an_opaque_value_other_than_y_hides_nothing() {
        for (value, said) in [("y", Opacity::Opaque), ("x", Opacity::Marks), ("n", Opacity::Open), ("", Opacity::Open)]
        {
            assert_eq!(TRUSTED.opacity(&xattrs(&[("trusted.overlay.opaque", value)])), said, "{value}");
        }
        assert_eq!(FUSE.opacity(&xattrs(&[("user.fuseoverlayfs.opaque", "y")])), Opacity::Opaque);
    }
}
