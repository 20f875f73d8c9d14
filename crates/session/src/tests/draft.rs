//! Reading and writing a draft through the proxy.

use crate::testing::{Frames, Server};

fn connect(server: &Server, session: &str) -> Frames {
    let options = format!("-c pgdraft.session={session}");
    let parameters = [
        ("user", "bob"),
        ("database", server.database.as_str()),
        ("options", options.as_str()),
    ];
    Frames::connect(server.address, &parameters)
}

#[test]
fn simple_writes_are_seen_by_their_session_alone() {
    let server = Server::start("draft_simple");
    let (mut a, mut b) = (connect(&server, "a"), connect(&server, "b"));
    let base = "SELECT string_agg(o::text, ' ' ORDER BY id) FROM orders o";
    let before = server.cluster.psql(&server.database, base);
    assert_eq!(a.query("UPDATE orders SET name = 'mine' WHERE id = 2"), "C=UPDATE 1 Z=I");
    assert_eq!(a.query("SELECT name FROM orders WHERE id = 2"), "T D(mine) C=SELECT 1 Z=I");
    assert_eq!(b.query("SELECT name FROM orders WHERE id = 2"), "T D(base 2) C=SELECT 1 Z=I");
    assert_eq!(
        a.query("INSERT INTO orders (id, name) VALUES (10, 'new') RETURNING id, qty"),
        "T D(10,1) C=INSERT 0 1 Z=I"
    );
    assert_eq!(a.query("DELETE FROM orders WHERE id IN (1, 3)"), "C=DELETE 2 Z=I");
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
    assert_eq!(again.query("SELECT name FROM orders WHERE id = 2"), "T D(mine) C=SELECT 1 Z=I");
}
