//! sqlx: the same steps on PostgreSQL and in a draft, a line each. URL [options].

use futures_util::TryStreamExt;
use sqlx::postgres::types::{PgInterval, PgMoney, PgRange};
use sqlx::postgres::{PgConnectOptions, PgPoolCopyExt, PgPoolOptions, PgRow};
use sqlx::types::{BigDecimal, Json, JsonValue, Uuid, chrono};
use sqlx::{Acquire, Column, Connection, Executor, FromRow, PgPool, QueryBuilder, Row, Statement, TypeInfo};

type Outcome = Result<String, sqlx::Error>;

fn say(step: &str, outcome: Outcome) {
    match outcome {
        Ok(text) => println!("{step}: {text}"),
        Err(sqlx::Error::Database(e)) => {
            println!(
                "{step}: {:?} {} {:?} {:?} {:?}",
                e.code(),
                e.message(),
                e.constraint(),
                e.table(),
                e.kind()
            );
        }
        Err(e) => println!("{step}: {e}"),
    }
}

/// The rows as text, cell by cell, in the types that the columns have.
fn cells(rows: &[PgRow]) -> String {
    let mut text = String::new();
    for row in rows {
        for column in row.columns() {
            let i = column.ordinal();
            let cell = match column.type_info().name() {
                "INT4" => format!("{:?}", row.get::<Option<i32>, _>(i)),
                "INT8" => format!("{:?}", row.get::<Option<i64>, _>(i)),
                "BOOL" => format!("{:?}", row.get::<Option<bool>, _>(i)),
                "NUMERIC" => format!("{:?}", row.get::<Option<BigDecimal>, _>(i).map(|n| n.to_string())),
                "DATE" => format!("{:?}", row.get::<Option<chrono::NaiveDate>, _>(i)),
                "TIMESTAMPTZ" => format!("{:?}", row.get::<Option<chrono::DateTime<chrono::Utc>>, _>(i)),
                "TEXT[]" => format!("{:?}", row.get::<Option<Vec<String>>, _>(i)),
                "JSONB" => format!("{:?}", row.get::<Option<Json<JsonValue>>, _>(i).map(|j| j.0)),
                "MONEY" => format!("{:?}", row.get::<Option<PgMoney>, _>(i).map(|m| m.0)),
                "UUID" => format!("{:?}", row.get::<Option<Uuid>, _>(i)),
                "INT4RANGE" => format!("{:?}", row.get::<Option<PgRange<i32>>, _>(i)),
                "BYTEA" => format!("{:?}", row.get::<Option<Vec<u8>>, _>(i)),
                "TEXT" | "VARCHAR" => format!("{:?}", row.get::<Option<String>, _>(i)),
                other => format!("<{other}>"),
            };
            text.push_str(&format!("{}={cell} ", column.name()));
        }
        text.push('|');
    }
    text
}

#[derive(Debug, sqlx::Type)]
#[sqlx(type_name = "mood", rename_all = "lowercase")]
enum Mood {
    Sad,
    Ok,
    Happy,
}

#[derive(Debug, FromRow)]
#[allow(dead_code, reason = "printed")]
struct Author {
    id: i32,
    name: String,
    email: Option<String>,
    rating: Option<BigDecimal>,
}

async fn queries(pool: &PgPool) {
    say(
        "all types",
        async {
            Ok(cells(
                &sqlx::query("SELECT * FROM books WHERE id < 4 ORDER BY id").fetch_all(pool).await?,
            ))
        }
        .await,
    );
    say(
        "as struct",
        async {
            Ok(format!(
                "{:?}",
                sqlx::query_as::<_, Author>("SELECT * FROM authors WHERE id = ANY($1) ORDER BY id")
                    .bind(vec![1, 2, 19])
                    .fetch_all(pool)
                    .await?
            ))
        }
        .await,
    );
    say(
        "scalar",
        async {
            Ok(format!(
                "{:?}",
                sqlx::query_scalar::<_, i64>("SELECT count(*) FROM books WHERE tags @> $1")
                    .bind(vec!["t1".to_owned()])
                    .fetch_one(pool)
                    .await?
            ))
        }
        .await,
    );
    say(
        "optional",
        async {
            Ok(format!(
                "{:?}",
                sqlx::query("SELECT 1 FROM authors WHERE id = $1")
                    .bind(-1)
                    .fetch_optional(pool)
                    .await?
                    .is_some()
            ))
        }
        .await,
    );
    say(
        "stream",
        async {
            let mut rows = sqlx::query("SELECT id FROM books ORDER BY id").fetch(pool);
            let mut n = 0;
            while let Some(row) = rows.try_next().await? {
                n += row.get::<i64, _>(0);
                if n > 100 {
                    break;
                }
            }
            Ok(n.to_string())
        }
        .await,
    );
    say("describe", async {
        let described = pool.describe("SELECT b.id, b.title, a.email, count(*) FROM books b LEFT JOIN authors a ON a.id = b.author_id WHERE b.id > $1 GROUP BY b.id, b.title, a.email").await?;
        Ok(format!("{:?} {:?} {:?}", described.columns.iter().map(|c| (c.name().to_owned(), c.type_info().name().to_owned())).collect::<Vec<_>>(), described.nullable, described.parameters))
    }.await);
    say(
        "describe change",
        async {
            let described = pool
                .describe("UPDATE authors SET name = $1, rating = $2 WHERE id = $3 RETURNING id, name, born")
                .await?;
            Ok(format!(
                "{:?} {:?} {:?}",
                described
                    .columns
                    .iter()
                    .map(|c| (c.name().to_owned(), c.type_info().name().to_owned()))
                    .collect::<Vec<_>>(),
                described.nullable,
                described.parameters
            ))
        }
        .await,
    );
    say(
        "prepare",
        async {
            let mut connection = pool.acquire().await?;
            let statement = connection
                .prepare("INSERT INTO counters VALUES ($1, $2) ON CONFLICT (name) DO UPDATE SET n = counters.n + excluded.n RETURNING n")
                .await?;
            let mut sums = Vec::new();
            for i in 0..5 {
                sums.push(
                    statement
                        .query_scalar::<i32>()
                        .bind("s")
                        .bind(i)
                        .fetch_one(&mut *connection)
                        .await?,
                );
            }
            Ok(format!("{sums:?} {:?}", statement.columns().len()))
        }
        .await,
    );
}

async fn changes(pool: &PgPool) {
    say(
        "insert",
        async {
            Ok(cells(
                &sqlx::query("INSERT INTO people (name, mood, span) VALUES ($1, $2, $3) RETURNING *")
                    .bind("x")
                    .bind(Mood::Happy)
                    .bind(PgRange::from(1..5))
                    .fetch_all(pool)
                    .await?,
            ))
        }
        .await,
    );
    say(
        "enum",
        async {
            Ok(format!(
                "{:?}",
                sqlx::query_scalar::<_, Mood>("SELECT mood FROM people ORDER BY id")
                    .fetch_all(pool)
                    .await?
            ))
        }
        .await,
    );
    say(
        "update",
        async {
            Ok(sqlx::query("UPDATE books SET meta = $1, price = $2 WHERE id BETWEEN $3 AND $4")
                .bind(Json(["a", "b"]))
                .bind(PgMoney(1999))
                .bind(3_i64)
                .bind(7_i64)
                .execute(pool)
                .await?
                .rows_affected()
                .to_string())
        }
        .await,
    );
    say(
        "delete",
        async {
            Ok(sqlx::query("DELETE FROM book_genres WHERE book_id = $1")
                .bind(5_i64)
                .execute(pool)
                .await?
                .rows_affected()
                .to_string())
        }
        .await,
    );
    say(
        "builder",
        async {
            let mut builder = QueryBuilder::new("INSERT INTO items (id, sku, qty, data, at) ");
            builder.push_values(0..40, |mut row, i| {
                row.push_bind(Uuid::from_u128(i))
                    .push_bind(format!("b{i}"))
                    .push_bind(i as i32)
                    .push_bind(vec![i as u8; 3])
                    .push_bind(chrono::NaiveDate::from_ymd_opt(2024, 1, 1).unwrap().and_hms_opt(1, 2, 3).unwrap());
            });
            builder.push(" ON CONFLICT (sku) DO NOTHING");
            Ok(builder.build().execute(pool).await?.rows_affected().to_string())
        }
        .await,
    );
    say(
        "unnest",
        async {
            Ok(sqlx::query("INSERT INTO counters SELECT * FROM UNNEST($1::text[], $2::int[])")
                .bind(vec!["u1", "u2"])
                .bind(vec![1, 2])
                .execute(pool)
                .await?
                .rows_affected()
                .to_string())
        }
        .await,
    );
    say(
        "copy in",
        async {
            let mut copy = pool.copy_in_raw("COPY genres (name) FROM STDIN").await?;
            copy.send(&b"one\ntwo\n"[..]).await?;
            Ok(copy.finish().await?.to_string())
        }
        .await,
    );
    say(
        "copy in, error",
        async {
            let mut copy = pool.copy_in_raw("COPY genres (name) FROM STDIN").await?;
            copy.send(&b"one\n"[..]).await?;
            Ok(copy.finish().await?.to_string())
        }
        .await,
    );
    say(
        "copy in, aborted",
        async {
            let copy = pool.copy_in_raw("COPY genres (name) FROM STDIN").await?;
            copy.abort("no more").await?;
            Ok(String::new())
        }
        .await,
    );
    say(
        "copy out",
        async {
            let mut data = pool
                .copy_out_raw("COPY (SELECT * FROM genres ORDER BY id) TO STDOUT (FORMAT csv)")
                .await?;
            let mut text = Vec::new();
            while let Some(bytes) = data.try_next().await? {
                text.extend_from_slice(&bytes);
            }
            Ok(format!("{:?}", String::from_utf8_lossy(&text)))
        }
        .await,
    );
    say(
        "several",
        async {
            let mut tags = Vec::new();
            let mut results = sqlx::raw_sql("UPDATE counters SET n = 0 WHERE name = 'a'; SELECT 1; DELETE FROM counters WHERE name = 'b'")
                .execute_many(pool);
            while let Some(done) = results.try_next().await? {
                tags.push(done.rows_affected());
            }
            Ok(format!("{tags:?}"))
        }
        .await,
    );
    say(
        "unique",
        async {
            sqlx::query("INSERT INTO items (sku, qty) VALUES ('sku1', 1)")
                .execute(pool)
                .await
                .map(|_| String::new())
        }
        .await,
    );
    say(
        "check",
        async {
            sqlx::query("UPDATE items SET qty = -1 WHERE sku = $1")
                .bind("sku2")
                .execute(pool)
                .await
                .map(|_| String::new())
        }
        .await,
    );
    say(
        "foreign key",
        async {
            sqlx::query("INSERT INTO book_genres VALUES (1, 999)")
                .execute(pool)
                .await
                .map(|_| String::new())
        }
        .await,
    );
    say(
        "not null",
        async {
            sqlx::query("UPDATE genres SET name = NULL")
                .execute(pool)
                .await
                .map(|_| String::new())
        }
        .await,
    );
    say(
        "wrong type",
        async {
            sqlx::query("SELECT * FROM books WHERE id = $1")
                .bind("text")
                .fetch_all(pool)
                .await
                .map(|r| cells(&r))
        }
        .await,
    );
    say(
        "no column",
        async { sqlx::query("SELECT nothing FROM books").fetch_all(pool).await.map(|r| cells(&r)) }.await,
    );
}

async fn transactions(pool: &PgPool) {
    say(
        "transaction",
        async {
            let mut outer = pool.begin().await?;
            sqlx::query("UPDATE counters SET n = 5").execute(&mut *outer).await?;
            let mut inner = outer.begin().await?;
            sqlx::query("DELETE FROM counters").execute(&mut *inner).await?;
            inner.rollback().await?;
            let n = sqlx::query_scalar::<_, i64>("SELECT sum(n) FROM counters")
                .fetch_one(&mut *outer)
                .await?;
            outer.commit().await?;
            Ok(n.to_string())
        }
        .await,
    );
    say(
        "dropped",
        async {
            let mut dropped = pool.begin().await?;
            sqlx::query("DELETE FROM counters").execute(&mut *dropped).await?;
            drop(dropped);
            Ok(sqlx::query_scalar::<_, i64>("SELECT count(*) FROM counters")
                .fetch_one(pool)
                .await?
                .to_string())
        }
        .await,
    );
    say(
        "begin with",
        async {
            let mut connection = pool.acquire().await?;
            let mut own = connection.begin_with("BEGIN ISOLATION LEVEL SERIALIZABLE").await?;
            sqlx::query("INSERT INTO counters VALUES ('serial', 1)").execute(&mut *own).await?;
            own.commit().await?;
            Ok(sqlx::query_scalar::<_, i64>("SELECT count(*) FROM counters")
                .fetch_one(pool)
                .await?
                .to_string())
        }
        .await,
    );
    say(
        "error in transaction",
        async {
            let mut own = pool.begin().await?;
            let first = sqlx::query("SELECT 1/0").execute(&mut *own).await.is_err();
            let second = sqlx::query("SELECT 1").execute(&mut *own).await.unwrap_err();
            own.rollback().await?;
            Ok(format!(
                "{first} {:?}",
                second.as_database_error().and_then(|e| e.code().map(|c| c.into_owned()))
            ))
        }
        .await,
    );
    say(
        "skip locked",
        async {
            let mut own = pool.begin().await?;
            let rows = sqlx::query("SELECT id, sku FROM items WHERE kind = 'k1' ORDER BY qty LIMIT 2 FOR UPDATE SKIP LOCKED")
                .fetch_all(&mut *own)
                .await?;
            own.rollback().await?;
            Ok(cells(&rows[..0]) + &rows.len().to_string())
        }
        .await,
    );
    say(
        "many",
        async {
            let all = futures_util::future::join_all((0..20).map(|i| {
                sqlx::query("INSERT INTO counters VALUES ($1, $2)")
                    .bind(format!("m{i}"))
                    .bind(i)
                    .execute(pool)
            }))
            .await;
            Ok(all.into_iter().filter(Result::is_ok).count().to_string())
        }
        .await,
    );
    say(
        "advisory",
        async {
            let lock = sqlx::postgres::PgAdvisoryLock::new("pgdraft");
            let held = lock.acquire(pool.acquire().await?).await?;
            let again = lock.try_acquire(pool.acquire().await?).await?;
            let second = again.left().is_some();
            held.release_now().await?;
            Ok(second.to_string())
        }
        .await,
    );
    say(
        "interval",
        async {
            Ok(format!(
                "{:?}",
                sqlx::query_scalar::<_, PgInterval>("SELECT max(\"createdAt\") - min(\"createdAt\") FROM authors")
                    .fetch_one(pool)
                    .await?
            ))
        }
        .await,
    );
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), sqlx::Error> {
    // `cargo run -- sqlx.rs URL`, as an interpreter is called.
    let mut arguments = std::env::args().skip(2);
    let mut options: PgConnectOptions = arguments.next().expect("a URL").parse()?;
    if let Some(session) = arguments.next() {
        let (_, setting) = session.split_once("-c ").expect("-c name=value");
        let (name, value) = setting.split_once('=').expect("name=value");
        options = options.options([(name, value)]);
    }
    let pool = PgPoolOptions::new().max_connections(3).connect_with(options).await?;
    pool.acquire().await?.ping().await?;
    queries(&pool).await;
    changes(&pool).await;
    queries(&pool).await;
    transactions(&pool).await;
    pool.close().await;
    Ok(())
}
