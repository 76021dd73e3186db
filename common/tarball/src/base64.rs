//! Base64 as Go's `encoding/base64` standard encoding: with padding, no line breaks.

const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// Appends the encoding of `raw` to `out`.
pub fn encode(raw: &[u8], out: &mut Vec<u8>) {
    out.reserve(raw.len().div_ceil(3) * 4);
    let letter = |n: u32| LETTERS[(n & 63) as usize];
    let whole = raw.chunks_exact(3);
    let rest = whole.remainder();
    for three in whole {
        let n = u32::from(three[0]) << 16 | u32::from(three[1]) << 8 | u32::from(three[2]);
        out.extend_from_slice(&[letter(n >> 18), letter(n >> 12), letter(n >> 6), letter(n)]);
    }
    match *rest {
        [a] => out.extend_from_slice(&[letter(u32::from(a) >> 2), letter(u32::from(a) << 4), b'=', b'=']),
        [a, b] => {
            let n = u32::from(a) << 8 | u32::from(b);
            out.extend_from_slice(&[letter(n >> 10), letter(n >> 4), letter(n << 2), b'=']);
        }
        _ => {}
    }
}

/// The bytes that `text` stands for; `None` where it is no base64. Line breaks are passed over, as Go does; missing
/// padding is taken too.
pub fn decode(text: &[u8]) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(text.len() / 4 * 3);
    let (mut bits, mut count, mut padding) = (0u32, 0u32, 0);
    for &byte in text {
        let value = match byte {
            b'A'..=b'Z' => byte - b'A',
            b'a'..=b'z' => byte - b'a' + 26,
            b'0'..=b'9' => byte - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            b'=' => {
                padding += 1;
                continue;
            }
            b'\n' | b'\r' => continue,
            _ => return None,
        };
        if padding > 0 {
            return None;
        }
        bits = bits << 6 | u32::from(value);
        count += 1;
        if count % 4 == 0 {
            out.extend_from_slice(&bits.to_be_bytes()[1..]);
            bits = 0;
        }
    }
    match (count % 4, padding) {
        (0, 0) => {}
        (2, 0 | 2) => out.push((bits >> 4) as u8),
        (3, 0 | 1) => out.extend_from_slice(&(bits >> 2).to_be_bytes()[2..]),
        _ => return None,
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn encodes_as_go_does() {
        for (raw, text) in
            [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foob", "Zm9vYg=="), ("\u{7ff}>", "378+")]
        {
            let mut out = Vec::new();
            encode(raw.as_bytes(), &mut out);
            assert_eq!(String::from_utf8(out).unwrap(), text);
        }
        for bad in ["Z", "Zg=v", "Zm9v=", "Z g=", "Zg==="] {
            assert_eq!(decode(bad.as_bytes()), None, "{bad}");
        }
    }

    proptest! {
        #[test]
        fn comes_back(raw: Vec<u8>) {
            let mut out = Vec::new();
            encode(&raw, &mut out);
            prop_assert_eq!(decode(&out), Some(raw));
        }
    }
}
