//! One short text for all that a head and its triggers depend on.

use std::collections::HashMap;

use catalog::{ForeignKey, Relation, RelationId};
use ring::digest::{Context, SHA256};

use crate::secret::hex;

/// Counted up when heads, logs or triggers are made in another way: those of an older pgdraft are
/// out of date then and made anew when it starts, with their rows.
const GENERATION: u32 = 10;

/// The fingerprint of `relation`; its neighbours by foreign key count with their name and key,
/// because the triggers name them.
pub(super) fn of(relation: &Relation, all: &HashMap<RelationId, Relation>) -> String {
    let mut context = Context::new(&SHA256);
    let mut add = |part: &dyn std::fmt::Debug| {
        // Debug quotes strings and names fields, so no two different lists give the same text.
        context.update(format!("{part:?}\n").as_bytes());
    };
    add(&GENERATION);
    add(&(&relation.schema, &relation.name, relation.kind));
    add(&(relation.inherits, relation.row_security));
    add(&relation.columns);
    add(&relation.primary_key);
    add(&relation.stand_in);
    add(&relation.unique);
    add(&relation.exclusions);
    add(&relation.indexes);
    add(&relation.checks);
    add(&(&relation.routes, &relation.leaves));
    add(&relation.before);
    for (keys, other) in [
        (
            &relation.foreign_keys,
            (|k| k.parent) as fn(&ForeignKey) -> _,
        ),
        (&relation.referenced_by, |k| k.child),
    ] {
        for key in keys {
            add(key);
            if let Some(neighbour) = all.get(&other(key)) {
                add(&(
                    &neighbour.schema,
                    &neighbour.name,
                    neighbour.kind,
                    &neighbour.primary_key,
                    &neighbour.columns,
                ));
                if neighbour.row_security {
                    add(&"row security");
                }
                if let Some(partition) = &neighbour.partition {
                    add(partition);
                }
            }
        }
    }
    hex(context.finish().as_ref()).chars().take(32).collect()
}
