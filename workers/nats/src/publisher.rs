//! Events and dead letters out.

use async_nats::jetstream::{
    context::{PublishAckFuture, PublishError, PublishErrorKind},
    message::PublishMessage,
};
use async_trait::async_trait;
use futures_util::future::join_all;
use golden_jobs::{
    broker::{Broker, BrokerError},
    store::publications::{Publication, Published},
};

use crate::{Nats, streams, subjects};

#[async_trait]
impl Broker for Nats {
    /// Sends all in their order, then waits for their acknowledgements: JetStream has stored them by then, or
    /// had them already.
    async fn publish(&self, publications: &[Publication]) -> Vec<Result<(), BrokerError>> {
        if !self.is_connected() {
            return vec![Err(BrokerError::Unavailable("NATS is not connected".to_owned())); publications.len()];
        }
        let mut sent = Vec::with_capacity(publications.len());
        for publication in publications {
            sent.push(self.jetstream.send_publish(subjects::of(publication), message(publication)).await);
        }
        let answers = join_all(sent.into_iter().map(acknowledged)).await;
        if answers.iter().any(|answer| matches!(answer, Err(error) if is_missing(error))) {
            self.look_again();
        }
        answers.into_iter().map(|answer| answer.map_err(|error| in_words(&error))).collect()
    }
}

async fn acknowledged(sent: Result<PublishAckFuture, PublishError>) -> Result<(), PublishError> {
    sent?.await.map(|_| ())
}

fn message(publication: &Publication) -> PublishMessage {
    let (stream, id, content_type) = match &publication.what {
        Published::Event { id, .. } => (streams::EVENTS, id.to_string(), "application/cloudevents+json"),
        Published::DeadLetter(id) => (streams::DEAD_LETTERS, id.to_string(), "application/json"),
    };
    let trace = publication.trace.as_ref();
    let parent = trace.map(|trace| ("traceparent", trace.traceparent()));
    let state = trace.and_then(|trace| Some(("tracestate", trace.tracestate()?.to_owned())));
    let message = PublishMessage::build()
        .payload(publication.body.clone().into())
        .message_id(id)
        // Another stream that takes the subject must not make us believe that ours has it.
        .expected_stream(stream)
        .header("Content-Type", content_type);
    parent.into_iter().chain(state).fold(message, |message, (name, value)| message.header(name, value.as_str()))
}

fn is_missing(error: &PublishError) -> bool {
    error.kind() == PublishErrorKind::StreamNotFound
}

fn in_words(error: &PublishError) -> BrokerError {
    match error.kind() {
        PublishErrorKind::MaxPayloadExceeded => BrokerError::Refused(error.to_string()),
        _ => BrokerError::Unavailable(error.to_string()),
    }
}
