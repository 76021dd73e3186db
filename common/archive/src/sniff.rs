//! Tells an archive of images from a root filesystem by its first headers.

/// What a tar holds, as far as its beginning shows.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// Images: what `docker save` wrote, of any age.
    DockerArchive,
    /// Images: an OCI layout.
    OciLayout,
    /// Files: what `import` takes.
    Rootfs,
    /// A tar of end blocks alone.
    Empty,
    /// No tar at all.
    NotTar,
    /// A tar of which the beginning does not tell.
    Unclear,
}

impl Kind {
    /// Whether `load` is the program for it.
    pub fn is_images(self) -> bool {
        matches!(self, Kind::DockerArchive | Kind::OciLayout)
    }
}

/// How many bytes of the beginning are worth giving to [`sniff`].
pub const HEAD_SIZE: usize = 64 * 1024;

const BLOCK: usize = 512;

/// Looks at the first bytes of an uncompressed tar. Whatever comes after the first name that decides is not looked at.
pub fn sniff(head: &[u8]) -> Kind {
    if head.len() >= BLOCK && head.iter().take(2 * BLOCK).all(|&b| b == 0) {
        return Kind::Empty;
    }
    let mut members = Members { head };
    let Some(first) = members.next() else { return Kind::NotTar };
    std::iter::once(first).chain(members).find_map(|member| member.decides()).unwrap_or(Kind::Unclear)
}

/// Whether a block is a tar header: its checksum says so.
pub(crate) fn is_header(block: &[u8]) -> bool {
    let Some(stated) = block.get(148..156).and_then(octal) else { return false };
    let Some(block) = block.get(..BLOCK) else { return false };
    let sum: u64 =
        block.iter().enumerate().map(|(n, &b)| if (148..156).contains(&n) { 32 } else { u64::from(b) }).sum();
    sum == stated
}

/// The members whose headers lie in the first bytes.
struct Members<'h> {
    head: &'h [u8],
}

struct Member<'h> {
    name: &'h [u8],
    kind: u8,
    /// As much of the content as is at hand.
    content: &'h [u8],
}

impl<'h> Iterator for Members<'h> {
    type Item = Member<'h>;

    fn next(&mut self) -> Option<Member<'h>> {
        let header = self.head.get(..BLOCK).filter(|block| is_header(block))?;
        let size = octal(&header[124..136]).unwrap_or(u64::MAX);
        let rest = &self.head[BLOCK..];
        let end = usize::try_from(size).unwrap_or(usize::MAX);
        let next = end.checked_next_multiple_of(BLOCK).unwrap_or(usize::MAX);
        self.head = rest.get(next..).unwrap_or_default();
        let name = header[..100].split(|&b| b == 0).next().unwrap_or_default();
        Some(Member { name, kind: header[156], content: &rest[..end.min(rest.len())] })
    }
}

impl Member<'_> {
    fn decides(&self) -> Option<Kind> {
        if matches!(self.kind, b'x' | b'g' | b'L' | b'K') {
            return None;
        }
        let parts: Vec<&[u8]> = self.name.split(|&b| b == b'/').filter(|part| !matches!(*part, b"" | b".")).collect();
        let is_dir = self.kind == b'5' || self.name.ends_with(b"/");
        match parts.as_slice() {
            [] => None,
            [name] if is_dir && (is_hex(name, 12) || *name == b"blobs") => None,
            [name] if !is_dir => Some(self.file(name)),
            [b"blobs"] | [b"blobs", b"sha256"] if is_dir => None,
            [b"blobs", b"sha256", name] if is_hex(name, 64) => Some(Kind::OciLayout),
            [_, b"VERSION"] if self.content == b"1.0" => Some(Kind::DockerArchive),
            [id, b"json" | b"layer.tar"] if is_hex(id, 12) => Some(Kind::DockerArchive),
            _ => Some(Kind::Rootfs),
        }
    }

    fn file(&self, name: &[u8]) -> Kind {
        let says = |word: &str| self.content.windows(word.len()).any(|part| part == word.as_bytes());
        let stem = |end: &[u8]| name.strip_suffix(end).is_some_and(|stem| is_hex(stem, 64));
        match name {
            b"manifest.json" if says("\"Layers\"") => Kind::DockerArchive,
            b"oci-layout" if says("imageLayoutVersion") => Kind::OciLayout,
            b"index.json" if says("\"schemaVersion\"") && says("\"manifests\"") => Kind::OciLayout,
            b"repositories" if self.content.starts_with(b"{") => Kind::DockerArchive,
            _ if stem(b".json") || stem(b".tar") => Kind::DockerArchive,
            _ => Kind::Rootfs,
        }
    }
}

fn is_hex(name: &[u8], least: usize) -> bool {
    (least..=64).contains(&name.len()) && name.iter().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
}

fn octal(field: &[u8]) -> Option<u64> {
    let digits: Vec<u8> =
        field.iter().copied().skip_while(|&b| b == b' ').take_while(|b| (b'0'..=b'7').contains(b)).collect();
    (!digits.is_empty()).then(|| digits.iter().fold(0, |n, d| n * 8 + u64::from(d - b'0')))
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "4f1c0b7a12d3e5f60718293a4b5c6d7e8f901a2b3c4d5e6f708192a3b4c5d6e7";

    /// `name=content` for files, `name/` for directories.
    fn check(members: &[&str], kind: Kind) {
        let mut builder = tar::Builder::new(Vec::new());
        for member in members {
            let (name, content) = member.split_once('=').unwrap_or((member, ""));
            let mut header = tar::Header::new_ustar();
            header.as_mut_bytes()[..name.len()].copy_from_slice(name.as_bytes());
            header.set_size(content.len() as u64);
            header.set_entry_type(if name.ends_with('/') {
                tar::EntryType::Directory
            } else {
                tar::EntryType::Regular
            });
            header.set_cksum();
            builder.append(&header, content.as_bytes()).unwrap();
        }
        assert_eq!(sniff(&builder.into_inner().unwrap()), kind, "{members:?}");
    }

    #[test]
    fn archives_of_every_age_are_told_from_files() {
        let [dir, json, layer] = ["", "json=x", "layer.tar=x"].map(|name| format!("{ID}/{name}"));
        check(&[&dir, "x/VERSION=1.0"], Kind::DockerArchive);
        check(&["./", "./27cf784147099545/", "./27cf784147099545/VERSION=1.0"], Kind::DockerArchive);
        check(&[&dir, &json], Kind::DockerArchive);
        check(&[&layer], Kind::DockerArchive);
        check(&[&format!("{ID}.json={{}}")], Kind::DockerArchive);
        check(&[&format!("{ID}.tar=x")], Kind::DockerArchive);
        check(&["manifest.json=[{\"Config\":\"x\",\"Layers\":[]}]"], Kind::DockerArchive);
        check(&["repositories={\"a\":{}}"], Kind::DockerArchive);
        check(&["blobs/", "blobs/sha256/", &format!("blobs/sha256/{ID}=x")], Kind::OciLayout);
        check(&["index.json={\"schemaVersion\":2,\"manifests\":[]}"], Kind::OciLayout);
        check(&["oci-layout={\"imageLayoutVersion\": \"1.0.0\"}"], Kind::OciLayout);
    }

    #[test]
    fn files_with_such_names_are_still_files() {
        for first in [
            "bin/",
            "./etc/passwd=x",
            "manifest.json={\"name\":\"my app\"}",
            "index.json=[]",
            "VERSION=1.0",
            "repositories=x",
        ] {
            check(&["./", first, "blobs/sha256/x=x"], Kind::Rootfs);
        }
        check(&["./"], Kind::Unclear);
    }

    #[test]
    fn what_is_no_tar_is_said_to_be_none() {
        assert_eq!(sniff(&[0; 1024]), Kind::Empty);
        assert_eq!(sniff(b"hello"), Kind::NotTar);
        assert_eq!(sniff(&[b'x'; 2048]), Kind::NotTar);
        assert_eq!(sniff(b""), Kind::NotTar);
    }
}
