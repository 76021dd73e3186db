//! Messages as bytes, and attributes from bytes.

/// `NLM_F_REQUEST`.
const REQUEST: u16 = 1;
/// `NLA_F_NESTED`.
const NESTED: u16 = 1 << 15;
/// The two upper bits of an attribute's kind are flags.
const KIND: u16 = (1 << 14) - 1;

/// Several messages that are sent together.
#[derive(Default)]
pub(crate) struct Batch {
    bytes: Vec<u8>,
    start: usize,
    sequence: u32,
}

impl Batch {
    /// None yet, with room for so many bytes.
    pub(crate) fn with_room(bytes: usize) -> Batch {
        Batch { bytes: Vec::with_capacity(bytes), ..Batch::default() }
    }

    /// Begins a message; the one before ends.
    pub(crate) fn begin(&mut self, kind: u16, flags: u16, header: &[u8]) {
        self.end();
        self.start = self.bytes.len();
        self.sequence += 1;
        let mut head = [0; 16];
        head[4..6].copy_from_slice(&kind.to_ne_bytes());
        head[6..8].copy_from_slice(&(flags | REQUEST).to_ne_bytes());
        head[8..12].copy_from_slice(&self.sequence.to_ne_bytes());
        self.bytes.extend_from_slice(&head);
        self.bare(header);
    }

    /// Adds an attribute.
    pub(crate) fn put(&mut self, kind: u16, value: &[u8]) {
        self.head(kind, value.len());
        self.bare(value);
    }

    /// Adds a text with the zero byte at its end.
    pub(crate) fn text(&mut self, kind: u16, text: &str) {
        self.head(kind, text.len() + 1);
        self.bytes.extend_from_slice(text.as_bytes());
        self.bare(&[0]);
    }

    /// Adds a number in the host's order, as routing has them.
    pub(crate) fn number(&mut self, kind: u16, value: u32) {
        self.put(kind, &value.to_ne_bytes());
    }

    /// Adds a number in the network's order, as netfilter has them.
    pub(crate) fn big(&mut self, kind: u16, value: u32) {
        self.put(kind, &value.to_be_bytes());
    }

    /// Adds bytes that are no attribute. What follows begins at a multiple of four.
    pub(crate) fn bare(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
        let more = self.bytes.len().next_multiple_of(4) - self.bytes.len();
        self.bytes.extend_from_slice(&[0; 3][..more]);
    }

    /// Adds an attribute that holds others.
    pub(crate) fn nest(&mut self, kind: u16, inside: impl FnOnce(&mut Batch)) {
        let at = self.bytes.len();
        self.head(kind | NESTED, 0);
        inside(self);
        let length = (self.bytes.len() - at) as u16;
        self.bytes[at..at + 2].copy_from_slice(&length.to_ne_bytes());
    }

    /// All of them, as they are sent.
    pub(crate) fn bytes(&mut self) -> &[u8] {
        self.end();
        &self.bytes
    }

    /// The number of the last message.
    pub(crate) fn sequence(&self) -> u32 {
        self.sequence
    }

    fn head(&mut self, kind: u16, length: usize) {
        let ([a, b], [c, d]) = (((length + 4) as u16).to_ne_bytes(), kind.to_ne_bytes());
        self.bytes.extend_from_slice(&[a, b, c, d]);
    }

    /// Says how long the last message is.
    fn end(&mut self) {
        let length = (self.bytes.len() - self.start) as u32;
        if let Some(place) = self.bytes.get_mut(self.start..self.start + 4) {
            place.copy_from_slice(&length.to_ne_bytes());
        }
    }
}

/// The attributes of a message, or of an attribute that holds others.
#[derive(Clone, Copy)]
pub(crate) struct Attributes<'a>(pub &'a [u8]);

impl<'a> Attributes<'a> {
    /// The first one of that kind.
    pub(crate) fn get(mut self, kind: u16) -> Option<&'a [u8]> {
        self.find(|(found, _)| *found == kind).map(|(_, value)| value)
    }

    /// Its text, without the zero byte.
    pub(crate) fn text(self, kind: u16) -> Option<String> {
        let text = self.get(kind)?.split(|byte| *byte == 0).next()?;
        Some(String::from_utf8_lossy(text).into_owned())
    }

    /// Its number, in the host's order.
    pub(crate) fn number(self, kind: u16) -> Option<u32> {
        Some(u32::from_ne_bytes(self.get(kind)?.try_into().ok()?))
    }

    /// Its number, in the network's order.
    pub(crate) fn big(self, kind: u16) -> Option<u32> {
        Some(u32::from_be_bytes(self.get(kind)?.try_into().ok()?))
    }

    /// The attributes inside of it.
    pub(crate) fn inside(self, kind: u16) -> Option<Attributes<'a>> {
        Some(Attributes(self.get(kind)?))
    }
}

impl<'a> Iterator for Attributes<'a> {
    type Item = (u16, &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let length: usize = u16::from_ne_bytes(self.0.get(..2)?.try_into().ok()?).into();
        let kind = u16::from_ne_bytes(self.0.get(2..4)?.try_into().ok()?) & KIND;
        let value = self.0.get(4..length)?;
        self.0 = self.0.get(length.next_multiple_of(4)..).unwrap_or_default();
        Some((kind, value))
    }
}
