//! The keys that leave a container running: docker's `--detach-keys`, `ctrl-p,ctrl-q` where nothing is said.

/// A sequence of keys, and how much of it was typed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Keys {
    sequence: Vec<u8>,
    typed: usize,
}

impl Default for Keys {
    fn default() -> Keys {
        Keys { sequence: vec![16, 17], typed: 0 }
    }
}

impl Keys {
    /// Reads `a,ctrl-b`: characters, or `ctrl-` and one of a-z @ [ \ ] ^ _ (moby v20.10.24 vendor moby/term/ascii.go).
    pub fn parse(text: &str) -> Result<Keys, String> {
        let key = |part: &str| match (part.strip_prefix("ctrl-").map(str::as_bytes), part.as_bytes()) {
            (Some([letter @ b'a'..=b'z']), _) => Ok(letter - b'a' + 1),
            (Some(b"@"), _) => Ok(0),
            (Some([other @ b'['..=b'_']), _) => Ok(other - b'[' + 27),
            (None, [one]) => Ok(*one),
            _ => Err(format!("Unknown character: '{part}'")),
        };
        if text.is_empty() {
            return Ok(Keys::default());
        }
        Ok(Keys { sequence: text.split(',').map(key).collect::<Result<_, _>>()?, typed: 0 })
    }

    /// Takes what was typed. Returns what goes on to the container, and whether the sequence is complete. A beginning of it is
    /// kept back until it is clear what it is.
    pub fn filter(&mut self, bytes: &[u8]) -> (Vec<u8>, bool) {
        let mut through = Vec::with_capacity(bytes.len());
        for &byte in bytes {
            if self.sequence.get(self.typed) == Some(&byte) {
                self.typed += 1;
                if self.typed == self.sequence.len() {
                    self.typed = 0;
                    return (through, true);
                }
                continue;
            }
            through.extend_from_slice(&self.sequence[..self.typed]);
            self.typed = usize::from(self.sequence.first() == Some(&byte) && self.sequence.len() > 1);
            if self.typed == 0 {
                through.push(byte);
            }
        }
        (through, false)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_read_as_docker_reads_them() {
        for (text, sequence) in
            [("", vec![16, 17]), ("ctrl-a,d", vec![1, b'd']), ("ctrl-@", vec![0]), ("ctrl-_,ctrl-[", vec![31, 27])]
        {
            assert_eq!(Keys::parse(text).map(|keys| keys.sequence), Ok(sequence), "{text}");
        }
        for bad in ["ctrl-", "ctrl-A", "ab", "a,,b"] {
            assert!(Keys::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn only_the_whole_sequence_is_kept_from_the_container() {
        for (typed, through, left) in [
            (&[b"ls\n".as_slice()][..], b"ls\n".as_slice(), false),
            (&[b"a\x10", b"\x11b"], b"a", true),
            (&[b"\x10x"], b"\x10x", false),
            (&[b"\x10\x10\x11"], b"\x10", true),
            (&[b"\x10"], b"", false),
        ] {
            let mut keys = Keys::default();
            let mut seen = (Vec::new(), false);
            for part in typed.iter() {
                let (more, done) = keys.filter(part);
                seen.0.extend(more);
                seen.1 |= done;
            }
            assert_eq!(seen, (through.to_vec(), left), "{typed:?}");
        }
    }
}
