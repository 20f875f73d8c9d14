//! The admin commands about the process: what is shown, and to whom.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test stops at the first surprise"
)]

use testkit::proxy::{PASSWORD, Settings, over_with};
use testkit::wire::Reply;

fn value(reply: &Reply, row: usize, column: &str) -> Option<String> {
    let columns = reply.columns.as_ref().expect("a row description");
    let at = columns.iter().position(|c| c.name == column).unwrap();
    reply.value(row, at)
}

#[test]
fn the_pool_is_seen_paused_and_reloaded() {
    let settings = Settings {
        config: "pool_mode = \"transaction\"\npool_size = 2\npool_wait_timeout_ms = 300\n"
            .to_owned(),
        ..Settings::default()
    };
    let (_database, mut proxy) = over_with("CREATE TABLE t (id int PRIMARY KEY)", &settings);
    let mut agent = proxy.connect("s");
    agent.run("BEGIN; SELECT count(*) FROM t");
    let mut reviewer = proxy.connect_reviewer();

    let pools = reviewer.run("SHOW POOLS");
    assert_eq!(value(&pools, 0, "user").as_deref(), Some("agent"));
    assert_eq!(value(&pools, 0, "cl_active").as_deref(), Some("1"));
    assert_eq!(
        value(&pools, 0, "pool_mode").as_deref(),
        Some("transaction")
    );
    let clients = reviewer.run("SHOW CLIENTS");
    assert_eq!(clients.rows.len(), 1);
    assert_eq!(value(&clients, 0, "state").as_deref(), Some("active"));
    assert_eq!(value(&clients, 0, "session").as_deref(), Some("s"));
    let servers = reviewer.run("SHOW SERVERS");
    assert_eq!(value(&servers, 0, "remote_pid"), value(&clients, 0, "link"));
    let config = reviewer.run("SHOW CONFIG");
    let url = (0..config.rows.len())
        .find(|row| value(&config, *row, "key").as_deref() == Some("upstream_url"))
        .unwrap();
    assert_eq!(value(&config, url, "value").as_deref(), Some("(set)"));
    assert!(!format!("{config:?}").contains(PASSWORD));
    assert_eq!(reviewer.run("SHOW STATS").rows.len(), 1);
    assert!(!reviewer.run("SHOW MEM").rows.is_empty());
    reviewer.run("RELOAD");

    // what has begun goes on, what begins waits
    reviewer.run("PAUSE");
    agent.run("SELECT 1");
    agent.run("COMMIT");
    let refused = agent.fail("SELECT 1");
    assert_eq!(refused.code(), "53300");
    reviewer.run("RESUME");
    let mut agent = proxy.connect("s");
    agent.run("SELECT 1");
    let clients = reviewer.run("SHOW CLIENTS");
    let id = value(&clients, 0, "id").unwrap();
    reviewer.run(&format!("KILL CLIENT '{id}'"));
    assert_eq!(agent.fail("SELECT 1").code(), "57P01");
    assert_eq!(reviewer.fail("KILL CLIENT '0'").code(), "42704");

    let mut agent = proxy.connect("s");
    for command in [
        "SHOW POOLS",
        "SHOW CONFIG",
        "PAUSE",
        "RELOAD",
        "KILL CLIENT '1'",
    ] {
        assert_eq!(agent.fail(command).code(), "42501", "{command}");
    }
    proxy.assert_sound();
}
