//! A server connection changes hands: what the client has set is set on it, in the flight of the
//! client's first statement.
//!
//! One transaction of its own does it all: RESET ALL and DISCARD SEQUENCES (which ends the binding to
//! the former client's session), the client's settings, the binding to its session. If it fails the
//! connection ends before any reply of the client's statement is told, and a write that follows it in
//! the flight fails too: it names its session, and a connection bound to another does not fit.

use std::collections::{BTreeMap, BTreeSet};

use tokio::io::AsyncWrite;

use crate::conn::Failure;
use crate::lane::Bound;
use crate::own::{self, OwnStatement};
use crate::request::Requests;

/// The settings of a client that differ from those its startup parameters led to.
#[derive(Debug, Default)]
pub(crate) struct Settings {
    /// Name and value.
    pub(crate) values: BTreeMap<String, String>,
    /// The application name of the client's startup, where its server connections have none: RESET ALL
    /// leads to it.
    pub(crate) own_name: Option<String>,
    /// Grows with every change.
    pub(crate) version: u64,
}

static RESET_ALL: OwnStatement = OwnStatement {
    name: "pgdraft_reset",
    text: "RESET ALL",
    types: &[],
};

/// What lastval() and currval() would tell of the former client, and its session.
static DISCARD_SEQUENCES: OwnStatement = OwnStatement {
    name: "pgdraft_sequences",
    text: "DISCARD SEQUENCES",
    types: &[],
};

/// Names the client's application.
static NAME: OwnStatement = OwnStatement {
    name: "pgdraft_name",
    text: "SELECT pg_catalog.set_config('application_name', $1, false)",
    types: &[25],
};

/// Sets each name to its value.
static SET: OwnStatement = OwnStatement {
    name: "pgdraft_set",
    text: "SELECT pg_catalog.set_config(s.n, s.v, false) \
           FROM ROWS FROM (pg_catalog.unnest($1), pg_catalog.unnest($2)) AS s(n, v)",
    types: &[1009, 1009],
};

/// The values of settings; NULL for one that does not exist.
static VALUES: OwnStatement = OwnStatement {
    name: "pgdraft_values",
    text: "SELECT pg_catalog.array_agg(pg_catalog.current_setting(s.n, true) ORDER BY s.o) \
           FROM pg_catalog.unnest($1) WITH ORDINALITY AS s(n, o)",
    types: &[1009],
};

impl<W: AsyncWrite + Unpin> Requests<'_, W> {
    /// Makes the server connection the client's. Sends nothing: the client's first statement does.
    pub(crate) fn take_over(&mut self) {
        let (fresh, same, bound) = {
            let lane = self.conn.lane();
            let held = &lane.held;
            let same = held.client == self.conn.number && held.settings == self.settings.version;
            (held.client == 0, same, lane.bound != Bound::No)
        };
        let binds = self.session.sid != 0 && !(same && bound);
        let mut names: Vec<&str> = Vec::new();
        let mut values: Vec<&str> = Vec::new();
        if !same {
            names.extend(self.settings.values.keys().map(String::as_str));
            values.extend(self.settings.values.values().map(String::as_str));
        }
        let reset = !fresh && !same;
        let (names_text, values_text) = (catalog::array_text(&names), catalog::array_text(&values));
        let is_set = !names.is_empty();
        if binds {
            self.run_in_take_over(&own::READ_WRITE, &[]);
        }
        if reset {
            self.run_in_take_over(&RESET_ALL, &[]);
            self.run_in_take_over(&DISCARD_SEQUENCES, &[]);
        }
        if is_set {
            let params = [Some(names_text.as_str()), Some(values_text.as_str())];
            self.run_in_take_over(&SET, &params);
        }
        if binds {
            let binding = self.binding();
            let params = binding.each_ref().map(|value| Some(value.as_str()));
            self.run_in_take_over(&own::TOKEN, &params);
        }
        if reset || is_set || binds {
            self.end_take_over();
        } else {
            self.conn.presence.slot.taken_over();
        }
        let mut lane = self.conn.lane();
        lane.held.client = self.conn.number;
        lane.held.settings = self.settings.version;
        lane.bound = if binds || (same && bound) {
            Bound::Yes
        } else {
            Bound::No
        };
    }

    /// After a transaction that set something: asks for the values, so that they can be set on
    /// another connection.
    pub(crate) async fn learn_settings(&mut self) -> Result<(), Failure> {
        let names: BTreeSet<String> = std::mem::take(&mut self.conn.lane().learn);
        let list: Vec<&str> = names.iter().map(String::as_str).collect();
        let list = catalog::array_text(&list);
        let list = [Some(list.as_str())];
        let asked = self.ask(&VALUES, &list, Vec::new());
        let answer = match asked.await {
            // a cancel that came after the client's statement
            Err(Failure::Refused(_)) => None,
            answer => answer?,
        };
        let values = answer.and_then(|text| crate::answer::elements(&text));
        let Some(values) = values else {
            // asked again before the connection changes hands
            self.conn.lane().learn.extend(names);
            return Ok(());
        };
        for (name, value) in names.into_iter().zip(values) {
            match value {
                Some(value) => self.settings.values.insert(name, value),
                None => self.settings.values.remove(&name),
            };
        }
        self.settings.version += 1;
        self.conn.lane().held.settings = self.settings.version;
        Ok(())
    }

    /// After a RESET of it or of all: the server has no application name to go back to, so the client's is
    /// set.
    pub(crate) async fn name_again(&mut self) -> Result<(), Failure> {
        if !std::mem::take(&mut self.conn.lane().reset) {
            return Ok(());
        }
        let Some(name) = self.settings.own_name.clone() else {
            return Ok(());
        };
        self.ask(&NAME, &[Some(&name)], Vec::new()).await?;
        let mut lane = self.conn.lane();
        lane.learn.insert("application_name".to_owned());
        Ok(())
    }

    /// Notes what a statement that is about to run leaves behind.
    pub(crate) fn note_leaves(&mut self, leaves: &sql::Leaves) {
        if *leaves == sql::Leaves::default() {
            return;
        }
        let mut lane = self.conn.lane();
        lane.pinned = lane.pinned.or(leaves.pin);
        if !self.conn.pooled {
            return;
        }
        lane.reset |= leaves.default_name;
        let ours = |name: &&String| !name.starts_with("pgdraft.");
        lane.learn
            .extend(leaves.settings.iter().filter(ours).cloned());
        if leaves.all_settings {
            lane.learn.extend(self.settings.values.keys().cloned());
        }
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn an_array_reads_back() {
        let elements = ["a b", "", "NULL", r#"c"\,{d}"#];
        let read = crate::answer::elements(&catalog::array_text(&elements)).unwrap();
        let read: Vec<String> = read.into_iter().flatten().collect();
        assert_eq!(read, elements);
        assert_eq!(catalog::array_text(&[]), "{}");
    }
}
