//! How a connection begins, in every version and order that clients use.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test stops at the first surprise"
)]

use std::time::Duration;

use testkit::Cluster;
use testkit::cluster::Database;
use testkit::proxy::{Proxy, Settings, over_with};
use testkit::wire::{Connection, Failure, Message};

const SSL: i32 = 80_877_103;
const GSSENC: i32 = 80_877_104;

fn over(mode: &str) -> (Database, Proxy) {
    let settings = Settings {
        config: format!("pool_mode = \"{mode}\"\n"),
        ..Settings::default()
    };
    over_with("CREATE TABLE t (id int PRIMARY KEY)", &settings)
}

/// What NegotiateProtocolVersion says: the minor version, and the options that are not known.
fn negotiated(message: &Message) -> (i32, Vec<String>) {
    assert_eq!(message.tag, b'v', "{message:?}");
    let minor = i32::from_be_bytes(message.body[..4].try_into().unwrap());
    let names = message.body[8..].split(|byte| *byte == 0);
    let names = names.map(|name| String::from_utf8(name.to_vec()).unwrap());
    (
        minor & 0xffff,
        names.filter(|name| !name.is_empty()).collect(),
    )
}

#[test]
fn versions_are_negotiated() {
    let (_database, mut proxy) = over("session");
    let plain = proxy.agent("s");
    let options = plain.clone().parameter("_pq_.command_tags", "on");
    for (login, minor, told) in [
        (&plain, 0, None),
        (&plain, 2, None),
        (&plain, 1, Some((0, vec![]))),
        (&plain, 9, Some((2, vec![]))),
        (&options, 0, Some((0, vec!["_pq_.command_tags".to_owned()]))),
        (&options, 2, Some((2, vec!["_pq_.command_tags".to_owned()]))),
    ] {
        let mut connection = Connection::socket(proxy.port(), Duration::from_secs(60)).unwrap();
        let mut login = login.clone();
        login.minor = minor;
        connection.send_raw(&login.startup_packet()).unwrap();
        let first = connection.receive().unwrap();
        let asked = match told {
            None => first,
            Some(expected) => {
                assert_eq!(negotiated(&first), expected, "3.{minor}");
                connection.receive().unwrap()
            }
        };
        assert_eq!(asked.tag, b'R', "3.{minor}: it goes on with the password");
    }
    // another protocol altogether
    let mut connection = Connection::socket(proxy.port(), Duration::from_secs(60)).unwrap();
    let mut other = plain.startup_packet();
    other[5] = 4;
    connection.send_raw(&other).unwrap();
    let told = Failure::parse(&connection.receive().unwrap().body);
    assert_eq!(told.code(), "0A000", "{told}");
    proxy.assert_sound();
}

#[test]
fn encryption_is_asked_for_in_any_order() {
    let (_database, mut proxy) = over("session");
    for requests in [&[][..], &[SSL], &[GSSENC], &[GSSENC, SSL], &[SSL, GSSENC]] {
        let mut connection = Connection::socket(proxy.port(), Duration::from_secs(60)).unwrap();
        for request in requests {
            let packet = [8_i32, *request].map(i32::to_be_bytes).concat();
            connection.send_raw(&packet).unwrap();
            assert_eq!(connection.receive_byte().unwrap(), b'N', "{requests:?}");
        }
        connection
            .send_raw(&proxy.agent("s").startup_packet())
            .unwrap();
        assert_eq!(connection.receive().unwrap().tag, b'R', "{requests:?}");
    }
    proxy.assert_sound();
}

#[test]
fn a_long_cancel_key_stops_the_statement() {
    for mode in ["session", "transaction"] {
        let (database, mut proxy) = over(mode);
        let mut login = proxy.agent("s");
        login.minor = 2;
        let mut agent = Connection::open(&login).unwrap();
        let (port, pid, key) = agent.cancel_key();
        assert_eq!(key.len(), 32);
        let watch = std::thread::spawn(move || {
            let mut watch = Cluster::shared().connect(database.name());
            let runs = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() \
                        AND query = 'SELECT pg_sleep(60)' AND state = 'active'";
            while watch.value(runs) == "0" {}
            // four bytes of it are not enough
            testkit::wire::cancel(port, pid, &key[..4]).unwrap();
            assert_eq!(watch.value(runs), "1");
            testkit::wire::cancel(port, pid, &key).unwrap();
            database
        });
        assert_eq!(agent.fail("SELECT pg_sleep(60)").code(), "57014");
        drop(watch.join().unwrap());
        proxy.assert_sound();
    }
}

/// `options` as a client sends them, and a setting that they lead to.
const OPTIONS: &[(&str, &str, &str)] = &[
    ("-c work_mem=5MB", "work_mem", "5MB"),
    ("-cwork_mem=5MB", "work_mem", "5MB"),
    ("--work-mem=5MB", "work_mem", "5MB"),
    ("  -c   work_mem=5MB  ", "work_mem", "5MB"),
    ("-c app.a=x\\ y", "app.a", "x y"),
    ("-c app.a=x\\\\y", "app.a", "x\\y"),
    ("-c app.a=1 -c app.a=2", "app.a", "2"),
    ("-c app.a=it's", "app.a", "it's"),
    ("-c app.a==", "app.a", "="),
    ("-c DateStyle=German,DMY", "DateStyle", "German, DMY"),
];

#[test]
fn options_are_read_as_postgresql_reads_them() {
    for mode in ["session", "transaction"] {
        let (database, mut proxy) = over(mode);
        for (options, name, value) in OPTIONS {
            let mut login = proxy.agent("s");
            login.parameters.clear();
            let show = format!("SHOW {name}");
            let direct = database.cluster().login(database.name());
            for login in [direct, login] {
                let login = login.parameter("options", options);
                let mut connection = Connection::open(&login).unwrap();
                assert_eq!(connection.value(&show), *value, "{mode}: {options}");
                connection.run(&format!("SET {name} = DEFAULT"));
                assert_eq!(connection.value(&show), *value, "{mode}: {options}");
            }
        }
        proxy.assert_sound();
    }
}
