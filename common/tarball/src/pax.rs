//! Extended headers: `LENGTH KEY=VALUE\n`, one after the other (POSIX.1-2017 pax, "pax Header Block").

/// The keys and values of one extended header, in order.
pub type Records<'a> = Vec<(&'a [u8], &'a [u8])>;

/// Xattrs, by full name, after this (star, GNU tar, bsdtar, Go).
pub const XATTR: &[u8] = b"SCHILY.xattr.";

/// Cuts an extended header into its records. `None` where it is none; zero bytes at the end are passed over.
pub fn parse(mut body: &[u8]) -> Option<Records<'_>> {
    let mut records = Vec::new();
    while body.first().is_some_and(|&byte| byte != 0) {
        let space = body.iter().take(21).position(|&byte| byte == b' ')?;
        let size: usize = parse_decimal(&body[..space])?.try_into().ok()?;
        let record = body.get(space + 1..size)?;
        let equals = record.iter().position(|&byte| byte == b'=')?;
        if record.last() != Some(&b'\n') || equals == 0 {
            return None;
        }
        records.push((&record[..equals], &record[equals + 1..record.len() - 1]));
        body = &body[size..];
    }
    body.iter().all(|&byte| byte == 0).then_some(records)
}

/// A number in decimal digits.
pub fn parse_decimal(digits: &[u8]) -> Option<u64> {
    if digits.is_empty() {
        return None;
    }
    digits.iter().try_fold(0u64, |n, digit| match digit {
        b'0'..=b'9' => n.checked_mul(10)?.checked_add(u64::from(digit - b'0')),
        _ => None,
    })
}

/// Appends one record.
pub fn put(body: &mut Vec<u8>, key: &[u8], value: &[u8]) {
    let rest = key.len() + value.len() + 3;
    let digits = |n: usize| n.checked_ilog10().map_or(1, |n| n as usize + 1);
    let mut size = rest + digits(rest);
    if digits(size) > digits(rest) {
        size = rest + digits(size);
    }
    body.extend_from_slice(size.to_string().as_bytes());
    body.push(b' ');
    body.extend_from_slice(key);
    body.push(b'=');
    body.extend_from_slice(value);
    body.push(b'\n');
}

/// The key under which an xattr is written: `%` and `=` in its name as `%25` and `%3D` (GNU tar 1.34 src/xheader.c
/// xattr_encode_keyword).
pub fn xattr_key(name: &[u8]) -> Vec<u8> {
    let mut key = XATTR.to_vec();
    for &byte in name {
        match byte {
            b'%' => key.extend_from_slice(b"%25"),
            b'=' => key.extend_from_slice(b"%3D"),
            byte => key.push(byte),
        }
    }
    key
}

/// The name of the xattr that stands under `key`, the prefix already taken off (GNU tar 1.34 xattr_decode_keyword).
pub fn xattr_name(coded: &[u8]) -> Box<[u8]> {
    let mut name = Vec::with_capacity(coded.len());
    let mut rest = coded;
    while let Some((&byte, tail)) = rest.split_first() {
        match rest.get(..3) {
            Some(b"%3D") => name.push(b'='),
            Some(b"%25") => name.push(b'%'),
            _ => {
                name.push(byte);
                rest = tail;
                continue;
            }
        }
        rest = &rest[3..];
    }
    name.into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn records_are_cut() {
        let pairs =
            |body: &'static [u8]| parse(body).map(|r| r.iter().map(|(k, v)| [*k, *v].concat()).collect::<Vec<_>>());
        assert_eq!(pairs(b"9 a=b=\n\n\n"), Some(vec![b"ab=\n\n".to_vec()]));
        assert_eq!(pairs(b"8 a=b=c\n"), Some(vec![b"ab=c".to_vec()]));
        assert_eq!(pairs(b"5 a=\n6 b=c\n\0\0"), Some(vec![b"a".to_vec(), b"bc".to_vec()]));
        for bad in [
            &b"5 a=b\n"[..],
            b"6 =ab\n",
            b"6 abc\n",
            b"99 a=b\n",
            b"0 a=b\n",
            b"6  a=b\n x",
            b"18446744073709551616 a=b\n",
            b"6 a=b\n\0x",
        ] {
            assert_eq!(parse(bad), None, "{}", String::from_utf8_lossy(bad));
        }
    }

    proptest! {
        #[test]
        fn records_come_back(pairs: Vec<(String, Vec<u8>)>) {
            let pairs: Vec<(Vec<u8>, Vec<u8>)> = pairs.into_iter().map(|(k, v)| (format!("k{}", k.replace(['=', '\0'], "")).into_bytes(), v)).collect();
            let mut body = Vec::new();
            for (key, value) in &pairs {
                put(&mut body, key, value);
            }
            let read: Vec<_> = parse(&body).unwrap().into_iter().map(|(k, v)| (k.to_vec(), v.to_vec())).collect();
            prop_assert_eq!(read, pairs);
        }

        #[test]
        fn xattr_names_come_back(name: Vec<u8>) {
            prop_assert_eq!(&*xattr_name(&xattr_key(&name)[XATTR.len()..]), &name[..]);
        }

        #[test]
        fn no_bytes_make_it_panic(body: Vec<u8>) {
            let _ = parse(&body);
        }
    }
}
