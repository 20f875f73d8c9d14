//! A table with those that inherit from it: one flat merge over all of them.
//!
//! Each of them has its own key and its own head, and one that the session has not changed has its
//! base's rows alone. An arm says by a constant whose base rows it gives, so the planner leaves the
//! conditions about the others out of it.

use std::sync::Arc;

use catalog::{Column, Head, Key, Relation, quote_identifier as q};

use super::{InOrder, System, Wanted, columns, equals};

/// Where new rows are told too: whether a row is one of the first member.
pub(crate) const OWN: &str = "pgdraft_own";

/// One table of the tree, the parent too.
#[derive(Debug, Clone)]
pub(crate) struct Member {
    pub(crate) relation: Arc<Relation>,
    /// Where the session has changed it.
    pub(crate) head: Option<Arc<Head>>,
    pub(crate) truncated: bool,
}

/// The derived table with the parent's columns, in brackets, without an alias.
pub(crate) fn tree(
    parent: &Relation,
    members: &[Member],
    (wanted, system): (Wanted, &System),
) -> String {
    let carried: Vec<Carried<'_>> = members
        .iter()
        .enumerate()
        .flat_map(|(n, member)| keys(parent, n + 1, member))
        .collect();
    let in_order = InOrder::of(wanted);
    let mut arms = Vec::new();
    let mut hidden = in_order.same.clone();
    let mut out = String::new();
    for (n, member) in (1..).zip(members) {
        let of_member = System {
            table: format!("{}::pg_catalog.oid", member.relation.id.0),
            ..system.clone()
        };
        let [system_out, system_base, system_head] = of_member.lists();
        out = system_out;
        let keys: String = carried.iter().map(|key| key.of_base(n)).collect();
        let told = |new: &str| match wanted.with_new {
            true => format!(", {new} AS pgdraft_new, {} AS {OWN}", n == 1),
            false => String::new(),
        };
        let new = told("false");
        arms.push(format!(
            "SELECT {}, true AS pgdraft_live, {n} AS pgdraft_arm{}{keys}{new}{system_base} FROM {} b",
            columns(parent, "b"),
            in_order.base,
            member.relation.only()
        ));
        let Some(head) = &member.head else { continue };
        let keys: String = carried.iter().map(Carried::nothing).collect();
        let new = told("h.pgdraft_new");
        arms.push(format!(
            "SELECT {}, h.pgdraft_live, 0{}{keys}{new}{system_head} FROM {} h",
            columns(parent, "h"),
            in_order.head,
            head.table()
        ));
        hidden.push_str(&conditions(member, head, (n, wanted), &carried));
    }
    if wanted.with_new {
        out.insert_str(0, &format!(", m.pgdraft_new, m.{OWN}"));
    }
    format!(
        "(SELECT {}{out} FROM ({}) m WHERE m.pgdraft_live{hidden}{})",
        columns(parent, "m"),
        arms.join(" UNION ALL "),
        wanted.fence(false),
    )
}

/// ` AND …`: a base row of the `n`th table is neither replaced nor removed nor truncated away.
fn conditions(
    member: &Member,
    head: &Head,
    (n, wanted): (usize, Wanted),
    carried: &[Carried<'_>],
) -> String {
    let mut out = super::same(&member.relation);
    if let Some(key) = member.relation.key() {
        let same = shadow(key, n, carried);
        let found = format!("SELECT 1 FROM {} s WHERE {same}", head.table());
        out.push_str(&if wanted.probes() {
            format!(
                " AND (m.pgdraft_arm <> {n} OR NULLIF(EXISTS ({found} OFFSET 0), true) IS NOT NULL)"
            )
        } else {
            format!(" AND (m.pgdraft_arm <> {n} OR NOT EXISTS ({found}))")
        });
    }
    if member.truncated {
        out.push_str(&format!(
            " AND (m.pgdraft_arm <> {n} OR NOT EXISTS (SELECT 1 FROM pgdraft.truncations t WHERE t.table_id = {}))",
            head.id.0
        ));
    }
    out
}

/// `s.key = m.key` of the `n`th table.
fn shadow(key: &Key, n: usize, carried: &[Carried<'_>]) -> String {
    let parts = key.columns.iter().enumerate().map(|(i, name)| {
        let own = carried
            .iter()
            .find(|c| c.member == n && c.column.name == *name);
        let value = own.map_or_else(|| q(name), Carried::name);
        format!("s.{} {} m.{value}", q(name), equals(key, i))
    });
    parts.collect::<Vec<_>>().join(" AND ")
}

/// A key column of one table that the parent has not.
struct Carried<'a> {
    member: usize,
    number: usize,
    column: &'a Column,
}

fn keys<'a>(
    parent: &'a Relation,
    n: usize,
    member: &'a Member,
) -> impl Iterator<Item = Carried<'a>> {
    let key = member.head.as_ref().and_then(|_| member.relation.key());
    let names = key.map_or(&[] as &[String], |key| key.columns.as_slice());
    let own = names.iter().filter(|name| parent.column(name).is_none());
    own.enumerate().filter_map(move |(number, name)| {
        Some(Carried {
            member: n,
            number,
            column: member.relation.column(name)?,
        })
    })
}

impl Carried<'_> {
    fn name(&self) -> String {
        format!("pgdraft_k{}_{}", self.member, self.number)
    }

    fn of_base(&self, n: usize) -> String {
        if n == self.member {
            format!(", b.{} AS {}", q(&self.column.name), self.name())
        } else {
            self.nothing()
        }
    }

    fn nothing(&self) -> String {
        let collation = self.column.collation.as_ref();
        let collation = collation.map_or_else(String::new, |c| format!(" COLLATE {c}"));
        format!(
            ", CAST(NULL AS {}){collation} AS {}",
            self.column.declared,
            self.name()
        )
    }
}
