//! Settings as the client was told them by ParameterStatus.

use crate::servers::Reported;

/// What it was told at the start, and since.
#[derive(Debug, Default)]
pub(crate) struct Known {
    start: Reported,
    since: Vec<(String, String)>,
}

impl Known {
    /// A client that was told this in its greeting.
    pub(crate) fn new(start: Reported) -> Self {
        let since = Vec::new();
        Self { start, since }
    }

    /// What it was told of this setting last.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        let find = |list: &[(String, String)]| list.iter().position(|(known, _)| known == name);
        let (list, index) = match find(&self.since) {
            Some(index) => (self.since.as_slice(), index),
            None => (self.start.as_ref(), find(&self.start)?),
        };
        list.get(index).map(|(_, value)| value.as_str())
    }

    /// It is to be told this; false where it knows already: it was said of a connection that
    /// changed hands, and is as the client left it.
    pub(crate) fn tell(&mut self, name: &[u8], value: &[u8]) -> bool {
        let (Ok(name), Ok(value)) = (std::str::from_utf8(name), std::str::from_utf8(value)) else {
            return true;
        };
        if self.get(name) == Some(value) {
            return false;
        }
        match self.since.iter_mut().find(|(known, _)| known == name) {
            Some((_, old)) => value.clone_into(old),
            None => self.since.push((name.to_owned(), value.to_owned())),
        }
        true
    }
}
