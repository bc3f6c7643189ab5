//! Who should try to lead: always we, where a file lock says so; who holds the broker's lease, where several may.

use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;
use windlass_journal::jetstream;
use windlass_sagas::protocol::orchestrator::Lease;

/// Words of the lease that may wait for the leader's task.
const QUEUE: usize = 64;

/// How the lease is held.
pub enum Holding {
    /// Whoever has the journal open holds it, for as long.
    Held,
    /// It is the broker's.
    Broker {
        /// The number of the last renewal that was asked for.
        asks: watch::Sender<u64>,
        /// What it says; `None` once nobody keeps it any more.
        told: Option<mpsc::Receiver<jetstream::LeaseTold>>,
    },
}

impl Holding {
    /// The broker's lease, kept by a task until `stop`; it is asked for once the task is told to.
    pub fn of_broker(
        lease: jetstream::Lease,
        stop: CancellationToken,
    ) -> (Self, impl Future<Output = ()> + Send + 'static) {
        let ((asks, asked), (tell, told)) = (watch::channel(0), mpsc::channel(QUEUE));
        (Self::Broker { asks, told: Some(told) }, lease.keep(asked, tell, stop))
    }

    /// What the machine is told at its begin.
    pub(super) const fn at_first(&self) -> Option<Lease> {
        match self {
            Self::Held => Some(Lease::Granted),
            Self::Broker { .. } => None,
        }
    }

    /// Asks for a renewal; the answer where it is known at once.
    pub(super) fn renew(&self, asked: u64) -> Option<Lease> {
        match self {
            Self::Held => Some(Lease::Renewed { asked }),
            Self::Broker { asks, .. } => {
                asks.send_replace(asked);
                None
            }
        }
    }

    /// The next word; never, where none comes.
    pub(super) async fn next(&mut self) -> Lease {
        let Self::Broker { asks, told: place } = self else { return std::future::pending().await };
        let Some(told) = place else { return std::future::pending().await };
        loop {
            match told.recv().await {
                Some(jetstream::LeaseTold::Granted) => return Lease::Granted,
                Some(jetstream::LeaseTold::Lost) => return Lease::Lost,
                // One that was asked for by an earlier lead says nothing of this one.
                Some(jetstream::LeaseTold::Renewed(asked)) if asked == *asks.borrow() => {
                    return Lease::Renewed { asked };
                }
                Some(jetstream::LeaseTold::Renewed(_)) => {}
                // As good as lost, and told once.
                None => {
                    *place = None;
                    return Lease::Lost;
                }
            }
        }
    }
}
