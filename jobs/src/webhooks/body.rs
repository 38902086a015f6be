//! What a webhook says: thin, so that it fits any receiver; the API has the rest.

use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::{json, value::RawValue};

use crate::{
    id::{JobId, MessageId},
    record::{RecordedError, State},
    store::{JobSummary, endpoints::Format, events::Event},
};

/// The longest body, in bytes: what Standard Webhooks recommends.
const LIMIT: usize = 20 * 1024;

/// What is kept of an error's message where the whole would be too long, in bytes.
const MESSAGE_LIMIT: usize = 1024;

/// How a body is to be laid out.
#[derive(Debug, Clone, Copy)]
pub(super) struct Layout {
    pub(super) format: Format,
    pub(super) thin: bool,
}

impl Layout {
    /// What callbacks get.
    pub(super) const CALLBACK: Self = Self { format: Format::Standard, thin: false };
}

/// A message to one receiver, without what it says.
pub(super) struct Message<'a> {
    pub(super) id: MessageId,
    pub(super) tenant: &'a str,
    pub(super) event: &'a str,
    /// The event's number among its tenant's: of two messages, the larger tells of later things.
    /// A test is no event and has none.
    pub(super) sequence: Option<u64>,
    pub(super) about: Option<JobId>,
    pub(super) at: DateTime<Utc>,
    pub(super) layout: Layout,
}

#[derive(Serialize)]
struct Standard<'a, D> {
    #[serde(rename = "type")]
    event: &'a str,
    timestamp: DateTime<Utc>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sequence: Option<u64>,
    data: &'a D,
}

/// A CloudEvent 1.0 in the structured JSON mode
/// (<https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/formats/json-format.md>), with
/// the extension `sequence`, whose values sort as text.
#[derive(Serialize)]
struct CloudEvent<'a, D> {
    specversion: &'static str,
    id: MessageId,
    source: String,
    #[serde(rename = "type")]
    event: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    subject: Option<JobId>,
    time: DateTime<Utc>,
    datacontenttype: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    sequence: Option<String>,
    data: &'a D,
}

impl Message<'_> {
    /// The text of the message with this to say.
    pub(super) fn saying<D: Serialize>(&self, data: &D) -> serde_json::Result<String> {
        match self.layout.format {
            Format::Standard => serde_json::to_string(&Standard {
                event: self.event,
                timestamp: self.at,
                sequence: self.sequence,
                data,
            }),
            Format::CloudEvents => serde_json::to_string(&CloudEvent {
                specversion: "1.0",
                id: self.id,
                source: format!("/v1/tenants/{}", segment(self.tenant)),
                event: self.event,
                subject: self.about,
                time: self.at,
                datacontenttype: "application/json",
                sequence: self.sequence.map(|number| format!("{number:020}")),
                data,
            }),
        }
    }

    /// The text of the message about an event: about its job, or what else there is to say.
    pub(super) fn text(&self, event: &Event, summary: Option<&JobSummary>) -> serde_json::Result<String> {
        match (summary, &event.data) {
            (Some(summary), _) => self.about_job(summary),
            (None, Some(data)) => self.saying(data),
            (None, None) => self.saying(&json!({})),
        }
    }

    /// The same about a job, at most [`LIMIT`] long: what would not fit is left out and said to be.
    pub(super) fn about_job(&self, summary: &JobSummary) -> serde_json::Result<String> {
        let job = &summary.job;
        if self.layout.thin {
            return self.saying(&Thin { id: job.id, links: Links { itself: format!("/v1/jobs/{}", job.id) } });
        }
        let mut data = Data {
            id: job.id,
            kind: &job.kind,
            // The job may have moved on since, for example by a replay; the message has not.
            state: self.event.strip_prefix("job.").and_then(|state| state.parse().ok()).unwrap_or(job.state),
            tenant: &job.tenant_id,
            attempt: job.attempt,
            max_attempts: job.max_attempts,
            error: job.error.clone(),
            result: job.result.as_deref(),
            result_omitted: summary.result_omitted,
            metadata: job.metadata.as_deref(),
            metadata_omitted: false,
            created_at: job.created_at,
            finished_at: job.finished_at,
        };
        let mut text = self.saying(&data)?;
        for lighten in [without_result, without_metadata, with_short_error] {
            if text.len() <= LIMIT {
                break;
            }
            lighten(&mut data);
            text = self.saying(&data)?;
        }
        Ok(text)
    }
}

impl<'a> Message<'a> {
    /// The message about an event.
    pub(super) fn of(event: &'a Event, id: MessageId, layout: Layout) -> Self {
        Self {
            id,
            tenant: &event.tenant_id,
            event: &event.event,
            sequence: Some(event.seq),
            about: event.job_id,
            at: event.at,
            layout,
        }
    }
}

/// The job without its payload, under the names that the API has for them.
#[derive(Serialize)]
struct Data<'a> {
    id: JobId,
    kind: &'a str,
    state: State,
    tenant: &'a str,
    attempt: u32,
    max_attempts: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<RecordedError>,
    #[serde(skip_serializing_if = "Option::is_none")]
    result: Option<&'a RawValue>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    result_omitted: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    metadata: Option<&'a RawValue>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    metadata_omitted: bool,
    created_at: DateTime<Utc>,
    #[serde(skip_serializing_if = "Option::is_none")]
    finished_at: Option<DateTime<Utc>>,
}

/// Where to read the job, for those who want nothing of it on the way.
#[derive(Serialize)]
struct Thin {
    id: JobId,
    links: Links,
}

#[derive(Serialize)]
struct Links {
    #[serde(rename = "self")]
    itself: String,
}

/// A name as a segment of a path: all that is not unreserved (RFC 3986) is percent-encoded.
fn segment(name: &str) -> String {
    let unreserved = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    name.bytes()
        .map(|byte| if unreserved(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") })
        .collect()
}

fn without_result(data: &mut Data<'_>) {
    data.result_omitted |= data.result.take().is_some();
}

fn without_metadata(data: &mut Data<'_>) {
    data.metadata_omitted = data.metadata.take().is_some();
}

fn with_short_error(data: &mut Data<'_>) {
    if let Some(error) = &mut data.error
        && error.message.len() > MESSAGE_LIMIT
    {
        error.message.truncate(error.message.floor_char_boundary(MESSAGE_LIMIT));
        error.message.push('…');
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::{
        record::JobRecord,
        webhooks::samples::{event, finished_job, raw},
    };

    fn read(job: &JobRecord) -> Value {
        read_summary(&JobSummary { job: job.clone(), result_omitted: false, trace: None }, Layout::CALLBACK)
    }

    fn read_summary(summary: &JobSummary, layout: Layout) -> Value {
        let event = event(MessageId::new(), summary.job.id);
        let text = Message::of(&event, event.id, layout).about_job(summary).unwrap();
        assert!(text.len() <= LIMIT, "{} bytes", text.len());
        serde_json::from_str(&text).unwrap()
    }

    #[test]
    fn a_body_has_the_job_without_its_payload() {
        let job = JobRecord { result: Some(raw(&json!({"sum": 3}))), ..finished_job() };
        assert_eq!(
            read(&job),
            json!({
                "type": "job.succeeded",
                "timestamp": "2026-01-02T03:04:05Z",
                "sequence": 7,
                "data": {
                    "id": job.id,
                    "kind": "noop",
                    "state": "succeeded",
                    "tenant": "acme",
                    "attempt": 2,
                    "max_attempts": 5,
                    "result": {"sum": 3},
                    "created_at": "2026-01-02T03:04:05Z",
                    "finished_at": "2026-01-02T03:04:05Z",
                },
            })
        );
    }

    #[test]
    fn a_thin_body_has_ids_and_links_alone() {
        let job = JobRecord { result: Some(raw(&json!({"sum": 3}))), ..finished_job() };
        let summary = JobSummary { job: job.clone(), result_omitted: false, trace: None };
        let body = read_summary(&summary, Layout { thin: true, ..Layout::CALLBACK });
        assert_eq!(body["data"], json!({"id": job.id, "links": {"self": format!("/v1/jobs/{}", job.id)}}));
        assert_eq!(body["type"], json!("job.succeeded"));
    }

    #[test]
    fn a_cloud_event_has_the_attributes_that_it_must_have() {
        let job = finished_job();
        let event = Event { tenant_id: "acme & söhne/1".to_owned(), ..event(MessageId::new(), job.id) };
        let id = MessageId::new();
        let layout = Layout { format: Format::CloudEvents, thin: true };
        let summary = JobSummary { job: job.clone(), result_omitted: false, trace: None };
        let text = Message::of(&event, id, layout).about_job(&summary).unwrap();
        assert_eq!(
            serde_json::from_str::<Value>(&text).unwrap(),
            json!({
                "specversion": "1.0",
                "id": id,
                "source": "/v1/tenants/acme%20%26%20s%C3%B6hne%2F1",
                "type": "job.succeeded",
                "subject": job.id,
                "time": "2026-01-02T03:04:05Z",
                "datacontenttype": "application/json",
                "sequence": "00000000000000000007",
                "data": {"id": job.id, "links": {"self": format!("/v1/jobs/{}", job.id)}},
            })
        );
    }

    #[test]
    fn what_would_not_fit_is_left_out_and_said_to_be() {
        let big = raw(&json!("x".repeat(LIMIT)));
        let job = JobRecord { result: Some(big.clone()), metadata: Some(raw(&json!({"a": 1}))), ..finished_job() };
        let data = &read(&job)["data"];
        assert_eq!((&data["result_omitted"], &data["metadata"]), (&json!(true), &json!({"a": 1})));
        assert!(data.get("result").is_none() && data.get("metadata_omitted").is_none());

        let error = RecordedError { code: "x".to_owned(), message: "ü".repeat(LIMIT), at: job.created_at };
        let job = JobRecord { metadata: Some(big), error: Some(error), ..finished_job() };
        let data = &read(&job)["data"];
        assert_eq!(data["metadata_omitted"], json!(true));
        assert_eq!(data["error"]["message"].as_str().unwrap().len(), MESSAGE_LIMIT + '…'.len_utf8());
        assert!(data.get("result_omitted").is_none());
    }

    #[test]
    fn a_result_that_was_not_even_read_is_said_to_be_left_out() {
        let summary = JobSummary { job: finished_job(), result_omitted: true, trace: None };
        let data = &read_summary(&summary, Layout::CALLBACK)["data"];
        assert_eq!(data["result_omitted"], json!(true));
        assert!(data.get("result").is_none());
    }

    #[test]
    fn the_state_is_the_events_even_when_the_job_has_moved_on() {
        let job = JobRecord { state: State::Queued, ..finished_job() };
        assert_eq!(read(&job)["data"]["state"], json!("succeeded"));
    }
}
