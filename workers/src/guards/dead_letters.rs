//! Kinds whose jobs die fast.

use async_trait::async_trait;
use chrono::DateTime;
use golden_jobs::{
    audit::Actor,
    escalations::Subject,
    guards::{
        Guard,
        dying::{ASKED, MOST, Measure, WINDOW, measures},
    },
    store::{
        Page, Store, StoreError,
        escalations::{EscalationFilter, EscalationRecord},
        guards::GuardRecord,
    },
};

use super::Watch;

pub(super) struct DeadLetters;

#[async_trait]
impl Watch for DeadLetters {
    fn guard(&self) -> Guard {
        Guard::DeadLetters
    }

    async fn check(&self, store: &dyn Store, record: &GuardRecord) -> Result<Option<String>, StoreError> {
        Ok(told(&wanted(store, record).await?))
    }

    async fn remedy(&self, store: &dyn Store, record: &GuardRecord) -> Result<String, StoreError> {
        let wanted = wanted(store, record).await?;
        for measure in &wanted {
            // First: a queue that is paused with nobody told is worse than one told of that goes on for a while.
            ask(store, measure).await?;
            if let Some(queue) = &measure.pause {
                store.pause(queue, &Actor::golden()).await?;
            }
        }
        Ok(told(&wanted).unwrap_or_else(|| "nothing: it is over".to_owned()))
    }
}

/// What is to be done. Letters count from the last time on that something was: a queue that somebody let go on at once is
/// not paused for those of before.
async fn wanted(store: &dyn Store, record: &GuardRecord) -> Result<Vec<Measure>, StoreError> {
    let since = record.standing.remedied.last().copied().unwrap_or(DateTime::UNIX_EPOCH);
    let mut wanted = Vec::new();
    for measure in measures(&store.dying(MOST, WINDOW, since).await?) {
        let known = measure.pause.is_none()
            && last_asked(store, &measure)
                .await?
                .is_some_and(|asked| asked.end.is_none() || asked.opened_at > record.looked_at - ASKED);
        if !known {
            wanted.push(measure);
        }
    }
    Ok(wanted)
}

/// Asks a human who is not asked already.
async fn ask(store: &dyn Store, measure: &Measure) -> Result<(), StoreError> {
    if last_asked(store, measure).await?.is_some_and(|asked| asked.end.is_none()) {
        return Ok(());
    }
    let job = measure.question().by_golden(&measure.tenant_id);
    let job = job.map_err(|error| StoreError::Rejected(error.to_string()))?;
    store.insert(vec![job]).await.map(|_| ())
}

async fn last_asked(store: &dyn Store, measure: &Measure) -> Result<Option<EscalationRecord>, StoreError> {
    let filter = EscalationFilter {
        tenant_id: measure.tenant_id.clone(),
        about: Some(Subject::Guard),
        subject: Some(measure.question().subject),
        ..EscalationFilter::default()
    };
    Ok(store.escalations(&filter, Page { before: None, limit: 1 }).await?.escalations.pop())
}

fn told(measures: &[Measure]) -> Option<String> {
    let told: Vec<String> = measures
        .iter()
        .map(|measure| match &measure.pause {
            Some(queue) => format!("paused {} of {} for {}", queue.role, measure.tenant_id, measure.kind),
            None => format!("asked {} about {}", measure.tenant_id, measure.kind),
        })
        .collect();
    (!told.is_empty()).then(|| told.join("; "))
}
