//! The merged read: base rows the session has not touched, plus its own live rows.
//!
//! Why exactly these shapes: a WHERE inside an arm keeps PostgreSQL from flattening the UNION ALL
//! (up to 14,000 times slower); the key copied as an expression keeps Merge Append; the form for
//! large drafts, and for rows that an index finds, probes the head per row instead of hashing the whole
//! session: the planner would hash a thousand rows to find one.

use catalog::{Head, Key, LARGE_DRAFT, Relation, quote_identifier as q, quote_literal};

use crate::policies;
use crate::volatile::Risk;

mod tree;

pub(crate) use tree::{Member, OWN, tree};

/// The number of the session that the backend is bound to: the same in all of a statement, known to
/// every worker, and read anew by a plan that another session runs too. It only orders rows; which of
/// them an agent may see row-level security says.
const SESSION: &str = "pg_catalog.current_setting('pgdraft.sid')::pg_catalog.int8";

/// What the arms give as the number of the session, and the condition on it over both, where the order
/// of rows matters: then the number is one constant to the planner, and an index of the head that begins
/// with it gives rows in the order of its other columns, as the base's index does.
#[derive(Default)]
struct InOrder {
    base: String,
    head: &'static str,
    same: String,
}

impl InOrder {
    fn of(wanted: Wanted) -> Self {
        if wanted.scan != Scan::First || wanted.risk != Risk::None {
            return Self::default();
        }
        Self {
            base: format!(", {SESSION} AS pgdraft_sid"),
            head: ", h.pgdraft_sid",
            same: format!(" AND m.pgdraft_sid OPERATOR(pg_catalog.=) {SESSION}"),
        }
    }
}

/// How a block reads a relation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scan {
    /// From end to end: no WHERE, no LIMIT.
    Whole,
    /// Some of its rows, nobody knows how.
    Part,
    /// Some of its rows, which an index finds.
    Sought,
    /// The first or the last of all rows in the order of an index.
    First,
}

/// How a relation is to be merged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Wanted {
    /// Rows this session has in the head.
    pub(crate) rows: u64,
    /// What the client's expressions could do below the merge.
    pub(crate) risk: Risk,
    /// The block only counts rows.
    pub(crate) bare_count: bool,
    /// How the block reads it.
    pub(crate) scan: Scan,
    /// Also output `pgdraft_new`.
    pub(crate) with_new: bool,
    /// The session may have truncated it: whether it has is looked up when the read runs, because a
    /// rollback takes a truncation back.
    pub(crate) truncated: bool,
    /// Rows of the session that policies hide are wanted too.
    pub(crate) hidden: bool,
}

impl Wanted {
    /// Keeps the planner from pushing the client's expressions below the merge; `joined`: all that hides
    /// a row is a join.
    fn fence(self, joined: bool) -> &'static str {
        match self.risk {
            Risk::None => "",
            Risk::Asked if joined => "",
            Risk::Asked | Risk::Failing => " OFFSET 0",
        }
    }

    /// Whether the head is probed for each row of the base instead of being hashed.
    fn probes(self) -> bool {
        match self.scan {
            // behind a fence all rows are read whatever is wanted, and a probe is asked after the client's
            // conditions
            _ if self.risk != Risk::None => false,
            Scan::Whole => false,
            Scan::Part => self.rows >= LARGE_DRAFT,
            Scan::Sought | Scan::First => true,
        }
    }
}

/// `a = b` by the key's own equality.
pub(crate) fn key_equality(key: &Key, left: &str, right: &str) -> String {
    key.columns
        .iter()
        .enumerate()
        .map(|(i, c)| format!("{left}.{c} {} {right}.{c}", equals(key, i), c = q(c)))
        .collect::<Vec<_>>()
        .join(" AND ")
}

/// The equality operator of a key's column.
pub(crate) fn equals(key: &Key, index: usize) -> String {
    match key.operators.get(index) {
        Some(operator) if !operator.is_empty() => format!("OPERATOR({operator})"),
        _ => "=".to_owned(),
    }
}

/// `alias.column, …` of all columns.
fn columns(relation: &Relation, alias: &str) -> String {
    relation
        .columns
        .iter()
        .map(|c| format!("{alias}.{}", q(&c.name)))
        .collect::<Vec<_>>()
        .join(", ")
}

/// System columns that a read asks for.
#[derive(Debug, Clone, Default)]
pub(crate) struct System {
    pub(crate) names: Vec<&'static str>,
    /// Tells the names of one reference from those of another.
    pub(crate) mark: usize,
    /// The `tableoid` of a head's row, over bare column names.
    pub(crate) table: String,
    /// A further condition, over `m`: ` AND …`.
    pub(crate) only: String,
    /// What has all rows of the head that the read can come to, instead of the head.
    pub(crate) own: Option<String>,
}

impl System {
    /// The name under which a merged read gives one.
    pub(crate) fn alias(&self, name: &str) -> String {
        format!("pgdraft_{name}_{}", self.mark)
    }

    /// `, m.a`; `, b.ctid AS a`; the head's. A head's rows are the base's table, and their places
    /// lie behind all that a table can have.
    fn lists(&self) -> [String; 3] {
        let mut lists: [String; 3] = Default::default();
        let [out, base, head] = &mut lists;
        for name in &self.names {
            let alias = self.alias(name);
            out.push_str(&format!(", m.{alias}"));
            base.push_str(&match *name {
                // of a row of the head the operation that wrote it
                "op" => format!(", NULL::pg_catalog.int8 AS {alias}"),
                name => format!(", b.{name} AS {alias}"),
            });
            head.push_str(&format!(", {}", self.of_head(name, "h")));
        }
        lists
    }

    /// A system column of a row `h` of the head.
    fn of_head(&self, name: &str, h: &str) -> String {
        match name {
            "tableoid" => self.table.clone(),
            "ctid" => format!(
                "pg_catalog.format('(%s,%s)', 4294967294 - (({h}.ctid::pg_catalog.text::pg_catalog.point)[0])::pg_catalog.int8, ({h}.ctid::pg_catalog.text::pg_catalog.point)[1])::pg_catalog.tid"
            ),
            "op" => format!("{h}.pgdraft_op"),
            name => format!("{h}.{name}"),
        }
    }

    /// `, h.xmin AS a`: what a RETURNING of the head's rows gives besides their columns.
    pub(crate) fn returned(&self, h: &str) -> String {
        let names = self.names.iter();
        names
            .map(|name| format!(", {} AS {}", self.of_head(name, h), self.alias(name)))
            .collect()
    }
}

/// The derived table, in brackets, without an alias.
///
/// No condition names the session: row-level security adds it to every head, and a second one would
/// make the planner believe in a two-hundredth of a two-hundredth of the rows (measured: 12 ms
/// instead of 0.03 for a row of a draft of 20,000). Only where nothing but an order finds the rows there is
/// one ([`InOrder`]). None has the number in it, so one text serves all sessions.
pub(crate) fn merged(relation: &Relation, head: &Head, wanted: Wanted) -> Option<String> {
    merged_with(relation, head, (wanted, &System::default()))
}

/// The same with system columns.
pub(crate) fn merged_with(
    relation: &Relation,
    head: &Head,
    (wanted, system): (Wanted, &System),
) -> Option<String> {
    let [system_out, system_base, system_head] = system.lists();
    let probe = wanted.probes();
    let in_order = InOrder::of(wanted);
    let table = system.own.clone().unwrap_or_else(|| head.table());
    let arms = match relation.key() {
        Some(key) if wanted.bare_count && !wanted.truncated && !relation.row_security => {
            return Some(counted(relation, head, key));
        }
        Some(key) if probe => probing(&table, key),
        Some(key) => hashing(&table, key)?,
        None => Arms::beside(),
    };
    let (new_out, new_base, new_head) = if wanted.with_new {
        (
            ", m.pgdraft_new",
            ", false AS pgdraft_new",
            ", h.pgdraft_new",
        )
    } else {
        ("", "", "")
    };
    let (gone, gone_base, gone_head) = if wanted.truncated {
        (truncation(head), ", true AS pgdraft_kept", ", false")
    } else {
        (String::new(), "", "")
    };
    let seen = match wanted.hidden {
        true => String::new(),
        false => policies::seen(relation),
    };
    let (seen_base, seen_head) = match seen.is_empty() {
        true => ("", ""),
        false => (", true AS pgdraft_shown", ", false"),
    };
    let bound = bound(relation);
    let joined = [&bound, &seen, &system.only].iter().all(|c| c.is_empty());
    Some(format!(
        "(SELECT {m}{new_out}{system_out} FROM (SELECT {b}, true AS pgdraft_live, {mark_base}{sid_base}{new_base}{gone_base}{seen_base}{system_base} FROM {base} b \
         UNION ALL SELECT {h}, h.pgdraft_live, {mark_head}{sid_head}{new_head}{gone_head}{seen_head}{system_head} FROM {table} h) m \
         WHERE m.pgdraft_live{sid}{gone}{bound}{seen}{only}{same} AND {hidden}{fence})",
        m = columns(relation, "m"),
        b = columns(relation, "b"),
        h = columns(relation, "h"),
        base = relation.only(),
        mark_base = arms.mark_base,
        mark_head = arms.mark_head,
        sid_base = in_order.base,
        sid_head = in_order.head,
        sid = in_order.same,
        only = system.only,
        same = same(relation),
        hidden = arms.hidden,
        fence = wanted.fence(joined),
    ))
}

/// Of all rows in the head of a partition tree, those of this partition. The names in it are bare;
/// `m` alone has them.
fn bound(relation: &Relation) -> String {
    let partition = relation.partition.as_ref();
    let bound = partition.and_then(|p| p.bound.as_ref());
    bound.map_or_else(String::new, |bound| format!(" AND ({bound})"))
}

/// ` AND …`: the name still means the table that this was written for ([`is_same`]).
fn same(relation: &Relation) -> String {
    format!(" AND {}", is_same(relation))
}

/// Whether the name of a table still means the one that a text was written for. It does or ZD006 is
/// raised where PostgreSQL plans the text, which it does anew when a table is dropped; nothing of it
/// is left in the plan.
pub(crate) fn is_same(relation: &Relation) -> String {
    let name = quote_literal(&relation.qualified());
    format!(
        "CASE WHEN {name}::pg_catalog.regclass::pg_catalog.oid OPERATOR(pg_catalog.=) {} THEN true ELSE pgdraft.replaced({name}) END",
        relation.id.0
    )
}

/// A condition that the planner turns into one test before the base's arm is begun, if at all.
fn truncation(head: &Head) -> String {
    format!(
        " AND (NOT m.pgdraft_kept OR NOT EXISTS (SELECT 1 FROM pgdraft.truncations t WHERE t.table_id = {}))",
        head.id.0
    )
}

/// What tells base rows from head rows, and which base rows are not hidden.
struct Arms {
    mark_base: String,
    mark_head: &'static str,
    hidden: String,
}

impl Arms {
    /// Without a key no base row is ever replaced: the session's rows stand beside the base's.
    fn beside() -> Self {
        Self {
            mark_base: "NULL AS pgdraft_key".to_owned(),
            mark_head: "NULL",
            hidden: "true".to_owned(),
        }
    }
}

/// Small drafts: an anti join on a copy of the key. The copy is an expression, or the arm would
/// output one column twice and lose Merge Append. A composite value of NULLs is a key like others, and
/// `IS NOT NULL` does not hold of it.
fn hashing(table: &str, key: &Key) -> Option<Arms> {
    let (last, others) = key.columns.split_last()?;
    let mut shadow: Vec<String> = others
        .iter()
        .enumerate()
        .map(|(i, c)| format!("s.{c} {} m.{c}", equals(key, i), c = q(c)))
        .collect();
    let last_equals = equals(key, others.len());
    shadow.push(format!("s.{} {last_equals} m.pgdraft_key", q(last)));
    Some(Arms {
        mark_base: format!(
            "CASE WHEN b.{k} IS DISTINCT FROM NULL THEN b.{k} END AS pgdraft_key",
            k = q(last)
        ),
        mark_head: "NULL",
        hidden: format!(
            "NOT EXISTS (SELECT 1 FROM {table} s WHERE {})",
            shadow.join(" AND ")
        ),
    })
}

/// Large drafts, and reads of few rows: the head is probed per base row. OFFSET 0 keeps the planner from hashing the
/// probe, NULLIF gives it the selectivity of almost all rows.
fn probing(table: &str, key: &Key) -> Arms {
    let shadow = key_equality(key, "s", "m");
    Arms {
        mark_base: "true AS pgdraft_base".to_owned(),
        mark_head: "false",
        hidden: format!(
            "(NOT m.pgdraft_base OR NULLIF(EXISTS (SELECT 1 FROM {table} s WHERE {shadow} OFFSET 0), true) IS NOT NULL)",
        ),
    }
}

/// For a lone count(*): quals inside the arms do no harm, and both arms go parallel.
fn counted(relation: &Relation, head: &Head, key: &Key) -> String {
    let shadow = key_equality(key, "s", "b");
    format!(
        "(SELECT {b} FROM {base} b WHERE NOT EXISTS (SELECT 1 FROM {table} s WHERE {shadow}){same} \
         UNION ALL SELECT {h} FROM {table} h WHERE h.pgdraft_live{bound})",
        bound = bound(relation),
        same = same(relation),
        b = columns(relation, "b"),
        h = columns(relation, "h"),
        base = relation.only(),
        table = head.table(),
    )
}
