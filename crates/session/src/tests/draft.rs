//! Reading and writing a draft through the proxy.

use crate::testing::{Frames, Server, summary};

fn connect(server: &Server, session: &str) -> Frames {
    let options = format!("-c pgdraft.session={session}");
    let parameters = [
        ("user", "bob"),
        ("database", server.database.as_str()),
        ("options", options.as_str()),
    ];
    Frames::connect(server.address, &parameters)
}

fn fields(error: &[(char, String)], codes: &str) -> Vec<String> {
    codes
        .chars()
        .map(|code| {
            let found = error.iter().find(|(known, _)| *known == code);
            found.map(|(_, value)| value.clone()).unwrap_or_default()
        })
        .collect()
}

#[test]
fn simple_writes_are_seen_by_their_session_alone() {
    let server = Server::start("draft_simple");
    let (mut a, mut b) = (connect(&server, "a"), connect(&server, "b"));
    let base = "SELECT string_agg(o::text, ' ' ORDER BY id) FROM orders o";
    let before = server.cluster.psql(&server.database, base);
    assert_eq!(
        a.query("UPDATE orders SET name = 'mine' WHERE id = 2"),
        "C=UPDATE 1 Z=I"
    );
    assert_eq!(
        a.query("SELECT name FROM orders WHERE id = 2"),
        "T D(mine) C=SELECT 1 Z=I"
    );
    assert_eq!(
        b.query("SELECT name FROM orders WHERE id = 2"),
        "T D(base 2) C=SELECT 1 Z=I"
    );
    assert_eq!(
        a.query("INSERT INTO orders (id, name) VALUES (10, 'new') RETURNING id, qty"),
        "T D(10,1) C=INSERT 0 1 Z=I"
    );
    assert_eq!(
        a.query("DELETE FROM orders WHERE id IN (1, 3)"),
        "C=DELETE 2 Z=I"
    );
    assert_eq!(
        a.query("SELECT id FROM orders ORDER BY id"),
        "T D(2) D(4) D(5) D(10) C=SELECT 4 Z=I"
    );
    assert_eq!(
        a.query("BEGIN; UPDATE orders SET qty = 9 WHERE id = 4; SELECT qty FROM orders WHERE id = 4; ROLLBACK; SELECT qty FROM orders WHERE id = 4"),
        "C=BEGIN C=UPDATE 1 T D(9) C=SELECT 1 C=ROLLBACK T D(4) C=SELECT 1 Z=I"
    );
    assert_eq!(server.cluster.psql(&server.database, base), before);
    let mut again = connect(&server, "a");
    assert_eq!(
        again.query("SELECT name FROM orders WHERE id = 2"),
        "T D(mine) C=SELECT 1 Z=I"
    );
}

#[test]
fn sessions_that_changed_the_same_tables_share_plans() {
    let server = Server::start("draft_shared_plans");
    let misses = || server.shared.metrics.plan_miss.get();
    let read = "SELECT name FROM orders WHERE id = 2";
    let work = |session: &str| {
        let mut client = connect(&server, session);
        let clean = client.query(read);
        client.query("UPDATE orders SET name = 'mine' WHERE id = 2");
        (clean, client.query(read))
    };
    let expected = |id: &str| format!("T D({id}) C=SELECT 1 Z=I");
    let (base, mine) = (expected("base 2"), expected("mine"));
    assert_eq!(work("a"), (base.clone(), mine.clone()));
    // the head is there now, so the catalog is another one; of texts that come again constants become parameters
    for session in ["b", "c", "d"] {
        assert_eq!(work(session), (base.clone(), mine.clone()));
    }
    let planned = misses();
    assert_eq!(work("e"), (base, mine.clone()));
    // nobody is connected to any of them
    assert_eq!(connect(&server, "b").query(read), mine);
    assert_eq!(misses(), planned);
}

#[test]
fn extended_writes_describe_as_the_base() {
    let server = Server::start("draft_extended");
    let mut c = connect(&server, "a");
    c.parse(
        "u",
        "UPDATE orders SET name = $2 WHERE id = $1 RETURNING id, name",
    )
    .describe(b'S', "u")
    .sync();
    let described = c.send().read_until(b'Z', 1);
    assert_eq!(summary(&described), "1 t T Z=I");
    let types = wire::frame::backend::parameter_description(&described[1].1).unwrap();
    assert_eq!(types, [23, 25]);
    let fields = wire::frame::backend::row_description(&described[2].1).unwrap();
    let orders = server
        .cluster
        .psql(&server.database, "SELECT 'orders'::regclass::oid");
    let shape: Vec<(u32, i16, u32)> = fields
        .iter()
        .map(|f| (f.table, f.column, f.type_id))
        .collect();
    let orders: u32 = orders.trim().parse().unwrap();
    assert_eq!(shape, [(orders, 1, 23), (orders, 2, 25)]);
    for n in 1..3 {
        c.bind("", "u", &[Some("2"), Some(&format!("v{n}"))])
            .describe(b'P', "")
            .execute("", 0)
            .sync();
        let messages = c.send().read_until(b'Z', 1);
        assert_eq!(summary(&messages), format!("2 T D(2,v{n}) C=UPDATE 1 Z=I"));
        let told = wire::frame::backend::row_description(&messages[1].1).unwrap();
        assert_eq!(told[0].table, orders);
    }
    // a statement that was prepared while the table was clean
    let mut d = connect(&server, "b");
    d.parse("s", "SELECT name FROM orders WHERE id = $1")
        .bind("", "s", &[Some("3")])
        .execute("", 0)
        .sync();
    assert_eq!(d.shown(1), "1 2 D(base 3) C=SELECT 1 Z=I");
    assert_eq!(
        d.extended("DELETE FROM orders WHERE id = $1", &[Some("3")]),
        "1 2 n C=DELETE 1 Z=I"
    );
    d.bind("", "s", &[Some("3")])
        .describe(b'P', "")
        .execute("", 0)
        .sync();
    assert_eq!(d.shown(1), "2 T C=SELECT 0 Z=I");
    assert_eq!(
        d.query("SELECT count(*) FROM orders"),
        "T D(4) C=SELECT 1 Z=I"
    );
}

#[test]
fn a_batch_in_one_group_is_one_operation() {
    let server = Server::start("draft_batch");
    let mut c = connect(&server, "a");
    c.parse("i", "INSERT INTO orders (id, name) VALUES ($1, $2)");
    for id in ["11", "12", "13"] {
        c.bind("", "i", &[Some(id), Some("x")])
            .describe(b'P', "")
            .execute("", 1);
    }
    c.sync();
    assert_eq!(
        c.shown(1),
        "1 2 n C=INSERT 0 1 2 n C=INSERT 0 1 2 n C=INSERT 0 1 Z=I"
    );
    // BEGIN in front of the first statement without Sync, as pgjdbc does
    c.parse("", "BEGIN").bind("", "", &[]).execute("", 0);
    c.parse("", "UPDATE orders SET qty = 2 WHERE id = 11")
        .bind("", "", &[])
        .execute("", 1)
        .sync();
    assert_eq!(c.shown(1), "1 2 C=BEGIN 1 2 C=UPDATE 1 Z=T");
    assert_eq!(c.query("COMMIT"), "C=COMMIT Z=I");
    let operations = "SELECT count(*) FROM pgdraft.operations";
    assert_eq!(
        server.cluster.psql(&server.database, operations).trim(),
        "2"
    );
}

#[test]
fn errors_name_the_base_and_the_clients_text() {
    let server = Server::start("draft_errors");
    let mut c = connect(&server, "a");
    let error = c.error("INSERT INTO orders (id, name) VALUES (20, NULL)");
    assert_eq!(
        fields(&error, "CMst"),
        [
            "23502",
            "null value in column \"name\" of relation \"orders\" violates not-null constraint",
            "public",
            "orders"
        ]
    );
    let error = c.error("SELECT 1; UPDATE orders SET qty = -1 WHERE id = 2");
    assert_eq!(
        fields(&error, "CMn"),
        [
            "23514",
            "new row for relation \"orders\" violates check constraint \"orders_qty_check\"",
            "orders_qty_check"
        ]
    );
    let error = c.error("SELECT 1; UPDATE orders SET nosuch = 1 WHERE id = 2");
    assert_eq!(fields(&error, "CP"), ["42703", "29"]);
    let error = c.error("SELECT 'é'; UPDATE orders SET qty = name WHERE id = 2");
    assert_eq!(fields(&error, "CP"), ["42804", "37"]);
    assert_eq!(
        c.query("UPDATE orders SET qty = 7 WHERE id = 2"),
        "C=UPDATE 1 Z=I"
    );
    let error = c.error("SELECT nosuch FROM orders");
    assert_eq!(fields(&error, "CP"), ["42703", "8"]);
    let error = c.error("SELECT 10 / (qty - 7) FROM orders WHERE id = 2");
    assert_eq!(fields(&error, "C"), ["22012"]);
    let error = c.error("UPDATE orders SET qty = 'x'::text::int WHERE id = 2");
    assert_eq!(fields(&error, "CP"), ["22P02", ""]);
    for error in [
        c.error("INSERT INTO orders (id, name, qty) VALUES (20, 'x', -1)"),
        c.error("INSERT INTO orders (id) VALUES (20)"),
        c.error("INSERT INTO orders (id, name) SELECT 2, 'twice' FROM orders"),
    ] {
        assert!(!format!("{error:?}").contains("pgdraft"), "{error:?}");
    }
}

#[test]
fn transactions_savepoints_and_failures() {
    let server = Server::start("draft_tx");
    let mut c = connect(&server, "a");
    assert_eq!(c.query("BEGIN"), "C=BEGIN Z=T");
    assert_eq!(c.query("CREATE TABLE x (a int)"), "E=0A000 Z=E");
    assert_eq!(c.query("SELECT 1"), "E=25P02 Z=E");
    assert_eq!(c.query("CREATE TABLE x (a int)"), "E=25P02 Z=E");
    assert_eq!(c.query("ROLLBACK"), "C=ROLLBACK Z=I");
    for text in [
        "BEGIN",
        "SAVEPOINT s",
        "UPDATE orders SET qty = 8 WHERE id = 1",
        "ROLLBACK TO s",
    ] {
        c.query(text);
    }
    assert_eq!(
        c.query("SELECT qty FROM orders WHERE id = 1"),
        "T D(1) C=SELECT 1 Z=T"
    );
    assert_eq!(
        c.query("UPDATE orders SET qty = 9 WHERE id = 1"),
        "C=UPDATE 1 Z=T"
    );
    assert_eq!(c.query("COMMIT"), "C=COMMIT Z=I");
    assert_eq!(
        c.query("SELECT qty FROM orders WHERE id = 1"),
        "T D(9) C=SELECT 1 Z=I"
    );
    // a connection whose session is made inside a transaction that is rolled back
    let parameters = [("user", "eve"), ("database", server.database.as_str())];
    let mut e = Frames::connect(server.address, &parameters);
    let own = e.query("SHOW pgdraft.session");
    assert!(own.starts_with("T D(eve-20"), "{own}");
    e.query("BEGIN");
    assert_eq!(e.query("DELETE FROM orders"), "C=DELETE 5 Z=T");
    assert_eq!(e.query("ROLLBACK"), "C=ROLLBACK Z=I");
    assert_eq!(
        e.query("SELECT count(*) FROM orders"),
        "T D(5) C=SELECT 1 Z=I"
    );
    assert_eq!(e.query("DELETE FROM orders WHERE id = 5"), "C=DELETE 1 Z=I");
    assert_eq!(
        e.query("SELECT count(*) FROM orders"),
        "T D(4) C=SELECT 1 Z=I"
    );
    assert_eq!(e.query("DISCARD ALL"), "C=DISCARD ALL Z=I");
    assert_eq!(
        e.query("SELECT count(*) FROM orders"),
        "T D(4) C=SELECT 1 Z=I"
    );
    assert_eq!(
        e.extended("SELECT count(*) FROM orders", &[]),
        "1 2 T D(4) C=SELECT 1 Z=I"
    );
}

#[test]
fn operations_have_the_clients_names() {
    let server = Server::start("draft_operations");
    let mut c = connect(&server, "a");
    assert_eq!(c.query("SHOW pgdraft.operation"), "T D() C=SHOW Z=I");
    assert_eq!(c.query("SET pgdraft.operation = 'one'"), "C=SET Z=I");
    c.query("UPDATE orders SET qty = 2 WHERE id = 1");
    assert_eq!(
        c.query("BEGIN; SET LOCAL pgdraft.operation = 'two'; UPDATE orders SET qty = 3 WHERE id = 1; COMMIT; UPDATE orders SET qty = 4 WHERE id = 1"),
        "C=BEGIN C=SET C=UPDATE 1 C=COMMIT C=UPDATE 1 Z=I"
    );
    c.parse("", "SET pgdraft.operation TO 'three'")
        .bind("", "", &[])
        .describe(b'P', "")
        .execute("", 0)
        .sync();
    assert_eq!(c.shown(1), "1 2 n C=SET Z=I");
    c.query("UPDATE orders SET qty = 5 WHERE id = 1");
    for text in ["BEGIN", "SET pgdraft.operation = 'four'", "ROLLBACK"] {
        c.query(text);
    }
    assert_eq!(c.query("SHOW pgdraft.operation"), "T D(three) C=SHOW Z=I");
    assert_eq!(c.query("RESET pgdraft.operation"), "C=RESET Z=I");
    assert_eq!(c.query("SHOW pgdraft.operation"), "T D() C=SHOW Z=I");
    let long = format!("SET pgdraft.operation = '{}'", "x".repeat(201));
    assert_eq!(c.query(&long), "E=ZD005 Z=I");
    let names = "SELECT string_agg(name, ' ' ORDER BY op) FROM pgdraft.operations";
    let names = server.cluster.psql(&server.database, names);
    assert_eq!(names.trim(), "one two one three");
}

#[test]
fn copy_goes_into_the_draft() {
    let server = Server::start("draft_copy");
    let mut c = connect(&server, "a");
    wire::encode::query(
        &mut c.out,
        "COPY orders (id, name) FROM STDIN; SELECT count(*) FROM orders",
    );
    assert_eq!(summary(&c.send().read_until(b'G', 1)), "G");
    c.raw(b'd', b"30\tx\n31\ty\n").raw(b'c', b"");
    assert_eq!(c.shown(1), "C=COPY 2 T D(7) C=SELECT 1 Z=I");
    // bad data: the error comes at once, and ReadyForQuery although the client sends no more
    wire::encode::query(&mut c.out, "COPY orders (id, name) FROM STDIN; SELECT 1");
    c.send().read_until(b'G', 1);
    c.raw(b'd', b"32\tx\ttoo many\n").raw(b'd', &[b'x'; 20_000]);
    assert_eq!(c.shown(1), "E=22P04 Z=I");
    c.raw(b'c', b"");
    assert_eq!(c.query("SELECT 1"), "T D(1) C=SELECT 1 Z=I");
    // extended, with the Sync before the data that is never answered
    c.parse("", "COPY orders (id, name) FROM STDIN")
        .bind("", "", &[])
        .execute("", 0)
        .sync();
    assert_eq!(summary(&c.send().read_until(b'G', 1)), "1 2 G");
    c.raw(b'd', b"40\tx\n").raw(b'c', b"").sync();
    assert_eq!(c.shown(1), "C=COPY 1 Z=I");
    assert_eq!(
        c.query("SELECT count(*) FROM orders"),
        "T D(8) C=SELECT 1 Z=I"
    );
    assert_eq!(
        c.query("COPY orders (id) TO STDOUT"),
        "H d d d d d d d d c C=COPY 8 Z=I"
    );
    assert_eq!(
        server
            .cluster
            .psql(&server.database, "SELECT count(*) FROM orders")
            .trim(),
        "5"
    );
}

#[test]
fn admin_commands_in_their_place() {
    let server = Server::start("draft_admin");
    let mut c = connect(&server, "a");
    assert_eq!(c.query("SHOW SESSIONS"), "T D(a,3) C=SHOW Z=I");
    assert_eq!(c.extended("SHOW SESSIONS", &[]), "1 2 T D(a,3) C=SHOW Z=I");
    // binary results
    wire::encode::parse(&mut c.out, b"", "SHOW SESSIONS", &[]);
    wire::encode::bind(&mut c.out, b"", b"", &[0, 0, 0, 0, 0, 1, 0, 1]);
    c.execute("", 0).sync();
    let messages = c.send().read_until(b'Z', 1);
    let row = wire::frame::backend::data_row(&messages[2].1).unwrap();
    assert_eq!(row, [Some(&b"a"[..]), Some(&[0, 0, 0, 0, 0, 0, 0, 3][..])]);
    // behind an error of the same group it is skipped, and does not run
    c.parse("", "selec").bind("", "", &[]).execute("", 0);
    c.parse("", "DISCARD SESSION")
        .bind("", "", &[])
        .execute("", 0)
        .sync();
    assert_eq!(c.shown(1), "E=42601 Z=I");
    assert_eq!(c.query("BEGIN"), "C=BEGIN Z=T");
    assert_eq!(c.query("DISCARD SESSION"), "E=25001 Z=E");
    assert_eq!(c.query("SHOW SESSIONS"), "E=25P02 Z=E");
    c.query("ROLLBACK");
    assert_eq!(c.query("COMMIT SESSION"), "E=42501 Z=I");
    c.query("DELETE FROM orders");
    assert_eq!(
        c.query("SELECT count(*) FROM orders"),
        "T D(0) C=SELECT 1 Z=I"
    );
    assert_eq!(c.query("DISCARD SESSION"), "C=DISCARD SESSION Z=I");
    assert_eq!(
        c.query("SELECT count(*) FROM orders"),
        "T D(5) C=SELECT 1 Z=I"
    );
    assert_eq!(c.query("DELETE FROM orders"), "E=ZD002 Z=I");
    assert_eq!(c.query("SELECT 1"), "T D(1) C=SELECT 1 Z=I");
    let ran = server.control.ran.lock().unwrap().join("; ");
    assert_eq!(
        ran,
        "SHOW SESSIONS; SHOW SESSIONS; SHOW SESSIONS; COMMIT SESSION; DISCARD SESSION"
    );
}

#[test]
fn the_search_path_is_followed() {
    let server = Server::start("draft_path");
    server.cluster.psql(&server.database, "CREATE SCHEMA other; CREATE TABLE other.orders AS SELECT 1 AS sole; GRANT USAGE ON SCHEMA other TO agent; GRANT SELECT ON other.orders TO agent");
    let mut c = connect(&server, "a");
    c.query("DELETE FROM orders WHERE id > 1");
    assert_eq!(
        c.query("SET search_path = other; SELECT * FROM orders"),
        "C=SET T D(1) C=SELECT 1 Z=I"
    );
    assert_eq!(c.query("SELECT * FROM orders"), "T D(1) C=SELECT 1 Z=I");
    assert_eq!(
        c.query("BEGIN; SET LOCAL search_path = public"),
        "C=BEGIN C=SET Z=T"
    );
    assert_eq!(c.query("SELECT id FROM orders"), "T D(1) C=SELECT 1 Z=T");
    assert_eq!(c.query("COMMIT"), "C=COMMIT Z=I");
    assert_eq!(c.query("SELECT sole FROM orders"), "T D(1) C=SELECT 1 Z=I");
    c.query("RESET search_path");
    c.parse("", "BEGIN").bind("", "", &[]).execute("", 0);
    c.parse("", "SET search_path = other")
        .bind("", "", &[])
        .execute("", 0);
    c.parse("", "SELECT sole FROM orders")
        .bind("", "", &[])
        .execute("", 0)
        .sync();
    assert_eq!(c.shown(1), "1 2 C=BEGIN 1 2 C=SET 1 2 D(1) C=SELECT 1 Z=T");
    c.query("ROLLBACK");
    assert_eq!(c.query("SELECT id FROM orders"), "T D(1) C=SELECT 1 Z=I");
    let error = c.error("SELECT sole FROM orders");
    assert_eq!(fields(&error, "C"), ["42703"]);
}

#[test]
fn moved_keys_are_counted_and_locks_are_taken() {
    let server = Server::start("draft_moved");
    let mut c = connect(&server, "a");
    assert_eq!(
        c.query("UPDATE orders SET id = id + 100 WHERE id > 3"),
        "C=UPDATE 2 Z=I"
    );
    c.parse("", "UPDATE orders SET id = id + 100 WHERE id < 3")
        .bind("", "", &[])
        .describe(b'P', "")
        .execute("", 1)
        .sync();
    assert_eq!(c.shown(1), "1 2 n C=UPDATE 2 Z=I");
    assert_eq!(
        c.query("SELECT id FROM orders ORDER BY id"),
        "T D(3) D(101) D(102) D(104) D(105) C=SELECT 5 Z=I"
    );
    let parameters = [("user", "eve"), ("database", server.database.as_str())];
    let mut fresh = Frames::connect(server.address, &parameters);
    assert_eq!(
        fresh.query("SELECT qty FROM orders WHERE id = 3 FOR UPDATE"),
        "T D(3) C=SELECT 1 Z=I"
    );
    // what another connection of the session wrote before the lock was ours is read under it
    let mut d = connect(&server, "a");
    c.query("BEGIN");
    c.query("UPDATE orders SET qty = 70 WHERE id = 3");
    d.query("BEGIN");
    wire::encode::query(&mut d.out, "SELECT qty FROM orders WHERE id = 3 FOR UPDATE");
    let wait = std::time::Duration::from_millis(300);
    assert_eq!(summary(&d.send().read_for(b'Z', 1, wait)), "TIMEOUT");
    assert_eq!(c.query("COMMIT"), "C=COMMIT Z=I");
    assert_eq!(summary(&d.read_until(b'Z', 1)), "T D(70) C=SELECT 1 Z=T");
    d.query("ROLLBACK");
    assert_eq!(
        d.extended(
            "SELECT qty FROM orders WHERE id = $1 FOR UPDATE",
            &[Some("3")]
        ),
        "1 2 T D(70) C=SELECT 1 Z=I"
    );
}

#[test]
fn nothing_is_read_under_other_rules() {
    let server = Server::start("draft_unfit");
    let mut c = connect(&server, "a");
    // however it came about: refused from then on, with a hint
    server.cluster.psql(
        "postgres",
        &format!(
            "ALTER DATABASE {} SET standard_conforming_strings = off",
            server.database
        ),
    );
    let mut d = connect(&server, "a");
    assert_eq!(c.query("SELECT 1"), "T D(1) C=SELECT 1 Z=I");
    let error = d.error("SELECT 1");
    assert_eq!(fields(&error, "C"), ["0A000"]);
    assert!(!fields(&error, "H")[0].is_empty());
    assert_eq!(d.extended("SELECT 1", &[]), "E=0A000 Z=I");
}
