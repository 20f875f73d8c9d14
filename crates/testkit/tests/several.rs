//! Several pgdraft processes over one database.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test stops at the first surprise"
)]

use testkit::Cluster;
use testkit::proxy::{Proxy, Settings, over_with};
use testkit::wire::{Connection, Format};

const SETUP: &str = "\
CREATE TABLE items (id int PRIMARY KEY, name text NOT NULL);
CREATE TABLE parts (id int PRIMARY KEY, name text NOT NULL);
INSERT INTO items VALUES (1, 'one'), (2, 'two');
INSERT INTO parts VALUES (1, 'one'), (2, 'two');
CREATE SEQUENCE numbers;
";

fn in_mode(mode: &str) -> Settings {
    Settings {
        config: format!("pool_mode = \"{mode}\"\n"),
        ..Settings::default()
    }
}

#[test]
fn a_session_sees_its_own_writes_through_both() {
    for mode in ["session", "transaction"] {
        let (database, first) = over_with(SETUP, &in_mode(mode));
        let mut a = first.connect("s");
        assert_eq!(a.value("SELECT name FROM items WHERE id = 1"), "one");
        let prepared = a
            .prepare("p", "SELECT name FROM parts WHERE id = 1")
            .unwrap()
            .unwrap();
        let second = Proxy::start_with(&database, &in_mode(mode));
        let mut b = second.connect("s");
        // the first write of a table, which has no head until then
        b.run("UPDATE items SET name = 'by b' WHERE id = 1");
        assert_eq!(a.value("SELECT name FROM items WHERE id = 1"), "by b");
        b.run("UPDATE parts SET name = 'by b' WHERE id = 1");
        let told = a.execute(&prepared, &[], Format::Text).unwrap();
        assert_eq!(told.replies[0].value(0, 0).as_deref(), Some("by b"));
        a.run("BEGIN; UPDATE items SET name = name || ' and a' WHERE id = 1");
        assert_eq!(a.value("SELECT name FROM items WHERE id = 1"), "by b and a");
        a.run("COMMIT");
        assert_eq!(b.value("SELECT name FROM items WHERE id = 1"), "by b and a");
        b.run("TRUNCATE parts");
        assert_eq!(a.value("SELECT count(*) FROM parts"), "0");
        assert_eq!(a.value("SELECT nextval('numbers')"), "1");
        b.run("SELECT setval('numbers', 100)");
        assert_eq!(a.value("SELECT nextval('numbers')"), "101");
        // it dies with neither
        drop(first);
        assert_eq!(b.value("SELECT name FROM items WHERE id = 1"), "by b and a");
    }
}

#[test]
fn a_cancel_key_works_on_both() {
    for mode in ["session", "transaction"] {
        cancels_through_the_other(mode);
    }
}

fn cancels_through_the_other(mode: &str) {
    let (database, first) = over_with(SETUP, &in_mode(mode));
    let second = Proxy::start_with(&database, &in_mode(mode));
    let mut a = first.connect("s");
    let (_, pid, key) = a.cancel_key();
    let port = second.port();
    // a cancel that comes before the statement runs stops nothing, so it is asked for once it does
    let watch = std::thread::spawn(move || {
        let mut watch = Cluster::shared().connect(database.name());
        let runs = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND query = 'SELECT pg_sleep(60)' AND state = 'active'";
        while watch.value(runs) == "0" {}
        testkit::wire::cancel(port, pid, &key).unwrap();
        database
    });
    let told = a.fail("SELECT pg_sleep(60)");
    assert_eq!(told.code(), "57014");
    drop(watch.join().unwrap());
    drop((first, second));
}

#[test]
fn many_connections_share_few() {
    let settings = Settings {
        config: "pool_mode = \"transaction\"\npool_size = 3\n".to_owned(),
        ..Settings::default()
    };
    let (_database, mut proxy) = over_with(SETUP, &settings);
    let mut clients: Vec<Connection> = (0..40).map(|n| proxy.connect(&format!("s{n}"))).collect();
    for (n, client) in clients.iter_mut().enumerate() {
        client.run(&format!("UPDATE items SET name = '{n}' WHERE id = 1"));
    }
    for (n, client) in clients.iter_mut().enumerate() {
        assert_eq!(
            client.value("SELECT name FROM items WHERE id = 1"),
            n.to_string()
        );
    }
    proxy.assert_sound();
}
