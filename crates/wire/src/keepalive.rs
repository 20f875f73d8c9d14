//! TCP keepalive: a peer that is gone without a word is noticed.

use std::io;
use std::time::Duration;

use socket2::{SockRef, TcpKeepalive};
use tokio::net::TcpStream;

/// When an idle connection is asked whether it is still there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Keepalive {
    /// Idle time before the first question; zero = it is never asked.
    pub idle: Duration,
    /// Time between questions.
    pub interval: Duration,
    /// Questions without an answer after which the connection is lost.
    pub count: u32,
    /// How long the system keeps bytes that the peer does not acknowledge before it takes the
    /// connection for lost; zero = as long as it keeps others (on Linux about 15 minutes).
    pub user_timeout: Duration,
}

impl Default for Keepalive {
    fn default() -> Self {
        Self {
            idle: Duration::from_secs(60),
            interval: Duration::from_secs(10),
            count: 6,
            user_timeout: Duration::ZERO,
        }
    }
}

impl Keepalive {
    /// Makes the connection keep to it.
    ///
    /// # Errors
    /// The system refuses.
    pub fn apply(&self, socket: &TcpStream) -> io::Result<()> {
        let socket = SockRef::from(socket);
        #[cfg(target_os = "linux")]
        if !self.user_timeout.is_zero() {
            socket.set_tcp_user_timeout(Some(self.user_timeout))?;
        }
        if self.idle.is_zero() {
            return socket.set_keepalive(false);
        }
        let keepalive = TcpKeepalive::new()
            .with_time(self.idle)
            .with_interval(self.interval)
            .with_retries(self.count);
        socket.set_tcp_keepalive(&keepalive)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_socket_keeps_to_it() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let socket = TcpStream::connect(listener.local_addr().unwrap())
            .await
            .unwrap();
        let wanted = Keepalive {
            count: 3,
            user_timeout: Duration::from_secs(7),
            ..Keepalive::default()
        };
        wanted.apply(&socket).unwrap();
        let told = SockRef::from(&socket);
        assert!(told.keepalive().unwrap());
        assert_eq!(told.tcp_keepalive_time().unwrap(), Duration::from_secs(60));
        assert_eq!(told.tcp_keepalive_retries().unwrap(), 3);
        #[cfg(target_os = "linux")]
        assert_eq!(
            told.tcp_user_timeout().unwrap(),
            Some(Duration::from_secs(7))
        );
        let off = Keepalive {
            idle: Duration::ZERO,
            ..wanted
        };
        off.apply(&socket).unwrap();
        assert!(!told.keepalive().unwrap());
    }
}
