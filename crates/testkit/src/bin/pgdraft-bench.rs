//! Measures what pgdraft costs: each statement direct and through pgdraft, interleaved in one run.
//!
//! Prints medians in milliseconds and ratios to direct. `tests/bench/run` builds it in release
//! mode and runs it. Sizes by environment: `ROWS` of the table (1000000), `DRAFTS` (changed rows
//! of the draft, "0 1000 100000"), `REPEAT` (rounds of a cheap statement, 500), `SLOW` (rounds of
//! an expensive one, 5).
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::cast_precision_loss,
    reason = "a bench stops at the first surprise"
)]

use std::time::Instant;

use testkit::wire::{Connection, Format, Prepared};
use testkit::{Cluster, Proxy, environment};

/// One kind of statement.
struct Load {
    name: &'static str,
    /// With the parameter `$1`, or none.
    text: &'static str,
    /// Cheap ones run often.
    cheap: bool,
    parameter: bool,
}

const LOADS: &[Load] = &[
    Load {
        name: "point read",
        text: "SELECT id, k, v, n FROM big WHERE id = $1",
        cheap: true,
        parameter: true,
    },
    Load {
        name: "100-row range",
        text: "SELECT id, k, v, n FROM big WHERE id >= $1 AND id < $1 + 100 ORDER BY id",
        cheap: true,
        parameter: true,
    },
    Load {
        name: "two-table join",
        text: "SELECT o.id, b.v FROM other o JOIN big b ON b.id = o.big_id WHERE o.k = $1 % 1000",
        cheap: true,
        parameter: true,
    },
    Load {
        name: "count(*)",
        text: "SELECT count(*) FROM big",
        cheap: false,
        parameter: false,
    },
    Load {
        name: "100k-row result",
        text: "SELECT id, k, v, n FROM big WHERE id <= 100000",
        cheap: false,
        parameter: false,
    },
    // Writes come last: a session is dirty from its first write on, even if that is undone.
    Load {
        name: "point update",
        text: "UPDATE big SET v = 'bench' WHERE id = $1",
        cheap: true,
        parameter: true,
    },
    Load {
        name: "insert",
        text: "INSERT INTO big (id, k, v, n) VALUES (nextval('bench_ids'), $1, 'bench', 1)",
        cheap: true,
        parameter: true,
    },
];

fn number(name: &str, default: usize) -> usize {
    environment(name)
        .and_then(|v| v.parse().ok())
        .unwrap_or(default)
}

fn main() {
    let rows = number("ROWS", 1_000_000);
    let drafts: Vec<usize> = environment("DRAFTS")
        .unwrap_or_else(|| "0 1000 100000".to_owned())
        .split_whitespace()
        .filter_map(|n| n.parse().ok())
        .collect();
    let database = Cluster::shared().create_database("bench");
    eprintln!("loading {rows} rows");
    database.run(&format!(
        "CREATE TABLE big (id bigint PRIMARY KEY, k int NOT NULL, v text NOT NULL, n numeric(12,2) NOT NULL);
         INSERT INTO big SELECT n, n % 1000, 'value ' || n, n FROM generate_series(1, {rows}) n;
         CREATE INDEX big_k ON big (k);
         CREATE TABLE other (id int PRIMARY KEY, k int NOT NULL, big_id bigint NOT NULL);
         INSERT INTO other SELECT n, n % 1000, 1 + n * 7919 % {rows} FROM generate_series(1, 10000) n;
         CREATE INDEX other_k ON other (k);
         CREATE SEQUENCE bench_ids START {};",
        rows + 10_000_000
    ));
    database.run("VACUUM ANALYZE");
    let proxy = Proxy::start(&database);
    let mut targets = vec![Target {
        name: "direct".to_owned(),
        connection: database.connect(),
    }];
    let mut clean = proxy.connect("clean");
    clean.run("SELECT 1");
    targets.push(Target {
        name: "clean".to_owned(),
        connection: clean,
    });
    for changed in drafts {
        let mut connection = proxy.connect(&format!("draft-{changed}"));
        if changed > 0 {
            eprintln!("drafting {changed} rows");
            let every = (rows / changed).max(1);
            connection.run(&format!("UPDATE big SET n = n + 1 WHERE id % {every} = 0"));
        } else {
            // Drafted, with nothing changed: an update that finds no row.
            connection.run("UPDATE big SET n = n + 1 WHERE id = -1");
        }
        targets.push(Target {
            name: format!("dirty {changed}"),
            connection,
        });
    }
    report(&mut targets, rows);
}

struct Target {
    name: String,
    connection: Connection,
}

fn report(targets: &mut [Target], rows: usize) {
    println!("median ms direct, then the ratio to direct");
    print!("{:<18}{:<10}{:>12}", "statement", "protocol", "direct ms");
    for target in targets.iter().skip(1) {
        print!("{:>15}", target.name);
    }
    println!();
    for load in LOADS {
        for prepared in [false, true] {
            let medians = measure(targets, load, prepared, rows);
            print!(
                "{:<18}{:<10}{:>12.3}",
                load.name,
                if prepared { "prepared" } else { "simple" },
                medians[0]
            );
            for median in &medians[1..] {
                print!("{:>14.2}x", median / medians[0]);
            }
            println!();
        }
    }
}

/// Medians in milliseconds, one a target; the targets take turns.
fn measure(targets: &mut [Target], load: &Load, prepared: bool, rows: usize) -> Vec<f64> {
    // Writes run in transactions that are undone, so that all rounds find the same rows.
    let writes = !load.text.starts_with("SELECT");
    let rounds = if load.cheap {
        number("REPEAT", 500)
    } else {
        number("SLOW", 5)
    };
    let mut statements: Vec<Option<Prepared>> = Vec::new();
    for target in targets.iter_mut() {
        if writes {
            target.connection.run("BEGIN");
        }
        statements.push(prepared.then(|| {
            target
                .connection
                .prepare("bench", load.text)
                .unwrap()
                .expect("the statement is valid")
        }));
    }
    let mut times = vec![Vec::with_capacity(rounds); targets.len()];
    let mut key: usize = 17;
    // The first tenth warms up: plans, caches, heads.
    for round in 0..rounds + rounds / 10 + 1 {
        key = (key * 7919 + 13) % rows;
        for (n, target) in targets.iter_mut().enumerate() {
            let begun = Instant::now();
            run(&mut target.connection, load, statements[n].as_ref(), key);
            let took = begun.elapsed().as_secs_f64() * 1000.0;
            if round > rounds / 10 {
                times[n].push(took);
            }
        }
    }
    for target in targets.iter_mut() {
        if writes {
            target.connection.run("ROLLBACK");
        }
        if prepared {
            target.connection.run("DEALLOCATE bench");
        }
    }
    times.into_iter().map(median).collect()
}

fn run(connection: &mut Connection, load: &Load, prepared: Option<&Prepared>, key: usize) {
    let exchange = match prepared {
        Some(prepared) => {
            let values: Vec<Option<String>> = load
                .parameter
                .then(|| Some(key.to_string()))
                .into_iter()
                .collect();
            connection.execute(prepared, &values, Format::Text)
        }
        None => connection.simple(&load.text.replace("$1", &key.to_string())),
    }
    .expect("the connection lives");
    assert!(
        exchange.error().is_none(),
        "{}: {:?}",
        load.name,
        exchange.error()
    );
}

fn median(mut times: Vec<f64>) -> f64 {
    times.sort_by(f64::total_cmp);
    times[times.len() / 2]
}
