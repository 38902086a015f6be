//! Which streams there are, and their limits.

use std::time::Duration;

use async_nats::jetstream::{
    Context,
    consumer::{AckPolicy, pull},
    context::{CreateStreamError, GetStreamErrorKind},
    stream::{Config, DiscardPolicy, RetentionPolicy, StorageType},
};

use crate::subjects;

pub(crate) const EVENTS: &str = "GOLDEN_EVENTS";
pub(crate) const DEAD_LETTERS: &str = "GOLDEN_DLQ";
pub(crate) const SUBMIT: &str = "GOLDEN_SUBMIT";
/// What the server says of messages of [`SUBMIT`] that it gives up. It says so once, to whoever listens: the
/// stream does.
pub(crate) const UNDELIVERED: &str = "GOLDEN_UNDELIVERED";
/// The durable consumer of each stream that Golden reads.
pub(crate) const CONSUMER: &str = "golden";

const DAY: Duration = Duration::from_secs(24 * 3600);

/// The limits of the streams.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StreamLimits {
    /// Servers of a cluster that keep each message.
    pub replicas: usize,
    /// How long events stay.
    pub events: Duration,
    /// How long dead letters stay. Those in the store stay until they are resolved.
    pub dead_letters: Duration,
    /// How long a repetition is told from news by its id.
    pub duplicates: Duration,
    /// The most that each stream holds, in bytes. Then the oldest events and dead letters go, and submissions are
    /// refused. `None` is what the server allows.
    pub bytes: Option<u64>,
    /// How often a submission is delivered, at most, before it is a dead letter.
    pub deliveries: u32,
}

impl Default for StreamLimits {
    fn default() -> Self {
        Self {
            replicas: 1,
            events: DAY * 7,
            dead_letters: DAY * 30,
            duplicates: Duration::from_secs(600),
            bytes: None,
            deliveries: 100,
        }
    }
}

impl StreamLimits {
    /// The streams with these limits.
    fn streams(&self) -> [Config; 4] {
        let to_do = |name, subject, description| Config {
            retention: RetentionPolicy::WorkQueue,
            // Work is refused, and never dropped.
            discard: DiscardPolicy::New,
            ..self.stream(name, subject, Duration::ZERO, description)
        };
        [
            self.stream(EVENTS, subjects::EVENTS, self.events, "What happened in Golden, as CloudEvents."),
            self.stream(DEAD_LETTERS, subjects::DEAD_LETTERS, self.dead_letters, "Jobs of Golden that died."),
            to_do(SUBMIT, subjects::SUBMIT, "Jobs for Golden."),
            to_do(UNDELIVERED, subjects::UNDELIVERED, "What GOLDEN_SUBMIT gave up, until Golden knows."),
        ]
    }

    /// The consumer of [`SUBMIT`] and of [`UNDELIVERED`].
    fn consumers(&self) -> [(&'static str, pull::Config); 2] {
        let consumer = |max_deliver| pull::Config {
            durable_name: Some(CONSUMER.to_owned()),
            ack_policy: AckPolicy::Explicit,
            ack_wait: ACK_WAIT,
            max_deliver,
            // What waits for room in one tenant's queue counts, and must not keep the others' out.
            max_ack_pending: 100_000,
            ..pull::Config::default()
        };
        [(SUBMIT, consumer(i64::from(self.deliveries))), (UNDELIVERED, consumer(-1))]
    }

    fn stream(&self, name: &str, subject: &str, age: Duration, description: &str) -> Config {
        Config {
            name: name.to_owned(),
            description: Some(description.to_owned()),
            subjects: vec![subject.to_owned()],
            retention: RetentionPolicy::Limits,
            discard: DiscardPolicy::Old,
            storage: StorageType::File,
            max_age: age,
            max_bytes: self.bytes.map_or(-1, |bytes| i64::try_from(bytes).unwrap_or(i64::MAX)),
            max_messages: -1,
            max_messages_per_subject: -1,
            max_consumers: -1,
            num_replicas: self.replicas,
            // Never longer than messages stay, or the server refuses it.
            duplicate_window: if age.is_zero() { self.duplicates } else { self.duplicates.min(age) },
            ..Config::default()
        }
    }
}

/// After so long without an acknowledgement, a message is delivered again. Recording a job takes less.
const ACK_WAIT: Duration = Duration::from_secs(30);

/// Makes the streams that are not there, and gives the others these limits. What else their owner set stays.
pub(crate) async fn reconcile(jetstream: &Context, limits: &StreamLimits) -> Result<(), String> {
    for wanted in limits.streams() {
        let name = wanted.name.clone();
        one(jetstream, wanted).await.map_err(|error| format!("stream {name}: {error}"))?;
    }
    for (stream, wanted) in limits.consumers() {
        // One that is there already gets these settings.
        let made = jetstream.create_consumer_on_stream(wanted, stream).await;
        made.map_err(|error| format!("consumer {CONSUMER} of stream {stream}: {error}"))?;
    }
    Ok(())
}

async fn one(jetstream: &Context, wanted: Config) -> Result<(), String> {
    let found = match jetstream.get_stream(&wanted.name).await {
        Ok(stream) => stream.cached_info().config.clone(),
        Err(error) if is_missing(&error.kind()) => {
            return jetstream.create_stream(wanted).await.map(|_| ()).map_err(in_words);
        }
        Err(error) => return Err(error.to_string()),
    };
    let changed = Config {
        subjects: wanted.subjects,
        max_age: wanted.max_age,
        max_bytes: wanted.max_bytes,
        num_replicas: wanted.num_replicas,
        duplicate_window: wanted.duplicate_window,
        ..found.clone()
    };
    if changed == found {
        return Ok(());
    }
    jetstream.update_stream(changed).await.map(|_| ()).map_err(in_words)
}

fn is_missing(kind: &GetStreamErrorKind) -> bool {
    use async_nats::jetstream::ErrorCode;
    matches!(kind, GetStreamErrorKind::JetStream(error) if error.error_code() == ErrorCode::STREAM_NOT_FOUND)
}

fn in_words(error: CreateStreamError) -> String {
    error.to_string()
}
