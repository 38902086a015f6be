//! Turns events into deliveries.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use tokio_util::sync::CancellationToken;

use super::body::body;
use crate::{
    id::JobId,
    job::{Job, Policy},
    kinds::WebhookDeliver,
    store::{Due, JobSummary, NewJob, OutboxEvent, SharedStore, Store, StoreError},
};

/// Events passed on in one go.
const BATCH: u32 = 500;

/// The longest time between two looks at the outbox; hints make it shorter.
const NET: Duration = Duration::from_secs(5);

/// The priority of deliveries: the middle.
const PRIORITY: u8 = 5;

/// Passes events on until told to stop. Any number of processes may do so at once.
///
/// `policy` is that of `webhook.deliver` in this process's registry.
pub async fn relay(store: SharedStore, policy: Policy, shutdown: CancellationToken) {
    let run = async {
        let mut failing = false;
        loop {
            match relay_once(&*store, &policy, BATCH).await {
                Ok(passed) => {
                    failing = false;
                    // A full batch means that more is waiting.
                    if passed >= BATCH as usize {
                        continue;
                    }
                }
                Err(error) => {
                    if !failing {
                        tracing::warn!(%error, "webhooks wait: events cannot be passed on, trying again");
                    }
                    failing = true;
                }
            }
            // Several relays that began together must not go on looking together.
            let net = NET.mul_f64(rand::random_range(0.6..1.0));
            let hint = async {
                // A failing store is given the whole pause, however often it hints.
                if failing { std::future::pending().await } else { store.wakes().told().await }
            };
            let _ = tokio::time::timeout(net, hint).await;
        }
    };
    // Stopping between any two steps is as harmless as a crash there.
    let _: Option<std::convert::Infallible> = shutdown.run_until_cancelled_owned(run).await;
}

/// Passes on up to `limit` events, oldest first, and answers how many it took from the outbox.
///
/// A crash after the deliveries are recorded and before the events are forgotten repeats the
/// same deliveries, which have the events' own ids: recording them again changes nothing.
pub async fn relay_once(store: &dyn Store, policy: &Policy, limit: u32) -> Result<usize, StoreError> {
    let events = store.outbox(limit).await?;
    if events.is_empty() {
        return Ok(0);
    }
    let jobs = jobs_of(store, &events).await?;
    let deliveries = events.iter().filter_map(|event| delivery(event, jobs.get(&event.job_id)?, policy)).collect();
    record(store, deliveries).await?;
    let ids: Vec<_> = events.iter().map(|event| event.id).collect();
    store.passed_on(&ids).await?;
    Ok(ids.len())
}

async fn jobs_of(store: &dyn Store, events: &[OutboxEvent]) -> Result<BTreeMap<JobId, JobSummary>, StoreError> {
    let wanted: BTreeSet<JobId> = events.iter().map(|event| event.job_id).collect();
    let jobs = store.summaries(&Vec::from_iter(wanted)).await?;
    Ok(jobs.into_iter().map(|summary| (summary.job.id, summary)).collect())
}

/// The job that delivers `event`, or `None` when nobody is to be called.
fn delivery(event: &OutboxEvent, summary: &JobSummary, policy: &Policy) -> Option<NewJob> {
    let job = &summary.job;
    let payload = body(event, summary).and_then(|body| {
        let Some(url) = job.callback_url.clone() else { return Ok(None) };
        let deliver = WebhookDeliver { url, event: event.event.clone(), body, source_job_id: job.id };
        serde_json::value::to_raw_value(&deliver).map(Some)
    });
    let payload = match payload {
        Ok(payload) => payload?,
        Err(error) => {
            // One event that cannot be told must not hold up all others.
            tracing::error!(job.id = %job.id, event = %event.event, %error, "an event was dropped: it is not JSON");
            return None;
        }
    };
    Some(NewJob {
        id: event.id.into(),
        tenant_id: event.tenant_id.clone(),
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
        idempotency: None,
    })
}

/// Records deliveries together; one that the store refuses is dropped alone.
async fn record(store: &dyn Store, deliveries: Vec<NewJob>) -> Result<(), StoreError> {
    match store.insert(deliveries.clone()).await {
        Err(StoreError::Rejected(_)) => {}
        other => return other.map(drop),
    }
    for delivery in deliveries {
        let id = delivery.id;
        match store.insert(vec![delivery]).await {
            Err(StoreError::Rejected(error)) => {
                tracing::error!(job.id = %id, %error, "a webhook was dropped: the store refuses it");
            }
            other => drop(other?),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        id::MessageId,
        record::JobRecord,
        webhooks::samples::{event, finished_job},
    };

    fn summary(job: &JobRecord) -> JobSummary {
        JobSummary { job: job.clone(), result_omitted: false }
    }

    #[test]
    fn a_delivery_has_the_events_own_id_so_that_repeating_it_is_harmless() {
        let (job, id) = (finished_job(), MessageId::new());
        let made = delivery(&event(id, job.id), &summary(&job), &WebhookDeliver::POLICY).unwrap();
        assert_eq!(made.id, JobId::from(id));
        assert_eq!((made.kind.as_str(), made.max_attempts), ("webhook.deliver", 10));
        let sent: WebhookDeliver = serde_json::from_str(made.payload.get()).unwrap();
        assert_eq!((sent.url.as_str(), sent.event.as_str()), ("https://example.com/hook", "job.succeeded"));
        assert_eq!(sent.source_job_id, job.id);
        assert!(made.callback_url.is_none(), "a webhook about a webhook would never end");
    }

    #[test]
    fn a_job_that_nobody_listens_to_is_not_told_about() {
        let job = JobRecord { callback_url: None, ..finished_job() };
        assert!(delivery(&event(MessageId::new(), job.id), &summary(&job), &WebhookDeliver::POLICY).is_none());
    }
}
