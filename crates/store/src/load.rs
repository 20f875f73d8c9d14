//! Reading PostgreSQL's catalog into a snapshot, with a few queries over all relations at once.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use catalog::{
    Catalog, Check, CheckOption, Column, Command, ForeignKey, Function, Generated, Identity, Index,
    Key, Mark, ReferentialAction, Relation, RelationId, RelationKind, View,
};
use tokio_postgres::{GenericClient, Row};

use crate::tables::{self, Draftable};
use crate::{Error, before, catalog_mark, keys};

mod fingerprint;
mod functions;
mod partitions;
mod policies;

/// How often a read is begun again when the schema moves under it.
const ATTEMPTS: usize = 5;

/// Reads the whole catalog. Needs the control role; sets `search_path` to nothing on this
/// connection, so that PostgreSQL qualifies every name in the expressions it prints.
///
/// # Errors
/// [`Error::Moving`] where the schema changed during each of several attempts,
/// [`Error::Database`].
pub async fn load_catalog(
    client: &impl GenericClient,
    epoch: u64,
    draftable: Draftable,
) -> Result<Catalog, Error> {
    client
        .execute_typed("SELECT set_config('search_path', '', false)", &[])
        .await?;
    // Each query has a snapshot of its own; the mark tells whether they all saw the same schema.
    let mut mark = catalog_mark(client).await?;
    for _ in 0..ATTEMPTS {
        let mut catalog = read(client, draftable).await;
        let after = catalog_mark(client).await?;
        if after == mark {
            if let Ok(catalog) = &mut catalog {
                catalog.epoch = epoch;
                catalog.mark = mark;
            }
            return catalog;
        }
        mark = after;
    }
    Err(Error::Moving)
}

/// The catalog with its heads read again; the rest of it must still hold, which its mark's `schema`
/// tells. `mark` was read before.
///
/// # Errors
/// [`Error::Database`].
pub async fn load_heads(
    client: &impl GenericClient,
    catalog: &Catalog,
    mark: Mark,
    draftable: Draftable,
) -> Result<Catalog, Error> {
    let heads = tables::heads(client, catalog, draftable).await?;
    Ok(Catalog {
        epoch: catalog.epoch + 1,
        mark,
        heads,
        ..catalog.clone()
    })
}

type Parts = HashMap<RelationId, Relation>;

async fn read(client: &impl GenericClient, draftable: Draftable) -> Result<Catalog, Error> {
    let mut parts = relations(client).await?;
    columns(client, &mut parts).await?;
    indexes(client, &mut parts).await?;
    for (id, key) in keys::load(client).await? {
        if let Some(relation) = parts.get_mut(&id) {
            relation.stand_in = Some(key);
        }
    }
    checks(client, &mut parts).await?;
    foreign_keys(client, &mut parts).await?;
    for (id, trigger) in before::load(client).await? {
        if let Some(relation) = parts.get_mut(&id) {
            relation.waiting.retain(|name| *name != trigger.name);
            relation.before.push(trigger);
        }
    }
    partitions::partitions(client, &mut parts).await?;
    children(client, &mut parts).await?;
    let mut catalog = Catalog::default();
    let by_oid = functions::functions(client, &mut catalog).await?;
    views(client, &mut parts, &by_oid).await?;
    policies::policies(client, &mut parts, &by_oid).await?;
    catalog.types = functions::types(client, &by_oid).await?;
    catalog.expressed = functions::expressed(client, &by_oid).await?;
    catalog.domains = domains(client).await?;
    let prints: Vec<(RelationId, String)> = parts
        .values()
        .map(|relation| (relation.id, fingerprint::of(relation, &parts)))
        .collect();
    for (id, print) in prints {
        if let Some(relation) = parts.get_mut(&id) {
            relation.fingerprint = print;
        }
    }
    for relation in parts.into_values() {
        catalog
            .names
            .entry(relation.schema.clone())
            .or_default()
            .insert(relation.name.clone(), relation.id);
        catalog.relations.insert(relation.id, Arc::new(relation));
    }
    let version: String = client
        .query_typed_one("SELECT current_setting('server_version_num')", &[])
        .await?
        .try_get(0)?;
    catalog.server_version = version
        .parse()
        .map_err(|_| Error::Unexpected(format!("server_version_num {version}")))?;
    catalog.heads = tables::heads(client, &catalog, draftable).await?;
    Ok(catalog)
}

async fn relations(client: &impl GenericClient) -> Result<Parts, Error> {
    let rows = client
        .query_typed(include_str!("../queries/relations.sql"), &[])
        .await?;
    let mut parts = Parts::new();
    for row in rows {
        let id = RelationId(row.try_get("id")?);
        let kind = match letter(&row, "kind")? {
            'r' => RelationKind::Table,
            'p' => RelationKind::Partitioned,
            'v' => RelationKind::View,
            'm' => RelationKind::MaterializedView,
            'f' => RelationKind::Foreign,
            'S' => RelationKind::Sequence,
            _ => RelationKind::Other,
        };
        let relation = Relation {
            id,
            schema: row.try_get("schema")?,
            name: row.try_get("name")?,
            kind,
            inherits: row.try_get("inherits")?,
            waiting: row.try_get("before")?,
            triggers: row.try_get("triggers")?,
            row_security: row.try_get("row_security")?,
            secured_from_us: row.try_get("secured_from_us")?,
            rules: row.try_get("rules")?,
            instead: instead(&row)?,
            view: matches!(kind, RelationKind::View | RelationKind::MaterializedView)
                .then(|| -> Result<View, Error> {
                    Ok(View {
                        definition: row
                            .try_get::<_, Option<String>>("definition")?
                            .unwrap_or_default(),
                        security_barrier: row.try_get("security_barrier")?,
                        security_invoker: row.try_get("security_invoker")?,
                        owner_bypasses: row.try_get("owner_bypasses")?,
                        check_option: match row.try_get("check_option")? {
                            "local" => CheckOption::Local,
                            "cascaded" => CheckOption::Cascaded,
                            _ => CheckOption::None,
                        },
                        ..View::default()
                    })
                })
                .transpose()?,
            ..Relation::default()
        };
        parts.insert(id, relation);
    }
    Ok(parts)
}

async fn children(client: &impl GenericClient, parts: &mut Parts) -> Result<(), Error> {
    let rows = client
        .query_typed(include_str!("../queries/children.sql"), &[])
        .await?;
    for row in rows {
        let child = RelationId(row.try_get("child")?);
        // other connections' temporary tables are not read with their parents
        let known = parts.contains_key(&child);
        let parent = RelationId(row.try_get("parent")?);
        if let Some(parent) = parts.get_mut(&parent).filter(|_| known) {
            parent.children.push(child);
        }
    }
    Ok(())
}

async fn columns(client: &impl GenericClient, parts: &mut Parts) -> Result<(), Error> {
    let rows = client
        .query_typed(include_str!("../queries/columns.sql"), &[])
        .await?;
    for row in rows {
        let Some(relation) = parts.get_mut(&RelationId(row.try_get("relation")?)) else {
            continue;
        };
        relation.columns.push(Column {
            number: row.try_get("number")?,
            name: row.try_get("name")?,
            type_id: row.try_get("type_id")?,
            type_modifier: row.try_get("type_modifier")?,
            type_name: row.try_get("type_name")?,
            declared: row.try_get("declared")?,
            collation: row.try_get("collation")?,
            not_null: row.try_get("not_null")?,
            default: row.try_get("default")?,
            generated: match letter(&row, "generated")? {
                's' => Generated::Stored,
                'v' => Generated::Virtual,
                _ => Generated::No,
            },
            identity: match letter(&row, "identity")? {
                'a' => Identity::Always,
                'd' => Identity::ByDefault,
                _ => Identity::No,
            },
            sequence: row.try_get("sequence")?,
            base_type: row.try_get("base_type")?,
            definer_default: row.try_get("definer_default")?,
        });
    }
    Ok(())
}

async fn indexes(client: &impl GenericClient, parts: &mut Parts) -> Result<(), Error> {
    let rows = client
        .query_typed(include_str!("../queries/indexes.sql"), &[])
        .await?;
    for row in rows {
        let Some(relation) = parts.get_mut(&RelationId(row.try_get("relation")?)) else {
            continue;
        };
        let name: String = row.try_get("name")?;
        let columns: Vec<String> = row.try_get("columns")?;
        let exclusion: bool = row.try_get("is_exclusion")?;
        if !exclusion && !row.try_get::<_, bool>("is_unique")? {
            if row.try_get("simple")? {
                relation.indexes.push(Index { name, columns });
            }
            continue;
        }
        let expressions: bool = row.try_get("expressions")?;
        let classes: Vec<String> = row.try_get("classes")?;
        let collations: Vec<String> = row.try_get("collations")?;
        let classes = classes.into_iter().zip(collations).collect();
        relation.classes.insert(name.clone(), classes);
        let key = Key {
            name,
            columns: if expressions { Vec::new() } else { columns },
            special: row.try_get("special")?,
            operators: row.try_get("operators")?,
            elements: row.try_get("elements")?,
            label: row.try_get("label")?,
            predicate: row.try_get("predicate")?,
            nulls_not_distinct: row.try_get("nulls_not_distinct")?,
            deferrable: row.try_get("deferrable")?,
            deferred: row.try_get("deferred")?,
            inherited: row.try_get("is_inherited")?,
        };
        if exclusion {
            relation.exclusions.push(key);
        } else if row.try_get("is_primary")? {
            relation.primary_key = Some(key);
        } else {
            if row.try_get("is_replica_identity")? || stands_in(relation, &key) {
                relation.stand_in = Some(key.clone());
            }
            relation.unique.push(key);
        }
    }
    for relation in parts.values_mut().filter(|r| r.primary_key.is_some()) {
        relation.stand_in = None;
    }
    Ok(())
}

/// A unique key over NOT NULL columns tells rows apart as well as a primary key; the first one does.
fn stands_in(relation: &Relation, key: &Key) -> bool {
    let filled = |name: &String| relation.column(name).is_some_and(|c| c.not_null);
    relation.stand_in.is_none()
        && !key.columns.is_empty()
        && key.columns.iter().all(filled)
        && key.predicate.is_none()
        && key.deferrable.is_none()
}

async fn checks(client: &impl GenericClient, parts: &mut Parts) -> Result<(), Error> {
    let rows = client
        .query_typed(include_str!("../queries/checks.sql"), &[])
        .await?;
    for row in rows {
        if let Some(relation) = parts.get_mut(&RelationId(row.try_get("relation")?)) {
            relation.checks.push(Check {
                name: row.try_get("name")?,
                definition: row.try_get("definition")?,
                definer: row.try_get("definer")?,
            });
        }
    }
    Ok(())
}

async fn foreign_keys(client: &impl GenericClient, parts: &mut Parts) -> Result<(), Error> {
    let rows = client
        .query_typed(include_str!("../queries/foreign_keys.sql"), &[])
        .await?;
    for row in rows {
        let key = Arc::new(ForeignKey {
            id: row.try_get("id")?,
            name: row.try_get("name")?,
            child: RelationId(row.try_get("child")?),
            parent: RelationId(row.try_get("parent")?),
            child_columns: row.try_get("child_columns")?,
            parent_columns: row.try_get("parent_columns")?,
            on_delete: action(&row, "on_delete")?,
            on_update: action(&row, "on_update")?,
            match_full: row.try_get("match_full")?,
            deferrable: row.try_get("deferrable")?,
            deferred: row.try_get("deferred")?,
            set_columns: row.try_get("set_columns")?,
        });
        if let Some(child) = parts.get_mut(&key.child) {
            child.foreign_keys.push(Arc::clone(&key));
        }
        if let Some(parent) = parts.get_mut(&key.parent) {
            parent.referenced_by.push(key);
        }
    }
    Ok(())
}

async fn views(
    client: &impl GenericClient,
    parts: &mut Parts,
    functions: &HashMap<u32, Function>,
) -> Result<(), Error> {
    let rows = client
        .query_typed(include_str!("../queries/views.sql"), &[])
        .await?;
    let mut seen: HashSet<(RelationId, u32)> = HashSet::new();
    for row in rows {
        let id = RelationId(row.try_get("view")?);
        let Some(view) = parts.get_mut(&id).and_then(|r| r.view.as_mut()) else {
            continue;
        };
        if let Some(relation) = row.try_get::<_, Option<u32>>("relation")? {
            view.relations.push(RelationId(relation));
        }
        if let Some(oid) = row.try_get::<_, Option<u32>>("function")?
            && let Some(function) = functions.get(&oid)
            && seen.insert((id, oid))
        {
            view.functions.push(function.clone());
        }
    }
    Ok(())
}

async fn domains(client: &impl GenericClient) -> Result<HashMap<String, String>, Error> {
    let rows = client
        .query_typed(include_str!("../queries/domains.sql"), &[])
        .await?;
    rows.iter()
        .map(|row| Ok((row.try_get("name")?, row.try_get("base")?)))
        .collect()
}

/// A `"char"` column as a letter; zero is a blank.
fn letter(row: &Row, column: &str) -> Result<char, Error> {
    let value: i8 = row.try_get(column)?;
    Ok(u8::try_from(value)
        .ok()
        .filter(|v| *v != 0)
        .map_or(' ', char::from))
}

fn action(row: &Row, column: &str) -> Result<ReferentialAction, Error> {
    match letter(row, column)? {
        'a' => Ok(ReferentialAction::NoAction),
        'r' => Ok(ReferentialAction::Restrict),
        'c' => Ok(ReferentialAction::Cascade),
        'n' => Ok(ReferentialAction::SetNull),
        'd' => Ok(ReferentialAction::SetDefault),
        other => Err(Error::Unexpected(format!("referential action {other:?}"))),
    }
}

fn instead(row: &Row) -> Result<Vec<Command>, Error> {
    let of: Vec<&str> = row.try_get("instead")?;
    let command = |name| match name {
        "INSERT" => Command::Insert,
        "UPDATE" => Command::Update,
        _ => Command::Delete,
    };
    Ok(of.into_iter().map(command).collect())
}
