//! What must stay as it is while a proxy is attacked.

use std::time::Duration;

use crate::proxy::Proxy;
use crate::wire::Connection;

/// Tables of the attacked database.
pub const SETUP: &str = "\
CREATE TABLE t (id int PRIMARY KEY, v text);
INSERT INTO t SELECT n, 'v' || n FROM generate_series(1, 10) n;
";

/// A server that has not answered or closed after this long hangs.
pub const PATIENCE: Duration = Duration::from_secs(15);

/// A connection that was there before the attack and must not notice it.
#[derive(Debug)]
pub struct Witness(Connection);

impl Witness {
    /// Begins a transaction that stays open.
    pub fn new(proxy: &Proxy) -> Self {
        let mut connection = proxy.connect("witness");
        connection.run("BEGIN; UPDATE t SET v = 'witness' WHERE id = 1");
        Self(connection)
    }

    /// Looks whether the transaction is as it was, new connections are taken and the proxy is
    /// sound.
    ///
    /// # Panics
    /// Where it is not so.
    #[track_caller]
    pub fn check(&mut self, proxy: &mut Proxy) {
        assert_eq!(self.0.status, b'T');
        assert_eq!(self.0.value("SELECT v FROM t WHERE id = 1"), "witness");
        let mut fresh = proxy.connect("fresh");
        assert_eq!(fresh.value("SELECT count(*) FROM t"), "10");
        proxy.assert_sound();
    }
}

/// A socket to the proxy on which nothing has been said.
///
/// # Panics
/// Where the proxy does not listen.
pub fn socket(proxy: &Proxy) -> Connection {
    Connection::socket(proxy.port(), PATIENCE).unwrap()
}

/// A connection that is logged in as an agent.
///
/// # Panics
/// Where that is refused.
pub fn logged_in(proxy: &Proxy) -> Connection {
    let mut login = proxy.agent("hostile");
    login.patience = PATIENCE;
    Connection::open(&login).unwrap()
}

/// A message whose length field says something else than its body is.
pub fn lying(tag: u8, length: i32, body: &[u8]) -> Vec<u8> {
    let mut message = vec![tag];
    message.extend(length.to_be_bytes());
    message.extend(body);
    message
}
