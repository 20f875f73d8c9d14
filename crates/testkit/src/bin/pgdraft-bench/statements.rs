//! One connection, one statement at a time: clean, and in drafts of several sizes.

use std::time::Instant;

use testkit::wire::{Connection, Format, Prepared};
use testkit::{Database, Proxy};

use crate::{number, numbers, percentile};

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

/// Prints medians in milliseconds and ratios to direct.
pub(crate) fn report(database: &Database, rows: usize) {
    let proxy = Proxy::start(database);
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
    for changed in numbers("DRAFTS", "0 1000 100000") {
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
    table(&mut targets, rows);
}

struct Target {
    name: String,
    connection: Connection,
}

fn table(targets: &mut [Target], rows: usize) {
    println!("\nstatements: median ms direct, then the ratio to direct");
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
        number("REPEAT", 200)
    } else {
        number("SLOW", 3)
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
    times
        .into_iter()
        .map(|mut times| percentile(&mut times, 0.5))
        .collect()
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
