//! One pgdraft process takes over from another on the same port while clients work.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test stops at the first surprise"
)]

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use testkit::proxy::{Settings, over_with};
use testkit::wire::{Connection, Login};

/// Works until it is told to stop: how many transactions were answered. A connection may end between
/// two transactions, never within one.
fn work(login: &Login, id: usize, stop: &AtomicBool, done: &AtomicUsize) -> usize {
    let mut answered = 0;
    let update = format!("UPDATE t SET n = n + 1 WHERE id = {id}");
    while !stop.load(Ordering::Relaxed) {
        let Ok(Ok(mut connection)) = Connection::try_open(login) else {
            continue;
        };
        while !stop.load(Ordering::Relaxed) {
            match connection.simple("BEGIN") {
                Ok(exchange) if exchange.error().is_none() => {}
                Ok(exchange) => {
                    assert_eq!(exchange.error().unwrap().code(), "57P01");
                    break;
                }
                Err(_) => break,
            }
            connection.run(&update);
            connection.run("COMMIT");
            answered += 1;
            done.fetch_add(1, Ordering::Relaxed);
        }
    }
    answered
}

#[test]
fn a_restart_fails_no_statement() {
    for mode in ["session", "transaction"] {
        let settings = Settings {
            config: format!(
                "pool_mode = \"{mode}\"\nreuse_port = true\ndrain_timeout_ms = 60000\n"
            ),
            ..Settings::default()
        };
        let setup = "CREATE TABLE t (id int PRIMARY KEY, n int NOT NULL);
            INSERT INTO t SELECT n, 0 FROM generate_series(0, 3) n";
        let (database, mut proxy) = over_with(setup, &settings);
        let before = database.dump();
        let (stop, done) = (
            Arc::new(AtomicBool::new(false)),
            Arc::new(AtomicUsize::new(0)),
        );
        let workers: Vec<_> = (0..4)
            .map(|id| {
                let login = proxy.agent(&format!("s{id}"));
                let (stop, done) = (Arc::clone(&stop), Arc::clone(&done));
                std::thread::spawn(move || work(&login, id, &stop, &done))
            })
            .collect();
        let go_on = |more: usize| {
            let wanted = done.load(Ordering::Relaxed) + more;
            while done.load(Ordering::Relaxed) < wanted {
                assert!(!workers.iter().any(std::thread::JoinHandle::is_finished));
                std::thread::yield_now();
            }
        };
        for _ in 0..2 {
            go_on(20);
            let mut first = proxy.replace();
            assert!(first.wait().unwrap().success());
        }
        go_on(20);
        stop.store(true, Ordering::Relaxed);
        for (id, worker) in workers.into_iter().enumerate() {
            let answered = worker.join().unwrap();
            let mut agent = proxy.connect(&format!("s{id}"));
            let text = format!("SELECT n FROM t WHERE id = {id}");
            assert_eq!(agent.value(&text), answered.to_string(), "{mode}");
        }
        assert_eq!(database.dump(), before);
        proxy.assert_sound();
    }
}
