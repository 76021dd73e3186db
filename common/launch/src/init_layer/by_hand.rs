//! The init layer without an overlay: mounting one and letting it go costs several milliseconds at each start.
//!
//! For the common image there is little to it: a directory of the image that something is made in appears in the layer with its own
//! attributes, and everything else is new. Where the layers hold more than that, nothing is made, and the overlay does it.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

use rustix::fs::{self, AtFlags, FileType, Gid, Mode, Uid, XattrFlags};
use rustix::io::Errno;

use super::{DIRECTORY, PARTS, Part, components, make_part};

/// What the layers have under a name.
enum Found {
    Nothing,
    /// In one layer or more, top first: they are merged.
    Directory(Vec<OwnedFd>),
    Other,
}

/// Why this is not done here.
enum Stop {
    /// The layers hold something that is the overlay's to understand.
    Odd,
    Failed(Errno),
}

impl From<Errno> for Stop {
    fn from(errno: Errno) -> Stop {
        Stop::Failed(errno)
    }
}

/// Fills `layer`, which is empty, over the layers `lower`, top first. Returns false with nothing made where the overlay has to.
pub fn fill(lower: &[PathBuf], layer: &Path) -> Result<bool, Errno> {
    let missing = PARTS.iter().map(|(path, part)| Ok((path, part, look(lower, path, part)?)));
    match missing.collect::<Result<Vec<_>, Stop>>() {
        Err(Stop::Odd) => Ok(false),
        Err(Stop::Failed(errno)) => Err(errno),
        Ok(all) => {
            let top = fs::open(layer, DIRECTORY, Mode::empty())?;
            for (path, part, above) in &all {
                if let Some(above) = above {
                    make(top.as_fd(), path, part, above)?;
                }
            }
            Ok(true)
        }
    }
}

/// The image's own directories on the way to a part, from the top down, the rest of which is new; `None` where the part is there.
fn look(lower: &[PathBuf], path: &str, part: &Part) -> Result<Option<Vec<OwnedFd>>, Stop> {
    let (folders, name) = components(path);
    let mut above = Vec::new();
    let mut at = lower.iter().map(|dir| fs::open(dir, DIRECTORY, Mode::empty())).collect::<Result<Vec<_>, _>>()?;
    for component in folders {
        at = match find(&at, component)? {
            Found::Directory(merged) => merged,
            Found::Nothing => return Ok(Some(above)),
            Found::Other => return Err(Stop::Odd),
        };
        above.push(at[0].try_clone().map_err(|_| Errno::MFILE)?);
    }
    match (find(&at, name)?, part) {
        (Found::Directory(_), _) => Ok(None),
        (Found::Other, Part::Directory) => Err(Stop::Odd),
        _ => Ok(Some(above)),
    }
}

/// Looks a name up as the overlay does (Documentation/filesystems/overlayfs.rst): the topmost counts, directories are merged with
/// those below up to an opaque one.
fn find(layers: &[OwnedFd], name: &str) -> Result<Found, Stop> {
    let mut merged = Vec::new();
    for layer in layers {
        let stat = match fs::statat(layer, name, AtFlags::SYMLINK_NOFOLLOW) {
            Err(Errno::NOENT) => continue,
            other => other?,
        };
        if FileType::from_raw_mode(stat.st_mode) != FileType::Directory {
            let is_whiteout = FileType::from_raw_mode(stat.st_mode) == FileType::CharacterDevice && stat.st_rdev == 0;
            match (merged.is_empty(), is_whiteout) {
                (true, false) => return Ok(Found::Other),
                _ => break,
            }
        }
        let directory = fs::openat(layer, name, DIRECTORY, Mode::empty())?;
        let opaque = is_opaque(directory.as_fd())?;
        merged.push(directory);
        if opaque {
            break;
        }
    }
    Ok(if merged.is_empty() { Found::Nothing } else { Found::Directory(merged) })
}

/// Whether nothing below this directory shows. One that the overlay has renamed, or keeps whiteouts of files in, is odd.
fn is_opaque(directory: BorrowedFd) -> Result<bool, Stop> {
    let mut opaque = false;
    for name in attributes(directory)? {
        match name.as_bytes() {
            b"trusted.overlay.opaque" if attribute(directory, &name)? == b"y" => opaque = true,
            b"trusted.overlay.origin" | b"trusted.overlay.impure" | b"trusted.overlay.uuid" => {}
            other if other.starts_with(b"trusted.overlay.") => return Err(Stop::Odd),
            _ => {}
        }
    }
    Ok(opaque)
}

/// Makes one part, with the directories above it.
fn make(top: BorrowedFd, path: &str, part: &Part, above: &[OwnedFd]) -> Result<(), Errno> {
    let (folders, name) = components(path);
    let mut at = top.try_clone_to_owned().map_err(|_| Errno::MFILE)?;
    let mut images = above.iter();
    for component in folders {
        let image = images.next();
        let is_new = match fs::mkdirat(&at, component, Mode::RWXU) {
            Ok(()) => true,
            Err(Errno::EXIST) => false,
            Err(errno) => return Err(errno),
        };
        let directory = fs::openat(&at, component, DIRECTORY, Mode::empty())?;
        match image {
            _ if !is_new => {}
            Some(image) => be_like(directory.as_fd(), image.as_fd())?,
            None => fs::fchmod(&directory, Mode::from_raw_mode(0o755))?,
        }
        at = directory;
    }
    make_part(at.as_fd(), name, part)
}

/// Gives a new directory the attributes of another. Not its times: something is made in it.
fn be_like(directory: BorrowedFd, other: BorrowedFd) -> Result<(), Errno> {
    let stat = fs::fstat(other)?;
    fs::fchown(directory, Some(Uid::from_raw(stat.st_uid)), Some(Gid::from_raw(stat.st_gid)))?;
    fs::fchmod(directory, Mode::from_raw_mode(stat.st_mode & 0o7777))?;
    for name in attributes(other)?.iter().filter(|name| !name.as_bytes().starts_with(b"trusted.overlay.")) {
        fs::fsetxattr(directory, name, &attribute(other, name)?, XattrFlags::empty())?;
    }
    Ok(())
}

fn attributes(file: BorrowedFd) -> Result<Vec<std::ffi::CString>, Errno> {
    let mut names = vec![0; 64 << 10];
    let length = match fs::flistxattr(file, &mut names[..]) {
        Err(Errno::NOTSUP) => 0,
        other => other?,
    };
    let parts = names[..length].split_inclusive(|&byte| byte == 0);
    Ok(parts.filter_map(|name| std::ffi::CString::from_vec_with_nul(name.to_vec()).ok()).collect())
}

fn attribute(file: BorrowedFd, name: &std::ffi::CStr) -> Result<Vec<u8>, Errno> {
    let mut value = vec![0; 64 << 10];
    let length = fs::fgetxattr(file, name, &mut value[..])?;
    value.truncate(length);
    Ok(value)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{MetadataExt, symlink};

    use super::*;
    use crate::inside::root;
    use crate::spec::{Changes, RootFiles, Upper};

    /// Layers, top first, of `name/` directories, `name=` files, `name@` links, `name!` whiteouts and `name/!` opaque
    /// directories; a hyphen parts folder and name.
    fn lay(folder: &Path, layers: &[&str]) -> Vec<PathBuf> {
        let lay = |(n, entries): (usize, &&str)| {
            let top = folder.join(n.to_string());
            std::fs::create_dir(&top).unwrap();
            for entry in entries.split_whitespace() {
                let (path, kind) = entry.split_at(entry.find(['/', '=', '@', '!']).unwrap());
                let place = top.join(path.replace('-', "/"));
                match kind {
                    "=" => std::fs::write(place, "text").unwrap(),
                    "@" => symlink("/elsewhere", place).unwrap(),
                    "!" => fs::mknodat(fs::CWD, place, FileType::CharacterDevice, Mode::empty(), 0).unwrap(),
                    _ => {
                        std::fs::create_dir(&place).unwrap();
                        std::os::unix::fs::chown(&place, Some(3), Some(4)).unwrap();
                        fs::setxattr(&place, "user.mark", path.as_bytes(), XattrFlags::empty()).unwrap();
                        if kind == "/!" {
                            fs::setxattr(&place, "trusted.overlay.opaque", b"y", XattrFlags::empty()).unwrap();
                        }
                    }
                }
            }
            top
        };
        layers.iter().enumerate().map(lay).collect()
    }

    /// Everything that shows in the layers: path, kind and mode, owner, attribute.
    fn shown(lower: &[PathBuf], upper: &Path, work: &Path) -> Vec<String> {
        let upper = Upper { diff: upper.into(), work: work.into(), lasting: false };
        let root = RootFiles { lower: lower.to_vec(), changes: Changes::Layer(upper.clone()), read_only: false };
        let top = root::overlaid(&root, &upper).map_err(|_| "no overlay").unwrap();
        let mut all = Vec::new();
        walk(&PathBuf::from(format!("/proc/self/fd/{}", std::os::fd::AsRawFd::as_raw_fd(&top))), "", &mut all);
        all.sort();
        all
    }

    fn walk(folder: &Path, prefix: &str, all: &mut Vec<String>) {
        for entry in std::fs::read_dir(folder).unwrap().flatten() {
            let (path, meta) = (entry.path(), entry.path().symlink_metadata().unwrap());
            let name = format!("{prefix}/{}", entry.file_name().to_string_lossy());
            let mut mark = [0; 20];
            let length = fs::lgetxattr(&path, "user.mark", &mut mark).unwrap_or(0);
            let mark = String::from_utf8_lossy(&mark[..length]).into_owned();
            all.push(format!("{name} {:o} {}:{} {} {mark}", meta.mode(), meta.uid(), meta.gid(), meta.len()));
            if meta.is_dir() {
                walk(&path, &name, all);
            }
        }
    }

    /// Whether it is made by hand, and that nobody sees a difference.
    fn check(layers: &[&str], by_hand: bool) {
        let folder = tempfile::tempdir_in("/var/tmp").unwrap();
        let lower = lay(folder.path(), layers);
        let made = |name: &str| {
            let path = folder.path().join(name);
            std::fs::create_dir(&path).unwrap();
            path
        };
        let (own, own_work, theirs, work) = (made("own"), made("own-work"), made("theirs"), made("work"));
        assert_eq!(fill(&lower, &own).unwrap(), by_hand, "{layers:?}");
        if !by_hand {
            assert_eq!(std::fs::read_dir(&own).unwrap().count(), 0, "{layers:?}");
            return;
        }
        let upper = Upper { diff: theirs.clone(), work: work.clone(), lasting: false };
        let root = RootFiles { lower: lower.clone(), changes: Changes::Layer(upper.clone()), read_only: false };
        super::super::fill_through_overlay(&root, &upper).map_err(|_| "no overlay").unwrap();
        assert_eq!(shown(&lower, &own, &own_work), shown(&lower, &theirs, &work), "{layers:?}");
    }

    #[test]
    fn the_layer_shows_what_the_overlay_would() {
        if !rustix::process::geteuid().is_root() {
            assert!(std::env::var_os("CI").is_none(), "needs root");
            return;
        }
        check(&["bin/ etc/ etc-passwd="], true);
        check(&["etc/ etc-hosts= etc-mtab@ etc-resolv.conf="], true);
        check(&["etc/ etc-hosts/", "dev/ dev-console= dev-pts/ dev-shm/ proc/ sys/"], true);
        check(&["etc!", "etc/ etc-hosts/ etc-mtab/"], true);
        check(&["etc/!", "etc/ etc-hosts/ etc-mtab/"], true);
        check(&["etc/ etc-mtab!", "etc/ etc-hosts/ etc-mtab/"], true);
        check(&["etc/", "etc=", "etc/ etc-mtab/"], true);
        check(&["x=", "etc/ dev/", "dev/ dev-pts/"], true);
        check(&["etc@"], false);
        check(&["dev/ dev-shm@"], false);
        check(&["proc="], false);
    }
}
