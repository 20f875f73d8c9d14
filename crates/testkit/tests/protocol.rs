//! Flights of protocol messages, sent as they are to PostgreSQL and to a draft: the same messages
//! must come back, in the same order and byte for byte (errors: but for their source lines).
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::too_many_lines,
    reason = "a test stops at the first surprise; tables of cases are long"
)]

use testkit::Cluster;
use testkit::proxy::Proxy;
use testkit::wire::{Body, Connection, Failure, Message};

const SETUP: &str = "\
CREATE TABLE t (id int PRIMARY KEY, v varchar(20), n numeric(6,2) DEFAULT 1.5);
CREATE TABLE u (id int PRIMARY KEY, t_id int REFERENCES t);
INSERT INTO t SELECT n, 'v' || n FROM generate_series(1, 9) n;
INSERT INTO u SELECT n, n FROM generate_series(1, 3) n;
";

/// Messages being put together.
#[derive(Clone, Default)]
struct Flight(Vec<u8>);

impl Flight {
    fn add(mut self, tag: u8, body: Body) -> Self {
        self.0.extend(body.tagged(tag));
        self
    }
    fn query(self, text: &str) -> Self {
        self.add(b'Q', Body::new().text(text))
    }
    fn parse(self, name: &str, text: &str) -> Self {
        self.add(b'P', Body::new().text(name).text(text).int16(0))
    }
    /// With types given for the first parameters.
    fn parse_typed(self, name: &str, text: &str, types: &[i32]) -> Self {
        let count = i16::try_from(types.len()).unwrap();
        let mut body = Body::new().text(name).text(text).int16(count);
        for t in types {
            body = body.int32(*t);
        }
        self.add(b'P', body)
    }
    fn bind(self, portal: &str, statement: &str, values: &[Option<&str>]) -> Self {
        self.bind_as(portal, statement, values, &[])
    }
    fn bind_as(
        self,
        portal: &str,
        statement: &str,
        values: &[Option<&str>],
        formats: &[i16],
    ) -> Self {
        let count = i16::try_from(values.len()).unwrap();
        let mut body = Body::new()
            .text(portal)
            .text(statement)
            .int16(0)
            .int16(count);
        for value in values {
            body = match value {
                None => body.int32(-1),
                Some(v) => body
                    .int32(i32::try_from(v.len()).unwrap())
                    .raw(v.as_bytes()),
            };
        }
        body = body.int16(i16::try_from(formats.len()).unwrap());
        for format in formats {
            body = body.int16(*format);
        }
        self.add(b'B', body)
    }
    fn describe(self, kind: u8, name: &str) -> Self {
        self.add(b'D', Body::new().byte(kind).text(name))
    }
    fn execute(self, portal: &str, rows_max: i32) -> Self {
        self.add(b'E', Body::new().text(portal).int32(rows_max))
    }
    fn close(self, kind: u8, name: &str) -> Self {
        self.add(b'C', Body::new().byte(kind).text(name))
    }
    fn flush(self) -> Self {
        self.add(b'H', Body::new())
    }
    fn sync(self) -> Self {
        self.add(b'S', Body::new())
    }
}

fn f() -> Flight {
    Flight::default()
}

/// Flights sent one after another on one connection; each ends when as many ReadyForQuery came as
/// it holds Query and Sync messages.
struct Talk {
    name: &'static str,
    flights: Vec<Flight>,
}

fn talk(name: &'static str, flights: Vec<Flight>) -> Talk {
    Talk { name, flights }
}

const UPDATE: &str = "UPDATE t SET v = $2 WHERE id = $1";
const READ: &str = "SELECT id, v, n FROM t WHERE id <= $1 ORDER BY id";

fn talks() -> Vec<Talk> {
    let one = [Some("1")];
    let update = [Some("1"), Some("new")];
    let whole = || {
        f().parse("", READ)
            .bind("", "", &[Some("3")])
            .describe(b'P', "")
            .execute("", 0)
            .sync()
    };
    vec![
        talk(
            "one flight",
            vec![
                whole(),
                f().parse("", UPDATE)
                    .bind("", "", &update)
                    .describe(b'P', "")
                    .execute("", 0)
                    .sync(),
                whole(),
            ],
        ),
        talk(
            "describe of a statement",
            vec![
                f().parse("r", READ).describe(b'S', "r").sync(),
                f().parse("w", UPDATE).describe(b'S', "w").sync(),
                f().bind("", "w", &update).execute("", 0).sync(),
                f().describe(b'S', "r").sync(),
                f().bind("", "r", &one).execute("", 0).sync(),
            ],
        ),
        talk(
            "several pairs in a flight",
            vec![
                f().parse("", UPDATE)
                    .bind("", "", &[Some("1"), Some("a")])
                    .execute("", 0)
                    .bind("", "", &[Some("2"), Some("b")])
                    .execute("", 0)
                    .bind("", "", &[Some("99"), Some("c")])
                    .execute("", 0)
                    .sync(),
                whole(),
            ],
        ),
        talk(
            "several syncs in a flight",
            vec![
                f().parse("", UPDATE)
                    .bind("", "", &update)
                    .execute("", 0)
                    .sync()
                    .parse("", READ)
                    .bind("", "", &one)
                    .describe(b'P', "")
                    .execute("", 0)
                    .sync()
                    .query("SELECT count(*) FROM t WHERE v = 'new'")
                    .sync(),
            ],
        ),
        talk(
            "an error skips to sync",
            vec![
                f().parse("", UPDATE)
                    .bind("", "", &update)
                    .execute("", 0)
                    .parse("", "SELECT nope FROM t")
                    .bind("", "", &[])
                    .execute("", 0)
                    .parse("", UPDATE)
                    .bind("", "", &[Some("2"), Some("never")])
                    .execute("", 0)
                    .sync()
                    .parse("", READ)
                    .bind("", "", &[Some("2")])
                    .execute("", 0)
                    .sync(),
            ],
        ),
        talk(
            "an error at bind",
            vec![
                f().parse("p", READ).sync(),
                f().bind("", "p", &[Some("x")])
                    .describe(b'P', "")
                    .execute("", 0)
                    .sync(),
                f().bind("", "p", &[]).execute("", 0).sync(),
                f().bind("", "p", &[Some("2")]).execute("", 0).sync(),
            ],
        ),
        talk(
            "an error at execute",
            vec![
                f().parse("i", "INSERT INTO t (id) VALUES ($1)").sync(),
                f().bind("", "i", &[Some("10")])
                    .execute("", 0)
                    .bind("", "i", &[Some("10")])
                    .execute("", 0)
                    .bind("", "i", &[Some("11")])
                    .execute("", 0)
                    .sync(),
                f().query("SELECT id FROM t WHERE id > 9 ORDER BY id"),
                f().bind("", "i", &[Some("10")]).execute("", 0).sync(),
                f().query("SELECT id FROM t WHERE id > 9 ORDER BY id"),
            ],
        ),
        talk(
            "portals that are suspended",
            vec![
                f().query("UPDATE t SET v = 'dirty' WHERE id = 2"),
                f().query("BEGIN"),
                f().parse("r", READ)
                    .bind("c", "r", &[Some("8")])
                    .describe(b'P', "c")
                    .execute("c", 3)
                    .flush()
                    .execute("c", 2)
                    .sync(),
                f().execute("c", 2).sync(),
                f().execute("c", 0).sync(),
                f().execute("c", 0).sync(),
                f().close(b'P', "c").sync(),
                f().execute("c", 0).sync(),
                f().query("ROLLBACK"),
            ],
        ),
        talk(
            "a portal does not outlive its transaction",
            vec![
                f().parse("r", READ)
                    .bind("c", "r", &[Some("8")])
                    .execute("c", 2)
                    .sync(),
                f().execute("c", 2).sync(),
            ],
        ),
        talk(
            "returning in pieces",
            vec![
                f().parse("", "UPDATE t SET v = v || '!' WHERE id < 6 RETURNING id")
                    .bind("", "", &[])
                    .describe(b'P', "")
                    .execute("", 2)
                    .sync(),
                f().query("SELECT id, v FROM t ORDER BY id"),
            ],
        ),
        talk(
            "binary results",
            vec![
                f().query("UPDATE t SET n = 3.25 WHERE id = 3"),
                f().parse("", READ)
                    .bind_as("", "", &[Some("4")], &[1])
                    .describe(b'P', "")
                    .execute("", 0)
                    .sync(),
                f().parse("", READ)
                    .bind_as("", "", &[Some("4")], &[1, 0, 1])
                    .describe(b'P', "")
                    .execute("", 0)
                    .sync(),
                f().parse("", READ)
                    .bind_as("", "", &[Some("4")], &[1, 0])
                    .describe(b'P', "")
                    .execute("", 0)
                    .sync(),
                f().parse("", "INSERT INTO t (id) VALUES (20) RETURNING *, id + 1")
                    .bind_as("", "", &[], &[1])
                    .describe(b'P', "")
                    .execute("", 0)
                    .sync(),
            ],
        ),
        talk(
            "types that are given",
            vec![
                f().parse_typed("", "SELECT $1, $2 FROM t WHERE id = 1", &[25, 20])
                    .describe(b'S', "")
                    .bind("", "", &[Some("a"), Some("5")])
                    .execute("", 0)
                    .sync(),
                f().parse_typed("", UPDATE, &[20, 25])
                    .describe(b'S', "")
                    .bind("", "", &update)
                    .execute("", 0)
                    .sync(),
                f().parse_typed("", UPDATE, &[0, 1043])
                    .describe(b'S', "")
                    .bind("", "", &update)
                    .execute("", 0)
                    .sync(),
                f().parse_typed("", "INSERT INTO t (id, v) VALUES ($1, $2)", &[25])
                    .sync(),
                f().parse("", "INSERT INTO t (id, v, n) VALUES ($1, $2, $3)")
                    .describe(b'S', "")
                    .sync(),
            ],
        ),
        talk(
            "statements are closed",
            vec![
                f().parse("a", READ).close(b'S', "a").sync(),
                f().bind("", "a", &one).sync(),
                f().close(b'S', "never was").close(b'P', "nor this").sync(),
                f().parse("a", UPDATE).parse("a", READ).sync(),
                f().close(b'S', "a")
                    .parse("a", READ)
                    .describe(b'S', "a")
                    .sync(),
                f().close(b'S', "").sync(),
            ],
        ),
        talk(
            "sql and protocol share names",
            vec![
                f().parse("x", READ).sync(),
                f().query("DEALLOCATE x"),
                f().bind("", "x", &one).execute("", 0).sync(),
                f().parse("y", READ).sync(),
                f().query("DEALLOCATE ALL"),
                f().describe(b'S', "y").sync(),
            ],
        ),
        talk(
            "empty statements",
            vec![
                f().query(""),
                f().query(" ; "),
                f().query("-- nothing"),
                f().parse("", "")
                    .bind("", "", &[])
                    .describe(b'P', "")
                    .execute("", 0)
                    .sync(),
                f().parse("", " -- nothing").describe(b'S', "").sync(),
                f().sync(),
                f().flush().sync(),
            ],
        ),
        talk(
            "what answers nothing or a tag only",
            vec![
                f().parse("", "BEGIN")
                    .bind("", "", &[])
                    .describe(b'P', "")
                    .execute("", 0)
                    .sync(),
                f().parse("", "SAVEPOINT s")
                    .describe(b'S', "")
                    .bind("", "", &[])
                    .execute("", 0)
                    .sync(),
                f().parse("", "DELETE FROM t WHERE id > 5")
                    .describe(b'S', "")
                    .bind("", "", &[])
                    .execute("", 0)
                    .sync(),
                f().parse("", "ROLLBACK TO s")
                    .bind("", "", &[])
                    .execute("", 0)
                    .sync(),
                f().parse("", "SET LOCAL work_mem = '1MB'")
                    .bind("", "", &[])
                    .describe(b'P', "")
                    .execute("", 0)
                    .sync(),
                f().parse("", "COMMIT")
                    .bind("", "", &[])
                    .execute("", 0)
                    .sync(),
                f().query("SELECT count(*) FROM t"),
            ],
        ),
        talk(
            "a transaction in one flight",
            vec![
                f().parse("", "BEGIN")
                    .bind("", "", &[])
                    .execute("", 0)
                    .parse("", UPDATE)
                    .bind("", "", &update)
                    .execute("", 0)
                    .parse("", READ)
                    .bind("", "", &one)
                    .execute("", 0)
                    .parse("", "COMMIT")
                    .bind("", "", &[])
                    .execute("", 0)
                    .sync(),
                f().parse("", "BEGIN")
                    .bind("", "", &[])
                    .execute("", 0)
                    .parse("", "DELETE FROM u")
                    .bind("", "", &[])
                    .execute("", 0)
                    .parse("", "DELETE FROM t")
                    .bind("", "", &[])
                    .execute("", 0)
                    .parse("", "SELECT 1/0")
                    .bind("", "", &[])
                    .execute("", 0)
                    .parse("", "COMMIT")
                    .bind("", "", &[])
                    .execute("", 0)
                    .sync(),
                f().query("SELECT 1"),
                f().query("COMMIT"),
                f().query("SELECT count(*) FROM t, u"),
            ],
        ),
        talk(
            "a flight without a transaction is one",
            vec![
                f().parse("", "DELETE FROM u WHERE id = 1")
                    .bind("", "", &[])
                    .execute("", 0)
                    .parse("", "INSERT INTO u VALUES (9, 999)")
                    .bind("", "", &[])
                    .execute("", 0)
                    .sync(),
                f().query("SELECT count(*) FROM u"),
            ],
        ),
        talk(
            "constraint errors in order",
            vec![
                f().parse("", "INSERT INTO u VALUES ($1, $2)")
                    .bind("", "", &[Some("8"), Some("4711")])
                    .execute("", 0)
                    .sync(),
                f().parse("", "DELETE FROM t WHERE id = 1")
                    .bind("", "", &[])
                    .execute("", 0)
                    .sync(),
                f().parse("", "INSERT INTO t VALUES (1)")
                    .bind("", "", &[])
                    .execute("", 0)
                    .sync(),
                f().parse("", "UPDATE t SET v = v || $2 WHERE id = $1")
                    .bind("", "", &[Some("1"), Some("longer than twenty characters")])
                    .execute("", 0)
                    .sync(),
                f().parse("", "INSERT INTO t VALUES (NULL)")
                    .bind("", "", &[])
                    .execute("", 0)
                    .sync(),
            ],
        ),
        talk(
            "a name that is taken keeps its statement",
            vec![
                f().query("UPDATE t SET v = 'dirty' WHERE id = 2"),
                f().parse("s", UPDATE).sync(),
                f().parse("s", "DELETE FROM u WHERE id = $1")
                    .bind("", "s", &one)
                    .describe(b'P', "")
                    .execute("", 0)
                    .sync(),
                f().describe(b'S', "s").sync(),
                f().bind("", "s", &update).execute("", 0).sync(),
                f().query("SELECT (SELECT count(*) FROM u), v FROM t WHERE id = 1"),
            ],
        ),
        talk(
            "a query that fails leaves no unnamed statement",
            vec![
                f().query("UPDATE t SET v = 'dirty' WHERE id = 2"),
                f().query("SELECT count(*) FROM t; SELECT 1 / 0; SELECT 2"),
                f().describe(b'S', "").sync(),
                f().query("INSERT INTO t VALUES (1); SELECT 2"),
                f().describe(b'S', "").sync(),
            ],
        ),
        talk(
            "a simple query uses the unnamed statement up",
            vec![
                f().parse("", READ).sync(),
                f().query("SELECT 1"),
                f().bind("", "", &one).execute("", 0).sync(),
            ],
        ),
        talk(
            "copy out",
            vec![
                f().query("UPDATE t SET v = 'copied' WHERE id = 1"),
                f().query("COPY (SELECT id, v FROM t ORDER BY id) TO STDOUT"),
                f().query("COPY (SELECT 1, 2) TO STDOUT (FORMAT binary)"),
                f().parse("", "COPY (SELECT 1) TO STDOUT")
                    .bind("", "", &[])
                    .describe(b'P', "")
                    .execute("", 0)
                    .sync(),
                f().query("SELECT 1; COPY (SELECT 2) TO STDOUT; SELECT 3"),
            ],
        ),
        talk(
            "cursors and portals share names",
            vec![
                f().query("BEGIN; DECLARE c CURSOR FOR SELECT generate_series(1, 5)"),
                f().describe(b'P', "c").sync(),
                f().execute("c", 2).sync(),
                f().query("FETCH 2 FROM c"),
                f().query("CLOSE c"),
                f().execute("c", 1).sync(),
                f().query("ROLLBACK"),
            ],
        ),
        talk(
            "notices",
            vec![
                f().query("COMMIT"),
                f().query("BEGIN; BEGIN; ROLLBACK; ROLLBACK"),
                f().parse("", "ROLLBACK")
                    .bind("", "", &[])
                    .execute("", 0)
                    .sync(),
            ],
        ),
        talk(
            "statements that end a DEALLOCATE ALL",
            vec![
                f().parse("d", "DEALLOCATE ALL").parse("", READ).sync(),
                f().bind("", "d", &[]).execute("", 0).sync(),
                f().bind("", "", &one).execute("", 0).sync(),
                f().describe(b'S', "d").sync(),
            ],
        ),
        talk(
            "several statements are a block",
            vec![
                f().query("SELECT 1; DISCARD ALL; SELECT 2"),
                f().query("DISCARD ALL; SELECT 2"),
                f().query("UPDATE t SET v = 'x' WHERE id = 1; DISCARD ALL"),
                f().query("SELECT v FROM t WHERE id = 1"),
                f().query("BEGIN; SELECT 1/0; DISCARD ALL"),
                f().query("DISCARD ALL"),
                f().query("ROLLBACK; DISCARD ALL"),
                f().query("DISCARD ALL"),
            ],
        ),
        talk(
            "columns of a change are told when it has run",
            vec![
                f().query("INSERT INTO t VALUES (1, 'x') RETURNING id, v"),
                f().query("INSERT INTO t VALUES (21, 'x') RETURNING id, v"),
                f().query("INSERT INTO t VALUES (21, 'x') RETURNING id, v"),
                f().query("INSERT INTO t SELECT 22, 'x' WHERE false RETURNING id"),
                f().query("UPDATE t SET n = 1 / (id - 3) WHERE id <= 3 RETURNING id, n"),
                f().query("SELECT 1 / (id - 3) FROM t WHERE id <= 3 ORDER BY id"),
                f().query("SELECT 1; DELETE FROM t WHERE id = 2 RETURNING *; SELECT 2"),
                f().query("DELETE FROM t WHERE id = 9 RETURNING *; SELECT 2"),
                f().query("WITH w AS (INSERT INTO t VALUES (1) RETURNING id) SELECT id, 1 FROM w"),
                f().query("WITH w AS (INSERT INTO t VALUES (31) RETURNING id) SELECT id, 1 FROM w"),
            ],
        ),
        talk(
            "parameters that are reported",
            vec![
                f().query("SET application_name = 'x y'"),
                f().query("SET TIME ZONE 'Europe/Berlin'; SET DateStyle = 'SQL, DMY'"),
                f().query("BEGIN; SET TIME ZONE 'UTC'; ROLLBACK"),
                f().query("RESET ALL"),
            ],
        ),
        talk(
            "wide and many",
            vec![
                f().query(&format!(
                    "SELECT {}",
                    (1..=1600)
                        .map(|n| n.to_string())
                        .collect::<Vec<_>>()
                        .join(", ")
                )),
                f().query("SELECT n, repeat('x', n % 50) FROM generate_series(1, 5000) n"),
                f().parse("", "SELECT repeat('y', 300000), $1::text")
                    .bind("", "", &[Some(&"z".repeat(200_000))])
                    .execute("", 0)
                    .sync(),
            ],
        ),
    ]
}

#[test]
fn the_same_messages_come_back() {
    let template = Cluster::shared().create_database("template");
    template.run(SETUP);
    let base = Cluster::shared().copy_database(template.name(), "base");
    // With PostgreSQL on both sides the flights themselves are tested.
    let mut proxy = testkit::environment("PGDRAFT_TEST_PLAIN")
        .is_none()
        .then(|| Proxy::start(&base));
    let before = base.dump();
    let mut wrong = Vec::new();
    for (number, talk) in talks().into_iter().enumerate() {
        let plain = Cluster::shared().copy_database(template.name(), "plain");
        let mut ours = plain.connect();
        let copy = Cluster::shared().copy_database(template.name(), "copy");
        let mut theirs = match &proxy {
            Some(proxy) => proxy.connect(&format!("talk-{number}")),
            None => copy.connect(),
        };
        for (at, flight) in talk.flights.iter().enumerate() {
            let a = send(&mut ours, flight);
            let b = send(&mut theirs, flight);
            if a != b {
                wrong.push(format!(
                    "{}, flight {}:\n  plain {}\n  draft {}",
                    talk.name,
                    at + 1,
                    a.join("\n        "),
                    b.join("\n        ")
                ));
                break;
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert_eq!(before, base.dump());
    if let Some(proxy) = &mut proxy {
        proxy.assert_sound();
    }
}

/// Sends a flight and reads until it is answered; each message in a comparable form.
fn send(connection: &mut Connection, flight: &Flight) -> Vec<String> {
    let mut wanted = 0;
    let mut at = 0;
    while at < flight.0.len() {
        if matches!(flight.0[at], b'Q' | b'S') {
            wanted += 1;
        }
        let length: [u8; 4] = flight.0[at + 1..at + 5].try_into().unwrap();
        at += 1 + usize::try_from(u32::from_be_bytes(length)).unwrap();
    }
    connection.set_patience(std::time::Duration::from_secs(30));
    let mut shown = Vec::new();
    if let Err(e) = connection.send_raw(&flight.0) {
        return vec![format!("send: {e}")];
    }
    while wanted > 0 {
        match connection.receive() {
            Err(e) => {
                shown.push(format!("receive: {e}"));
                break;
            }
            Ok(message) => {
                if message.tag == b'Z' {
                    wanted -= 1;
                }
                shown.push(show(&message));
            }
        }
    }
    shown
}

fn show(message: &Message) -> String {
    let text = match message.tag {
        b'E' | b'N' => {
            let mut failure = Failure::parse(&message.body);
            // no values of a row are told under row-level security, which heads are under
            if failure.field('D').starts_with("Failing row") {
                failure.0.remove(&'D');
            }
            format!("{} {failure}", failure.field('S'))
        }
        _ => {
            let mut text: String = message
                .body
                .iter()
                .map(|b| match b {
                    32..=126 => (*b as char).to_string(),
                    other => format!("\\{other:02x}"),
                })
                .collect();
            if text.len() > 400 {
                text.truncate(200);
                text.push_str(&format!("… {} bytes", message.body.len()));
            }
            text
        }
    };
    format!("{} {text}", message.tag as char)
}

/// Messages that come in pieces, cut at every place, are the same messages.
#[test]
fn messages_in_pieces() {
    let base = Cluster::shared().create_database("base");
    base.run(SETUP);
    let mut proxy = Proxy::start(&base);
    let mut connection = proxy.connect("pieces");
    connection.run("UPDATE t SET v = 'dirty' WHERE id = 1");
    let flight = f()
        .parse("", READ)
        .bind("", "", &[Some("1")])
        .describe(b'P', "")
        .execute("", 0)
        .sync()
        .query("SELECT v FROM t WHERE id = 1");
    let whole = send(&mut connection, &flight);
    for cut in 1..flight.0.len() {
        connection.send_raw(&flight.0[..cut]).unwrap();
        if cut % 16 == 0 {
            std::thread::sleep(std::time::Duration::from_millis(2));
        }
        connection.send_raw(&flight.0[cut..]).unwrap();
        let mut shown = Vec::new();
        for _ in 0..whole.len() {
            shown.push(show(&connection.receive().unwrap()));
        }
        assert_eq!(whole, shown, "cut at {cut}");
    }
    proxy.assert_sound();
}
