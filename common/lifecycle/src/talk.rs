//! What a container's attending process and those that attach to it say to each other: one message a packet of a unix
//! socket, its first byte saying what it is.

use logfile::Stream;

/// Bytes of a stream in one message at most.
pub const MOST: usize = 32 * 1024;

/// One message.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Word<'a> {
    // To the attending process:
    /// The first: whether the sender gives input, and whether it wants output.
    Hello {
        /// Its input goes to the container.
        input: bool,
        /// The container's output goes to it.
        output: bool,
    },
    /// Input.
    Input(&'a [u8]),
    /// There is no more input.
    InputEnd,
    /// The size of the sender's terminal.
    Size {
        /// Lines.
        rows: u16,
        /// Characters in a line.
        columns: u16,
    },
    /// The container is not to be started again, and with `keep` not to be removed either.
    Enough {
        /// Whether `--rm` does not count this time.
        keep: bool,
    },
    // From it:
    /// What the container wrote.
    Output(Stream, &'a [u8]),
    /// The container has ended, with docker's exit status.
    Ended(u8),
}

impl<'a> Word<'a> {
    /// Its bytes.
    pub fn bytes(&self) -> Vec<u8> {
        let text = |first: u8, rest: &[u8]| [&[first], rest].concat();
        match *self {
            Word::Hello { input, output } => text(b'h', &[u8::from(input), u8::from(output)]),
            Word::Input(bytes) => text(b'i', bytes),
            Word::InputEnd => text(b'e', &[]),
            Word::Size { rows, columns } => text(b's', &[rows.to_be_bytes(), columns.to_be_bytes()].concat()),
            Word::Enough { keep } => text(b'q', &[u8::from(keep)]),
            Word::Output(Stream::Out, bytes) => text(b'1', bytes),
            Word::Output(Stream::Err, bytes) => text(b'2', bytes),
            Word::Ended(status) => text(b'x', &[status]),
        }
    }

    /// Reads a message; `None` where it is none of ours.
    pub fn parse(bytes: &'a [u8]) -> Option<Word<'a>> {
        let (first, rest) = bytes.split_first()?;
        Some(match (first, rest) {
            (b'h', [input, output]) => Word::Hello { input: *input != 0, output: *output != 0 },
            (b'i', bytes) => Word::Input(bytes),
            (b'e', []) => Word::InputEnd,
            (b's', [a, b, c, d]) => {
                Word::Size { rows: u16::from_be_bytes([*a, *b]), columns: u16::from_be_bytes([*c, *d]) }
            }
            (b'q', [keep]) => Word::Enough { keep: *keep != 0 },
            (b'1', bytes) => Word::Output(Stream::Out, bytes),
            (b'2', bytes) => Word::Output(Stream::Err, bytes),
            (b'x', [status]) => Word::Ended(*status),
            _ => return None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_said_is_what_is_heard() {
        for word in [
            Word::Hello { input: true, output: false },
            Word::Input(b""),
            Word::Input(b"ls\n"),
            Word::InputEnd,
            Word::Size { rows: 24, columns: 300 },
            Word::Enough { keep: true },
            Word::Output(Stream::Out, b"x"),
            Word::Output(Stream::Err, b"\0"),
            Word::Ended(137),
        ] {
            assert_eq!(Word::parse(&word.bytes()), Some(word));
        }
        for bad in [&b""[..], b"h", b"s12", b"zz", b"x"] {
            assert_eq!(Word::parse(bad), None);
        }
    }
}
