//! Base64 as Go's `encoding/base64` standard encoding: with padding, no line breaks.

use base64::Engine;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

/// What Go takes, and missing padding too. It does not look at the bits that are left over.
const TOLERANT: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true),
);

/// Appends the encoding of `raw` to `out`.
pub fn encode(raw: &[u8], out: &mut Vec<u8>) {
    let start = out.len();
    out.resize(start + raw.len().div_ceil(3) * 4, 0);
    let written = TOLERANT.encode_slice(raw, &mut out[start..]).expect("there is room for four letters a group");
    out.truncate(start + written);
}

/// The bytes that `text` stands for; `None` where it is no base64. Line breaks are passed over, as Go does; missing
/// padding is taken too.
pub fn decode(text: &[u8]) -> Option<Vec<u8>> {
    TOLERANT.decode(text).ok().or_else(|| {
        let is_break = |byte: &u8| matches!(byte, b'\n' | b'\r');
        let joined: Vec<u8> = text.iter().copied().filter(|byte| !is_break(byte)).collect();
        TOLERANT.decode(joined).ok()
    })
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
        for good in ["Zm8=", "Zm8", "Zm9=", "Zm\n8=\r\n"] {
            assert_eq!(decode(good.as_bytes()).as_deref(), Some("fo".as_bytes()), "{good}");
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
