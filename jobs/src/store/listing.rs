//! Where a list of jobs or deliveries is read from, and which stretch of ids it lies in.

use chrono::{DateTime, Duration, Utc};
use uuid::Uuid;

use super::{
    DeadLetterFilter, JobFilter, Page,
    deliveries::{DeliveryFilter, DeliveryStatus},
};
use crate::{
    id::{DeadLetterId, JobId, MessageId},
    record::State,
};

/// How far the clock that made an id may be from the store's, which says when a job was created.
const SKEW: Duration = Duration::hours(1);

/// The table in which the jobs that may match are the fewest, in the order of their ids.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Where {
    /// All jobs of the tenant.
    Any,
    Running,
    Scheduled,
    Dead,
    Children,
}

pub(super) fn place(filter: &JobFilter) -> Where {
    match (filter.parent_id, filter.state) {
        (Some(_), _) => Where::Children,
        (None, Some(State::Running)) => Where::Running,
        (None, Some(State::Scheduled | State::Retrying)) => Where::Scheduled,
        (None, Some(State::Dead)) => Where::Dead,
        // What is queued is read from the tenant's jobs: most of `ready` may be another tenant's.
        (None, Some(State::Queued | State::Waiting | State::Succeeded | State::Cancelled) | None) => Where::Any,
    }
}

/// The table in which the deliveries that may match are the fewest, likewise.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Among {
    /// All deliveries of the tenant.
    Any,
    Ids,
    Job,
    Endpoint,
    Pending,
    Failed,
}

pub(super) fn among(filter: &DeliveryFilter) -> Among {
    match filter {
        DeliveryFilter { ids, .. } if !ids.is_empty() => Among::Ids,
        DeliveryFilter { job_id: Some(_), .. } => Among::Job,
        DeliveryFilter { status: Some(DeliveryStatus::Pending), .. } => Among::Pending,
        DeliveryFilter { status: Some(DeliveryStatus::Failed), .. } => Among::Failed,
        DeliveryFilter { endpoint_id: Some(_), .. } => Among::Endpoint,
        _ => Among::Any,
    }
}

/// The metadata to look for, as one JSON object; `None` for any.
pub(super) fn metadata(filter: &JobFilter) -> Option<String> {
    (!filter.metadata.is_empty()).then(|| serde_json::json!(filter.metadata).to_string())
}

/// The ids that may match: from the first, up to but without the second.
///
/// Ids are UUIDv7 and begin with their time, so a filter by creation time bounds them: an index
/// by id then reads that time alone. The margin makes it a bound, no more; the exact filter is
/// the statement's.
pub(super) fn ids(filter: &JobFilter, page: Page<JobId>) -> (Uuid, Uuid) {
    span(filter.created_after, filter.created_before, page.before.map(|id| id.0))
}

/// The same for deliveries, whose ids begin with the time of their event.
pub(super) fn delivery_ids(filter: &DeliveryFilter, page: Page<MessageId>) -> (Uuid, Uuid) {
    span(filter.since, filter.until, page.before.map(|id| id.0))
}

/// The same for dead letters, whose ids begin with the time of death.
pub(super) fn letter_ids(filter: &DeadLetterFilter, page: Page<DeadLetterId>) -> (Uuid, Uuid) {
    span(filter.since, filter.until, page.before.map(|id| id.0))
}

/// Where a list of dead letters is read from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum LettersWhere {
    /// The open ones of the tenant.
    Open,
    /// All of the tenant.
    All,
    /// Those asked for by their ids.
    Named,
}

pub(super) fn letters_place(filter: &DeadLetterFilter) -> LettersWhere {
    match (filter.ids.is_empty(), filter.include_resolved) {
        (false, _) => LettersWhere::Named,
        (true, false) => LettersWhere::Open,
        (true, true) => LettersWhere::All,
    }
}

fn span(after: Option<DateTime<Utc>>, before: Option<DateTime<Utc>>, cursor: Option<Uuid>) -> (Uuid, Uuid) {
    let from = after.map_or(Uuid::nil(), |at| first_id(at, -SKEW));
    let until = before.map_or(Uuid::max(), |at| first_id(at, SKEW));
    (from, cursor.map_or(until, |cursor| cursor.min(until)))
}

/// The smallest UUIDv7 of the time `by` from `at`, as far as 48 bits of milliseconds go.
fn first_id(at: DateTime<Utc>, by: Duration) -> Uuid {
    const LAST: i64 = (1 << 48) - 1;
    let millis = at.timestamp_millis().saturating_add(by.num_milliseconds()).clamp(0, LAST);
    Uuid::from_u128(u128::from(millis.unsigned_abs()) << 80)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: i64) -> DateTime<Utc> {
        DateTime::from_timestamp_millis(millis).unwrap()
    }

    #[test]
    fn a_time_of_creation_bounds_the_ids_with_an_hour_to_spare() {
        let id = Uuid::now_v7();
        let millis = i64::try_from(id.as_u128() >> 80).unwrap();
        let hour = SKEW.num_milliseconds();
        let found = |after, before| {
            let filter = JobFilter { created_after: Some(after), created_before: Some(before), ..JobFilter::default() };
            let (from, until) = ids(&filter, Page { before: None, limit: 1 });
            from <= id && id < until
        };
        assert!(found(at(millis + hour), at(millis - hour + 1)));
        assert!(!found(at(millis + hour + 1), at(millis + hour)));
        assert!(!found(at(millis), at(millis - hour)));
        assert!(found(DateTime::<Utc>::MIN_UTC, DateTime::<Utc>::MAX_UTC));
    }

    #[test]
    fn a_page_goes_on_below_its_cursor() {
        let cursor = JobId::new();
        let page = |before| Page { before, limit: 1 };
        assert_eq!(ids(&JobFilter::default(), page(Some(cursor))), (Uuid::nil(), cursor.0));
        let earlier = JobFilter { created_before: Some(at(0)), ..JobFilter::default() };
        assert!(ids(&earlier, page(Some(cursor))).1 < cursor.0);
    }
}
