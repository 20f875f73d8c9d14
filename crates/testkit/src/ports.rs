//! Ports for the servers of a test, which no other test takes meanwhile.

use std::hash::{BuildHasher, RandomState};
use std::net::TcpListener;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU16, Ordering};

/// Below those that the kernel gives to outgoing connections, any of which may take a port between
/// its choice and its use.
const FIRST: u16 = 10_000;
const LAST: u16 = 32_000;
/// Ports of one process; the first of them is held, so that no other process has them.
const BLOCK: u16 = 100;

/// A port that nobody listens on at this moment, and that no other process of tests is given.
///
/// # Panics
/// Where none is free.
pub fn free_port() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let block = block();
    for _ in 0..BLOCK {
        let next = NEXT.fetch_add(1, Ordering::Relaxed) % (BLOCK - 1);
        let port = block + 1 + next;
        if listener(port).is_some() {
            return port;
        }
    }
    panic!("no free port after {block}");
}

/// The port that is held as a sign that those after it are this process's.
fn block() -> u16 {
    static HELD: OnceLock<(TcpListener, u16)> = OnceLock::new();
    let (_, port) = HELD.get_or_init(|| {
        let blocks = (LAST - FIRST) / BLOCK;
        let begin = RandomState::new().hash_one(std::process::id());
        let begin = u16::try_from(begin % u64::from(blocks)).unwrap();
        (0..blocks)
            .map(|n| FIRST + (begin + n) % blocks * BLOCK)
            .find_map(|port| Some((listener(port)?, port)))
            .expect("a free block of ports")
    });
    *port
}

fn listener(port: u16) -> Option<TcpListener> {
    TcpListener::bind(("127.0.0.1", port)).ok()
}
