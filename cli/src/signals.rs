//! The first signal drains, the second ends.

use std::future::Future;

use anyhow::Context;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;

use crate::exit::Exit;

/// Ctrl-C, and what service managers and Kubernetes send.
pub(crate) struct Signals {
    interrupt: Signal,
    terminate: Signal,
}

impl Signals {
    /// From here on a signal does not end the process by itself.
    pub(crate) fn listen() -> anyhow::Result<Self> {
        let of = |kind| signal(kind).context("cannot listen for signals");
        Ok(Self { interrupt: of(SignalKind::interrupt())?, terminate: of(SignalKind::terminate())? })
    }

    /// Runs `work` until it ends by itself. The first signal cancels `shutdown`, which `work`
    /// must heed; a second one leaves it where it is.
    pub(crate) async fn until_drained(
        mut self,
        work: impl Future<Output = anyhow::Result<()>>,
        shutdown: CancellationToken,
    ) -> anyhow::Result<Exit> {
        let mut work = std::pin::pin!(work);
        tokio::select! {
            ended = &mut work => return ended.map(|()| Exit::Ok),
            () = self.next() => {}
        }
        tracing::info!("draining: runs under way may finish; a second signal ends at once");
        shutdown.cancel();
        tokio::select! {
            ended = &mut work => ended.map(|()| Exit::Ok),
            () = self.next() => {
                tracing::warn!("ended by a second signal: what was under way runs again once its worker is found silent");
                Ok(Exit::Interrupted)
            }
        }
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}
