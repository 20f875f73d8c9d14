//! Building and reading message bodies.

/// A message body being built.
#[derive(Debug, Clone, Default)]
pub struct Body(Vec<u8>);

impl Body {
    /// An empty body.
    pub fn new() -> Self {
        Self::default()
    }

    /// Appends a byte.
    #[must_use]
    pub fn byte(mut self, value: u8) -> Self {
        self.0.push(value);
        self
    }

    /// Appends an Int16.
    #[must_use]
    pub fn int16(mut self, value: i16) -> Self {
        self.0.extend_from_slice(&value.to_be_bytes());
        self
    }

    /// Appends an Int32.
    #[must_use]
    pub fn int32(mut self, value: i32) -> Self {
        self.0.extend_from_slice(&value.to_be_bytes());
        self
    }

    /// Appends bytes as they are.
    #[must_use]
    pub fn raw(mut self, bytes: &[u8]) -> Self {
        self.0.extend_from_slice(bytes);
        self
    }

    /// Appends a String with its closing zero.
    #[must_use]
    pub fn text(self, text: &str) -> Self {
        self.raw(text.as_bytes()).byte(0)
    }

    /// The message with type byte and true length.
    pub fn tagged(self, tag: u8) -> Vec<u8> {
        let mut message = vec![tag];
        message.extend(self.untagged());
        message
    }

    /// The message without type byte, as startup messages are.
    pub fn untagged(self) -> Vec<u8> {
        let length = i32::try_from(self.0.len() + 4).unwrap();
        let mut message = length.to_be_bytes().to_vec();
        message.extend(self.0);
        message
    }
}

/// Reads a body from its beginning.
pub(super) struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    pub(super) fn new(body: &'a [u8]) -> Self {
        Self(body)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn take(&mut self, length: usize) -> &'a [u8] {
        let (head, rest) = self.0.split_at(length);
        self.0 = rest;
        head
    }

    pub(super) fn byte(&mut self) -> u8 {
        self.take(1)[0]
    }

    pub(super) fn int16(&mut self) -> i16 {
        i16::from_be_bytes(self.take(2).try_into().unwrap())
    }

    pub(super) fn int32(&mut self) -> i32 {
        i32::from_be_bytes(self.take(4).try_into().unwrap())
    }

    pub(super) fn text(&mut self) -> String {
        let end = self.0.iter().position(|b| *b == 0).unwrap();
        let text = String::from_utf8_lossy(self.take(end)).into_owned();
        self.byte();
        text
    }
}
