//! The threads that serve clients: a run time of one thread each. A client stays with the thread it
//! came to, so nothing of it wakes another thread.

use std::num::NonZero;

use tokio::runtime::{Builder, Handle};
use tokio::sync::oneshot;

use crate::STACK_BYTES;
use crate::failure::Failure;

/// All of them; they end when this is dropped.
pub(super) struct Workers {
    threads: Vec<Worker>,
    last: usize,
}

struct Worker {
    handle: Handle,
    /// Dropped, it ends the thread.
    _stop: oneshot::Sender<()>,
}

impl Workers {
    /// Starts so many; 0: one a core.
    pub(super) fn start(threads: usize) -> Result<Self, Failure> {
        let cores = std::thread::available_parallelism().map_or(1, NonZero::get);
        let threads = if threads == 0 { cores } else { threads };
        let workers = (0..threads).map(|number| {
            Worker::start(number).map_err(|e| {
                Failure::unexpected(format!("could not start threads: {e}"), "try again")
            })
        });
        Ok(Self {
            threads: workers.collect::<Result<_, _>>()?,
            last: 0,
        })
    }

    /// Whose turn it is to take a client.
    pub(super) fn next(&mut self) -> Option<&Handle> {
        self.last = (self.last + 1) % self.threads.len().max(1);
        self.threads.get(self.last).map(|worker| &worker.handle)
    }
}

impl Worker {
    fn start(number: usize) -> std::io::Result<Self> {
        let runtime = Builder::new_current_thread()
            .thread_stack_size(STACK_BYTES)
            .enable_all()
            .build()?;
        let handle = runtime.handle().clone();
        let (stop, stopped) = oneshot::channel::<()>();
        std::thread::Builder::new()
            .name(format!("clients-{number}"))
            .stack_size(STACK_BYTES)
            .spawn(move || {
                // whichever way it ends, there is nothing left to serve
                drop(runtime.block_on(stopped));
            })?;
        Ok(Self {
            handle,
            _stop: stop,
        })
    }
}
