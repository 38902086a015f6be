//! What a webhook says: thin, so that it fits any receiver; the API has the rest.

use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::value::RawValue;

use crate::{
    id::JobId,
    record::{RecordedError, State},
    store::{JobSummary, events::Event},
};

/// The longest body, in bytes: what Standard Webhooks recommends.
const LIMIT: usize = 20 * 1024;

/// What is kept of an error's message where the whole would be too long, in bytes.
const MESSAGE_LIMIT: usize = 1024;

#[derive(Serialize)]
struct Body<'a> {
    #[serde(rename = "type")]
    event: &'a str,
    timestamp: DateTime<Utc>,
    /// The event's number among its tenant's: of two messages, the one that tells of later things.
    sequence: u64,
    data: Data<'a>,
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

/// The body of the message about `event`, at most [`LIMIT`] long: what would not fit is left
/// out and said to be.
pub(super) fn body(event: &Event, summary: &JobSummary) -> Result<String, serde_json::Error> {
    let job = &summary.job;
    let mut body = Body {
        event: &event.event,
        timestamp: event.at,
        sequence: event.seq,
        data: Data {
            id: job.id,
            kind: &job.kind,
            // The job may have moved on since, for example by a replay; the message has not.
            state: event.event.strip_prefix("job.").and_then(|state| state.parse().ok()).unwrap_or(job.state),
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
        },
    };
    let mut text = serde_json::to_string(&body)?;
    for lighten in [without_result, without_metadata, with_short_error] {
        if text.len() <= LIMIT {
            break;
        }
        lighten(&mut body.data);
        text = serde_json::to_string(&body)?;
    }
    Ok(text)
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
        id::MessageId,
        record::JobRecord,
        webhooks::samples::{event, finished_job, raw},
    };

    fn read(job: &JobRecord) -> Value {
        read_summary(&JobSummary { job: job.clone(), result_omitted: false })
    }

    fn read_summary(summary: &JobSummary) -> Value {
        let event = event(MessageId::new(), summary.job.id);
        let text = body(&event, summary).unwrap();
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
        let data = &read_summary(&JobSummary { job: finished_job(), result_omitted: true })["data"];
        assert_eq!(data["result_omitted"], json!(true));
        assert!(data.get("result").is_none());
    }

    #[test]
    fn the_state_is_the_events_even_when_the_job_has_moved_on() {
        let job = JobRecord { state: State::Queued, ..finished_job() };
        assert_eq!(read(&job)["data"]["state"], json!("succeeded"));
    }
}
