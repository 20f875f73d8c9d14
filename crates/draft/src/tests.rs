//! Text in, text out: a schema and what is asked of it, then the SQL that comes back.
//!
//! `REWRITE=1 cargo test --workspace --lib` accepts new output; read it in review.
#![allow(
    clippy::too_many_lines,
    reason = "a scenario is read from top to bottom"
)]

use std::collections::HashMap;
use std::fs;
use std::path::Path;
use std::sync::Arc;

use catalog::{
    Before, Catalog, Check, Column, DraftTableId, ForeignKey, Generated, Identity, Index, Key,
    ReferentialAction, Relation, RelationId, RelationKind, SessionId,
};

use crate::apply::{Hold, Which};
use crate::rebase::{Leaving, Take, Target};
use crate::undo::Undo;
use crate::{
    Draft, Own, apply, before, conflict, diff, head, rebase, replay, rewind, trigger, undo,
};

/// A line that begins a question.
const QUESTION: &str = "---- ";

#[test]
fn cases() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases");
    let rewrite = std::env::var_os("REWRITE").is_some();
    let mut paths: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|e| e == "txt"))
        .collect();
    paths.sort();
    assert!(!paths.is_empty());
    for path in paths {
        let text = fs::read_to_string(&path).unwrap();
        let got = answer(&text);
        if rewrite && got != text {
            fs::write(&path, got).unwrap();
        } else {
            assert_eq!(
                got,
                text,
                "{}: REWRITE=1 accepts the new text",
                path.display()
            );
        }
    }
}

/// The case with its answers written anew.
fn answer(text: &str) -> String {
    let (schema, questions) = text.split_once(QUESTION).unwrap();
    let world = World::parse(schema);
    let mut out = schema.to_owned();
    for block in format!("\n{QUESTION}{questions}")
        .split(&format!("\n{QUESTION}"))
        .skip(1)
    {
        let question = block.lines().next().unwrap();
        out.push_str(QUESTION);
        out.push_str(question);
        out.push('\n');
        out.push_str(world.ask(question).trim_end());
        out.push_str("\n\n");
    }
    out.truncate(out.trim_end().len());
    out.push('\n');
    out
}

/// A catalog, and the numbers of heads.
struct World {
    catalog: Catalog,
    heads: HashMap<RelationId, DraftTableId>,
}

impl World {
    fn parse(text: &str) -> Self {
        let mut tables: Vec<Relation> = Vec::new();
        let mut heads = HashMap::new();
        let mut keys: Vec<(usize, String)> = Vec::new();
        let mut server_version = 150_000;
        for line in text
            .lines()
            .map(str::trim)
            .filter(|l| !l.is_empty() && !l.starts_with('#'))
        {
            let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
            let parts: Vec<&str> = rest.split(" | ").map(str::trim).collect();
            let place = tables.len();
            match word {
                "server" => server_version = rest.parse().unwrap(),
                "table" => tables.push(table(place, &parts)),
                "head" => {
                    let id = tables.last().unwrap().id;
                    heads.insert(id, DraftTableId(rest.parse().unwrap()));
                }
                "references" => keys.push((place - 1, rest.to_owned())),
                _ => part(tables.last_mut().unwrap(), word, &parts),
            }
        }
        for (child, text) in keys {
            foreign_key(&mut tables, child, &text);
        }
        let mut catalog = Catalog {
            server_version,
            ..Catalog::default()
        };
        for relation in tables {
            let names = catalog.names.entry(relation.schema.clone()).or_default();
            names.insert(relation.name.clone(), relation.id);
            catalog.relations.insert(relation.id, Arc::new(relation));
        }
        Self { catalog, heads }
    }

    fn ask(&self, question: &str) -> String {
        let (what, table) = question.split_once(' ').unwrap();
        let relation = self
            .catalog
            .relations
            .values()
            .find(|r| r.name == table)
            .unwrap();
        let id = self
            .heads
            .get(&relation.id)
            .copied()
            .unwrap_or(DraftTableId(0));
        let draft = Draft {
            catalog: &self.catalog,
            relation,
            id,
            heads: &self.heads,
        };
        let sid = SessionId(42);
        let own = Own {
            draft: &draft,
            sid,
            only: None,
            prepared: false,
            delta: &[],
            slice: None,
            part: None,
        };
        let lines = |texts: Vec<String>| texts.join(";\n");
        match what {
            "check" => match crate::check(relation) {
                Ok(()) => "can be drafted".into(),
                Err(refusal) => {
                    let report = refusal.report();
                    format!(
                        "{report}\nDETAIL: {}\nHINT: {}",
                        report.detail.as_deref().unwrap(),
                        report.hint.as_deref().unwrap()
                    )
                }
            },
            "head" => head::ddl(relation, id, "\"the agent\""),
            "before" => before::ddl(&draft, "\"the agent\""),
            "comments" => head::comments(relation, id),
            "constraints" => format!("{:#?}", head::constraints(relation, id)),
            "functions" => trigger::functions(&draft),
            "triggers" => trigger::triggers(&draft),
            "drop" => trigger::drop(&draft) + &head::drop(id),
            "diff" => diff::rows(&draft, sid, &diff::Filter::default()),
            "steps" => {
                let filter = diff::Filter {
                    operation: Some(3),
                    steps: true,
                    kind: Some(diff::Kind::Modified),
                    key: vec!["7".into(), "it's".into()],
                    rows_max: Some(10),
                    whole: true,
                };
                diff::rows(&draft, sid, &filter)
            }
            "summary" => diff::summary(&draft, sid, &diff::Filter::default()),
            "fingerprint" => diff::fingerprint(&draft, sid),
            "relations" => diff::functions(&draft, "\"the agent\""),
            "lock" => conflict::lock(&own, false),
            "conflicts" => lines(
                conflict::all(&own, 20)
                    .into_iter()
                    .map(|q| q.text)
                    .collect(),
            ),
            "followers" => lines(
                conflict::followers(&own, 20, true)
                    .into_iter()
                    .map(|q| q.text)
                    .collect(),
            ),
            "apply" => lines(vec![
                apply::summary(&own),
                apply::insert(&own, &[]),
                apply::update_sets(&own),
                apply::update(&own, &last_column(relation), Which::All, Hold::Seen("")),
                apply::update(&own, &last_column(relation), Which::Exact, Hold::Seen("")),
                apply::update(&own, &last_column(relation), Which::Union, Hold::Seen("")),
                apply::update(&own, &last_column(relation), Which::Alike, Hold::Seen("")),
                apply::delete(&own, Hold::Seen("")),
                apply::not_deleted(&own),
            ]),
            "rebase" => lines(vec![
                rebase::changes(&own, 20),
                rebase::merge(&own, &Target::ALL, Take::Nothing, None),
                rebase::remove_still(&own, &Target::ALL),
                rebase::make_again(&own, &Target::ALL),
                rebase::change_instead(&own, &Target::ALL),
                rebase::forget(&own, &Target::ALL, Leaving::Gone),
            ]),
            "rewind" => lines(vec![
                rewind::to(&draft, sid, 7),
                rewind::copy(&draft, sid, SessionId(43)),
            ]),
            "undo" => lines(vec![
                undo::gaps(&draft, sid, Undo::Session, SessionId(43)),
                undo::write(&draft, sid, Undo::Operation(7), SessionId(43), 1),
            ]),
            "later" => lines(vec![
                apply::insert(&own, &last_column(relation)),
                apply::fill_later(&own, &last_column(relation)),
            ]),
            "replay" => lines(
                [
                    Some(replay::prepare(&draft, sid)),
                    Some(replay::operations(&draft, sid)),
                    Some(replay::counts(&draft, sid)),
                    Some(replay::insert(&draft, sid)),
                    replay::update(&draft, sid),
                    Some(replay::delete(&draft, sid)),
                    Some(replay::finish(&draft, sid)),
                ]
                .into_iter()
                .flatten()
                .collect(),
            ),
            "order" => {
                let mut all: Vec<&Relation> =
                    self.catalog.relations.values().map(|r| &**r).collect();
                all.sort_by_key(|r| r.id);
                let order = apply::parents_first(&all);
                let line = |(i, r): (usize, &&Relation)| {
                    let after: Vec<_> = order[i + 1..].iter().map(|r| r.id).collect();
                    format!("{} later {:?}", r.name, apply::back_columns(r, &after))
                };
                order
                    .iter()
                    .enumerate()
                    .map(line)
                    .collect::<Vec<_>>()
                    .join("\n")
            }
            other => panic!("what is {other}?"),
        }
    }
}

fn last_column(relation: &Relation) -> Vec<String> {
    vec![relation.writable().last().unwrap().name.clone()]
}

/// `table schema | name | flag…`
fn table(place: usize, parts: &[&str]) -> Relation {
    let kind = match parts.get(2) {
        Some(&"view") => RelationKind::View,
        Some(&"partitioned") => RelationKind::Partitioned,
        _ => RelationKind::Table,
    };
    Relation {
        id: RelationId(u32::try_from(place).unwrap() + 1),
        schema: parts[0].into(),
        name: parts[1].into(),
        kind,
        inherits: parts.contains(&"inherits"),
        row_security: parts.contains(&"row security"),
        secured_from_us: parts.contains(&"row security"),
        ..Relation::default()
    }
}

/// One line about the last table.
fn part(relation: &mut Relation, word: &str, parts: &[&str]) {
    let names = |text: &str| text.split(", ").map(str::to_owned).collect::<Vec<_>>();
    match word {
        "column" => {
            let number = i16::try_from(relation.columns.len()).unwrap() + 1;
            relation.columns.push(column(number, parts));
        }
        "key" | "unique" | "exclude" => {
            let elements = names(parts[1]);
            let plain = |e: &String| relation.column(e).is_some();
            let columns = if elements.iter().all(plain) {
                elements.clone()
            } else {
                Vec::new()
            };
            let after = |word| parts.iter().find_map(|p| p.strip_prefix(word));
            let operator: Option<&str> = after("operator ");
            let key = Key {
                name: parts[0].into(),
                operators: vec![operator.unwrap_or("pg_catalog.=").into(); elements.len()],
                columns,
                label: elements.join(", "),
                elements,
                special: parts.contains(&"special"),
                predicate: after("where ").map(str::to_owned),
                nulls_not_distinct: parts.contains(&"nulls not distinct"),
                deferrable: parts.contains(&"deferrable").then_some(400),
                deferred: parts.contains(&"deferred"),
                inherited: false,
            };
            match word {
                "key" => relation.primary_key = Some(key),
                "exclude" => relation.exclusions.push(key),
                _ => {
                    if parts.contains(&"stands in") {
                        relation.stand_in = Some(key.clone());
                    }
                    relation.unique.push(key);
                }
            }
        }
        "before" => relation.before.push(Before {
            name: parts[0].into(),
            insert: parts.contains(&"insert"),
            update: parts.contains(&"update"),
            columns: parts
                .iter()
                .find_map(|p| p.strip_prefix("of "))
                .map_or_else(Vec::new, names),
            rest: format!(" FOR EACH ROW EXECUTE FUNCTION app.{}()", parts[0]),
        }),
        "index" => relation.indexes.push(Index {
            name: parts[0].into(),
            columns: names(parts[1]),
        }),
        "constraint" => relation.checks.push(Check {
            name: parts[0].into(),
            definition: parts[1].into(),
            definer: parts.contains(&"definer"),
        }),
        other => panic!("what is {other}?"),
    }
}

/// `column name | type | not null | default x | …`
fn column(number: i16, parts: &[&str]) -> Column {
    let after = |word: &str| {
        parts
            .iter()
            .find_map(|p| p.strip_prefix(word))
            .map(str::to_owned)
    };
    let stored = after("stored ");
    Column {
        number,
        name: parts[0].into(),
        type_id: 0,
        type_modifier: -1,
        type_name: parts[1].into(),
        declared: parts[1].into(),
        collation: after("collate "),
        not_null: parts.contains(&"not null"),
        generated: if stored.is_some() {
            Generated::Stored
        } else {
            Generated::No
        },
        default: stored.or_else(|| after("default ")),
        identity: if parts.contains(&"identity") {
            Identity::Always
        } else {
            Identity::No
        },
        sequence: after("sequence "),
        base_type: after("domain over "),
        definer_default: parts.contains(&"definer"),
    }
}

/// `references name | columns | parent | its columns | on delete x | on update x | match full`
fn foreign_key(tables: &mut [Relation], child: usize, text: &str) {
    let parts: Vec<&str> = text.split(" | ").map(str::trim).collect();
    let names = |text: &str| text.split(", ").map(str::to_owned).collect::<Vec<_>>();
    let action = |word: &str| {
        let found = parts.iter().find_map(|p| p.strip_prefix(word));
        match found.unwrap_or("no action") {
            "no action" => ReferentialAction::NoAction,
            "restrict" => ReferentialAction::Restrict,
            "cascade" => ReferentialAction::Cascade,
            "set null" => ReferentialAction::SetNull,
            "set default" => ReferentialAction::SetDefault,
            other => panic!("what is {other}?"),
        }
    };
    let parent = tables.iter().position(|t| t.name == parts[2]).unwrap();
    let set = parts.iter().find_map(|p| p.strip_prefix("only "));
    let key = Arc::new(ForeignKey {
        id: 500 + u32::try_from(tables[child].foreign_keys.len()).unwrap(),
        name: parts[0].into(),
        child: tables[child].id,
        parent: tables[parent].id,
        child_columns: names(parts[1]),
        parent_columns: names(parts[3]),
        on_delete: action("on delete "),
        on_update: action("on update "),
        match_full: parts.contains(&"match full"),
        deferrable: parts.contains(&"deferrable"),
        deferred: parts.contains(&"deferred"),
        set_columns: set.map(names).unwrap_or_default(),
    });
    tables[child].foreign_keys.push(Arc::clone(&key));
    tables[parent].referenced_by.push(key);
}

/// What was noted of a read is asked with control's rights: nothing of it is taken but what is known.
#[test]
fn a_noted_condition_is_written_anew() {
    let world = World::parse("table app | t\ncolumn id | bigint | not null\nkey t_pkey | id\n");
    let relation = world.catalog.relations.values().next().unwrap();
    let asked = |pieces: &[&str]| {
        let pieces: Vec<Option<String>> = pieces.iter().map(|p| Some((*p).to_owned())).collect();
        crate::stale::condition(relation, &pieces)
    };
    assert_eq!(
        asked(&[
            "cid",
            "o = ANY (",
            "v{1,2}",
            "o::\"pg_catalog\".\"int4\"[]",
            "o)"
        ])
        .as_deref(),
        Some("b.\"id\" = ANY ('{1,2}'::pg_catalog.int4[])")
    );
    for piece in [
        "o; SELECT 1",
        "o::\"int4",
        "o::\"in\"t4",
        "o::\"public\".\"int4\"",
        "o = OR ANY (",
        "cxmin",
        "x1",
        "",
    ] {
        assert_eq!(asked(&[piece]), None, "{piece}");
    }
}
