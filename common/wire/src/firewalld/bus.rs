//! D-Bus as far as it is needed: calls with texts, answered by a text or nothing (D-Bus Specification 0.43).

use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::time::Duration;

/// Where the system's bus listens, unless its own variable says otherwise.
const SYSTEM: &str = "unix:path=/run/dbus/system_bus_socket";
/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// More than any answer here has.
const LIMIT: usize = 1 << 20;

const CALL: u8 = 1;
const RETURN: u8 = 2;
const ERROR: u8 = 3;

/// A connection to a bus.
#[derive(Debug)]
pub(super) struct Bus {
    stream: UnixStream,
    serial: u32,
}

impl Bus {
    /// The system's, as this user.
    pub(super) fn system() -> io::Result<Bus> {
        let address = std::env::var("DBUS_SYSTEM_BUS_ADDRESS").unwrap_or_else(|_| SYSTEM.to_owned());
        let path = address.split([';', ',']).find_map(|part| part.strip_prefix("unix:path="));
        let mut stream = UnixStream::connect(path.ok_or_else(|| io::Error::other("the bus has no path"))?)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        let user: String =
            rustix::process::geteuid().as_raw().to_string().bytes().map(|b| format!("{b:02x}")).collect();
        stream.write_all(format!("\0AUTH EXTERNAL {user}\r\n").as_bytes())?;
        let mut line = Vec::new();
        while !line.ends_with(b"\r\n") && line.len() < 200 {
            let mut byte = [0];
            stream.read_exact(&mut byte)?;
            line.push(byte[0]);
        }
        if !line.starts_with(b"OK ") {
            return Err(io::Error::other("the bus does not let us in"));
        }
        stream.write_all(b"BEGIN\r\n")?;
        let mut bus = Bus { stream, serial: 0 };
        bus.call("org.freedesktop.DBus", "/org/freedesktop/DBus", "org.freedesktop.DBus", "Hello", &[])?;
        Ok(bus)
    }

    /// Calls a method with texts; the text that it answers, empty where it answers nothing.
    pub(super) fn call(
        &mut self,
        to: &str,
        path: &str,
        interface: &str,
        method: &str,
        words: &[&str],
    ) -> io::Result<String> {
        self.serial += 1;
        let mut body = Bytes::default();
        words.iter().for_each(|word| body.text(word));
        let mut message = Bytes(vec![b'l', CALL, 0, 1]);
        message.number(body.0.len() as u32);
        message.number(self.serial);
        let mut fields = Bytes::default();
        for (code, kind, value) in [(1, b'o', path), (2, b's', interface), (3, b's', method), (6, b's', to)] {
            fields.align(8);
            fields.0.extend([code, 1, kind, 0]);
            fields.text(value);
        }
        if !words.is_empty() {
            fields.align(8);
            fields.0.extend([8, 1, b'g', 0, words.len() as u8]);
            fields.0.extend(words.iter().map(|_| b's'));
            fields.0.push(0);
        }
        message.number(fields.0.len() as u32);
        message.0.extend(fields.0);
        message.align(8);
        message.0.extend(body.0);
        self.stream.write_all(&message.0)?;
        loop {
            let (kind, serial, text) = self.receive()?;
            match kind {
                RETURN if serial == self.serial => return Ok(text),
                ERROR if serial == self.serial => return Err(io::Error::other(text)),
                // Signals are for others.
                _ => {}
            }
        }
    }

    /// The next message: its kind, the call that it answers, and the text that it begins with.
    fn receive(&mut self) -> io::Result<(u8, u32, String)> {
        let mut head = [0; 16];
        self.stream.read_exact(&mut head)?;
        let word = |at: usize| u32::from_le_bytes([head[at], head[at + 1], head[at + 2], head[at + 3]]) as usize;
        let (body, fields) = (word(4), word(12));
        if head[0] != b'l' || body > LIMIT || fields > LIMIT {
            return Err(io::Error::other("the bus answers in a way that is not known"));
        }
        let mut rest = vec![0; fields.next_multiple_of(8) + body];
        self.stream.read_exact(&mut rest)?;
        let (serial, is_text) = answered(&rest[..fields]);
        let text = rest[fields.next_multiple_of(8)..].get(4..).filter(|_| is_text).unwrap_or_default();
        let text = text.split(|byte| *byte == 0).next().unwrap_or_default();
        Ok((head[1], serial, String::from_utf8_lossy(text).into_owned()))
    }
}

/// The call that a message answers, and whether it begins with a text.
fn answered(fields: &[u8]) -> (u32, bool) {
    let (mut at, mut serial, mut is_text) = (0usize, 0, false);
    let word = |at: usize| fields.get(at..at + 4).map_or(0, |b| u32::from_le_bytes([b[0], b[1], b[2], b[3]]));
    while at + 4 <= fields.len() {
        let (code, kind, value) = (fields[at], fields[at + 2], at + 4);
        let end = match kind {
            b'u' => value + 4,
            b'g' => value + 2 + usize::from(*fields.get(value).unwrap_or(&0)),
            _ => value + 5 + word(value) as usize,
        };
        match code {
            5 => serial = word(value),
            8 => is_text = fields.get(value + 1) == Some(&b's'),
            _ => {}
        }
        at = end.next_multiple_of(8);
    }
    (serial, is_text)
}

/// Bytes of a message, each value at a multiple of its size.
#[derive(Default)]
struct Bytes(Vec<u8>);

impl Bytes {
    fn align(&mut self, to: usize) {
        self.0.resize(self.0.len().next_multiple_of(to), 0);
    }

    fn number(&mut self, number: u32) {
        self.align(4);
        self.0.extend(number.to_le_bytes());
    }

    fn text(&mut self, text: &str) {
        self.number(text.len() as u32);
        self.0.extend(text.as_bytes());
        self.0.push(0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_tell_their_call_and_whether_a_text_follows() {
        // Reply serial 7, sender ":1.2", signature "s".
        let fields = b"\x05\x01u\0\x07\0\0\0\x07\x01s\0\x04\0\0\0:1.2\0\0\0\0\x08\x01g\0\x01s\0";
        assert_eq!(answered(fields), (7, true));
        assert_eq!(answered(&fields[..8]), (7, false));
        for length in 0..fields.len() {
            answered(&fields[..length]);
        }
    }
}
