//! What a text costs: read for the first time, planned for the first time over changed tables, found
//! again as the same text, found again with other constants.

#[path = "../../../../crates/sql/src/tests/shop.rs"]
mod shop;

use std::collections::BTreeMap;
use std::hint::black_box;

use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use pgdraft_phases::{Computed, computed};
use session::measure::Cached;
use sql::{Context, DraftView, FunctionPolicy};

const TEXTS: [(&str, &str); 4] = [
    ("point read", "SELECT name, age FROM users WHERE id = 17"),
    (
        "update",
        "UPDATE users SET age = age + 1, name = 'it' WHERE id = 17",
    ),
    (
        "insert",
        "INSERT INTO users (id, name, age) VALUES (17, 'new', 30)",
    ),
    (
        "join",
        "SELECT u.name, count(*) FROM users u JOIN lines l ON l.order_id = u.id \
         WHERE u.age BETWEEN 20 AND 60 AND u.name LIKE 'a%' GROUP BY u.name ORDER BY u.name LIMIT 10",
    ),
];

fn statements(criterion: &mut Criterion<Computed>) {
    let catalog = shop::shop();
    let path = ["public".to_owned()];
    let mut draft = DraftView::default();
    for name in ["users", "lines"] {
        let relation = catalog.resolve(&path, name).expect("the shop has it");
        draft.dirty.insert(relation.id, 1000);
    }
    let (functions, temporary) = (FunctionPolicy::default(), BTreeMap::new());
    let context = Context::of_client((&catalog, &draft), (&path, &temporary), &functions, false);
    for (name, text) in TEXTS {
        let script = sql::parse(text).expect("it is valid");
        let statement = &script.statements[0];
        sql::plan(statement, context).expect("it is allowed");
        criterion.bench_function(&format!("parse, {name}"), |b| {
            b.iter(|| sql::parse(black_box(text)));
        });
        criterion.bench_function(&format!("rewrite, {name}"), |b| {
            b.iter(|| sql::plan(black_box(statement), context));
        });

        let cached = Cached::new(&catalog, &draft);
        cached.run(text).expect("it is allowed");
        assert!(cached.knows(text));
        criterion.bench_function(&format!("same text, {name}"), |b| {
            b.iter(|| cached.run(black_box(text)));
        });

        // each text is new, its shape is not
        let mut number = 1000;
        let mut other = || {
            number += 1;
            text.replace("17", &number.to_string())
                .replace("20", &number.to_string())
        };
        for _ in 0..3 {
            cached.run(&other()).expect("it is allowed");
        }
        criterion.bench_function(&format!("other constants, {name}"), |b| {
            b.iter_batched(&mut other, |text| cached.run(&text), BatchSize::SmallInput);
        });
    }
}

criterion_group! {
    name = benches;
    config = computed();
    targets = statements
}
criterion_main!(benches);
