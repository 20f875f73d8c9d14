//! What a person does with a draft: look at a summary, commit, discard.

use std::time::Instant;

use testkit::wire::Connection;
use testkit::{Database, Proxy};

use crate::{number, numbers, percentile};

const STEPS: [&str; 4] = ["draft", "diff summary", "commit", "discard"];

/// Prints, for each number of changed rows, each step beside one bare UPDATE of the same rows.
pub(crate) fn report(database: &Database, rows: usize) {
    let proxy = Proxy::start(database);
    println!("\ndrafts: median ms, and the ratio to one bare UPDATE of the same rows");
    print!("{:<14}{:>12}", "changed rows", "bare UPDATE");
    for step in STEPS {
        print!("{step:>20}");
    }
    println!();
    for changed in numbers("CHANGES", "1000 100000") {
        let changed = changed.min(rows);
        let mut times: [Vec<f64>; 5] = Default::default();
        for n in 0..number("SLOW", 3) {
            round(database, &proxy, changed, n, &mut times);
        }
        let medians = times.map(|mut t| percentile(&mut t, 0.5));
        print!("{changed:<14}{:>12.1}", medians[0]);
        for median in &medians[1..] {
            print!("{:>20}", format!("{median:.1} {:.2}x", median / medians[0]));
        }
        println!();
    }
}

fn round(database: &Database, proxy: &Proxy, changed: usize, n: usize, times: &mut [Vec<f64>; 5]) {
    let update = format!("UPDATE big SET n = n + 1, v = 'changed' WHERE id <= {changed}");
    let mut base = database.connect();
    times[0].push(timed(&mut base, &update));
    let mut reviewer = Connection::open(&proxy.reviewer()).unwrap();
    for (kind, ending) in [("commit", 3), ("discard", 4)] {
        let session = format!("{kind}-{changed}-{n}");
        let drafted = timed(&mut proxy.connect(&session), &update);
        if kind == "commit" {
            times[1].push(drafted);
            let summary = format!("SHOW DIFF IN SESSION '{session}' SUMMARY");
            times[2].push(timed(&mut reviewer, &summary));
        }
        let statement = format!("{kind} SESSION '{session}'");
        times[ending].push(timed(&mut reviewer, &statement));
    }
}

fn timed(connection: &mut Connection, text: &str) -> f64 {
    let begun = Instant::now();
    connection.run(text);
    begun.elapsed().as_secs_f64() * 1000.0
}
