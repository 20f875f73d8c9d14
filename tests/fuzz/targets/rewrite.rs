//! Any text over a small catalog, with and without changed tables: no panic, no plan that the
//! last check has to stop, and nothing that writes is relayed.
#![no_main]

#[path = "../../../crates/sql/src/tests/shop.rs"]
mod shop;

use std::collections::BTreeMap;
use std::sync::LazyLock;

use catalog::{Catalog, RelationId};
use libfuzzer_sys::fuzz_target;
use sql::{Context, DraftView, Effect, FunctionPolicy, Plan};

static CATALOG: LazyLock<Catalog> = LazyLock::new(shop::shop);

fuzz_target!(|text: &str| {
    let Ok(script) = sql::parse(text) else {
        return;
    };
    let path = ["public".to_owned()];
    let functions = FunctionPolicy::default();
    for dirty in [&[][..], &[1, 2, 3], &[1]] {
        let draft = DraftView {
            dirty: dirty.iter().map(|n| (RelationId(*n), 5)).collect(),
            ..DraftView::default()
        };
        let temporary = BTreeMap::new();
        let names = (path.as_slice(), &temporary);
        let context = Context::of_client((&CATALOG, &draft), names, &functions, true);
        for statement in &script.statements {
            match sql::plan(statement, context) {
                Err(report) => assert_ne!(report.code, "XX000", "{text:?}: {report}"),
                // the tree of a long chain is deep
                Ok(Plan::Relay(relay)) => std::thread::scope(|scope| {
                    let thread = std::thread::Builder::new().stack_size(512 << 20);
                    let look = || harmless(&statement.text, &relay.effect);
                    let look = thread.spawn_scoped(scope, look);
                    look.expect("a thread").join().expect("no panic");
                }),
                Ok(_) => {}
            }
        }
    }
});

/// A relayed text has no statement in it that changes rows.
fn harmless(text: &str, effect: &Effect) {
    let Ok(parsed) = pg_query::parse(text, 0) else {
        return;
    };
    for (node, _, _, _) in parsed.protobuf.nodes() {
        use pg_query::NodeRef::{DeleteStmt, InsertStmt, MergeStmt, TruncateStmt, UpdateStmt};
        assert!(
            !matches!(
                node,
                InsertStmt(_) | UpdateStmt(_) | DeleteStmt(_) | MergeStmt(_) | TruncateStmt(_)
            ),
            "relayed with {effect:?}: {text:?}"
        );
    }
}
