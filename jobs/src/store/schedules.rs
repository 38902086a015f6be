//! Schedules on record, and what became of their slots.

use std::{borrow::Cow, fmt, str::FromStr};

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::{NewJob, Page, StoreError};
use crate::{
    audit::Actor,
    id::{JobId, ScheduleId},
};

/// The record of schedules.
///
/// Every write of a schedule names the revision it has read, and changes nothing if another
/// write came between. That is why a slot becomes one job however many processes see it come,
/// and why nobody fires by a timetable that was just changed.
#[async_trait]
pub trait Schedules {
    /// Records a schedule, unless its tenant has `most` of them already.
    async fn create_schedule(&self, schedule: &NewSchedule, most: u32, by: &Actor) -> Result<Created, StoreError>;

    /// One schedule; `None` when the tenant has no such one.
    async fn schedule(&self, tenant: &str, which: &WhichSchedule) -> Result<Option<Schedule>, StoreError>;

    /// A tenant's schedules, newest first.
    async fn schedules(&self, tenant: &str, page: Page<ScheduleId>) -> Result<Vec<Schedule>, StoreError>;

    /// Writes a schedule that was read and changed: its name, what it says, and its next slot.
    /// The rest is left as it was.
    async fn change_schedule(&self, changed: &Schedule, by: &Actor) -> Result<Changed, StoreError>;

    /// Forgets a schedule. Its jobs stay. Answers whether there was one.
    async fn delete_schedule(&self, tenant: &str, id: ScheduleId, by: &Actor) -> Result<bool, StoreError>;

    /// Schedules of whatever tenant whose next slot has come by `now`, the longest overdue first.
    /// Those of a suspended tenant wait until it is no longer.
    async fn due_schedules(&self, now: DateTime<Utc>, limit: u32) -> Result<Vec<Schedule>, StoreError>;

    /// Writes what slots came to, and records their jobs, in one transaction. Answers the
    /// schedules that this call wrote; the others were written by somebody else meanwhile. A job
    /// that finds its queue full fails its slot.
    async fn fire(&self, firings: &[Firing]) -> Result<Vec<Written>, StoreError>;
}

/// What becomes of a slot that came while nothing ran.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum CatchUp {
    /// Nothing.
    Skip,
    /// The last of those that were missed runs late.
    One,
}

impl CatchUp {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Skip => "skip",
            Self::One => "one",
        }
    }
}

impl fmt::Display for CatchUp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// Neither `skip` nor `one`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is neither `skip` nor `one`")]
pub struct UnknownCatchUp(String);

impl FromStr for CatchUp {
    type Err = UnknownCatchUp;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "skip" => Ok(Self::Skip),
            "one" => Ok(Self::One),
            other => Err(UnknownCatchUp(other.to_owned())),
        }
    }
}

/// A schedule to record.
#[derive(Debug, Clone)]
pub struct NewSchedule {
    pub id: ScheduleId,
    pub tenant_id: String,
    /// One of its kind in its tenant.
    pub name: String,
    pub cron: String,
    /// A name of the IANA database.
    pub time_zone: String,
    pub catch_up: CatchUp,
    /// A [`Template`](crate::schedules::Template): the store does not look.
    pub submission: Box<RawValue>,
    /// `None` begins paused.
    pub next_slot: Option<DateTime<Utc>>,
}

/// A schedule as it is on record.
#[derive(Debug, Clone)]
pub struct Schedule {
    pub id: ScheduleId,
    pub tenant_id: String,
    pub name: String,
    pub cron: String,
    pub time_zone: String,
    pub catch_up: CatchUp,
    pub submission: Box<RawValue>,
    /// Grows with every write.
    pub revision: i64,
    /// `None` while it is paused.
    pub next_slot: Option<DateTime<Utc>>,
    /// The slot that came last.
    pub last: Option<LastSlot>,
    /// The job of the last slot that fired.
    pub last_job_id: Option<JobId>,
    pub created_at: DateTime<Utc>,
    /// When its owner last changed it.
    pub updated_at: DateTime<Utc>,
}

/// What became of a schedule's last slot.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct LastSlot {
    pub slot: DateTime<Utc>,
    /// `fired`, `skipped` or `failed`.
    pub outcome: String,
    /// Why it failed.
    pub error: Option<String>,
}

/// How to name a schedule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WhichSchedule {
    Id(ScheduleId),
    Name(String),
}

impl FromStr for WhichSchedule {
    type Err = std::convert::Infallible;

    /// What is no id is a name; no name has the form of an id.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(text.parse().map_or_else(|_| Self::Name(text.to_owned()), Self::Id))
    }
}

impl JsonSchema for WhichSchedule {
    fn schema_name() -> Cow<'static, str> {
        "WhichSchedule".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "minLength": 1, "examples": ["nightly"] })
    }
}

/// What [`Schedules::create_schedule`] did.
#[derive(Debug, Clone)]
pub enum Created {
    New(Box<Schedule>),
    /// The tenant has another one of that name.
    NameTaken,
    /// The tenant has as many as it may.
    TooMany,
}

/// What [`Schedules::change_schedule`] did.
#[derive(Debug, Clone)]
pub enum Changed {
    Done(Box<Schedule>),
    /// The tenant has another one of that name.
    NameTaken,
    /// It was written, or deleted, since it was read: read it again.
    Stale,
}

/// What is to be written about a schedule whose slot has come.
#[derive(Debug, Clone)]
pub struct Firing {
    pub id: ScheduleId,
    /// As it was read: a schedule that was written since is left alone.
    pub revision: i64,
    pub slot: DateTime<Utc>,
    /// Later than `slot`; `None` pauses the schedule.
    pub next_slot: Option<DateTime<Utc>>,
    pub outcome: SlotOutcome,
}

/// A schedule that was fired.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Written {
    pub id: ScheduleId,
    /// Why the slot failed, if it did.
    pub error: Option<String>,
}

/// What a slot comes to.
#[derive(Debug, Clone)]
pub enum SlotOutcome {
    Fired(Box<NewJob>),
    Skipped,
    /// No job can be made, and why.
    Failed(String),
}

impl SlotOutcome {
    /// As it is stored and counted.
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Fired(_) => "fired",
            Self::Skipped => "skipped",
            Self::Failed(_) => "failed",
        }
    }

    pub(super) fn job(&self) -> Option<&NewJob> {
        match self {
            Self::Fired(job) => Some(job),
            Self::Skipped | Self::Failed(_) => None,
        }
    }
}

/// What is written of a firing, once it is known which jobs were refused.
pub(super) struct SlotRow<'a> {
    pub firing: &'a Firing,
    pub outcome: &'static str,
    pub error: Option<String>,
    pub job: Option<JobId>,
}

impl<'a> SlotRow<'a> {
    /// `full` says how many jobs the queue may hold that had no room for this one.
    pub(super) fn new(firing: &'a Firing, full: Option<u64>) -> Self {
        let outcome = firing.outcome.as_str();
        match (&firing.outcome, full) {
            (SlotOutcome::Fired(job), Some(most)) => {
                let error = format!("{most} jobs of role {} are queued, which is the tenant's quota", job.role);
                Self { firing, outcome: "failed", error: Some(error), job: None }
            }
            (SlotOutcome::Fired(job), None) => Self { firing, outcome, error: None, job: Some(job.id) },
            (SlotOutcome::Skipped, _) => Self { firing, outcome, error: None, job: None },
            (SlotOutcome::Failed(error), _) => Self { firing, outcome, error: Some(error.clone()), job: None },
        }
    }

    pub(super) fn written(self) -> Written {
        Written { id: self.firing.id, error: self.error }
    }
}
