//! Bytes that no driver sends: nothing panics, nothing hangs, others are served.

use std::time::Duration;

use crate::testing::{Frames, Server, summary};

struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % u64::try_from(limit).unwrap()).unwrap()
    }
}

/// A plausible message, sometimes damaged.
fn message(random: &mut Random, out: &mut Vec<u8>) {
    let texts = [
        "SELECT id FROM orders",
        "UPDATE orders SET qty = 1",
        "BEGIN",
        "ROLLBACK",
        "selec",
        "",
        "COPY orders FROM STDIN",
        "SET search_path = public",
        "SHOW SESSIONS",
        "SHOW pgdraft.session",
        "SELECT 1; DELETE FROM orders; SELECT 2",
        "DEALLOCATE ALL",
        "DISCARD ALL",
        "COMMIT",
        "SELECT 1/0",
        "COPY orders TO STDOUT",
        "SET LOCAL pgdraft.operation = 'x'",
        "INSERT INTO orders VALUES ($1, 'x')",
    ];
    let names: [&[u8]; 4] = [b"", b"a", b"b", b"pgdraft_own"];
    let text = texts[random.below(texts.len())];
    let name = names[random.below(4)];
    let other = names[random.below(4)];
    let start = out.len();
    match random.below(16) {
        0 | 1 => wire::encode::query(out, text),
        2..4 => wire::encode::parse(out, name, text, &[]),
        4 | 5 => wire::encode::bind_text(out, name, other, &[Some("1")][..random.below(2)]),
        6 => wire::encode::describe_statement(out, name),
        7 => wire::encode::describe_portal(out, name),
        8 | 9 => wire::encode::execute(out, name, i32::try_from(random.below(3)).unwrap()),
        10 => wire::encode::close_statement(out, name),
        11 => wire::encode::raw(out, b'd', b"1\tx\n"),
        12 => wire::encode::raw(out, b"cfHF"[random.below(4)], b""),
        _ => wire::encode::sync(out),
    }
    if random.below(60) == 0 {
        let len = out.len() - start;
        let at = start + random.below(len);
        out[at] = u8::try_from(random.below(256)).unwrap();
    }
}

#[test]
fn random_messages() {
    let server = Server::start("hostile_random");
    let parameters = [("user", "bob+mad"), ("database", server.database.as_str())];
    for seed in 1..60 {
        let mut random = Random(0x9E37_79B9_7F4A_7C15_u64.wrapping_mul(seed));
        let mut client = Frames::connect(server.address, &parameters);
        for _ in 0..20 {
            let mut out = Vec::new();
            for _ in 0..random.below(12) {
                message(&mut random, &mut out);
            }
            client.out = out;
            if !client.try_send() {
                break;
            }
            client.read_for(b'!', 1, Duration::from_millis(2));
        }
        // whatever state it is in, it ends: an unfinished message may still wait for its bytes
        drop(client);
        let mut other = Frames::connect(server.address, &parameters);
        assert_eq!(
            other.query("SELECT 1"),
            "T D(1) C=SELECT 1 Z=I",
            "seed {seed}"
        );
    }
    assert_eq!(
        server
            .cluster
            .psql(&server.database, "SELECT count(*) FROM orders")
            .trim(),
        "5"
    );
    assert_eq!(server.panics(), 0);
}

#[test]
fn every_request_is_answered_when_nothing_is_damaged() {
    let server = Server::start("hostile_groups");
    let parameters = [("user", "bob+sane"), ("database", server.database.as_str())];
    let mut client = Frames::connect(server.address, &parameters);
    for seed in 1..300 {
        let mut random = Random(0xD134_2543_DE82_EF95_u64.wrapping_mul(seed));
        for _ in 0..random.below(10) {
            let name = ["", "a"][random.below(2)];
            match random.below(6) {
                0 => drop(client.parse(
                    name,
                    [
                        "SELECT id FROM orders",
                        "UPDATE orders SET qty = qty + 1",
                        "selec",
                        "SHOW SESSIONS",
                        "BEGIN",
                        "ROLLBACK",
                    ][random.below(6)],
                )),
                1 | 2 => drop(client.bind(name, name, &[])),
                3 => drop(client.describe(b"SP"[random.below(2)], name)),
                4 => drop(client.execute(name, 0)),
                _ => drop(client.raw(b'C', [&b"Sa\0"[..], b"Pa\0"][random.below(2)])),
            }
        }
        client.sync();
        wire::encode::query(
            &mut client.out,
            [
                "SELECT 1",
                "DELETE FROM orders WHERE id = 1",
                "!",
                "SELECT 1; SET pgdraft.operation = 'o'; SELECT 2",
                "ROLLBACK",
            ][random.below(5)],
        );
        let shown = client.shown(2);
        assert!(
            !shown.contains("TIMEOUT") && !shown.contains("EOF") && !shown.contains("XX000"),
            "seed {seed}: {shown}"
        );
    }
    assert!(summary(&client.read_for(b'!', 1, Duration::from_millis(50))).ends_with("TIMEOUT"));
    assert_eq!(server.panics(), 0);
}

#[test]
fn random_groups_are_answered_as_by_the_server() {
    const TEXTS: [&str; 12] = [
        "SELECT id FROM plain ORDER BY id",
        "SELECT $1::int",
        "selec",
        "BEGIN",
        "ROLLBACK",
        "COMMIT",
        "SELECT 1/0",
        "DEALLOCATE a",
        "SET work_mem = '5MB'",
        "",
        "SAVEPOINT s",
        "SELECT nosuch",
    ];
    const QUERIES: [&str; 10] = [
        "SELECT 1",
        "!",
        "SELECT 1; SELECT 2; SELECT 1/0; SELECT 3",
        "ROLLBACK",
        "BEGIN; SELECT 1",
        "DISCARD ALL",
        "COMMIT",
        "SET search_path = public; SELECT v FROM plain WHERE id = 1",
        "",
        "SELECT v FROM plain; DEALLOCATE ALL; SELECT 2",
    ];
    let server = Server::start("hostile_same");
    let parameters = [("user", "agent"), ("database", server.database.as_str())];
    let direct = std::net::SocketAddr::from(([127, 0, 0, 1], server.cluster.port));
    let mut both = [direct, server.address].map(|address| Frames::connect(address, &parameters));
    for seed in 1..400 {
        let shown = both.each_mut().map(|client| {
            let mut random = Random(0xA076_1D64_78BD_642F_u64.wrapping_mul(seed));
            for _ in 0..random.below(9) {
                let name = ["", "a", "b"][random.below(3)];
                let other = ["", "a", "b"][random.below(3)];
                match random.below(7) {
                    0 | 1 => drop(client.parse(name, TEXTS[random.below(12)])),
                    2 | 3 => drop(client.bind(name, other, &[Some("7")][..random.below(2)])),
                    4 => drop(client.describe(b"SP"[random.below(2)], name)),
                    5 => drop(client.execute(name, i32::try_from(random.below(2)).unwrap())),
                    _ => drop(client.raw(
                        b'C',
                        [&b"Sa\0"[..], b"Pa\0", b"Sb\0", b"S\0"][random.below(4)],
                    )),
                }
            }
            client.sync();
            wire::encode::query(&mut client.out, QUERIES[random.below(10)]);
            client.shown(2)
        });
        assert_eq!(shown[0], shown[1], "seed {seed}");
    }
    assert_eq!(server.panics(), 0);
}
