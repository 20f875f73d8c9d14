//! Against a real PostgreSQL.

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use wire::frame::backend;
use wire::scram::Verifier;
use wire::{encode, frame};

use super::cluster::Cluster;
use crate::{Connection, Target, UpstreamError, UpstreamStream, cancel, connect, control};

/// Sends a Query; gives the first column of its rows, or the SQLSTATE of its error.
async fn query(connection: &mut Connection, sql: &str) -> Result<Vec<String>, String> {
    let mut out = Vec::new();
    encode::query(&mut out, sql);
    connection.stream.write_all(&out).await.unwrap();
    connection.stream.flush().await.unwrap();
    let mut rows = Ok(Vec::new());
    loop {
        let mut head = [0; frame::HEADER_LEN];
        connection.stream.read_exact(&mut head).await.unwrap();
        let header = frame::header(&head).unwrap().unwrap();
        let mut body = vec![0; header.body_len];
        connection.stream.read_exact(&mut body).await.unwrap();
        match header.tag {
            backend::DATA_ROW => {
                let row = backend::data_row(&body).unwrap();
                let value = row[0].unwrap_or(b"NULL").to_vec();
                if let Ok(rows) = &mut rows {
                    rows.push(String::from_utf8(value).unwrap());
                }
            }
            backend::ERROR_RESPONSE => rows = Err(code(&backend::error_fields(&body).unwrap())),
            backend::READY_FOR_QUERY => return rows,
            _ => {}
        }
    }
}

fn code(fields: &[(u8, Vec<u8>)]) -> String {
    let (_, code) = fields.iter().find(|(code, _)| *code == b'C').unwrap();
    String::from_utf8(code.clone()).unwrap()
}

async fn one(target: &Target, sql: &str) -> String {
    let mut connection = connect(target, &[]).await.unwrap();
    query(&mut connection, sql).await.unwrap().remove(0)
}

const TLS: &str = "SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()";

#[tokio::test]
async fn against_postgresql() {
    let cluster = Cluster::start();
    passwords(&cluster).await;
    greeting(&cluster).await;
    refusals(&cluster).await;
    tls_levels(&cluster).await;
    unix_socket(&cluster).await;
    cancelling(&cluster).await;
    controlling(&cluster).await;
    verifiers(&cluster).await;
}

async fn passwords(cluster: &Cluster) {
    for user in ["scram", "hashed", "clear", "trusted"] {
        for parameters in ["sslmode=disable", "sslmode=require"] {
            let target = cluster.target(user, "localhost", parameters);
            assert_eq!(one(&target, "SELECT current_user").await, user);
            let wrong = target.with_user(user, "wrong");
            match connect(&wrong, &[]).await {
                Ok(_) => assert_eq!(user, "trusted"),
                Err(UpstreamError::Server(fields)) => assert_eq!(code(&fields), "28P01"),
                Err(other) => panic!("{other}"),
            }
        }
    }
}

async fn greeting(cluster: &Cluster) {
    let target = cluster.target("scram", "127.0.0.1", "application_name=ours");
    let pairs = [
        ("client_encoding", "LATIN1"),
        ("options", "-c work_mem=7MB -c a.b=c"),
        // Not ours to change.
        ("user", "postgres"),
        ("database", "template1"),
        ("replication", "database"),
    ];
    let pairs = pairs.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let mut connection = connect(&target, &pairs).await.unwrap();
    let told = |name: &str| {
        let found = connection
            .parameters
            .iter()
            .find(|(known, _)| known == name);
        found.map(|(_, value)| value.clone())
    };
    assert_eq!(told("client_encoding").as_deref(), Some("LATIN1"));
    assert_eq!(told("application_name").as_deref(), Some("ours"));
    assert!(told("server_version").is_some());
    assert_eq!(connection.key.len(), 4);
    assert!(connection.read_ahead.is_empty() && connection.notices.is_empty());
    let sql = "SELECT concat_ws(' ', current_database(), current_user, \
               current_setting('work_mem'), current_setting('a.b'))";
    let rows = query(&mut connection, sql).await.unwrap();
    assert_eq!(rows, ["postgres scram 7MB c"]);
    let pid = query(&mut connection, "SELECT pg_backend_pid()")
        .await
        .unwrap();
    assert_eq!(pid, [connection.pid.to_string()]);

    let named = [("application_name".to_owned(), "theirs".to_owned())];
    let connection = connect(&target, &named).await.unwrap();
    assert!(connection.parameters.contains(&named[0]));
}

async fn refusals(cluster: &Cluster) {
    let target = cluster.target("scram", "localhost", "dbname=missing");
    let error = connect(&target, &[]).await.unwrap_err();
    let report = error.report();
    assert_eq!(report.code, "3D000");
    assert_eq!(report.message, "database \"missing\" does not exist");
    assert_eq!(report.severity, report::Severity::Fatal);
    assert!(report.hint.is_some());
    match error {
        // Whole: severity, code, message, and where PostgreSQL's source said so.
        UpstreamError::Server(fields) => assert!(fields.len() >= 6, "{fields:?}"),
        other => panic!("{other}"),
    }

    let url = format!("postgres://scram@localhost:{}/postgres", target.port());
    let error = connect(&Target::parse(&url).unwrap(), &[])
        .await
        .unwrap_err();
    assert!(matches!(error, UpstreamError::NoPassword { .. }), "{error}");
    assert_eq!(error.report().code, "28000");
}

/// Whether there is TLS, or what went wrong, in one word.
async fn level(target: &Target) -> String {
    let raw = match connect(target, &[]).await {
        Ok(mut connection) => {
            let under_tls = matches!(connection.stream, UpstreamStream::Tls(_));
            let tls = query(&mut connection, TLS).await.unwrap().remove(0);
            assert_eq!(under_tls, tls == "t");
            tls
        }
        Err(error) => word(&error),
    };
    let controlled = match control(target).await {
        Ok((client, connection)) => {
            let carried = tokio::spawn(connection);
            let tls: bool = client.query_one(TLS, &[]).await.unwrap().get(0);
            drop(client);
            carried.await.unwrap().unwrap();
            if tls { "t" } else { "f" }.to_owned()
        }
        Err(error) => word(&error),
    };
    assert_eq!(raw, controlled, "{target}");
    raw
}

fn word(error: &UpstreamError) -> String {
    match error {
        UpstreamError::Server(fields) => code(fields),
        UpstreamError::Tls { .. } => "tls".to_owned(),
        UpstreamError::RootFile { .. } => "file".to_owned(),
        other => panic!("{other}"),
    }
}

async fn tls_levels(cluster: &Cluster) {
    let (root, other) = (cluster.root("root.crt"), cluster.root("other.crt"));
    let missing = cluster.root("missing.crt");
    let (name, address) = ("localhost", "127.0.0.1");
    let cases = [
        ("scram", name, "sslmode=disable", "", "f"),
        ("scram", name, "sslmode=allow", "", "f"),
        ("scram", name, "", "", "t"),
        ("scram", name, "sslmode=require", "", "t"),
        ("scram", address, "sslmode=require", "", "t"),
        ("scram", address, "sslmode=require", &root, "t"),
        ("scram", name, "sslmode=require", &other, "tls"),
        ("scram", address, "sslmode=verify-ca", &root, "t"),
        ("scram", name, "sslmode=verify-ca", &other, "tls"),
        ("scram", name, "sslmode=verify-full", &root, "t"),
        ("scram", address, "sslmode=verify-full", &root, "tls"),
        ("scram", name, "sslmode=verify-full", &other, "tls"),
        (
            "scram",
            name,
            "sslmode=verify-full",
            "sslrootcert=system",
            "tls",
        ),
        ("scram", name, "sslmode=verify-full", &missing, "file"),
        // The other level is tried where the server refuses the first before asking.
        ("tls_only", name, "sslmode=allow", "", "t"),
        ("tls_only", name, "sslmode=disable", "", "28000"),
        ("plain_only", name, "sslmode=prefer", "", "f"),
        ("plain_only", name, "sslmode=require", "", "28000"),
    ];
    for (user, host, mode, roots, expected) in cases {
        let target = cluster.target(user, host, &format!("{mode}&{roots}"));
        assert_eq!(level(&target).await, expected, "{user} {mode} {roots}");
    }
}

async fn unix_socket(cluster: &Cluster) {
    let target = cluster.local();
    let mut connection = connect(&target, &[]).await.unwrap();
    assert!(matches!(connection.stream, UpstreamStream::Unix(_)));
    let rows = query(&mut connection, "SELECT 1 UNION ALL SELECT 2").await;
    assert_eq!(rows, Ok(vec!["1".to_owned(), "2".to_owned()]));
    let (client, carried) = control(&target).await.unwrap();
    let carried = tokio::spawn(carried);
    client.simple_query("SELECT 1").await.unwrap();
    drop(client);
    carried.await.unwrap().unwrap();

    let folder = cluster.folder().to_str().unwrap().replace('/', "%2F");
    let url = format!("postgres://trusted@{folder}:{}/postgres", target.port());
    let encoded = Target::parse(&url).unwrap();
    assert_eq!(encoded.socket_path(), target.socket_path());
    assert_eq!(one(&encoded, "SELECT 3").await, "3");
}

async fn cancelling(cluster: &Cluster) {
    let over_tls = cluster.target("scram", "localhost", "sslmode=require");
    for target in [over_tls, cluster.local()] {
        let mut connection = connect(&target, &[]).await.unwrap();
        let (pid, key) = (connection.pid, connection.key.clone());
        // With a wrong key nothing happens; the sleep goes on until the right one comes.
        let wrong: Vec<u8> = key.iter().map(|byte| !byte).collect();
        cancel(&target, pid, &wrong).await.unwrap();
        let sleeping = tokio::spawn(async move {
            let slept = query(&mut connection, "SELECT pg_sleep(60)").await;
            (slept, query(&mut connection, "SELECT 1").await)
        });
        let busy = format!("SELECT state = 'active' FROM pg_stat_activity WHERE pid = {pid}");
        // The superuser sees the state of others.
        let watcher = cluster.local().with_user("postgres", "");
        while one(&watcher, &busy).await != "t" {}
        cancel(&target, pid, &key).await.unwrap();
        let (slept, after) = sleeping.await.unwrap();
        assert_eq!(slept, Err("57014".to_owned()));
        assert_eq!(after, Ok(vec!["1".to_owned()]));
    }
}

async fn controlling(cluster: &Cluster) {
    let target = cluster.target("scram", "localhost", "");
    let (client, connection) = control(&target).await.unwrap();
    let carried = tokio::spawn(connection);
    let row = client
        .query_one(
            "SELECT current_setting('application_name'), $1::int8 + 1",
            &[&41_i64],
        )
        .await
        .unwrap();
    assert_eq!(row.get::<_, String>(0), "pgdraft control");
    assert_eq!(row.get::<_, i64>(1), 42);
    drop(client);
    carried.await.unwrap().unwrap();
    for user in ["scram", "hashed", "clear"] {
        let wrong = target.with_user(user, "wrong");
        let report = refused(&wrong).await.report();
        assert_eq!(report.code, "28P01");
        assert!(report.hint.is_some());
    }
}

async fn refused(target: &Target) -> UpstreamError {
    match control(target).await {
        Ok(_) => panic!("not refused"),
        Err(error) => error,
    }
}

/// PostgreSQL takes our verifiers, and we take PostgreSQL's.
async fn verifiers(cluster: &Cluster) {
    let made = Verifier::from_password("our secret", 4096).unwrap();
    cluster.psql(&format!("CREATE ROLE made LOGIN PASSWORD '{made}'"));
    let target = cluster
        .target("made", "localhost", "")
        .with_user("made", "our secret");
    assert_eq!(one(&target, "SELECT current_user").await, "made");

    let superuser = cluster.local().with_user("postgres", "");
    let sql = "SELECT rolpassword FROM pg_authid WHERE rolname = 'scram'";
    let stored = Verifier::parse(&one(&superuser, sql).await).unwrap();
    let again = Verifier::with_salt("right", stored.iterations, stored.salt.clone()).unwrap();
    assert_eq!(stored, again);
}
