//! The log of inserted rows; primary keys, unique keys and exclusion constraints against the merged
//! table.
//!
//! A head's own indexes are not unique: here base rows and the session's own are looked at alike, so
//! that the error says which key there is already.

use catalog::{Key, Relation, quote_identifier, quote_literal};

use super::{Event, Raise, Step, row_text};
use crate::Draft;
use crate::text::{
    column, columns, equal, equal_in, key_columns, operator, same_base, same_key, truncated,
};

/// Inserted rows are logged with their key: rows that are new, and removed ones that came back.
///
/// Nobody else writes to this log for the session meanwhile (`begin_write` sees to it), so what the operation has
/// logged can be looked for before: of many rows ON CONFLICT costs twice what adding them does.
pub(super) fn log(draft: &Draft<'_>, event: Event) -> Vec<Step> {
    let key = key_columns(draft.relation);
    let from = match event {
        Event::Insert => "pgdraft_n n WHERE n.pgdraft_new AND n.pgdraft_live".into(),
        Event::Update => format!(
            "{} WHERE n.pgdraft_live AND NOT o.pgdraft_live",
            draft.pairs(event)
        ),
    };
    let insert = format!(
        "INSERT INTO {} (pgdraft_sid, pgdraft_op, pgdraft_kind, {}) SELECT n.pgdraft_sid, n.pgdraft_op, 'I', {} FROM {from}",
        draft.log(),
        columns("", key),
        columns("n", key)
    );
    // The session and the operation are those of all rows: said as values they find their part of the index,
    // however many rows the log has of others.
    let logged = format!(
        "SELECT FROM {} l WHERE l.pgdraft_sid = n.pgdraft_sid AND l.pgdraft_op = n.pgdraft_op AND {} AND l.pgdraft_sid = (SELECT n.pgdraft_sid FROM pgdraft_n n LIMIT 1) AND l.pgdraft_op = (SELECT n.pgdraft_op FROM pgdraft_n n LIMIT 1)",
        draft.log(),
        same_key(draft.relation, "l", "n"),
    );
    vec![Step::RunFewOrMany(
        format!("{insert} ON CONFLICT DO NOTHING"),
        format!("{insert} AND NOT EXISTS ({logged})"),
    )]
}

/// The same two things for one row: cheaper where nothing else is to be kept.
pub(super) fn of_row(draft: &Draft<'_>, event: Event) -> Vec<Step> {
    let relation = draft.relation;
    let key = key_columns(relation);
    let mut steps = vec![Step::Run(format!(
        "INSERT INTO {} (pgdraft_sid, pgdraft_op, pgdraft_kind, {}) VALUES (NEW.pgdraft_sid, NEW.pgdraft_op, 'I', {}) ON CONFLICT DO NOTHING",
        draft.log(),
        columns("", key),
        columns("NEW", key)
    ))];
    if let (Event::Insert, Some(own)) = (event, relation.key()) {
        let values: Vec<String> = key.iter().map(|c| column("NEW", c)).collect();
        let query = format!(
            "SELECT {} FROM {} b WHERE {} AND NOT {}",
            draft.told(&exists(own, &values), &row_text("NEW")),
            relation.only(),
            same_base(relation, "b", "NEW"),
            truncated(draft.id, "NEW.pgdraft_sid")
        );
        steps.push(refusal(draft, own, query));
    }
    steps
}

/// A row that is new must not exist in the base; a later change cannot make it so.
pub(super) fn primary(draft: &Draft<'_>, event: Event) -> Option<Step> {
    let key = draft.relation.key()?;
    if event != Event::Insert {
        return None;
    }
    let values: Vec<String> = key.columns.iter().map(|c| column("n", c)).collect();
    let query = format!(
        "SELECT {} FROM pgdraft_n n JOIN {} b ON {} WHERE n.pgdraft_new AND NOT {}",
        first_of(&draft.told(&exists(key, &values), &row_text("n"))),
        draft.relation.only(),
        same_base(draft.relation, "b", "n"),
        truncated(draft.id, "n.pgdraft_sid")
    );
    let doubt = in_table(&draft.relation.only(), &same_base(draft.relation, "b", "n"));
    Some(refusal(draft, key, query).where_in_doubt(event, doubt))
}

/// Whether the table has a row `b` of which that holds. Looked for row by row: the plan is kept, and
/// a table that is small today would be read whole for ever.
pub(super) fn in_table(table: &str, condition: &str) -> String {
    format!("EXISTS (SELECT FROM {table} b WHERE {condition} OFFSET 0)")
}

/// The row that is changed first is the only one of the base with that key: nothing but the
/// configuration says so.
pub(super) fn ambiguous(draft: &Draft<'_>, event: Event) -> Option<Step> {
    let relation = draft.relation;
    let key = relation.key().filter(|key| !key.is_declared())?;
    if event != Event::Insert {
        return None;
    }
    let values: Vec<String> = key.columns.iter().map(|c| column("n", c)).collect();
    let list = values.join(", ");
    let query = format!(
        "SELECT {} FROM (SELECT {} AS pgdraft_d FROM pgdraft_n n JOIN {} b ON {} WHERE NOT n.pgdraft_new GROUP BY {list} HAVING count(*) > 1) x",
        first_of("x.pgdraft_d"),
        exists(key, &values).replace(" already exists.", " exists more than once."),
        relation.only(),
        same_base(relation, "b", "n"),
    );
    Some(refusal(draft, key, query).where_in_doubt(event, "false".to_owned()))
}

/// Keys besides the one that tells rows apart, in PostgreSQL's order; exclusion constraints last.
pub(super) fn others<'a>(draft: &Draft<'a>) -> impl Iterator<Item = (&'a Key, bool)> {
    let relation = draft.relation;
    let own = relation.key().map(|key| key.name.as_str());
    let unique = relation
        .unique
        .iter()
        .filter(move |k| Some(k.name.as_str()) != own);
    let unique = unique.map(|key| (key, false));
    unique.chain(relation.exclusions.iter().map(|key| (key, true)))
}

/// Whether checking the key evaluates more than the equality of columns: then it is done with the
/// agent's rights, because the expressions are production's own.
pub(super) fn evaluates(key: &Key, excludes: bool) -> bool {
    excludes
        || key.columns.is_empty()
        || key.predicate.is_some()
        || key.elements.iter().any(|e| e.contains(" COLLATE "))
}

/// No other row of the merged table has the key of a changed row, or conflicts with it.
pub(super) fn check(draft: &Draft<'_>, event: Event, key: &Key, excludes: bool) -> Step {
    let parts = Parts {
        draft,
        key,
        excludes,
    };
    let arm = |table: &str, which: &str| {
        format!(
            "SELECT {} AS detail FROM c JOIN {table} b ON {}{}{which}",
            draft.told(&parts.detail(), "c.pgdraft_image"),
            parts.matches(),
            parts.predicate(" AND ")
        )
    };
    let shadow = draft.not_shadowed(draft.relation, "b", "c");
    let own = format!(
        " AND b.pgdraft_sid = c.pgdraft_sid AND b.pgdraft_live AND NOT ({})",
        parts.same_row()
    );
    let query = format!(
        "WITH c AS MATERIALIZED ({}) SELECT {} FROM ({} UNION ALL {}) x",
        parts.changed(event),
        first_of("x.detail"),
        arm(&draft.relation.only(), &shadow),
        arm(&draft.table(), &own)
    );
    let step = refusal_of(draft, key, excludes, query);
    if evaluates(key, excludes) {
        return step;
    }
    let matches = key.columns.iter().enumerate();
    let matches = matches.map(|(i, name)| equal_in(key, i, &column("b", name), &column("n", name)));
    let matches = matches.collect::<Vec<_>>().join(" AND ");
    let other = format!(
        "b.pgdraft_sid = n.pgdraft_sid AND b.pgdraft_live AND {matches} AND NOT ({})",
        same_key(draft.relation, "b", "n")
    );
    let doubt = format!(
        "{} OR {}",
        in_table(&draft.relation.only(), &matches),
        in_table(&draft.table(), &other)
    );
    step.where_in_doubt(event, doubt)
}

/// The texts of one check: `c` has the changed rows (`pgdraft_k<n>` their keys, `pgdraft_e<n>` the
/// elements), `b` is what they are compared with. Expressions are over bare column names, so nothing
/// beside `b`, or `n` alone, may have such names.
struct Parts<'a, 'b> {
    draft: &'b Draft<'a>,
    key: &'b Key,
    excludes: bool,
}

impl Parts<'_, '_> {
    fn elements(&self, alias: &str) -> Vec<String> {
        if evaluates(self.key, self.excludes) && !self.key.elements.is_empty() {
            return self.key.elements.iter().map(|e| format!("({e})")).collect();
        }
        self.key.columns.iter().map(|c| column(alias, c)).collect()
    }

    fn changed(&self, event: Event) -> String {
        let keys = key_columns(self.draft.relation).iter().enumerate();
        let keys: Vec<String> = keys
            .map(|(i, name)| format!("{} AS pgdraft_k{}", column("n", name), i + 1))
            .collect();
        let values: Vec<String> = self
            .elements("n")
            .iter()
            .enumerate()
            .map(|(i, element)| format!("{element} AS pgdraft_e{}", i + 1))
            .collect();
        let (keys, values) = (keys.join(", "), values.join(", ") + &self.draft.image("n"));
        if evaluates(self.key, self.excludes) {
            return format!(
                "SELECT n.pgdraft_sid, {keys}, {values} FROM pgdraft_n n WHERE n.pgdraft_live{}",
                self.predicate(" AND ")
            );
        }
        let differs: Vec<String> = self
            .key
            .columns
            .iter()
            .enumerate()
            .map(|(i, name)| {
                let op = operator(self.key, i);
                format!(
                    "({}) IS NOT TRUE",
                    equal(op, &column("o", name), &column("n", name))
                )
            })
            .collect();
        format!(
            "SELECT n.pgdraft_sid, {keys}, {values} FROM {} WHERE n.pgdraft_live AND ({} OR {})",
            self.draft.pairs(event),
            Draft::fresh(event),
            differs.join(" OR ")
        )
    }

    fn predicate(&self, before: &str) -> String {
        let condition = self.key.predicate.as_ref();
        condition.map_or_else(String::new, |p| format!("{before}({p})"))
    }

    fn matches(&self) -> String {
        let parts: Vec<String> = self
            .elements("b")
            .iter()
            .enumerate()
            .map(|(i, element)| equal_in(self.key, i, element, &format!("c.pgdraft_e{}", i + 1)))
            .collect();
        parts.join(" AND ")
    }

    /// `b` is the row of `c` itself.
    fn same_row(&self) -> String {
        let relation = self.draft.relation;
        let keys = key_columns(relation).iter().enumerate();
        let parts: Vec<String> = keys
            .map(|(i, name)| {
                let op = relation
                    .key()
                    .map_or("pg_catalog.=", |key| operator(key, i));
                equal(op, &column("b", name), &format!("c.pgdraft_k{}", i + 1))
            })
            .collect();
        parts.join(" AND ")
    }

    fn detail(&self) -> String {
        let proposed: Vec<String> = (1..=self.elements("b").len())
            .map(|i| format!("c.pgdraft_e{i}"))
            .collect();
        if !self.excludes {
            return exists(self.key, &proposed);
        }
        let between = format!(") conflicts with existing key ({})=(", self.key.label);
        format!(
            "pg_catalog.concat({}, {}, {}, {}, ').')",
            quote_literal(&format!("Key ({})=(", self.key.label)),
            proposed.join(", ', ', "),
            quote_literal(&between),
            self.elements("b").join(", ', ', ")
        )
    }
}

/// The first of some texts: rows come in the order in which they were written.
pub(super) fn first_of(text: &str) -> String {
    format!("(pg_catalog.array_agg({text}))[1]")
}

/// `Key (a)=(1) already exists.`
fn exists(key: &Key, values: &[String]) -> String {
    let shown: Vec<String> = values
        .iter()
        .map(|value| {
            if key.nulls_not_distinct {
                format!("CASE WHEN pg_catalog.num_nulls({value}) = 1 THEN 'null' ELSE pg_catalog.concat({value}) END")
            } else {
                value.clone()
            }
        })
        .collect();
    format!(
        "pg_catalog.concat({}, {}, ') already exists.')",
        quote_literal(&format!("Key ({})=(", label(key))),
        shown.join(", ', ', ")
    )
}

fn label(key: &Key) -> String {
    if key.label.is_empty() {
        key.columns.join(", ")
    } else {
        key.label.clone()
    }
}

fn refusal(draft: &Draft<'_>, key: &Key, query: String) -> Step {
    refusal_of(draft, key, false, query)
}

fn refusal_of(draft: &Draft<'_>, key: &Key, excludes: bool, query: String) -> Step {
    let (schema, table) = (&draft.relation.schema, &draft.relation.name);
    if !key.is_declared() {
        return Step::Refuse {
            query,
            error: Raise {
                code: "0A000",
                message: format!(
                    "two rows of table \"{table}\" cannot have the same key in a draft"
                ),
                hint: Some("The configuration (tables.key) names it as what tells the rows apart."),
                constraint: String::new(),
                schema: schema.clone(),
                table: table.clone(),
                placed: None,
            },
        };
    }
    let (code, what) = if excludes {
        (
            "23P01",
            "conflicting key value violates exclusion constraint",
        )
    } else {
        ("23505", "duplicate key value violates unique constraint")
    };
    Step::Refuse {
        query,
        error: Raise {
            code,
            message: format!("{what} \"{}\"", draft.message_names("", &key.name).1),
            hint: None,
            constraint: key.name.clone(),
            schema: schema.clone(),
            table: table.clone(),
            placed: draft.placed(None, true),
        },
    }
}

/// `pgdraft.dup_guard(…)` for the key of a relation over the row `alias` of its head.
pub(crate) fn guard(relation: &Relation, key: &Key, live: &str, alias: &str) -> String {
    let values: Vec<String> = key
        .columns
        .iter()
        .map(|name| format!("{alias}.{}", quote_identifier(name)))
        .collect();
    format!(
        "pgdraft.dup_guard({live}, {}, {}, {}, {}{})",
        quote_literal(&relation.schema),
        quote_literal(&relation.name),
        quote_literal(&key.name),
        exists(key, &values),
        relation.placing(key, &values)
    )
}

/// Whether two rows of the head are the same row.
pub(super) fn same_head_row(draft: &Draft<'_>, left: &str, right: &str) -> String {
    format!(
        "{left}.pgdraft_sid = {right}.pgdraft_sid AND {}",
        same_key(draft.relation, left, right)
    )
}
