//! The policies of tables under row-level security.

use std::collections::HashMap;

use catalog::{Command, Function, Policy, RelationId};
use tokio_postgres::GenericClient;

use super::{Parts, letter};
use crate::Error;

pub(super) async fn policies(
    client: &impl GenericClient,
    parts: &mut Parts,
    functions: &HashMap<u32, Function>,
) -> Result<(), Error> {
    let rows = client
        .query(include_str!("../../queries/policies.sql"), &[])
        .await?;
    for row in rows {
        let Some(relation) = parts.get_mut(&RelationId(row.try_get("relation")?)) else {
            continue;
        };
        let reads: Vec<u32> = row.try_get("reads")?;
        let called: Vec<u32> = row.try_get("functions")?;
        let called = called.iter().filter_map(|oid| functions.get(oid));
        relation.policies.push(Policy {
            name: row.try_get("name")?,
            permissive: row.try_get("permissive")?,
            command: match letter(&row, "command")? {
                'r' => Some(Command::Select),
                'a' => Some(Command::Insert),
                'w' => Some(Command::Update),
                'd' => Some(Command::Delete),
                _ => None,
            },
            using: row.try_get("using_text")?,
            check: row.try_get("check_text")?,
            reads: reads.into_iter().map(RelationId).collect(),
            functions: called.cloned().collect(),
        });
    }
    for relation in parts.values_mut() {
        relation.policies = asked(std::mem::take(&mut relation.policies));
    }
    Ok(())
}

/// The policies without those that nobody asks: a permissive one that gives all rows leaves nothing to the other
/// permissive ones.
fn asked(policies: Vec<Policy>) -> Vec<Policy> {
    let open = policies.iter().filter(|p| p.is_open());
    let open: Vec<Option<Command>> = open.map(|p| p.command).collect();
    let is_covered = |p: &Policy| {
        p.permissive && !p.is_open() && open.iter().any(|o| o.is_none() || *o == p.command)
    };
    policies.into_iter().filter(|p| !is_covered(p)).collect()
}
