//! What a schedule submits.

use std::{collections::BTreeMap, time::Duration};

use chrono::{DateTime, SecondsFormat, Utc};
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::{
    Map, Value,
    value::{RawValue, to_raw_value},
};

use crate::{
    budgets::Micros,
    functions::{Called, Callee},
    id::{JobId, ScheduleId},
    job::Invalid,
    registry::Registry,
    store::{Due, NewJob, schedules::Schedule},
};

/// Names in a job's metadata that its schedule writes.
pub const RESERVED: [&str; 4] = ["schedule", "schedule_id", "slot", "run_by"];

/// A submission without its time, every default filled in when the schedule was made.
///
/// It is stored in the form in which `POST /v1/jobs` takes it.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub struct Template {
    pub kind: String,
    pub payload: Box<RawValue>,
    /// 0 is the most urgent, 9 the least.
    #[schemars(range(max = 9))]
    pub priority: u8,
    pub max_attempts: u32,
    /// Of one run, in seconds.
    #[schemars(with = "f64")]
    #[serde(serialize_with = "as_seconds", deserialize_with = "from_seconds")]
    pub timeout: Duration,
    /// What it may cost with all jobs below it, in millionths of a US dollar.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_cost: Option<Micros>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub callback_url: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<BTreeMap<String, String>>")]
    pub metadata: Option<Box<RawValue>>,
}

/// Why a job of a schedule is made.
#[derive(Debug, Clone, Copy)]
pub enum Occasion<'a> {
    Slot(DateTime<Utc>),
    /// Somebody did not want to wait for the next slot.
    RunBy(&'a str),
}

/// Why a submission that was good when its schedule was made is no longer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unfit {
    #[error("there is no kind {0:?} any more")]
    Kind(String),
    #[error("the payload no longer fits its kind: {}", list(.0))]
    Payload(Vec<Invalid>),
    #[error("max_attempts is {asked}, and its kind allows {limit}")]
    Attempts { asked: u32, limit: u32 },
    #[error("timeout is {asked:?}, and its kind allows {limit:?}")]
    Timeout { asked: Duration, limit: Duration },
    #[error("the stored submission cannot be read: {0}")]
    Unreadable(String),
}

impl Template {
    pub fn of(job: NewJob) -> Self {
        let NewJob { kind, payload, priority, max_attempts, timeout, max_cost, callback_url, metadata, .. } = job;
        Self { kind, payload, priority, max_attempts, timeout, max_cost, callback_url, metadata }
    }

    /// The kind of what a schedule submits; `None` where it cannot be read.
    pub fn kind_of(schedule: &Schedule) -> Option<String> {
        #[derive(Deserialize)]
        struct Kind {
            kind: String,
        }
        serde_json::from_str(schedule.submission.get()).ok().map(|Kind { kind }| kind)
    }

    /// As the store keeps it.
    pub fn to_json(&self) -> Result<Box<RawValue>, Unfit> {
        to_raw_value(self).map_err(|error| Unfit::Unreadable(error.to_string()))
    }

    /// The job that `schedule` submits now, checked as on the day the schedule was made: kinds,
    /// their schemas and their limits change.
    ///
    /// A schedule of `fn.NAME` runs whatever version is live at its slot: `called` has what the kinds of
    /// functions mean by now.
    pub fn job(
        schedule: &Schedule,
        occasion: Occasion<'_>,
        registry: &Registry,
        called: &Called,
    ) -> Result<NewJob, Unfit> {
        let template: Self = serde_json::from_str(schedule.submission.get()).map_err(unreadable)?;
        let callee = Callee::find(registry, called, &schedule.tenant_id, &template.kind);
        let Some(callee) = callee else { return Err(Unfit::Kind(template.kind)) };
        callee.validate(&template.payload).map_err(Unfit::Payload)?;
        let policy = callee.kind().policy;
        let (attempts, timeout) = (policy.max_attempts_limit, policy.timeout_limit);
        if template.max_attempts > attempts {
            return Err(Unfit::Attempts { asked: template.max_attempts, limit: attempts });
        }
        if template.timeout > timeout {
            return Err(Unfit::Timeout { asked: template.timeout, limit: timeout });
        }
        let metadata = template.metadata_for(schedule.id, &schedule.name, occasion).map_err(unreadable)?;
        Ok(NewJob {
            id: JobId::new(),
            tenant_id: schedule.tenant_id.clone(),
            kind: callee.name().to_owned(),
            role: callee.kind().role,
            priority: template.priority,
            payload: template.payload,
            max_attempts: template.max_attempts,
            timeout: template.timeout,
            due: Due::Now,
            metadata: Some(metadata),
            callback_url: template.callback_url,
            parent_id: None,
            max_cost: template.max_cost,
            trace: None,
            idempotency: None,
        })
    }

    /// The user's metadata, and where the job comes from.
    fn metadata_for(&self, id: ScheduleId, name: &str, occasion: Occasion<'_>) -> serde_json::Result<Box<RawValue>> {
        let mut metadata: Map<String, Value> = match &self.metadata {
            Some(own) => serde_json::from_str(own.get())?,
            None => Map::new(),
        };
        let mut add = |key: &str, value: String| metadata.insert(key.to_owned(), Value::String(value));
        add("schedule", name.to_owned());
        add("schedule_id", id.to_string());
        match occasion {
            Occasion::Slot(slot) => add("slot", slot.to_rfc3339_opts(SecondsFormat::Secs, true)),
            Occasion::RunBy(who) => add("run_by", who.to_owned()),
        };
        to_raw_value(&metadata)
    }
}

fn unreadable(error: serde_json::Error) -> Unfit {
    Unfit::Unreadable(error.to_string())
}

fn list(wrong: &[Invalid]) -> String {
    wrong.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}

/// A whole number of seconds where it is one.
fn as_seconds<S: Serializer>(timeout: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    match timeout.subsec_nanos() {
        0 => serializer.serialize_u64(timeout.as_secs()),
        _ => serializer.serialize_f64(timeout.as_secs_f64()),
    }
}

fn from_seconds<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    let seconds = f64::deserialize(deserializer)?;
    Duration::try_from_secs_f64(seconds).map_err(serde::de::Error::custom)
}
