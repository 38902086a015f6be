//! Whether an answer can be used, as it is or repaired.
//!
//! A pure function of the answer, its schema and what was agreed beforehand. The first of these that succeeds ends it:
//! the answer as it is, the answer read with repairs from a closed list, and its values made to fit where there is one
//! way to do so. What an answer says is never changed, completed or chosen.
//!
//! | module | holds |
//! |---|---|
//! | `reading` | an answer as JSON, strictly or with repairs |
//! | `coercion` | values that their schema wants otherwise |
//! | `schema` | what an answer must fit, and what of it is not to be repaired |
//! | `repair` | what was repaired, by name and as a patch |
//! | `reason` | why an answer cannot be used |
//! | `canary` | what is in no answer |
//! | `again` | what a model is told of an answer that cannot be used |

mod again;
mod canary;
mod coercion;
mod reading;
mod reason;
mod repair;
mod schema;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::exchange::{Finish, Reply};

pub use canary::Canary;
pub use reason::Reason;
pub use repair::{Operation, Repair, RepairName};
pub use schema::{AnswerSchema, Wrong};

/// An answer that can be used.
#[derive(Debug, Clone, PartialEq)]
pub struct Fitting {
    pub answer: Value,
    /// What had to be repaired; nothing, where it can be used as it is.
    pub repairs: Vec<Repair>,
}

/// An answer that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failing {
    pub reason: Reason,
    /// Where it does not fit its schema, if that is the reason.
    pub wrong: Vec<Wrong>,
}

impl From<Reason> for Failing {
    fn from(reason: Reason) -> Self {
        Self { reason, wrong: Vec::new() }
    }
}

/// What came of a call, the last of its answers at that.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// Usable as it came.
    OkStrict,
    /// Usable once it was repaired.
    OkRepaired,
    /// Usable after an earlier one was not, repaired or as it came.
    OkReasked,
    /// The model, or its provider, would not answer.
    Refused,
    /// The answer ended where its tokens did.
    Truncated,
    /// No answer could be used.
    Invalid,
    /// The answer had what no answer is to have, and was discarded.
    Unsafe,
}

impl Outcome {
    /// What follows from an answer that cannot be used, after which no other is asked for.
    pub const fn of(reason: Reason) -> Self {
        match reason {
            Reason::Refused | Reason::Filtered => Self::Refused,
            Reason::Truncated => Self::Truncated,
            Reason::CanaryLeak => Self::Unsafe,
            _ => Self::Invalid,
        }
    }

    /// Whether asking again may help: not where the model meant not to answer, or would run out of tokens again.
    pub const fn may_be_reasked(self) -> bool {
        matches!(self, Self::Invalid)
    }
}

/// Judges an answer. Without a schema it is text, and may be any; `repair` says whether it may be repaired.
pub fn judge(reply: &Reply, schema: Option<&AnswerSchema>, canary: &Canary, repair: bool) -> Result<Fitting, Failing> {
    // Whatever else it is: what leaked is not looked at any further.
    if canary.is_in(&reply.text) {
        return Err(Reason::CanaryLeak.into());
    }
    match reply.finish {
        Finish::Stop => {}
        Finish::Length => return Err(Reason::Truncated.into()),
        Finish::Refusal => return Err(Reason::Refused.into()),
        Finish::ContentFilter => return Err(Reason::Filtered.into()),
    }
    if reply.text.trim().is_empty() {
        return Err(Reason::Empty.into());
    }
    let Some(schema) = schema else {
        let nul = reply.text.contains('\0');
        let fitting = || Fitting { answer: Value::String(reply.text.clone()), repairs: Vec::new() };
        return if nul { Err(Reason::Nul.into()) } else { Ok(fitting()) };
    };
    let fitting = fitted(&reply.text, schema)?;
    if canary.is_within(&fitting.answer) {
        return Err(Reason::CanaryLeak.into());
    }
    if repair || fitting.repairs.is_empty() { Ok(fitting) } else { Err(Reason::RepairIsOff.into()) }
}

/// The value that a text says, repaired where need be, if it fits.
fn fitted(text: &str, schema: &AnswerSchema) -> Result<Fitting, Failing> {
    let reading::Reading { value, mut repairs } = reading::read(text)?;
    let mut of_values = repairs.iter().filter(|repair| repair.is_of_a_value());
    if let Some(repair) = of_values.find(|repair| schema.is_not_to_be_repaired(&repair.at)) {
        let wrong = Wrong { at: repair.at.clone(), code: repair.name.as_str().to_owned() };
        return Err(Failing { reason: Reason::NotToBeRepaired, wrong: vec![wrong] });
    }
    let (answer, coerced) = coercion::coerced(value, schema)?;
    repairs.extend(coerced);
    Ok(Fitting { answer, repairs })
}

#[cfg(test)]
mod tests;
