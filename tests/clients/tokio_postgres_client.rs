//! tokio-postgres: prepared statements, typed parameters, transactions, portals, pipelining,
//! COPY out, cancel, errors.

use std::time::Duration;

use testkit::wire::Login;
use tokio_postgres::error::SqlState;
use tokio_postgres::{Client, Config, Error, NoTls, SimpleQueryMessage};

/// Runs all scripts in a draft; `base` is production's own URL.
pub(crate) fn main(login: &Login, base: &str) -> Result<(), String> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .map_err(|e| e.to_string())?;
    runtime.block_on(async {
        let work = scripts(login, base);
        tokio::time::timeout(Duration::from_secs(120), work)
            .await
            .map_err(|_| "took too long".to_owned())?
            .map_err(|e| format!("{e:?}"))
    })
}

async fn connect(login: &Login) -> Result<Client, Error> {
    let mut config = Config::new();
    config
        .host("127.0.0.1")
        .port(login.port)
        .user(&login.user)
        .password(&login.password)
        .dbname(&login.database);
    if let Some((_, options)) = login.parameters.iter().find(|(name, _)| name == "options") {
        config.options(options);
    }
    let (client, connection) = config.connect(NoTls).await?;
    tokio::spawn(connection);
    Ok(client)
}

async fn scripts(login: &Login, base: &str) -> Result<(), Error> {
    let (production, connection) = tokio_postgres::connect(base, NoTls).await?;
    tokio::spawn(connection);
    let state = "SELECT (SELECT json_agg(c ORDER BY id) FROM customers c)::text || (SELECT json_agg(o ORDER BY id) FROM orders o)::text";
    let before: String = production.query_one(state, &[]).await?.get(0);
    let mut client = connect(login).await?;
    crud(&client).await?;
    transactions(&mut client).await?;
    pipelined(&client).await?;
    errors(&client).await?;
    cancelling(&client).await?;
    admin_statements(login).await?;
    client
        .execute(
            "INSERT INTO customers (name) VALUES ($1)",
            &[&"from tokio_postgres"],
        )
        .await?;
    let after: String = production.query_one(state, &[]).await?.get(0);
    assert_eq!(before, after);
    Ok(())
}

async fn crud(client: &Client) -> Result<(), Error> {
    let row = client
        .query_one(
            "INSERT INTO customers (name, email, tags, photo) VALUES ($1, $2, $3, $4) RETURNING id, name, tags, photo, created",
            &[
                &"tokio one",
                &Some("tokio1@x"),
                &vec!["a", "b c"],
                &[0_u8, 255].as_slice(),
            ],
        )
        .await?;
    let id: i32 = row.get("id");
    assert_eq!(row.get::<_, Vec<String>>("tags"), ["a", "b c"]);
    assert_eq!(row.get::<_, Vec<u8>>("photo"), [0, 255]);
    let insert = client
        .prepare("INSERT INTO orders (customer_id, status) VALUES ($1, $2)")
        .await?;
    for n in 0..5 {
        let added = client.execute(&insert, &[&id, &format!("s{n}")]).await?;
        assert_eq!(added, 1);
    }
    let find = client
        .prepare("SELECT id, status FROM orders WHERE customer_id = $1 ORDER BY id")
        .await?;
    let types: Vec<&str> = find.columns().iter().map(|c| c.type_().name()).collect();
    assert_eq!(types, ["int4", "text"]);
    assert_eq!(client.query(&find, &[&id]).await?.len(), 5);
    let changed = client
        .execute(
            "UPDATE orders SET status = 'done' WHERE customer_id = $1 AND status <> $2",
            &[&id, &"s0"],
        )
        .await?;
    assert_eq!(changed, 4);
    let removed = client
        .query(
            "DELETE FROM orders WHERE customer_id = $1 AND status = 'done' RETURNING id",
            &[&id],
        )
        .await?;
    assert_eq!(removed.len(), 4);
    let left = client.query(&find, &[&id]).await?;
    assert_eq!(left.len(), 1);
    assert_eq!(left[0].get::<_, &str>(1), "s0");
    let simple = client
        .simple_query("SELECT name FROM customers WHERE id = 1; SELECT 2")
        .await?;
    let rows = simple
        .iter()
        .filter(|m| matches!(m, SimpleQueryMessage::Row(_)))
        .count();
    assert_eq!(rows, 2);
    Ok(())
}

async fn transactions(client: &mut Client) -> Result<(), Error> {
    let mut outer = client.transaction().await?;
    outer
        .execute("UPDATE customers SET name = 'outer' WHERE id = 2", &[])
        .await?;
    let inner = outer.transaction().await?;
    inner
        .execute("UPDATE customers SET name = 'inner' WHERE id = 2", &[])
        .await?;
    let portal = inner
        .bind(
            "SELECT id FROM customers WHERE id <= $1 ORDER BY id",
            &[&5_i32],
        )
        .await?;
    assert_eq!(inner.query_portal(&portal, 2).await?.len(), 2);
    assert_eq!(inner.query_portal(&portal, 2).await?.len(), 2);
    assert_eq!(inner.query_portal(&portal, 0).await?.len(), 1);
    inner.rollback().await?;
    outer.commit().await?;
    let name: String = client
        .query_one("SELECT name FROM customers WHERE id = 2", &[])
        .await?
        .get(0);
    assert_eq!(name, "outer");
    Ok(())
}

async fn pipelined(client: &Client) -> Result<(), Error> {
    let add = "UPDATE customers SET credit = credit + 1 WHERE id = 5";
    let (a, b, c) = tokio::join!(
        client.execute(add, &[]),
        client.query_one("SELECT count(*) FROM customers WHERE id < 6", &[]),
        client.execute(add, &[]),
    );
    assert_eq!((a?, b?.get::<_, i64>(0), c?), (1, 5, 1));
    let sum: f64 = client
        .query_one("SELECT credit::float8 FROM customers WHERE id = 5", &[])
        .await?
        .get(0);
    assert!((sum - 52.0).abs() < f64::EPSILON);
    Ok(())
}

async fn errors(client: &Client) -> Result<(), Error> {
    for (text, code) in [
        ("SELECT nope FROM customers", SqlState::UNDEFINED_COLUMN),
        ("SELEC 1", SqlState::SYNTAX_ERROR),
        (
            "INSERT INTO customers (id, name) VALUES (1, 'x')",
            SqlState::UNIQUE_VIOLATION,
        ),
        (
            "INSERT INTO orders (customer_id) VALUES (99)",
            SqlState::FOREIGN_KEY_VIOLATION,
        ),
        ("DROP TABLE orders", SqlState::FEATURE_NOT_SUPPORTED),
    ] {
        for extended in [false, true] {
            let failure = if extended {
                client.execute(text, &[]).await.err()
            } else {
                client.batch_execute(text).await.err()
            };
            let found = failure.as_ref().and_then(Error::code);
            assert_eq!(found, Some(&code), "{text}: {failure:?}");
        }
    }
    assert_eq!(client.query_one("SELECT 1", &[]).await?.get::<_, i32>(0), 1);
    Ok(())
}

async fn cancelling(client: &Client) -> Result<(), Error> {
    let token = client.cancel_token();
    let sleeping = client.batch_execute("SELECT pg_sleep(60)");
    let stopping = async {
        // Repeated, as the first may come before the statement has begun.
        loop {
            tokio::time::sleep(Duration::from_millis(100)).await;
            let _ = token.cancel_query(NoTls).await;
        }
    };
    let outcome = tokio::select! {
        outcome = sleeping => outcome,
        () = stopping => Ok(()),
    };
    let code = outcome.as_ref().err().and_then(Error::code).cloned();
    assert_eq!(code, Some(SqlState::QUERY_CANCELED), "{outcome:?}");
    client.simple_query("SELECT 1").await?;
    Ok(())
}

async fn admin_statements(login: &Login) -> Result<(), Error> {
    let mut own = login.clone();
    own.parameters.clear();
    let own = own
        .option("pgdraft.session", "tokio admin")
        .option("pgdraft.operation", "tokio operation");
    let client = connect(&own).await?;
    client
        .execute("DELETE FROM orders WHERE id = $1", &[&3_i32])
        .await?;
    let diff = client.query("SHOW DIFF", &[]).await?;
    assert_eq!(diff.len(), 1);
    assert_eq!(diff[0].get::<_, &str>("diff_type"), "removed");
    assert_eq!(diff[0].get::<_, &str>("operation"), "tokio operation");
    let failure = client.batch_execute("COMMIT SESSION 'tokio admin'").await;
    let code = failure.as_ref().err().and_then(Error::code);
    assert_eq!(code, Some(&SqlState::INSUFFICIENT_PRIVILEGE), "{failure:?}");
    client
        .batch_execute("DISCARD SESSION 'tokio admin'")
        .await?;
    let late = client.execute("DELETE FROM orders WHERE id = 4", &[]).await;
    let code = late.as_ref().err().and_then(Error::code);
    assert_eq!(code.map(SqlState::code), Some("ZD002"), "{late:?}");
    Ok(())
}
