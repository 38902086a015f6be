//! Jobs that come in, and what becomes of messages that cannot be jobs.

use std::{sync::Arc, time::Duration};

use async_nats::{
    HeaderMap,
    jetstream::{AckKind, ErrorCode, Message, stream::RawMessageErrorKind},
};
use golden_jobs::{
    DeadLetterId,
    intake::{self, Intake, Refused},
    store::{SharedStore, StoreError, messages::MessageLetter},
    trace::TraceContext,
};
use serde::Deserialize;
use serde_json::value::{RawValue, to_raw_value};
use tokio_util::sync::CancellationToken;
use uuid::{Builder, Uuid};

use crate::{Nats, follow::Handler, streams, subjects};

/// The longest wait before a message that may become a job later is delivered again.
const LONGEST_WAIT: Duration = Duration::from_secs(60);
/// Where the store did not take its letter.
const SOON: Duration = Duration::from_secs(1);

impl Nats {
    /// Hands what is submitted to the intake, and acknowledges it once it is recorded: as a job, or as a dead letter.
    /// Goes on until told to stop; any number of processes may do so.
    pub async fn take_submissions(
        self: Arc<Self>,
        intake: Arc<dyn Intake>,
        store: SharedStore,
        shutdown: CancellationToken,
    ) {
        let submissions = Submissions { intake, store: Arc::clone(&store) };
        let undelivered = Undelivered { nats: Arc::clone(&self), store };
        tokio::join!(
            self.follow(streams::SUBMIT, &shutdown, &submissions),
            self.follow(streams::UNDELIVERED, &shutdown, &undelivered),
        );
    }
}

/// A message, whichever way it was read.
struct Incoming<'a> {
    subject: &'a str,
    headers: Option<&'a HeaderMap>,
    body: &'a [u8],
    id: Uuid,
    deliveries: u32,
}

/// What was submitted.
struct Submissions {
    intake: Arc<dyn Intake>,
    store: SharedStore,
}

impl Handler for Submissions {
    async fn handle(&self, message: &Message) {
        let info = match message.info() {
            Ok(info) => info,
            Err(error) => return tracing::error!(%error, "a message says nothing of itself"),
        };
        let incoming = Incoming {
            subject: &message.subject,
            headers: message.headers.as_ref(),
            body: &message.payload,
            id: message_id(info.stream_sequence, info.published.unix_timestamp_nanos()),
            deliveries: u32::try_from(info.delivered).unwrap_or(0),
        };
        let answer = self.take(&incoming).await;
        // An answer that is lost has the message delivered again, which changes nothing.
        if let Err(error) = message.ack_with(answer).await {
            tracing::debug!(%error, "a message was dealt with, and is not acknowledged");
        }
    }
}

impl Submissions {
    /// Records a message, and says how it is to be acknowledged.
    async fn take(&self, incoming: &Incoming<'_>) -> AckKind {
        match self.submit(incoming).await {
            Ok(()) => AckKind::Ack,
            Err(Refused::Later(reason)) => {
                tracing::debug!(reason, subject = incoming.subject, "a message waits");
                AckKind::Nak(Some(wait(incoming.deliveries)))
            }
            Err(Refused::Invalid { code, message }) => match bury(incoming, &code, &message, &self.store).await {
                Ok(()) => AckKind::Term,
                Err(error) => {
                    tracing::warn!(%error, "a message that cannot be a job has no dead letter yet");
                    AckKind::Nak(Some(SOON))
                }
            },
        }
    }

    async fn submit(&self, incoming: &Incoming<'_>) -> Result<(), Refused> {
        let subjects::Submitted { tenant, kind, is_name } = subjects::submitted(incoming.subject);
        if !is_name {
            let message = format!("{tenant:?} is no name of a tenant");
            return Err(Refused::Invalid { code: "malformed-subject".to_owned(), message });
        }
        let header = |name: &str| incoming.headers.and_then(|headers| headers.get(name)).map(ToString::to_string);
        let key = header("Idempotency-Key").or_else(|| header("Nats-Msg-Id"));
        let parent = header("traceparent");
        let trace = parent.and_then(|parent| TraceContext::read(&parent, header("tracestate").as_deref()));
        let body = incoming.body.to_vec();
        let message = intake::Message { id: incoming.id, tenant_id: tenant, kind, body, key, trace };
        self.intake.submit(&message).await.map(|_| ())
    }
}

/// What the server gave up.
struct Undelivered {
    nats: Arc<Nats>,
    store: SharedStore,
}

/// What the server says of it.
#[derive(Deserialize)]
struct Advisory {
    stream_seq: u64,
    deliveries: u32,
}

impl Handler for Undelivered {
    async fn handle(&self, message: &Message) {
        let answer = match self.bury(&message.payload).await {
            Ok(()) => AckKind::Ack,
            Err(error) => {
                tracing::warn!(error, "a message that ran out of deliveries has no dead letter yet");
                AckKind::Nak(Some(SOON))
            }
        };
        if let Err(error) = message.ack_with(answer).await {
            tracing::debug!(%error, "an advisory was dealt with, and is not acknowledged");
        }
    }
}

impl Undelivered {
    /// Leaves a letter of a message that was never accepted, and takes it out of the stream.
    async fn bury(&self, advisory: &[u8]) -> Result<(), String> {
        let Advisory { stream_seq, deliveries } = match serde_json::from_slice(advisory) {
            Ok(advisory) => advisory,
            Err(error) => {
                tracing::error!(%error, "an advisory cannot be read, and is dropped");
                return Ok(());
            }
        };
        let stream = self.nats.jetstream.get_stream_no_info(streams::SUBMIT).await;
        let stream = stream.map_err(|error| error.to_string())?;
        let message = match stream.get_raw_message(stream_seq).await {
            Ok(message) => message,
            // Somebody removed it.
            Err(error) if is_gone(&error.kind()) => return Ok(()),
            Err(error) => return Err(error.to_string()),
        };
        let incoming = Incoming {
            subject: &message.subject,
            headers: Some(&message.headers),
            body: &message.payload,
            id: message_id(message.sequence, message.time.unix_timestamp_nanos()),
            deliveries,
        };
        let reason = format!("it was delivered {deliveries} times and never accepted");
        bury(&incoming, "deliveries-used-up", &reason, &self.store).await.map_err(|error| error.to_string())?;
        stream.delete_message(stream_seq).await.map(|_| ()).map_err(|error| error.to_string())
    }
}

fn is_gone(kind: &RawMessageErrorKind) -> bool {
    match kind {
        RawMessageErrorKind::NoMessageFound => true,
        RawMessageErrorKind::JetStream(error) => error.error_code() == ErrorCode::NO_MESSAGE_FOUND,
        _ => false,
    }
}

async fn bury(incoming: &Incoming<'_>, code: &str, reason: &str, store: &SharedStore) -> Result<(), StoreError> {
    let subjects::Submitted { tenant, kind, .. } = subjects::submitted(incoming.subject);
    let letter = MessageLetter {
        id: DeadLetterId(incoming.id),
        tenant_id: tenant,
        original_subject: incoming.subject.to_owned(),
        kind,
        payload: payload(incoming.body),
        error_code: code.to_owned(),
        error: reason.to_owned(),
        attempts: incoming.deliveries,
    };
    store.bury_message(&letter).await?;
    tracing::warn!(subject = incoming.subject, id = %letter.id, code, "a message cannot be a job: it is a dead letter");
    Ok(())
}

/// A message as JSON: as it is, or as a text.
fn payload(body: &[u8]) -> Box<RawValue> {
    serde_json::from_slice::<&RawValue>(body).map(ToOwned::to_owned).unwrap_or_else(|_| {
        let text = String::from_utf8_lossy(body);
        to_raw_value(&text).unwrap_or_default()
    })
}

/// The id of a message's job or letter: the same however often it is delivered, and of no other message, even where
/// a stream that was wiped counts from the start again.
fn message_id(sequence: u64, published_nanos: i128) -> Uuid {
    let nanos = u64::try_from(published_nanos).unwrap_or(0);
    let (millis, micros) = (nanos / 1_000_000, nanos % 1_000_000 / 1000);
    let mut bytes = [0; 10];
    // The version takes four bits of the first byte, and the variant two of the third.
    bytes[..2].copy_from_slice(&u16::try_from(micros).unwrap_or(0).to_be_bytes());
    bytes[3..].copy_from_slice(&sequence.to_be_bytes()[1..]);
    Builder::from_unix_timestamp_millis(millis, &bytes).into_uuid()
}

/// Longer each time.
fn wait(deliveries: u32) -> Duration {
    Duration::from_secs(1 << deliveries.saturating_sub(1).min(6)).min(LONGEST_WAIT)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_has_one_id_and_no_other_has_it() {
        let published = 1_767_323_045_123_456_789;
        let id = message_id(7, published);
        assert_eq!((id, id.get_version_num()), (message_id(7, published), 7));
        assert_eq!(&id.as_bytes()[9..], &[0, 0, 0, 0, 0, 0, 7]);
        for other in [message_id(8, published), message_id(7, published + 1000), message_id(7, published + 1_000_000)] {
            assert_ne!(id, other);
        }
    }

    #[test]
    fn what_is_no_json_is_kept_as_a_text() {
        assert_eq!(payload(br#"{"payload": {}}"#).get(), r#"{"payload": {}}"#);
        assert_eq!(payload(b"{oops").get(), r#""{oops""#);
        assert_eq!(payload(b"\xff").get(), "\"\u{FFFD}\"");
    }

    #[test]
    fn the_wait_grows_up_to_a_minute() {
        assert_eq!([1, 2, 3, 7, 100].map(|deliveries| wait(deliveries).as_secs()), [1, 2, 4, 60, 60]);
    }
}
