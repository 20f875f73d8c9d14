//! The clients: one task each, counted, none able to take the others with it.

use std::sync::Arc;
use std::time::Duration;

use prometheus::{IntCounter, IntCounterVec, Opts, Registry};
use report::Report;
use session::Shared;
use tokio::io::AsyncWriteExt as _;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::{JoinError, JoinSet};
use wire::keepalive::Keepalive;
use wire::startup::{Acceptor, Arrival};

use super::Signals;
use super::workers::Workers;

/// Connections beyond the limit that are still listened to: to tell them that the limit is
/// reached, and for cancel requests, which come on connections of their own.
const CONNECTIONS_SPARE: usize = 64;
/// Most time for the end of a cancel's connection.
const GOODBYE: Duration = Duration::from_secs(5);
/// Wait after a failed accept (out of file descriptors, mostly).
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// All client tasks.
pub(super) struct Clients {
    tasks: JoinSet<()>,
    workers: Workers,
    door: Arc<Door>,
    connections_max: usize,
    panics: IntCounter,
}

/// What every new connection passes.
struct Door {
    acceptor: Acceptor,
    shared: Arc<Shared>,
    places: Semaphore,
    arrivals: IntCounterVec,
    connections_max: usize,
    keepalive: Keepalive,
}

impl Clients {
    pub(super) fn new(
        acceptor: Acceptor,
        shared: Arc<Shared>,
        (connections_max, keepalive): (usize, Keepalive),
        workers: Workers,
        registry: &Registry,
    ) -> Result<Self, prometheus::Error> {
        let arrivals = IntCounterVec::new(
            Opts::new(
                "pgdraft_arrivals_total",
                "New connections by what became of them: client, cancel, nothing, refused, full.",
            ),
            &["outcome"],
        )?;
        let panics = IntCounter::new(
            "pgdraft_client_panics_total",
            "Client connections that ended in a fault of pgdraft; anything above 0 is a bug.",
        )?;
        registry.register(Box::new(arrivals.clone()))?;
        registry.register(Box::new(panics.clone()))?;
        Ok(Self {
            tasks: JoinSet::new(),
            workers,
            door: Arc::new(Door {
                acceptor,
                shared,
                places: Semaphore::new(connections_max),
                arrivals,
                connections_max,
                keepalive,
            }),
            connections_max,
            panics,
        })
    }

    /// Connections that are open.
    pub(super) fn len(&self) -> usize {
        self.tasks.len()
    }

    /// Takes clients in until a signal comes or `until` ends; tells which. The port is free
    /// after it.
    pub(super) async fn accept_until(
        &mut self,
        listener: TcpListener,
        signals: &mut Signals,
        until: impl Future<Output = ()>,
    ) -> &'static str {
        tokio::pin!(until);
        loop {
            tokio::select! {
                name = signals.next() => return name,
                () = &mut until => return "done",
                Some(ended) = self.tasks.join_next() => self.ended(ended),
                accepted = listener.accept() => match accepted {
                    Ok((socket, _)) => self.take_in(socket),
                    Err(error) => {
                        tracing::warn!(%error, "could not accept a connection");
                        tokio::time::sleep(ACCEPT_PAUSE).await;
                    }
                },
            }
        }
    }

    fn take_in(&mut self, socket: TcpStream) {
        if self.tasks.len() >= self.connections_max.saturating_add(CONNECTIONS_SPARE) {
            self.door.arrivals.with_label_values(&["full"]).inc();
            return;
        }
        let door = Arc::clone(&self.door);
        let (Some(worker), Ok(socket)) = (self.workers.next(), socket.into_std()) else {
            return;
        };
        let client = async move {
            // it is watched by the run time of the thread that serves it
            if let Ok(socket) = TcpStream::from_std(socket) {
                door.pass(socket).await;
            }
        };
        self.tasks.spawn_on(client, worker);
    }

    fn ended(&self, outcome: Result<(), JoinError>) {
        if outcome.is_err_and(|error| error.is_panic()) {
            self.panics.inc();
        }
    }

    /// Waits until all clients have gone, at most so long; a second signal ends the waiting.
    /// Their threads go on until they are dropped: others may use connections that were opened there.
    pub(super) async fn drain(mut self, timeout: Duration, signals: &mut Signals) -> Workers {
        let deadline = tokio::time::sleep(timeout);
        tokio::pin!(deadline);
        loop {
            tokio::select! {
                ended = self.tasks.join_next() => match ended {
                    Some(ended) => self.ended(ended),
                    None => return self.workers,
                },
                () = &mut deadline => break,
                _ = signals.next() => break,
            }
        }
        tracing::warn!(
            clients = self.tasks.len(),
            "closing clients that are still busy"
        );
        self.tasks.shutdown().await;
        self.workers
    }
}

impl Door {
    /// One connection, from its first byte to its last.
    async fn pass(self: Arc<Self>, socket: TcpStream) {
        // a socket that cannot be kept alive is as good as without
        if let Err(error) = self.keepalive.apply(&socket) {
            tracing::debug!(%error, "keepalive could not be set");
        }
        let outcome = match Box::pin(wire::startup::accept(socket, &self.acceptor)).await {
            Ok(Some(Arrival::Client(client))) => {
                if let Ok(_place) = self.places.try_acquire() {
                    self.arrivals.with_label_values(&["client"]).inc();
                    Box::pin(session::serve_client(client, Arc::clone(&self.shared))).await;
                    return;
                }
                let mut client = client;
                Box::pin(wire::startup::refuse(&mut client, &self.full())).await;
                "full"
            }
            Ok(Some(Arrival::Cancel {
                pid,
                key,
                mut stream,
            })) => {
                Box::pin(session::cancel(Arc::clone(&self.shared), pid, key)).await;
                // as in PostgreSQL: whoever waits for this knows that no later statement is stopped; over
                // TLS an end without a word is an error to libpq
                drop(tokio::time::timeout(GOODBYE, stream.shutdown()).await);
                "cancel"
            }
            Ok(None) => "nothing",
            Err(error) => {
                let report = error.report();
                tracing::info!(
                    sqlstate = report.code,
                    reason = report.message,
                    "a connection was refused"
                );
                "refused"
            }
        };
        self.arrivals.with_label_values(&[outcome]).inc();
    }

    fn full(&self) -> Report {
        Report::fatal("53300", "sorry, too many clients already")
            .detail(format!(
                "At most {} clients are served.",
                self.connections_max
            ))
            .hint("close connections that are not used, or raise connections_max")
    }
}
