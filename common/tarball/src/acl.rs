//! Access control lists: the text that tar writes, the bytes that Linux keeps in `system.posix_acl_access`.
//!
//! Sources: linux/posix_acl_xattr.h (version 2); star(5), "SCHILY.acl.access"; acl(5) for the text.

/// What a list of access control is said to hold but cannot be kept.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AclError {
    /// It is no list.
    #[error("not an access control list")]
    Malformed,
    /// It names somebody without a number.
    #[error("access control list names '{0}', whose number is not in the archive")]
    Name(String),
}

const VERSION: u32 = 2;
const NOBODY: u32 = u32::MAX;

/// The xattr's bytes for a list as text; entries are parted by commas or line breaks.
pub fn parse(text: &[u8]) -> Result<Vec<u8>, AclError> {
    let text = std::str::from_utf8(text).map_err(|_| AclError::Malformed)?;
    let entries =
        text.split([',', '\n']).map(|line| line.split('#').next().unwrap_or("").trim()).filter(|line| !line.is_empty());
    let mut list = entries.map(entry).collect::<Result<Vec<_>, _>>()?;
    list.sort_unstable();
    let mut raw = VERSION.to_le_bytes().to_vec();
    for (tag, id, permissions) in list {
        raw.extend_from_slice(&tag.to_le_bytes());
        raw.extend_from_slice(&permissions.to_le_bytes());
        raw.extend_from_slice(&id.to_le_bytes());
    }
    Ok(raw)
}

/// One entry as (tag, id, permissions).
fn entry(line: &str) -> Result<(u16, u32, u16), AclError> {
    let fields: Vec<&str> = line.split(':').map(str::trim).collect();
    let (kind, who, permissions, number) = match fields[..] {
        [kind @ ("other" | "o" | "mask" | "m"), permissions] => (kind, "", permissions, None),
        [kind, who, permissions] => (kind, who, permissions, None),
        [kind, who, permissions, number] => (kind, who, permissions, Some(number)),
        _ => return Err(AclError::Malformed),
    };
    let id = |who: &str| number.unwrap_or(who).parse().map_err(|_| AclError::Name(who.to_string()));
    let (tag, id) = match (kind, who) {
        ("user" | "u", "") => (1, NOBODY),
        ("user" | "u", who) => (2, id(who)?),
        ("group" | "g", "") => (4, NOBODY),
        ("group" | "g", who) => (8, id(who)?),
        ("mask" | "m", _) => (16, NOBODY),
        ("other" | "o", _) => (32, NOBODY),
        _ => return Err(AclError::Malformed),
    };
    let bits = permissions.bytes().try_fold(0, |bits, c| match c {
        b'r' => Ok(bits | 4),
        b'w' => Ok(bits | 2),
        b'x' => Ok(bits | 1),
        b'-' => Ok(bits),
        _ => Err(AclError::Malformed),
    })?;
    Ok((tag, id, bits))
}

/// The text of a list from the xattr's bytes, ids as numbers; `None` where they are no list.
pub fn text(raw: &[u8]) -> Option<String> {
    let entries = raw.strip_prefix(&VERSION.to_le_bytes()[..])?;
    let chunks = entries.chunks_exact(8);
    if !chunks.remainder().is_empty() {
        return None;
    }
    let lines = chunks.map(|entry| {
        let (tag, bits) = (u16::from_le_bytes([entry[0], entry[1]]), entry[2]);
        let id = u32::from_le_bytes(entry[4..8].try_into().expect("four bytes"));
        let who = match tag {
            1 => "user:".to_string(),
            2 => format!("user:{id}"),
            4 => "group:".to_string(),
            8 => format!("group:{id}"),
            16 => "mask:".to_string(),
            32 => "other:".to_string(),
            _ => return None,
        };
        let letter = |bit, letter| if bits & bit != 0 { letter } else { '-' };
        Some(format!("{who}:{}{}{}", letter(4, 'r'), letter(2, 'w'), letter(1, 'x')))
    });
    Some(lines.collect::<Option<Vec<_>>>()?.join(","))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_come_back_sorted_as_the_kernel_wants_them() {
        for (written, read) in [
            (
                "user::rw-,user:1000:r--,group::r-x,mask::r-x,other::---",
                "user::rw-,user:1000:r--,group::r-x,mask::r-x,other::---",
            ),
            ("user::rwx\nother::r--\ngroup::r--\n", "user::rwx,group::r--,other::r--"),
            (
                "u::rwx,u:lisa:rwx:1001,g::---,g:7:--x,m:rwx,o:--- #effective",
                "user::rwx,user:1001:rwx,group::---,group:7:--x,mask::rwx,other::---",
            ),
        ] {
            assert_eq!(text(&parse(written.as_bytes()).unwrap()).unwrap(), read);
        }
        assert_eq!(parse(b"user:lisa:rwx"), Err(AclError::Name("lisa".into())));
        for bad in ["user", "user::rwz", "king::rwx", "a:b:c:d:e"] {
            assert_eq!(parse(bad.as_bytes()), Err(AclError::Malformed), "{bad}");
        }
        assert_eq!((text(b"\x01\0\0\0"), text(b"\x02\0\0\0\x01")), (None, None));
    }
}
