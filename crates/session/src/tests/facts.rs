//! What PostgreSQL does on the wire, asked of the server directly and through us: both must agree.

use std::net::SocketAddr;
use std::time::Duration;

use crate::testing::{Frames, Server, summary};

const SHORT: Duration = Duration::from_millis(400);

struct Pair {
    server: Server,
}

impl Pair {
    fn start(name: &str) -> Self {
        let server = Server::start(name);
        Self { server }
    }

    fn connect(&self) -> [Frames; 2] {
        let direct = SocketAddr::from(([127, 0, 0, 1], self.server.cluster.port));
        [direct, self.server.address].map(|address| {
            let parameters = [
                ("user", "agent"),
                ("database", self.server.database.as_str()),
            ];
            Frames::connect(address, &parameters)
        })
    }

    /// Runs the same on both and demands the same answer.
    fn same(&self, ask: impl Fn(&mut Frames) -> String) -> String {
        let mut answers = self.connect().map(|mut client| ask(&mut client));
        let through = std::mem::take(&mut answers[1]);
        assert_eq!(answers[0], through, "directly and through us");
        through
    }
}

#[test]
fn errors_in_pipelines_and_transactions() {
    let pair = Pair::start("facts_errors");
    pair.same(|c| {
        c.parse("", "select 1").bind("", "", &[]).execute("", 0);
        c.parse("", "!").bind("", "", &[]).execute("", 0);
        c.parse("", "select 3")
            .bind("", "", &[])
            .execute("", 0)
            .sync();
        c.shown(1)
    });
    pair.same(|c| {
        for text in ["begin", "!", "select 1", "rollback"] {
            wire::encode::query(&mut c.out, text);
        }
        c.shown(4)
    });
    pair.same(|c| {
        c.parse("", "selec 1").send();
        wire::encode::query(&mut c.out, "select 2");
        let first = summary(&c.send().read_for(b'Z', 1, SHORT));
        c.sync();
        format!("{first} {}", c.shown(1))
    });
    pair.same(|c| {
        c.parse("", "select 1").describe(b'S', "");
        wire::encode::query(&mut c.out, "select 2");
        c.shown(1)
    });
    pair.same(|c| format!("{:?}", c.error("select 'ééé', nosuch")));
    pair.same(|c| format!("{:?}", c.error("select 1; select 'ééé', nosuch; select 2")));
    pair.same(|c| summary(&c.parse("", "selec").send().read_until(b'E', 1)));
    pair.same(|c| c.query("begin; select 1; commit; select 2; select 1/0; select 3"));
    pair.same(|c| {
        c.parse("", "select 1; select 2").sync();
        c.shown(1)
    });
    pair.same(|c| c.query(""));
    pair.same(|c| c.query(";;"));
    pair.same(|c| c.extended("", &[]));
}

#[test]
fn portals_flush_and_suspension() {
    let pair = Pair::start("facts_portals");
    pair.same(|c| {
        wire::encode::query(&mut c.out, "begin");
        c.parse("", "select generate_series(1,5)")
            .bind("p1", "", &[]);
        c.execute("p1", 2).sync().execute("p1", 2).sync();
        wire::encode::query(&mut c.out, "commit");
        c.shown(4)
    });
    pair.same(|c| {
        let held = summary(&c.parse("", "select 1").send().read_for(b'1', 1, SHORT));
        let told = summary(&c.flush().send().read_until(b'1', 1));
        c.sync();
        format!("{held} {told} {}", c.shown(1))
    });
    pair.same(|c| {
        c.parse("x", "select 1")
            .bind("", "x", &[])
            .execute("", 0)
            .sync();
        wire::encode::query(&mut c.out, "deallocate x");
        c.bind("", "x", &[]).sync();
        c.shown(3)
    });
    pair.same(|c| {
        c.parse("", "select 1")
            .bind("", "", &[])
            .execute("", 0)
            .raw(b'X', &[]);
        summary(&c.send().read_until(b'!', 1))
    });
    pair.same(|c| {
        c.bind("", "nosuch", &[]).sync();
        c.bind("", "", &[]).sync();
        c.describe(b'P', "nosuch").sync();
        c.describe(b'S', "nosuch").sync();
        c.execute("nosuch", 0).sync();
        c.shown(5)
    });
    pair.same(|c| {
        c.query("select 1");
        c.bind("", "", &[]).sync();
        c.shown(1)
    });
    pair.same(|c| {
        c.parse("a", "select $1::int").parse("a", "select 2").sync();
        c.bind("", "a", &[Some("1")]).execute("", 0).sync();
        c.shown(2)
    });
}

#[test]
fn malformed_messages() {
    let pair = Pair::start("facts_malformed");
    pair.same(|c| {
        c.raw(b'Q', b"select 1\0select 2\0");
        c.shown(1)
    });
    pair.same(|c| {
        c.raw(b'P', b"\0select 1\0\0\x05").sync();
        c.shown(1)
    });
    let [_, mut through] = pair.connect();
    through.raw(b'y', b"");
    let told = summary(&through.send().read_until(b'!', 1));
    assert_eq!(told, "E=08P01 EOF");
    let [_, mut through] = pair.connect();
    through.out.extend_from_slice(b"Q\0\0\0\x01");
    let told = summary(&through.send().read_until(b'!', 1));
    assert_eq!(told, "E=08P01 EOF");
}

#[test]
fn notices_notifications_and_the_end() {
    let pair = Pair::start("facts_async");
    for mut client in pair.connect() {
        assert_eq!(client.query("listen c"), "C=LISTEN Z=I");
        pair.server
            .cluster
            .psql(&pair.server.database, "NOTIFY c, 'x'");
        assert_eq!(summary(&client.read_until(b'A', 1)), "A");
        let messages = {
            wire::encode::query(&mut client.out, "select pg_backend_pid()");
            client.send().read_until(b'Z', 1)
        };
        let row = wire::frame::backend::data_row(&messages[1].1).unwrap();
        let pid = String::from_utf8(row[0].unwrap().to_vec()).unwrap();
        let sql = format!("SELECT pg_terminate_backend({pid})");
        pair.server.cluster.psql(&pair.server.database, &sql);
        assert_eq!(summary(&client.read_until(b'!', 1)), "E=57P01 EOF");
    }
}
