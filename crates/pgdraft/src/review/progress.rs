//! That something is being done, on a terminal, while it takes long.

use std::future::Future;
use std::io::{IsTerminal as _, Write as _};
use std::time::{Duration, Instant};

/// What takes no longer is not worth a line.
const PATIENCE: Duration = Duration::from_millis(700);

/// Waits for some work, and says for how long already; nothing where nobody looks.
pub(crate) async fn shown<T>(doing: Option<&str>, work: impl Future<Output = T>) -> T {
    let Some(doing) = doing.filter(|_| std::io::stderr().is_terminal()) else {
        return work.await;
    };
    let begun = Instant::now();
    let mut ticks = tokio::time::interval(PATIENCE);
    ticks.tick().await;
    tokio::pin!(work);
    loop {
        tokio::select! {
            done = &mut work => {
                line("");
                return done;
            }
            _ = ticks.tick() => line(&format!("{doing} … {} s", begun.elapsed().as_secs())),
        }
    }
}

/// Writes over the terminal's present line; a terminal that is gone is no reason to stop.
fn line(text: &str) {
    let mut terminal = std::io::stderr().lock();
    let _ = write!(terminal, "\r\x1b[K{text}").and_then(|()| terminal.flush());
}
