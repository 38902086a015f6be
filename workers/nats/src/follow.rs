//! The messages of a durable consumer, for as long as there is one.

use std::{convert::Infallible, time::Duration};

use async_nats::jetstream::{Message, consumer::PullConsumer};
use futures_util::TryStreamExt;
use tokio_util::sync::CancellationToken;

use crate::{Nats, streams::CONSUMER};

/// Messages that are under way at once, at most.
const AT_ONCE: usize = 200;

/// Between two tries where there is no consumer.
const PAUSE: Duration = Duration::from_secs(1);

/// The server says in this time that it is still there, or is taken to be gone.
const HEARTBEAT: Duration = Duration::from_secs(5);

/// Deals with one message. What it does not acknowledge comes again.
pub(crate) trait Handler: Sync {
    fn handle(&self, message: &Message) -> impl Future<Output = ()> + Send;
}

impl Nats {
    /// Has every message of a stream dealt with, many at a time, until told to stop.
    pub(crate) async fn follow(&self, stream: &str, shutdown: &CancellationToken, handler: &impl Handler) {
        let following = async {
            loop {
                let Err(error) = self.follow_once(stream, handler).await;
                tracing::debug!(error, stream, "messages do not come in for now");
                // The consumer may be gone, or the stream.
                self.look_again();
                tokio::time::sleep(PAUSE).await;
            }
        };
        let _: Option<Infallible> = shutdown.run_until_cancelled(following).await;
    }

    async fn follow_once(&self, stream: &str, handler: &impl Handler) -> Result<Infallible, String> {
        let consumer: PullConsumer =
            self.jetstream.get_consumer_from_stream(CONSUMER, stream).await.map_err(|error| error.to_string())?;
        let messages = consumer.stream().max_messages_per_batch(AT_ONCE).heartbeat(HEARTBEAT).messages();
        let messages = messages.await.map_err(|error| error.to_string())?.map_err(|error| error.to_string());
        let each = messages.try_for_each_concurrent(AT_ONCE, |message| async move {
            handler.handle(&message).await;
            Ok(())
        });
        each.await?;
        Err("the server ended the stream".to_owned())
    }
}
