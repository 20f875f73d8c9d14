//! What a server connection has from the clients it served.

use std::collections::{BTreeMap, BTreeSet};

/// Settings, session and statements that a server connection has.
#[derive(Debug, Default)]
pub(crate) struct Held {
    /// The client that had it last; 0 for none.
    pub(crate) client: u64,
    /// The version of that client's settings.
    pub(crate) settings: u64,
    /// The session whose token is set; 0 for none.
    pub(crate) sid: i64,
    /// Our own statements.
    pub(crate) own: BTreeSet<&'static str>,
    /// The unnamed statement: number of the client's statement.
    pub(crate) unnamed: u64,
    /// Names of the statements of clients, and when each was last used.
    statements: BTreeMap<Vec<u8>, u64>,
    clock: u64,
}

impl Held {
    /// Whether it has the statement, which counts as a use.
    pub(crate) fn has(&mut self, name: &[u8]) -> bool {
        self.clock += 1;
        match self.statements.get_mut(name) {
            Some(used) => {
                *used = self.clock;
                true
            }
            None => false,
        }
    }

    /// It is about to have the statement; returned is one to be closed, the longest unused, where
    /// there are too many.
    pub(crate) fn add(&mut self, name: &[u8], statements_max: usize) -> Option<Vec<u8>> {
        let mut evicted = None;
        if self.statements.len() >= statements_max {
            let oldest = self.statements.iter().min_by_key(|(_, used)| **used);
            evicted = oldest.map(|(name, _)| name.clone());
            if let Some(name) = &evicted {
                self.statements.remove(name);
            }
        }
        self.clock += 1;
        self.statements.insert(name.to_vec(), self.clock);
        evicted
    }

    /// It does not have the statement after all.
    pub(crate) fn remove(&mut self, name: &[u8]) {
        self.statements.remove(name);
    }

    /// Statements of clients.
    pub(crate) fn len(&self) -> usize {
        self.statements.len()
    }

    /// DEALLOCATE ALL: of statements with names.
    pub(crate) fn deallocate_all(&mut self) {
        self.own.clear();
        self.statements.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_unused_statement_goes() {
        let mut held = Held::default();
        assert_eq!(held.add(b"a", 2), None);
        assert_eq!(held.add(b"b", 2), None);
        assert!(held.has(b"a"));
        assert_eq!(held.add(b"c", 2), Some(b"b".to_vec()));
        assert!(held.has(b"a") && held.has(b"c") && !held.has(b"b"));
    }
}
