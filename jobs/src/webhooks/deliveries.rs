//! Whom an event is told, and in which words.

use chrono::{DateTime, Utc};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use uuid::{Builder, Variant, Version};

use super::{
    body::{Layout, Message},
    topics::{WEBHOOK_TEST, covers},
};
use crate::{
    functions::is_of,
    id::{EndpointId, MessageId},
    job::{Job, Policy},
    kinds::WebhookDeliver,
    store::{
        Due, JobSummary, NewJob,
        deliveries::NewDelivery,
        endpoints::{DisabledReason, Endpoint},
        events::{Event, Outgoing},
    },
    trace::{self, TraceContext},
};

/// The priority of deliveries: the middle.
const PRIORITY: u8 = 5;

/// The deliveries of a batch of events: to the `callback_url` of the job that each is about, and
/// to every endpoint that chooses it.
pub(super) fn deliveries(outgoing: &Outgoing, policy: &Policy) -> Vec<NewDelivery> {
    outgoing.events.iter().flat_map(|event| of_event(event, outgoing, policy)).collect()
}

fn of_event(event: &Event, outgoing: &Outgoing, policy: &Policy) -> Vec<NewDelivery> {
    let summary = event.job_id.and_then(|id| outgoing.jobs.get(&id));
    if event.job_id.is_some() && summary.is_none() {
        // The job is gone by now, and with it what there was to tell.
        return Vec::new();
    }
    // Who gave an address for the end of a job is told of it once, by whatever names others know it.
    let told_back = event.event.starts_with("job.");
    let callback = summary.filter(|_| told_back).and_then(|summary| summary.job.callback_url.as_ref());
    let callback = callback.map(|url| (event.id, None, url, Layout::CALLBACK));
    let kind = summary.map(|summary| summary.job.kind.as_str());
    let endpoints = outgoing.endpoints.get(&event.tenant_id).into_iter().flatten();
    let chosen = endpoints.filter(|endpoint| takes(endpoint, &event.event, kind)).map(|endpoint| {
        (message_id(event.id, endpoint.id), Some(endpoint.id), &endpoint.settings.url, layout(endpoint))
    });
    let told = callback.into_iter().chain(chosen).filter_map(|(id, endpoint_id, url, layout)| {
        let message = Message::of(event, id, layout);
        let body = message.text(event, summary);
        let trace = summary.and_then(|summary| summary.trace.clone());
        delivery(&message, endpoint_id, url, body, policy, trace)
    });
    told.collect()
}

/// What a callback says of an event, for those who are told on another way. `None` where the job
/// that it is about is gone.
pub fn said(event: &Event, summary: Option<&JobSummary>) -> Option<String> {
    if event.job_id.is_some() && summary.is_none() {
        return None;
    }
    Message::of(event, event.id, Layout::CALLBACK).text(event, summary).ok()
}

/// A message that somebody asks to be sent to an endpoint, to see whether it gets there. It is
/// tried once.
pub fn test_delivery(endpoint: &Endpoint, policy: &Policy, now: DateTime<Utc>) -> Option<NewDelivery> {
    let message = Message {
        id: MessageId::new(),
        tenant: &endpoint.tenant_id,
        event: WEBHOOK_TEST,
        sequence: None,
        about: None,
        at: now,
        layout: layout(endpoint),
    };
    let body = message.saying(&json!({"endpoint_id": endpoint.id, "message": "This is a test; nothing happened."}));
    delivery(&message, Some(endpoint.id), &endpoint.settings.url, body, &policy.attempts(1), trace::current())
}

/// What there is to say of an endpoint that was disabled, as JSON.
pub fn endpoint_disabled(endpoint: EndpointId, reason: DisabledReason) -> Value {
    let links = json!({"self": format!("/v1/webhooks/endpoints/{endpoint}")});
    json!({"id": endpoint, "reason": reason.as_str(), "links": links})
}

fn takes(endpoint: &Endpoint, event: &str, kind: Option<&str>) -> bool {
    let settings = &endpoint.settings;
    settings.events.iter().any(|pattern| covers(pattern, event))
        && kind.is_none_or(|kind| settings.kinds.is_empty() || settings.kinds.iter().any(|taken| is_of(kind, taken)))
}

fn layout(endpoint: &Endpoint) -> Layout {
    Layout { format: endpoint.settings.format, thin: endpoint.settings.thin }
}

/// The id of the message that tells an endpoint of an event: one for each, the same however often
/// it is made, and as old as the event.
fn message_id(event: MessageId, endpoint: EndpointId) -> MessageId {
    let digest = Sha256::new().chain_update(event.0.as_bytes()).chain_update(endpoint.0.as_bytes()).finalize();
    let mut bytes = *event.0.as_bytes();
    bytes[6..].copy_from_slice(&digest[..10]);
    MessageId(Builder::from_bytes(bytes).with_variant(Variant::RFC4122).with_version(Version::SortRand).into_uuid())
}

fn delivery(
    message: &Message<'_>,
    endpoint_id: Option<EndpointId>,
    url: &str,
    body: serde_json::Result<String>,
    policy: &Policy,
    trace: Option<TraceContext>,
) -> Option<NewDelivery> {
    let payload = body.and_then(|body| {
        serde_json::value::to_raw_value(&WebhookDeliver {
            url: endpoint_id.is_none().then(|| url.to_owned()),
            endpoint_id,
            event: message.event.to_owned(),
            format: message.layout.format,
            body,
            source_job_id: message.about,
        })
    });
    let payload = match payload {
        Ok(payload) => payload,
        Err(error) => {
            // One event that cannot be told must not hold up all others.
            tracing::error!(event = message.event, tenant = message.tenant, %error, "a webhook was dropped: it is not JSON");
            return None;
        }
    };
    let job = NewJob {
        id: message.id.into(),
        tenant_id: message.tenant.to_owned(),
        kind: WebhookDeliver::KIND.to_owned(),
        role: WebhookDeliver::ROLE,
        priority: PRIORITY,
        payload,
        max_attempts: policy.max_attempts,
        timeout: policy.timeout,
        due: Due::Now,
        metadata: None,
        callback_url: None,
        parent_id: None,
        max_cost: None,
        trace,
        idempotency: None,
    };
    Some(NewDelivery {
        job,
        endpoint_id,
        about: message.about,
        event: message.event.to_owned(),
        url: url.to_owned(),
        at: message.at,
    })
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;
    use crate::{
        id::JobId,
        record::JobRecord,
        store::{JobSummary, endpoints::EndpointSettings},
        webhooks::{
            ENDPOINT_DISABLED,
            samples::{endpoint, event, finished_job, raw},
        },
    };

    fn outgoing(event: Event, job: Option<&JobRecord>, endpoints: Vec<Endpoint>) -> Outgoing {
        let summary = |job: &JobRecord| (job.id, JobSummary { job: job.clone(), result_omitted: false, trace: None });
        Outgoing {
            events: vec![event],
            jobs: job.map(summary).into_iter().collect(),
            endpoints: HashMap::from([("acme".to_owned(), endpoints)]),
            ..Outgoing::default()
        }
    }

    fn told(outgoing: &Outgoing) -> Vec<NewDelivery> {
        deliveries(outgoing, &WebhookDeliver::POLICY)
    }

    fn payload(delivery: &NewDelivery) -> WebhookDeliver {
        serde_json::from_str(delivery.job.payload.get()).unwrap()
    }

    #[test]
    fn a_callback_has_the_events_own_id_so_that_repeating_it_is_harmless() {
        let (job, id) = (finished_job(), MessageId::new());
        let made = told(&outgoing(event(id, job.id), Some(&job), Vec::new())).remove(0);
        assert_eq!(made.job.id, JobId::from(id));
        assert_eq!((made.job.kind.as_str(), made.job.max_attempts), ("webhook.deliver", 10));
        let sent = payload(&made);
        assert_eq!((sent.url.as_deref(), sent.event.as_str()), (Some("https://example.com/hook"), "job.succeeded"));
        assert_eq!((sent.source_job_id, made.about), (Some(job.id), Some(job.id)));
        assert!(made.job.callback_url.is_none(), "a webhook about a webhook would never end");
    }

    #[test]
    fn each_endpoint_that_chooses_an_event_gets_a_message_of_its_own() {
        let job = JobRecord { callback_url: None, ..finished_job() };
        let with = |settings: fn(&mut EndpointSettings)| {
            let mut endpoint = endpoint();
            settings(&mut endpoint.settings);
            endpoint
        };
        let endpoints = vec![
            with(|_| {}),
            with(|s| s.events = vec!["job.dead".to_owned(), "job.*".to_owned()]),
            with(|s| s.kinds = vec!["noop".to_owned()]),
            with(|s| s.events = vec!["job.dead".to_owned()]),
            with(|s| s.kinds = vec!["http.call".to_owned()]),
        ];
        let event = event(MessageId::new(), job.id);
        let made = told(&outgoing(event.clone(), Some(&job), endpoints.clone()));
        let to: Vec<_> = made.iter().map(|delivery| delivery.endpoint_id.unwrap()).collect();
        assert_eq!(to, endpoints[..3].iter().map(|endpoint| endpoint.id).collect::<Vec<_>>());
        assert!(made.iter().all(|delivery| payload(delivery).url.is_none()), "an endpoint's URL may change");

        let ids: Vec<_> = made.iter().map(|delivery| delivery.job.id).collect();
        assert!(ids[0] != ids[1] && ids[1] != ids[2]);
        let again: Vec<_> = told(&outgoing(event.clone(), Some(&job), endpoints)).iter().map(|d| d.job.id).collect();
        assert_eq!(again, ids);
        assert!(ids.iter().all(|id| id.0.get_version_num() == 7 && id.0.get_timestamp() == event.id.0.get_timestamp()));
    }

    #[test]
    fn an_event_about_no_job_tells_its_own_data_whatever_kinds_are_chosen() {
        let data = raw(&json!({"id": "hook_1", "reason": "gone"}));
        let event = Event {
            job_id: None,
            data: Some(data),
            event: ENDPOINT_DISABLED.to_owned(),
            ..event(MessageId::new(), JobId::new())
        };
        let mut endpoint = endpoint();
        endpoint.settings.kinds = vec!["http.call".to_owned()];
        let made = told(&outgoing(event, None, vec![endpoint])).remove(0);
        let body: Value = serde_json::from_str(&payload(&made).body).unwrap();
        assert_eq!((&body["type"], &body["data"]["reason"]), (&json!("endpoint.disabled"), &json!("gone")));
        assert_eq!((made.about, &body["sequence"]), (None, &json!(7)));
    }

    #[test]
    fn a_job_that_nobody_listens_to_or_that_is_gone_is_not_told_about() {
        let job = JobRecord { callback_url: None, ..finished_job() };
        assert!(told(&outgoing(event(MessageId::new(), job.id), Some(&job), Vec::new())).is_empty());
        assert!(told(&outgoing(event(MessageId::new(), JobId::new()), None, vec![endpoint()])).is_empty());
    }

    #[test]
    fn a_test_is_tried_once_and_is_no_event() {
        let made = test_delivery(&endpoint(), &WebhookDeliver::POLICY, DateTime::UNIX_EPOCH).unwrap();
        let body: Value = serde_json::from_str(&payload(&made).body).unwrap();
        assert_eq!((made.job.max_attempts, made.event.as_str()), (1, "webhook.test"));
        assert_eq!((&body["type"], body.get("sequence")), (&json!("webhook.test"), None));
    }
}
