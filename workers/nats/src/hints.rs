//! Hints between processes, beside those of the store: whoever runs behind a pooler that has no LISTEN still
//! hears at once that there may be work. Any of them may be lost, for the poll is the net under them.

use std::{convert::Infallible, sync::Arc};

use async_nats::{Message, SubscribeError};
use futures_util::{StreamExt, stream};
use golden_jobs::{
    Role,
    wake::{Hint, Wakes},
};
use tokio::sync::broadcast::error::RecvError;
use tokio_util::sync::CancellationToken;

use crate::{Nats, subjects};

impl Nats {
    /// Carries this process's hints to others, and heeds theirs, until told to stop.
    pub async fn exchange_hints(self: Arc<Self>, wakes: Wakes, shutdown: CancellationToken) {
        let exchange = async { tokio::join!(self.carry(&wakes), self.heed(&wakes)) };
        let _: Option<(Infallible, ())> = shutdown.run_until_cancelled(exchange).await;
    }

    async fn carry(&self, wakes: &Wakes) -> Infallible {
        let mut carried = wakes.watch_carried();
        loop {
            match carried.recv().await {
                // Kept for a server that comes back, it would be of no use to anybody.
                Ok(hint) if self.is_connected() => {
                    let subject = match hint {
                        Hint::Wake(role) => subjects::wake(role),
                        Hint::Cancel(job) => subjects::cancel(job),
                    };
                    if let Err(error) = self.client.publish(subject, Vec::new().into()).await {
                        tracing::debug!(%error, "a hint was not sent");
                    }
                }
                Ok(_) | Err(RecvError::Lagged(_)) => {}
                // The store that gives hints is gone, and with it the process.
                Err(RecvError::Closed) => std::future::pending().await,
            }
        }
    }

    /// Subscriptions outlive the connection: they are made again with the next one.
    async fn heed(&self, wakes: &Wakes) {
        let subscribed = async {
            let wake = self.client.subscribe(subjects::WAKE).await?;
            let cancel = self.client.subscribe(subjects::CANCEL).await?;
            Ok::<_, SubscribeError>(stream::select(wake, cancel))
        };
        match subscribed.await {
            Ok(mut hints) => {
                while let Some(message) = hints.next().await {
                    heard(&message, wakes);
                }
            }
            Err(error) => tracing::warn!(%error, "hints of other processes are not heard over NATS"),
        }
    }
}

fn heard(message: &Message, wakes: &Wakes) {
    let role = subjects::woken(&message.subject).and_then(|role| role.parse::<Role>().ok());
    match role {
        Some(role) => wakes.wake(role),
        // Which run it is about is for the store to say.
        None => wakes.cancel(),
    }
}
