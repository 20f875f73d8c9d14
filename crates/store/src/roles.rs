//! Names of the roles of a database.

use catalog::quote_identifier;
use ring::digest;

use crate::secret::hex;

/// PostgreSQL cuts names at this many bytes (NAMEDATALEN - 1).
const NAME_BYTES: usize = 63;

/// The roles of one database; roles belong to the whole cluster, so their names carry the
/// database's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Roles {
    /// `pgdraft_agent_<database>`: what agents' upstream connections log in as.
    pub agent: String,
    /// `pgdraft_control_<database>`: owns the schema `pgdraft`; cannot log in.
    pub control: String,
    /// `pgdraft_keeper_<database>`: owns heads and logs, so that whatever production's expressions
    /// call there runs without a right to change production; cannot log in.
    pub keeper: String,
}

impl Roles {
    /// The roles of that database. Names that would be too long end in a hash of the database's.
    pub fn of(database: &str) -> Self {
        Self {
            agent: shortened("pgdraft_agent_", database),
            control: shortened("pgdraft_control_", database),
            keeper: shortened("pgdraft_keeper_", database),
        }
    }

    /// The agent role, quoted.
    pub fn agent_quoted(&self) -> String {
        quote_identifier(&self.agent)
    }

    /// The control role, quoted.
    pub fn control_quoted(&self) -> String {
        quote_identifier(&self.control)
    }

    /// The keeper role, quoted.
    pub fn keeper_quoted(&self) -> String {
        quote_identifier(&self.keeper)
    }
}

fn shortened(prefix: &str, database: &str) -> String {
    let whole = format!("{prefix}{database}");
    if whole.len() <= NAME_BYTES {
        return whole;
    }
    let hash = hex(digest::digest(&digest::SHA256, database.as_bytes()).as_ref());
    let tail: String = hash.chars().take(12).collect();
    let mut name = String::new();
    for c in whole.chars() {
        if name.len() + c.len_utf8() + 1 + tail.len() > NAME_BYTES {
            break;
        }
        name.push(c);
    }
    format!("{name}_{tail}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_names_stay_apart_and_fit() {
        let a = Roles::of(&"ä".repeat(31));
        let b = Roles::of(&format!("{}b", "ä".repeat(30)));
        assert!(a.agent.len() <= NAME_BYTES && a.control.len() <= NAME_BYTES);
        assert_ne!(a.agent, b.agent);
        assert_eq!(Roles::of("shop").agent, "pgdraft_agent_shop");
    }
}
