//! Partition trees: which table a row belongs to.

use catalog::{Key, Leaf, Partition, RelationId, Route};
use tokio_postgres::GenericClient;

use super::Parts;
use crate::Error;

/// One table of a tree.
struct Member {
    root: RelationId,
    id: RelationId,
    parent: Option<RelationId>,
    partitioned: bool,
    bound: Option<String>,
    has_default: bool,
    key: String,
}

/// Tells partitions of their roots and roots how rows find their partitions.
pub(super) async fn partitions(
    client: &impl GenericClient,
    parts: &mut Parts,
) -> Result<(), Error> {
    let rows = client
        .query(include_str!("../../queries/partitions.sql"), &[])
        .await?;
    let mut members = Vec::with_capacity(rows.len());
    for row in rows {
        let parent: Option<u32> = row.try_get("parent")?;
        members.push(Member {
            root: RelationId(row.try_get("root")?),
            id: RelationId(row.try_get("id")?),
            parent: parent.map(RelationId),
            partitioned: row.try_get("is_partitioned")?,
            bound: row.try_get("bound")?,
            has_default: row.try_get("has_default")?,
            key: key(
                row.try_get::<_, Option<_>>("columns")?.unwrap_or_default(),
                row.try_get::<_, Option<_>>("expressions")?
                    .unwrap_or_default(),
            ),
        });
    }
    for member in &members {
        own_keys(parts, member);
    }
    for member in &members {
        if member.id == member.root {
            routes(parts, &members, member.root);
        } else {
            // Rows are told apart in the root's head, so by the root's key.
            let root = parts.get(&member.root);
            let keys = root.map(|r| (r.primary_key.clone(), r.stand_in.clone()));
            let Some(relation) = parts.get_mut(&member.id) else {
                continue;
            };
            let own_name = relation.primary_key.take().map(|key| key.name);
            (relation.primary_key, relation.stand_in) = keys.unwrap_or_default();
            // which statements and errors know by the partition's own name
            if let (Some(key), Some(name)) = (&mut relation.primary_key, own_name) {
                key.name = name;
            }
            relation.partition = Some(Partition {
                root: member.root,
                bound: member.bound.clone(),
            });
        }
    }
    Ok(())
}

/// A partition key in PostgreSQL's words: its columns, and where there is none the next expression.
fn key(columns: Vec<Option<String>>, expressions: &str) -> String {
    let mut expressions = items(expressions).into_iter();
    let parts = columns.into_iter();
    let parts = parts.filter_map(|name| name.or_else(|| expressions.next().map(str::to_owned)));
    parts.collect::<Vec<_>>().join(", ")
}

/// The expressions of a list that PostgreSQL wrote: apart from quotes and brackets commas part them.
fn items(list: &str) -> Vec<&str> {
    let (mut quote, mut depth) = (None, 0_usize);
    let outside = |c: char| {
        match (quote, c) {
            (Some(open), c) if c == open => quote = None,
            (None, '\'' | '"') => quote = Some(c),
            (None, '(' | '[') => depth += 1,
            (None, ')' | ']') => depth = depth.saturating_sub(1),
            (None, ',') => return depth == 0,
            _ => {}
        }
        false
    };
    let items = list.split(outside).map(str::trim);
    items.filter(|item| !item.is_empty()).collect()
}

/// A key that a partition alone has is one of the root's, over the rows of that partition.
fn own_keys(parts: &mut Parts, member: &Member) {
    let Some(relation) = parts.get(&member.id).filter(|_| member.id != member.root) else {
        return;
    };
    let over = |keys: &[Key]| -> Vec<Key> {
        let own = keys.iter().filter(|key| !key.inherited).cloned();
        own.map(|key| Key {
            predicate: match (&member.bound, key.predicate) {
                (Some(bound), Some(own)) => Some(format!("({bound}) AND ({own})")),
                (bound, own) => own.or_else(|| bound.clone()),
            },
            special: true,
            ..key
        })
        .collect()
    };
    let unique = [
        over(relation.primary_key.as_slice()),
        over(&relation.unique),
    ]
    .concat();
    let exclusions = over(&relation.exclusions);
    let references = relation.foreign_keys.clone();
    if let Some(root) = parts.get_mut(&member.root) {
        root.unique.extend(unique);
        root.exclusions.extend(exclusions);
        root.foreign_keys_of_partitions.extend(references);
    }
}

fn routes(parts: &mut Parts, members: &[Member], root: RelationId) {
    let of_root = || members.iter().filter(|m| m.root == root);
    let mut routes = Vec::new();
    let mut leaves = Vec::new();
    for member in of_root() {
        let Some(found) = parts.get(&member.id) else {
            continue;
        };
        let (schema, table) = (found.schema.clone(), found.name.clone());
        if !member.partitioned {
            leaves.push(Leaf {
                schema,
                table,
                bound: member.bound.clone(),
                required: found
                    .columns
                    .iter()
                    .filter(|c| c.not_null)
                    .map(|c| c.name.clone())
                    .collect(),
                checks: found.checks.clone(),
            });
        } else if !member.has_default {
            routes.push(Route {
                schema,
                table,
                bound: member.bound.clone(),
                key: member.key.clone(),
                parts: of_root()
                    .filter(|part| part.parent == Some(member.id))
                    .filter_map(|part| part.bound.clone())
                    .collect(),
            });
        }
    }
    if let Some(relation) = parts.get_mut(&root) {
        relation.routes = routes;
        relation.leaves = leaves;
    }
}

#[cfg(test)]
mod tests {
    use super::key;

    #[test]
    fn a_key_is_told_as_postgresql_tells_it() {
        let columns = vec![Some("a".to_owned()), None, Some("\"B\"".to_owned()), None];
        let expressions = r#"(b + 0), concat(a, ',(', "x,y"[1, 2])"#;
        let told = r#"a, (b + 0), "B", concat(a, ',(', "x,y"[1, 2])"#;
        assert_eq!(key(columns, expressions), told);
        assert_eq!(key(vec![Some("a".to_owned())], ""), "a");
    }
}
