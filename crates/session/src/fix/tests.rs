use std::collections::HashMap;

use catalog::{Catalog, DraftTableId, Head, RelationId};
use sql::{Copied, PositionMap, Rewritten, Verb};

use super::*;

pub(crate) fn catalog() -> Catalog {
    let relation = crate::testing::relation(16400, "app", "orders", &["id", "name"]);
    let id = relation.id;
    let head = Head {
        stuck: None,
        id: DraftTableId(7),
        relation: id,
        name: ("public".to_owned(), "orders".to_owned()),
        fingerprint: relation.fingerprint.clone(),
        constraints: HashMap::from([("d7_i1".to_owned(), "orders_name_key".to_owned())]),
        cascades: Vec::new(),
    };
    let mut catalog = Catalog::default();
    catalog
        .names
        .entry("app".to_owned())
        .or_default()
        .insert("orders".to_owned(), RelationId(16400));
    catalog.relations.insert(id, Arc::new(relation));
    catalog.heads.insert(id, Arc::new(head));
    catalog
}

fn mended(fields: &[(u8, &str)], positions: &Positions) -> Vec<(char, String)> {
    let mut fields: Vec<(u8, Vec<u8>)> = fields
        .iter()
        .map(|(code, value)| (*code, value.as_bytes().to_vec()))
        .collect();
    mend(&mut fields, positions, &catalog());
    let text = |value: Vec<u8>| String::from_utf8(value).unwrap();
    fields
        .into_iter()
        .map(|(code, value)| (char::from(code), text(value)))
        .collect()
}

fn one(code: u8, value: &str) -> String {
    let mut fields = mended(&[(code, value)], &Positions::Keep);
    fields.pop().map(|(_, value)| value).unwrap_or_default()
}

#[test]
fn tags_keep_the_count_and_change_the_verb() {
    assert_eq!(command_tag(Verb::Update, "INSERT 0 3"), "UPDATE 3");
    assert_eq!(command_tag(Verb::Delete, "INSERT 0 0"), "DELETE 0");
    assert_eq!(command_tag(Verb::Insert, "INSERT 0 12"), "INSERT 0 12");
    assert_eq!(command_tag(Verb::Merge, "INSERT 0 1"), "MERGE 1");
    assert_eq!(command_tag(Verb::Select, "INSERT 0 4"), "SELECT 4");
    assert_eq!(command_tag(Verb::Copy, "COPY 9"), "COPY 9");
}

#[test]
fn a_duplicate_key_names_the_base() {
    let fields = mended(
        &[
            (b'C', "23505"),
            (
                b'M',
                "duplicate key value violates unique constraint \"d7_i1\"",
            ),
            (b'D', "Key (pgdraft_sid, name)=(77, zz) already exists."),
            (b's', "pgdraft"),
            (b't', "d7"),
            (b'n', "d7_i1"),
        ],
        &Positions::Drop,
    );
    let expected = [
        ('C', "23505"),
        (
            'M',
            "duplicate key value violates unique constraint \"orders_name_key\"",
        ),
        ('D', "Key (name)=(zz) already exists."),
        ('s', "app"),
        ('t', "orders"),
        ('n', "orders_name_key"),
    ];
    assert_eq!(fields, expected.map(|(c, v)| (c, v.to_owned())));
}

#[test]
fn values_of_the_client_are_left_alone() {
    for text in [
        "invalid input syntax for type integer: \"d7\"",
        "invalid input syntax for type integer: \"pgdraft\"",
        "relation \"d8\" does not exist",
        "relation \"add7\" does not exist",
    ] {
        assert_eq!(one(b'M', text), text);
    }
}

#[test]
fn context_and_internal_query_are_dropped() {
    let fields = mended(
        &[
            (b'M', "no"),
            (b'q', "SELECT 1 FROM pgdraft.d7"),
            (b'p', "3"),
            (
                b'W',
                "SQL statement \"SELECT\n 1 FROM pgdraft.d7_log\"\nPL/pgSQL function x() line 3",
            ),
        ],
        &Positions::Keep,
    );
    assert_eq!(fields, [('M', "no".to_owned())]);
    assert_eq!(
        one(b'W', "COPY d7, line 3, column name: \"d7\""),
        "COPY orders, line 3, column name: \"d7\""
    );
    let of_check = "PL/pgSQL function pgdraft.d7_failed(integer,anyelement) line 4 at RETURN\nCOPY d7_in, line 2: \"d7, pgdraft\"";
    assert_eq!(one(b'W', of_check), "COPY orders, line 2: \"d7, pgdraft\"");
    assert_eq!(
        one(b'M', "permission denied for table d7"),
        "permission denied for table orders"
    );
    assert_eq!(one(b'M', "oops in pgdraft.d7_log"), "oops in orders");
}

#[test]
fn positions_lead_back_or_are_dropped() {
    let read = Arc::new(Rewritten {
        text: String::new(),
        positions: PositionMap {
            copied: vec![
                Copied {
                    new_start: 0,
                    old_start: 0,
                    length: 10,
                },
                Copied {
                    new_start: 50,
                    old_start: 12,
                    length: 5,
                },
            ],
        },
        merged: Vec::new(),
        effect: sql::Effect::None,
        locks: sql::Locks::No,
    });
    let positions = Positions::Read(read, 100);
    assert_eq!(positions.lead(1), Some(101));
    assert_eq!(positions.lead(51), Some(113));
    assert_eq!(positions.lead(30), None);
    assert_eq!(mended(&[(b'P', "30")], &positions), []);
    assert_eq!(
        mended(&[(b'P', "51")], &positions),
        [('P', "113".to_owned())]
    );
}

#[test]
fn a_portal_keeps_the_formats_of_upstream() {
    let field = |name: &str, table, format| Field {
        name: name.as_bytes().to_vec(),
        table,
        column: 1,
        type_id: 23,
        type_len: 4,
        type_modifier: -1,
        format,
    };
    let described = Described {
        parameters: vec![23],
        fields: Some(vec![field("id", 16400, 0)]),
    };
    let mut theirs = Vec::new();
    wire::encode::row_description(&mut theirs, &[field("c1", 0, 1)]);
    let mut out = Vec::new();
    described.portal(b'T', &theirs[5..], &mut out);
    let told = wire::frame::backend::row_description(&out[5..]).unwrap();
    assert_eq!(told, [field("id", 16400, 1)]);
}
