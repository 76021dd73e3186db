//! Protobuf's wire format, as far as records on disk use it (protobuf.dev/programming-guides/encoding).

/// Yields the fields of a message with their numbers, in order; ends at the first one that is damaged.
#[derive(Clone, Debug)]
pub struct Fields<'a> {
    rest: &'a [u8],
}

/// The value of a field.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Value<'a> {
    /// A number; signed ones are two's complement.
    Number(u64),
    /// Text, bytes, or a message.
    Bytes(&'a [u8]),
}

/// The fields of a message.
pub fn fields(message: &[u8]) -> Fields<'_> {
    Fields { rest: message }
}

/// The last field of that number that holds bytes.
pub fn bytes_of(message: &[u8], number: u64) -> Option<&[u8]> {
    fields(message)
        .filter_map(|field| match field {
            (found, Value::Bytes(bytes)) if found == number => Some(bytes),
            _ => None,
        })
        .last()
}

impl Fields<'_> {
    /// Whether everything was read: otherwise the message ends within a field, or holds something that is none.
    pub fn is_whole(&self) -> bool {
        self.rest.is_empty()
    }
}

impl<'a> Iterator for Fields<'a> {
    type Item = (u64, Value<'a>);

    fn next(&mut self) -> Option<(u64, Value<'a>)> {
        let (key, rest) = varint(self.rest)?;
        let (value, rest) = match key & 7 {
            0 => varint(rest).map(|(number, rest)| (Value::Number(number), rest))?,
            1 => rest.split_first_chunk::<8>().map(|(raw, rest)| (Value::Number(u64::from_le_bytes(*raw)), rest))?,
            2 => {
                let (size, rest) = varint(rest)?;
                let (bytes, rest) = rest.split_at_checked(usize::try_from(size).ok()?)?;
                (Value::Bytes(bytes), rest)
            }
            5 => rest
                .split_first_chunk::<4>()
                .map(|(raw, rest)| (Value::Number(u32::from_le_bytes(*raw).into()), rest))?,
            _ => return None,
        };
        self.rest = rest;
        Some((key >> 3, value))
    }
}

/// Reads a base-128 number, least significant group first; gives what follows it. `None` when it is cut or too long.
pub fn varint(bytes: &[u8]) -> Option<(u64, &[u8])> {
    let mut number = 0u64;
    for (index, &byte) in bytes.iter().enumerate().take(10) {
        number |= u64::from(byte & 0x7f) << (7 * index);
        if byte < 0x80 {
            return Some((number, &bytes[index + 1..]));
        }
    }
    None
}

/// Reads a signed number as Go's `binary.PutVarint` writes it: zig-zag.
pub fn signed_varint(bytes: &[u8]) -> Option<i64> {
    let (number, _) = varint(bytes)?;
    Some((number >> 1) as i64 ^ -((number & 1) as i64))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_log_entry_of_docker_is_read() {
        let message = b"\x0a\x06stdout\x10\xff\xdf\xd7\x8e\xa1\x88\xfb\xf4\x18\x1a\x05hello";
        let read: Vec<_> = fields(message).collect();
        assert_eq!(
            read,
            [(1, Value::Bytes(b"stdout")), (2, Value::Number(1_795_225_694_995_083_263)), (3, Value::Bytes(b"hello"))]
        );
        assert_eq!(bytes_of(message, 3), Some(&b"hello"[..]));
        let mut cut = fields(&message[..message.len() - 1]);
        assert_eq!(cut.by_ref().count(), 2);
        assert!(!cut.is_whole());
    }

    #[test]
    fn zig_zag_numbers_are_read() {
        for (bytes, number) in
            [(&b"\x06"[..], Some(3)), (b"\x05", Some(-3)), (b"\x00", Some(0)), (b"\x80", None), (b"", None)]
        {
            assert_eq!(signed_varint(bytes), number, "{bytes:?}");
        }
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic_or_loop(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = (fields(&bytes).count(), signed_varint(&bytes));
        }
    }
}
