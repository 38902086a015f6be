//! What a message broker is told of events, and in which words.

use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::value::RawValue;

use super::body::{Layout, Message};
use crate::{
    id::{DeadLetterId, JobId},
    record::RecordedError,
    role::Role,
    store::{
        DeadLetter,
        endpoints::Format,
        events::{Event, Outgoing},
        publications::{Publication, Published},
    },
};

/// Brokers take messages of 1 MiB, unless told otherwise: a payload that leaves no room beside it is left out.
const PAYLOAD_LIMIT: usize = 768 * 1024;

/// What subscribers see of an event: a CloudEvent, with as much of the job as a webhook has.
const LAYOUT: Layout = Layout { format: Format::CloudEvents, thin: false };

/// What the broker is to be told of a batch of events: each of them, and the letters of jobs that
/// died. Nothing where there is no broker.
pub(super) fn publications(outgoing: &Outgoing) -> Vec<Publication> {
    if !outgoing.published {
        return Vec::new();
    }
    outgoing.events.iter().flat_map(|event| of_event(event, outgoing)).collect()
}

fn of_event(event: &Event, outgoing: &Outgoing) -> Vec<Publication> {
    let summary = event.job_id.and_then(|id| outgoing.jobs.get(&id));
    let (group, state) = event.event.split_once('.').unwrap_or((&event.event, ""));
    let kind = match (event.job_id, summary) {
        (_, Some(summary)) => summary.job.kind.clone(),
        (None, None) => group.to_owned(),
        // The job is gone by now, and with it what there was to tell.
        (Some(_), None) => return Vec::new(),
    };
    let publication = |what, body| Publication {
        what,
        tenant_id: event.tenant_id.clone(),
        kind: kind.clone(),
        job_id: event.job_id,
        body,
        trace: summary.and_then(|summary| summary.trace.clone()),
    };
    let told = Message::of(event, event.id, LAYOUT).text(event, summary).ok();
    let told = told.map(|body| publication(Published::Event { id: event.id, state: state.to_owned() }, body));
    let letter = event.job_id.filter(|_| event.event == "job.dead").and_then(|job| outgoing.letters.get(&job));
    let letter = letter.and_then(|letter| Some(publication(Published::DeadLetter(letter.id), body(letter)?)));
    told.into_iter().chain(letter).collect()
}

/// A dead letter, under the names that the API has for what it says.
#[derive(Serialize)]
struct Letter<'a> {
    id: DeadLetterId,
    job_id: Option<JobId>,
    tenant: &'a str,
    original_subject: &'a str,
    kind: &'a str,
    role: Option<Role>,
    #[serde(skip_serializing_if = "Option::is_none")]
    payload: Option<&'a RawValue>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    payload_omitted: bool,
    error: RecordedError,
    attempts: u32,
    created_at: DateTime<Utc>,
}

fn body(letter: &DeadLetter) -> Option<String> {
    let payload = Some(&*letter.payload).filter(|payload| payload.get().len() <= PAYLOAD_LIMIT);
    let letter = Letter {
        id: letter.id,
        job_id: letter.job_id,
        tenant: &letter.tenant_id,
        original_subject: &letter.original_subject,
        kind: &letter.kind,
        role: letter.role,
        payload,
        payload_omitted: payload.is_none(),
        error: RecordedError { code: letter.error_code.clone(), message: letter.error.clone(), at: letter.created_at },
        attempts: letter.attempts,
        created_at: letter.created_at,
    };
    serde_json::to_string(&letter).ok()
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use serde_json::{Value, json};

    use super::*;
    use crate::{
        id::MessageId,
        record::JobRecord,
        store::JobSummary,
        webhooks::{
            ENDPOINT_DISABLED,
            samples::{event, finished_job, raw},
        },
    };

    fn letter(job: &JobRecord, payload: &Value) -> DeadLetter {
        DeadLetter {
            id: DeadLetterId::new(),
            tenant_id: job.tenant_id.clone(),
            job_id: Some(job.id),
            original_subject: "jobs.orchestrator.noop".to_owned(),
            kind: job.kind.clone(),
            role: Some(job.role),
            payload: raw(payload),
            error_code: "failed".to_owned(),
            error: "it did".to_owned(),
            attempts: 2,
            created_at: job.created_at,
            resolved: false,
            resolution: None,
            resolved_by: None,
            resolved_at: None,
        }
    }

    fn outgoing(event: Event, job: &JobRecord, letter: DeadLetter) -> Outgoing {
        Outgoing {
            events: vec![event],
            jobs: HashMap::from([(job.id, JobSummary { job: job.clone(), result_omitted: false, trace: None })]),
            published: true,
            letters: HashMap::from([(job.id, letter)]),
            ..Outgoing::default()
        }
    }

    fn read(publication: &Publication) -> Value {
        serde_json::from_str(&publication.body).unwrap()
    }

    #[test]
    fn a_death_is_an_event_and_a_letter_with_the_payload() {
        let job = finished_job();
        let event = Event { event: "job.dead".to_owned(), ..event(MessageId::new(), job.id) };
        let (id, letter) = (event.id, letter(&job, &json!({"a": 1})));
        let letter_id = letter.id;

        let made = publications(&outgoing(event, &job, letter));

        let [told, left] = &made[..] else { panic!("{made:?}") };
        assert_eq!(told.what, Published::Event { id, state: "dead".to_owned() });
        assert_eq!((told.kind.as_str(), told.tenant_id.as_str()), ("noop", "acme"));
        let body = read(told);
        assert_eq!((&body["id"], &body["specversion"]), (&json!(id), &json!("1.0")));
        assert_eq!((&body["type"], &body["data"]["id"]), (&json!("job.dead"), &json!(job.id)));
        assert_eq!(left.what, Published::DeadLetter(letter_id));
        assert_eq!((&read(left)["payload"], &read(left)["id"]), (&json!({"a": 1}), &json!(letter_id)));
        assert_eq!((told.job_id, left.job_id), (Some(job.id), Some(job.id)));
    }

    #[test]
    fn a_payload_that_is_too_long_is_left_out_and_said_to_be() {
        let job = finished_job();
        let event = Event { event: "job.dead".to_owned(), ..event(MessageId::new(), job.id) };
        let made = publications(&outgoing(event, &job, letter(&job, &json!("x".repeat(PAYLOAD_LIMIT)))));
        let body = read(&made[1]);
        assert_eq!((&body["payload_omitted"], body.get("payload")), (&json!(true), None));
    }

    #[test]
    fn what_is_about_no_job_is_told_by_its_group() {
        let job = finished_job();
        let event = Event {
            event: ENDPOINT_DISABLED.to_owned(),
            job_id: None,
            data: Some(raw(&json!({"reason": "gone"}))),
            ..event(MessageId::new(), job.id)
        };
        let made = publications(&outgoing(event, &job, letter(&job, &json!({}))));
        assert_eq!(made.len(), 1);
        assert_eq!((made[0].kind.as_str(), &read(&made[0])["data"]["reason"]), ("endpoint", &json!("gone")));
    }

    #[test]
    fn without_a_broker_there_is_nothing_to_tell_it() {
        let job = finished_job();
        let outgoing = outgoing(event(MessageId::new(), job.id), &job, letter(&job, &json!({})));
        assert!(publications(&Outgoing { published: false, ..outgoing }).is_empty());
    }
}
