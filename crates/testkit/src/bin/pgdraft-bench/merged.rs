//! Reads of four changed tables and changes of them: PostgreSQL's own time in a draft beside that of a
//! direct connection, and beside what the prototype of the rewriting needed.
//!
//! The prototype's ratios are what the product is to be no worse than. They are of the form that it
//! recommends for a draft of that size; its writes had no operation to begin and no session to lock.

use testkit::wire::{Connection, Format, Prepared};
use testkit::{Database, Proxy};

use crate::drafts::cpu;
use crate::{number, numbers, percentile};

/// Statements between two looks at the clock.
const BATCH: usize = 10;

/// Ratios of the prototype in a draft of 0, 1,000 and 100,000 rows; 0 where it has none.
type Printed = [f64; 3];

/// One statement.
struct Load {
    name: &'static str,
    /// With `$1`, or without.
    text: &'static str,
    /// Its data, for a COPY.
    copies: bool,
    cheap: bool,
    simple: Printed,
    prepared: Printed,
}

const NONE: Printed = [0.0; 3];

const fn read(name: &'static str, text: &'static str, simple: Printed, prepared: Printed) -> Load {
    Load {
        name,
        text,
        copies: false,
        cheap: true,
        simple,
        prepared,
    }
}

const fn whole(name: &'static str, text: &'static str, simple: Printed) -> Load {
    Load {
        cheap: false,
        ..read(name, text, simple, NONE)
    }
}

const LOADS: &[Load] = &[
    read(
        "read by key",
        "SELECT * FROM ord t WHERE t.id = $1",
        [3.5, 5.7, 6.2],
        [1.5, 1.4, 1.4],
    ),
    read(
        "range of ten values",
        "SELECT * FROM ord t WHERE t.k BETWEEN $1 AND $1 + 9",
        [1.8, 2.5, 2.6],
        [1.5, 2.1, 2.2],
    ),
    read(
        "order by k, ten",
        "SELECT * FROM ord t WHERE $1 > 0 ORDER BY t.k LIMIT 10",
        [6.4, 5.9, 7.7],
        [1.9, 1.5, 2.2],
    ),
    read(
        "order by id desc, ten",
        "SELECT * FROM ord t WHERE $1 > 0 ORDER BY t.id DESC LIMIT 10",
        [4.8, 4.2, 4.7],
        NONE,
    ),
    read(
        "join of two by key",
        "SELECT c.name, o.id, o.amount FROM cust c JOIN ord o ON o.cust_id = c.id WHERE c.id = $1 % 10000 + 1",
        [5.2, 2.9, 4.0],
        [1.3, 1.5, 3.2],
    ),
    read(
        "join of two, many rows",
        "SELECT c.name, o.id, o.amount FROM cust c JOIN ord o ON o.cust_id = c.id \
         WHERE c.region_id = $1 % 1000 + 1 AND c.balance < 1e9",
        [1.3, 1.4, 2.9],
        NONE,
    ),
    read(
        "left join of two",
        "SELECT c.name, o.id FROM cust c LEFT JOIN ord o ON o.cust_id = c.id \
         WHERE c.id BETWEEN $1 % 10000 AND $1 % 10000 + 5",
        [3.3, 2.8, 2.7],
        NONE,
    ),
    read(
        "join of four by key",
        "SELECT r.name, c.name, o.id, i.sku, i.qty FROM region r JOIN cust c ON c.region_id = r.id \
         JOIN ord o ON o.cust_id = c.id JOIN item i ON i.ord_id = o.id WHERE c.id = $1 % 10000 + 1",
        [3.2, 5.1, 2.7],
        [1.4, 2.5, 2.8],
    ),
    whole("count(*)", "SELECT count(*) FROM ord t", [2.4, 2.8, 3.0]),
    whole(
        "sums by status",
        "SELECT status, count(*), sum(amount) FROM ord t GROUP BY status",
        [1.4, 1.3, 2.6],
    ),
    whole(
        "join of four, whole",
        "SELECT r.id, sum(i.qty * i.price) FROM region r JOIN cust c ON c.region_id = r.id \
         JOIN ord o ON o.cust_id = c.id JOIN item i ON i.ord_id = o.id GROUP BY r.id",
        [0.0, 0.0, 1.57],
    ),
    // Each change is a transaction of its own, which is undone.
    read(
        "update by key",
        "UPDATE ord SET amount = amount + 1 WHERE id = $1",
        [0.0, 0.0, 5.0],
        [2.5, 2.5, 2.5],
    ),
    read(
        "update of ten by reference",
        "UPDATE ord SET amount = amount + 1 WHERE cust_id = $1 % 10000 + 1",
        [0.0, 0.0, 2.3],
        [5.2, 0.0, 2.6],
    ),
    read(
        "insert of one",
        "INSERT INTO ord (id, k, cust_id, amount) VALUES ($1 + 100000000, 7, 8, 9)",
        [0.0, 0.0, 2.8],
        [2.5, 2.5, 2.5],
    ),
    read(
        "delete by key",
        "DELETE FROM item WHERE id = $1",
        [0.0, 0.0, 4.6],
        [2.5, 2.5, 2.5],
    ),
    read(
        "insert of a hundred",
        "INSERT INTO ord (id, k, cust_id, amount) SELECT $1 + 100000000 + n, 7, 8, 9 FROM generate_series(1, 100) n",
        [0.0, 0.0, 1.8],
        NONE,
    ),
    whole(
        "update of 100,000",
        "UPDATE ord SET amount = amount + 1 WHERE id <= 100000",
        [1.7, 0.0, 0.0],
    ),
    whole(
        "insert of 100,000",
        "INSERT INTO ord (id, k, cust_id, amount) SELECT 100000000 + n, 7, 8, 9 FROM generate_series(1, 100000) n",
        [1.61, 0.0, 0.0],
    ),
    Load {
        copies: true,
        ..whole(
            "COPY of 100,000",
            "COPY ord (id, k, cust_id, amount) FROM STDIN",
            [0.97, 0.0, 0.0],
        )
    },
];

/// A connection, and the backend that works for it.
struct Target {
    connection: Connection,
    backend: String,
}

impl Target {
    fn new(mut connection: Connection) -> Self {
        let backend = connection.value("SELECT pg_backend_pid()");
        // only this process's time is measured
        connection.run("SET max_parallel_workers_per_gather = 0");
        Self {
            connection,
            backend,
        }
    }

    fn computed(&self) -> f64 {
        cpu(std::slice::from_ref(&self.backend))
    }
}

/// Prints microseconds direct, then ratios and, in brackets, those of the prototype.
pub(crate) fn report(database: &Database, rows: usize) {
    create(database, rows);
    // a server connection each, so that its time is the statement's
    let proxy = Proxy::start(database);
    let sizes = numbers("DRAFTS", "0 1000 100000");
    let mut targets = vec![Target::new(database.connect())];
    for changed in &sizes {
        targets.push(Target::new(draft(&proxy, *changed, rows)));
    }
    println!("\nmerged: PostgreSQL's time direct, then the ratio to it and (the prototype's)");
    print!("{:<28}{:<10}{:>12}", "statement", "protocol", "direct µs");
    for changed in &sizes {
        print!("{:>18}", format!("dirty {changed}"));
    }
    println!();
    for load in LOADS.iter().filter(|load| crate::is_wanted(load.name)) {
        let ways: &[bool] = if load.cheap { &[false, true] } else { &[false] };
        for prepared in ways {
            line(&mut targets, &sizes, load, *prepared, rows);
        }
    }
}

fn create(database: &Database, rows: usize) {
    let customers = (rows / 10).max(10_000);
    database.run(&format!(
        "CREATE TABLE region (id int PRIMARY KEY, name text NOT NULL);
         CREATE TABLE cust (id bigint PRIMARY KEY, region_id int NOT NULL REFERENCES region, name text NOT NULL,
             email text UNIQUE, balance numeric(12,2) NOT NULL DEFAULT 0 CHECK (balance >= -1000000));
         CREATE TABLE ord (id bigint PRIMARY KEY, k int NOT NULL, cust_id bigint REFERENCES cust,
             status text NOT NULL DEFAULT 'new', amount numeric(12,2) NOT NULL CHECK (amount >= 0),
             doc jsonb NOT NULL DEFAULT '{{}}', ts timestamptz NOT NULL DEFAULT now());
         CREATE TABLE item (id bigint PRIMARY KEY, ord_id bigint NOT NULL REFERENCES ord, sku text NOT NULL,
             qty int NOT NULL, price numeric(12,2) NOT NULL);
         INSERT INTO region SELECT n, 'region ' || n FROM generate_series(1, 1000) n;
         INSERT INTO cust SELECT n, 1 + n % 1000, 'cust ' || n, 'c' || n, n % 1000 FROM generate_series(1, {customers}) n;
         INSERT INTO ord SELECT n, n * 7919 % 100000, 1 + n * 104729 % {customers}, 'paid', n % 1000,
             jsonb_build_object('a', n % 10) FROM generate_series(1, {rows}::bigint) n;
         INSERT INTO item SELECT n, 1 + n * 15485863 % {rows}, 'sku' || n % 5000, 1 + n % 9, n % 1000
             FROM generate_series(1, {rows}::bigint) n;
         CREATE INDEX ON ord (k); CREATE INDEX ON ord (cust_id); CREATE INDEX ON item (ord_id); CREATE INDEX ON cust (region_id);"
    ));
    database.run("VACUUM ANALYZE");
}

/// A session that has changed so many orders and items, eight of ten by an UPDATE, and fewer of the others.
fn draft(proxy: &Proxy, changed: usize, rows: usize) -> Connection {
    eprintln!("drafting {changed} rows");
    let mut connection = proxy.connect(&format!("merged-{changed}"));
    let every = rows.checked_div(changed).unwrap_or(rows + 1).max(1);
    connection.run(&format!(
        "UPDATE ord SET amount = amount + 1 WHERE id % {every} = 0 AND id / {every} % 10 < 9;
         INSERT INTO ord (id, k, cust_id, amount) SELECT {rows} + n, n, n, n FROM generate_series(1, {changed} / 10) n;
         UPDATE item SET qty = qty + 1 WHERE id % {every} = 0 AND id / {every} % 10 < 8;
         DELETE FROM item WHERE id % {every} = 0 AND id / {every} % 10 = 8;
         INSERT INTO item SELECT {rows} + n, n, 'sku', 1, 1 FROM generate_series(1, {changed} / 10) n;
         UPDATE cust SET balance = balance + 1 WHERE id % {every} = 0;
         UPDATE region SET name = name || '!' WHERE id % {every} = 0",
    ));
    connection
}

fn line(targets: &mut [Target], sizes: &[usize], load: &Load, prepared: bool, rows: usize) {
    let medians = measure(targets, load, prepared, rows);
    let way = if prepared { "prepared" } else { "simple" };
    print!("{:<28}{way:<10}{:>12.0}", load.name, medians[0]);
    let printed = if prepared { load.prepared } else { load.simple };
    for (changed, median) in sizes.iter().zip(&medians[1..]) {
        let place = [0, 1000, 100_000].iter().position(|size| size == changed);
        let goal = place.map(|place| printed[place]).filter(|goal| *goal > 0.0);
        let goal = goal.map_or_else(String::new, |goal| format!(" ({goal})"));
        print!("{:>18}", format!("{:.2}x{goal}", median / medians[0]));
    }
    println!();
}

/// Medians in microseconds of a backend's time, one a target; the targets take turns.
fn measure(targets: &mut [Target], load: &Load, prepared: bool, rows: usize) -> Vec<f64> {
    let (turns, batch) = if load.cheap {
        ((number("REPEAT", 200) / BATCH).max(3), BATCH)
    } else {
        (number("SLOW", 3), 1)
    };
    let mut statements = Vec::new();
    for target in targets.iter_mut() {
        let statement = prepared.then(|| target.connection.prepare("bench", load.text));
        statements.push(statement.map(|made| made.unwrap().expect("the statement is valid")));
    }
    let data: String = (1..=if load.copies { 100_000 } else { 0 })
        .map(|n| format!("{}\t7\t8\t9\n", 100_000_000 + n))
        .collect();
    let mut times = vec![Vec::with_capacity(turns); targets.len()];
    let mut key: usize = 17;
    for turn in 0..=turns {
        for (n, target) in targets.iter_mut().enumerate() {
            let before = target.computed();
            for step in 0..batch {
                let key = (key + step * 7919) % rows + 1;
                run(
                    &mut target.connection,
                    load,
                    statements[n].as_ref(),
                    (key, &data),
                );
            }
            // the first turn warms up: plans, caches, heads
            if turn > 0 {
                times[n].push((target.computed() - before) * 1000.0 / batch as f64);
            }
        }
        key = (key * 7919 + 13) % rows;
    }
    for target in targets.iter_mut().filter(|_| prepared) {
        target.connection.run("DEALLOCATE bench");
    }
    times
        .into_iter()
        .map(|mut times| percentile(&mut times, 0.5))
        .collect()
}

/// The text as a client sends it that computes its constants itself.
fn with_constants(text: &str, key: usize) -> String {
    let mut text = text.to_owned();
    for more in [9, 100_000_000] {
        text = text.replace(&format!("$1 + {more}"), &(key + more).to_string());
    }
    text.replace("$1", &key.to_string())
}

fn run(
    connection: &mut Connection,
    load: &Load,
    prepared: Option<&Prepared>,
    (key, data): (usize, &str),
) {
    let writes = !load.text.starts_with("SELECT");
    if writes {
        connection.run("BEGIN");
    }
    let exchange = match prepared {
        Some(prepared) => connection.execute(prepared, &[Some(key.to_string())], Format::Text),
        None if load.copies => connection.simple_with(load.text, Some(data.as_bytes())),
        None => connection.simple(&with_constants(load.text, key)),
    };
    let exchange = exchange.expect("the connection lives");
    let error = exchange.error();
    assert!(error.is_none(), "{}: {error:?}", load.name);
    if writes {
        connection.run("ROLLBACK");
    }
}
