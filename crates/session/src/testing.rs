//! What the tests of this crate share.

use catalog::{Column, Generated, Identity, Relation, RelationId, RelationKind};

/// A plain table of text columns, the first of which is an integer key.
pub(crate) fn relation(id: u32, schema: &str, name: &str, columns: &[&str]) -> Relation {
    let column = |(index, name): (usize, &&str)| Column {
        number: i16::try_from(index + 1).unwrap(),
        name: (*name).to_owned(),
        type_id: if index == 0 { 23 } else { 25 },
        type_modifier: -1,
        type_name: if index == 0 { "integer" } else { "text" }.to_owned(),
        declared: if index == 0 { "integer" } else { "text" }.to_owned(),
        collation: None,
        not_null: index == 0,
        default: None,
        generated: Generated::No,
        identity: Identity::No,
        sequence: None,
    };
    Relation {
        id: RelationId(id),
        schema: schema.to_owned(),
        name: name.to_owned(),
        kind: RelationKind::Table,
        columns: columns.iter().enumerate().map(column).collect(),
        primary_key: None,
        unique: Vec::new(),
        indexes: Vec::new(),
        checks: Vec::new(),
        foreign_keys: Vec::new(),
        referenced_by: Vec::new(),
        inherits: false,
        exclusion: false,
        triggers: false,
        row_security: false,
        view: None,
        fingerprint: "f".to_owned(),
    }
}
