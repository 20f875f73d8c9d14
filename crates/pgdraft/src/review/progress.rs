//! How far a command is, while it takes long: a line that is written over on a terminal, lines of JSON
//! on standard error for a program that asked for JSON, nothing for anybody else.

use std::future::Future;
use std::io::{IsTerminal as _, Write as _};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use control::{Progress, Step};

use crate::render::JsonObject;

/// What takes no longer is not worth a line.
const PATIENCE: Duration = Duration::from_millis(700);

/// Characters of the bar.
const BAR: u64 = 20;

/// What a command has told of itself.
#[derive(Clone, Default)]
pub(crate) struct Shown {
    json: bool,
    last: Arc<Mutex<Option<Step>>>,
}

impl Shown {
    /// Nothing yet.
    pub(crate) fn new(json: bool) -> Self {
        Self {
            json,
            ..Self::default()
        }
    }

    /// What the control plane is to tell.
    pub(crate) fn progress(&self) -> Progress {
        let shown = self.clone();
        Progress::new(move |step: &Step| {
            if shown.json {
                eprintln!("{}", json(step));
            }
            *shown.last() = Some(step.clone());
        })
    }

    /// Waits for some work, and says how far it is, for how long already.
    pub(crate) async fn during<T>(&self, doing: Option<&str>, work: impl Future<Output = T>) -> T {
        let looked_at = !self.json && std::io::stderr().is_terminal();
        let Some(doing) = doing.filter(|_| looked_at) else {
            return work.await;
        };
        let begun = Instant::now();
        let mut ticks = tokio::time::interval(PATIENCE);
        ticks.tick().await;
        tokio::pin!(work);
        loop {
            tokio::select! {
                done = &mut work => {
                    over("");
                    return done;
                }
                _ = ticks.tick() => {
                    let step = self.last().as_ref().map(line).unwrap_or_default();
                    over(&format!("{doing} … {} s{step}", begun.elapsed().as_secs()));
                }
            }
        }
    }

    fn last(&self) -> std::sync::MutexGuard<'_, Option<Step>> {
        self.last.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// ` [#####---------------] 25000 of 100000 rows, updating public.stock`
fn line(step: &Step) -> String {
    let full = step.rows.saturating_mul(BAR) / step.total.max(1);
    let bar: String = (0..BAR)
        .map(|at| if at < full { '#' } else { '-' })
        .collect();
    format!(
        " [{bar}] {} of {} rows, {} {}",
        step.rows, step.total, step.doing, step.table
    )
}

/// `{"session":"s","rows":25000,"total":100000,"doing":"updating","table":"public.stock"}`
fn json(step: &Step) -> String {
    JsonObject::default()
        .text("session", &step.session)
        .number("rows", step.rows)
        .number("total", step.total)
        .text("doing", step.doing)
        .text("table", &step.table)
        .finish()
        .trim_end()
        .to_owned()
}

/// Writes over the terminal's present line; a terminal that is gone is no reason to stop.
fn over(text: &str) {
    let mut terminal = std::io::stderr().lock();
    let _ = write!(terminal, "\r\x1b[K{text}").and_then(|()| terminal.flush());
}

#[cfg(test)]
#[allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test stops at the first surprise"
)]
mod tests {
    use super::{Step, json, line};

    #[test]
    fn a_step_is_a_bar_or_a_line_of_json() {
        let step = Step {
            session: "s".to_owned(),
            doing: "updating",
            table: "public.stock".to_owned(),
            rows: 25_000,
            total: 100_000,
        };
        assert_eq!(
            line(&step),
            " [#####---------------] 25000 of 100000 rows, updating public.stock"
        );
        let value: serde_json::Value = serde_json::from_str(&json(&step)).unwrap();
        assert_eq!(value["rows"], 25_000);
        assert!(!json(&step).contains('\n'));
    }
}
