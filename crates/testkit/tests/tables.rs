//! Tables of special kinds: what the configuration and production say about them.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test stops at the first surprise"
)]

use testkit::cluster::Cluster;
use testkit::proxy::{Settings, over_with};

const READINGS: &str = "\
CREATE TABLE readings (sensor text, at int, value numeric, note text);
CREATE TABLE doubled (a int, b int);
CREATE TABLE missing (a int, b int);
CREATE TABLE marked (a int NOT NULL, b text NOT NULL, c int);
CREATE UNIQUE INDEX marked_c ON marked (c);
CREATE UNIQUE INDEX marked_b ON marked (b);
CREATE UNIQUE INDEX marked_a ON marked (a);
ALTER TABLE marked REPLICA IDENTITY USING INDEX marked_a;
INSERT INTO readings SELECT 's' || i % 3, i, i, 'n' FROM generate_series(1, 30) i;
INSERT INTO doubled VALUES (1, 1), (1, 1);
INSERT INTO missing VALUES (1, NULL);
INSERT INTO marked VALUES (1, 'one', 1), (2, 'two', 2);
";

fn keys() -> Settings {
    Settings {
        config: "[tables]\nkey = [\"public.readings.sensor\", \"public.readings.at\", \"public.doubled.a\", \"public.doubled.b\", \"public.missing.a\", \"public.missing.b\"]\n".into(),
        ..Settings::default()
    }
}

#[test]
fn a_key_that_the_configuration_names() {
    let (database, mut proxy) = over_with(READINGS, &keys());
    let mut agent = proxy.connect("s");
    agent.run("UPDATE readings SET value = value + 100 WHERE at <= 2");
    agent.run("DELETE FROM readings WHERE sensor = 's0' AND at = 3");
    agent.run("UPDATE readings SET at = 300 WHERE at = 30");
    agent.run("INSERT INTO readings VALUES ('s9', 1, 1, NULL)");
    assert_eq!(agent.value("SELECT count(*) FROM readings"), "30");
    assert_eq!(
        agent.value(
            "SELECT string_agg(value::text, ',' ORDER BY at, sensor) FROM readings WHERE at <= 4"
        ),
        "101,1,102,4"
    );
    for statement in [
        "INSERT INTO readings VALUES ('s1', 1, 5, 'twice')",
        "INSERT INTO readings VALUES ('s9', 1, 5, 'twice')",
        "INSERT INTO readings VALUES ('t', 1), ('t', 1)",
        "INSERT INTO readings VALUES ('s1', NULL)",
        "UPDATE readings SET sensor = NULL WHERE at = 5",
        "UPDATE doubled SET b = 2",
        "DELETE FROM missing",
    ] {
        let failure = agent.fail(statement);
        assert_eq!(failure.code(), "0A000", "{statement}");
    }
    // Two rows that production makes equal afterwards.
    let mut owner = database.connect();
    owner.run("INSERT INTO readings VALUES ('s1', 7, 0, 'again')");
    assert_eq!(
        agent
            .fail("DELETE FROM readings WHERE note = 'again'")
            .code(),
        "0A000"
    );
    proxy.review("COMMIT SESSION 's'");
    assert_eq!(
        owner.value("SELECT count(*) || ' ' || sum(value) FROM readings"),
        "31 663"
    );
    proxy.assert_sound();
}

#[test]
fn a_replica_identity_tells_rows_apart() {
    let (database, mut proxy) = over_with(READINGS, &keys());
    let mut agent = proxy.connect("s");
    agent.run(
        "UPDATE marked SET c = 7, b = 'seven' WHERE a = 1; DELETE FROM marked WHERE b = 'two'",
    );
    let diff = proxy.review("SHOW DIFF IN SESSION 's'");
    assert_eq!(diff.rows.len(), 2);
    proxy.review("COMMIT SESSION 's'");
    assert_eq!(
        database
            .connect()
            .value("SELECT string_agg(m::text, ' ') FROM marked m"),
        "(1,seven,7)"
    );
    proxy.assert_sound();
}

#[test]
fn a_key_that_cannot_be_stops_the_start() {
    let database = Cluster::shared().create_database("keys");
    database.run(READINGS);
    testkit::proxy::initialise(&database.url());
    for (key, said) in [
        (
            "public.nothing.a",
            "public.nothing: the table does not exist",
        ),
        ("public.readings.none", "column \"none\" does not exist"),
    ] {
        let config = format!("[tables]\nkey = [\"{key}\"]\n");
        let file = std::env::temp_dir().join(format!("pgdraft-keys-{}.toml", std::process::id()));
        std::fs::write(&file, testkit::proxy::configuration(&config)).unwrap();
        let output = std::process::Command::new(testkit::proxy::binary())
            .args([
                "serve",
                "--listen",
                "127.0.0.1:0",
                "--metrics-listen",
                "off",
                "--config",
            ])
            .arg(&file)
            .args(["--upstream-url", &database.url()])
            .output()
            .unwrap();
        std::fs::remove_file(&file).unwrap();
        assert!(!output.status.success());
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(text.contains(said), "{text}");
    }
}
