//! Who waits for a server connection: agents in turn, the clients of one in their order.

use std::collections::VecDeque;
use std::sync::Arc;

use tokio::sync::oneshot;

use super::{Lease, Wish};

struct Waiter {
    wish: Wish,
    to: oneshot::Sender<Lease>,
}

/// The queue.
#[derive(Default)]
pub(super) struct Waiting {
    agents: VecDeque<(Arc<str>, VecDeque<Waiter>)>,
}

impl Waiting {
    pub(super) fn is_empty(&self) -> bool {
        self.agents.is_empty()
    }

    /// Clients that wait, by agent.
    pub(super) fn counts(&self) -> impl Iterator<Item = (&Arc<str>, usize)> {
        let waits = |waiter: &&Waiter| !waiter.to.is_closed();
        let count = move |queue: &VecDeque<Waiter>| queue.iter().filter(waits).count();
        self.agents
            .iter()
            .map(move |(agent, queue)| (agent, count(queue)))
    }

    pub(super) fn push(&mut self, wish: Wish, to: oneshot::Sender<Lease>) {
        let agent = Arc::clone(&wish.agent);
        let waiter = Waiter { wish, to };
        match self.agents.iter_mut().find(|(known, _)| *known == agent) {
            Some((_, queue)) => queue.push_back(waiter),
            None => self.agents.push_back((agent, VecDeque::from([waiter]))),
        }
    }

    /// Gives to each agent in turn what `serve` has for its next client, until it has nothing for
    /// any of them. What was meant for a client that is gone goes to `refused`.
    pub(super) fn serve<C>(
        &mut self,
        context: &mut C,
        serve: impl Fn(&mut C, &Wish) -> Option<Lease>,
        refused: impl Fn(&mut C, Lease),
    ) {
        let mut left = self.agents.len();
        while left > 0 {
            let Some((agent, mut queue)) = self.agents.pop_front() else {
                return;
            };
            left -= 1;
            while queue.front().is_some_and(|waiter| waiter.to.is_closed()) {
                queue.pop_front();
            }
            if let Some(waiter) = queue.front()
                && let Some(lease) = serve(context, &waiter.wish)
            {
                if let Some(waiter) = queue.pop_front()
                    && let Err(lease) = waiter.to.send(lease)
                {
                    refused(context, lease);
                }
                // there may be more for all
                left = self.agents.len() + 1;
            }
            if !queue.is_empty() {
                self.agents.push_back((agent, queue));
            } else {
                left = left.min(self.agents.len());
            }
        }
    }
}
