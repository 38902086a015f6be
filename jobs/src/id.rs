//! Ids: UUIDv7 with a prefix that says what kind of thing they name.

use std::{borrow::Cow, fmt, str::FromStr};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// An id that does not have the form of its kind.
#[derive(Debug, thiserror::Error)]
#[error("not an id of the form `{prefix}<uuid>`")]
pub struct MalformedId {
    prefix: &'static str,
}

macro_rules! id {
    ($(#[$doc:meta])* $name:ident, $prefix:literal) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(into = "String", try_from = "String")]
        pub struct $name(pub Uuid);

        impl $name {
            /// A new id, later than every id made before in this process.
            #[expect(clippy::new_without_default, reason = "a default id would be a surprise")]
            pub fn new() -> Self {
                Self(Uuid::now_v7())
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!($prefix, "{}"), self.0)
            }
        }

        impl FromStr for $name {
            type Err = MalformedId;

            fn from_str(s: &str) -> Result<Self, Self::Err> {
                s.strip_prefix($prefix)
                    .and_then(|rest| rest.parse().ok())
                    .map(Self)
                    .ok_or(MalformedId { prefix: $prefix })
            }
        }

        impl JsonSchema for $name {
            fn schema_name() -> Cow<'static, str> {
                stringify!($name).into()
            }

            fn inline_schema() -> bool {
                true
            }

            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!({
                    "type": "string",
                    "pattern": concat!("^", $prefix, "[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$"),
                    "examples": [concat!($prefix, "01981d2a-6c1b-7e53-9a0c-3d5f8e2b7a41")],
                })
            }
        }

        impl From<$name> for String {
            fn from(id: $name) -> Self {
                id.to_string()
            }
        }

        impl TryFrom<String> for $name {
            type Error = MalformedId;

            fn try_from(s: String) -> Result<Self, Self::Error> {
                s.parse()
            }
        }
    };
}

id!(
    /// A job.
    JobId, "job_"
);
id!(
    /// A dead letter: what is left of a job that died.
    DeadLetterId, "dlq_"
);
id!(
    /// A webhook message; stable over its retries, so that receivers can tell repeats.
    MessageId, "msg_"
);
id!(
    /// A webhook endpoint.
    EndpointId, "hook_"
);
id!(
    /// An escalation: a question to a human.
    EscalationId, "esc_"
);
id!(
    /// A schedule.
    ScheduleId, "sch_"
);
id!(
    /// A worker process, new at every start.
    WorkerId, "wrk_"
);
id!(
    /// A review of an agent's work.
    ReviewId, "rev_"
);
id!(
    /// A reservation of what a call may cost.
    ReservationId, "rsv_"
);
id!(
    /// A proposed change of a policy.
    ChangeId, "chg_"
);
id!(
    /// A decision about such a change.
    ApprovalId, "apr_"
);

impl JobId {
    /// The ids of a series, at most.
    pub const SERIES: usize = 1 << SERIES_BITS;

    /// A new id to begin a [`series`](Self::series) with.
    pub fn new_series() -> Self {
        // These bits are random, below the counter that keeps ids in order: without them this id is still
        // later than all before, and the whole series earlier than all after.
        Self(Uuid::from_u128(Self::new().0.as_u128() >> SERIES_BITS << SERIES_BITS))
    }

    /// This id and those that follow it: whoever knows the first and their number knows all.
    pub fn series(self) -> impl Iterator<Item = Self> {
        (0..Self::SERIES as u128).map(move |n| Self(Uuid::from_u128(self.0.as_u128() + n)))
    }
}

const SERIES_BITS: u32 = 10;

impl From<MessageId> for JobId {
    /// The delivery of a message is a job with the message's own number, which makes
    /// submitting it twice harmless.
    fn from(id: MessageId) -> Self {
        Self(id.0)
    }
}

impl From<JobId> for ReviewId {
    /// A review has the number of the job that began it, so that whoever has one knows the other.
    fn from(id: JobId) -> Self {
        Self(id.0)
    }
}

impl From<ReviewId> for JobId {
    fn from(id: ReviewId) -> Self {
        Self(id.0)
    }
}

impl From<ChangeId> for JobId {
    /// The job that sees to a change has the change's own number, which makes submitting it twice harmless.
    fn from(id: ChangeId) -> Self {
        Self(id.0)
    }
}

impl From<JobId> for MessageId {
    fn from(id: JobId) -> Self {
        Self(id.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_series_has_its_place_between_the_ids_before_and_after() {
        let before = JobId::new();
        let first = JobId::new_series();
        let after = JobId::new();
        let ids: Vec<_> = first.series().collect();
        assert_eq!((ids.len(), ids[0]), (JobId::SERIES, first));
        assert!(ids.is_sorted_by(|a, b| a < b) && before < ids[0] && ids[JobId::SERIES - 1] < after);
        assert!(ids.iter().all(|id| id.0.get_version_num() == 7));
    }
}
