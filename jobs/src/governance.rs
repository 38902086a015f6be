//! Learning governance: agents improve by changing policies, within rules.
//!
//! A policy is a versioned document of a tenant for an agent's role: what its model is told, on what terms, and when
//! it gives up. Versions never change; one pointer says which is active. What may move the pointer is decided here, by
//! pure functions over what the store has on record, and holds for whoever asks.
//!
//! | module | holds |
//! |---|---|
//! | [`document`] | what a policy says, and what is wrong with it |
//! | [`rules`] | how often a role's policy may change, and who approves |
//! | [`state`] | the states of a change, and what leads from one to the next |
//! | [`change`] | a change on record, and what may be asked of it |
//! | [`docket`] | a role's changes as they are held while one is decided |
//! | [`canary`] | who is asked under a version on trial, and what becomes of it |
//! | [`evaluation`] | what is judged of a change before anybody approves it |
//! | [`alarm`] | a role that Golden froze is a question to a human |
//! | [`known`] | which policy a question is asked under |

pub mod alarm;
pub mod canary;
pub mod change;
pub mod docket;
pub mod document;
pub mod evaluation;
pub mod known;
pub mod rules;
pub mod state;

use change::{Change, Order, Refused, Step};
use state::ChangeState;

/// What an order came to, as `governance_activations_total` counts it; `None` for what is about no activation. `before`
/// is the state of the change where Golden only looked whether something was due.
pub fn outcome_of(
    order: &Order,
    before: Option<ChangeState>,
    ruled: &Result<Option<Change>, Refused>,
) -> Option<&'static str> {
    let Order::Take(_, step) = order else { return None };
    if !matches!(step, Step::Activate(_) | Step::BreakGlass(_) | Step::RollBack(_) | Step::Tick) {
        return None;
    }
    match ruled {
        Ok(change) => {
            change.as_ref().map(|change| change.state).filter(|state| Some(*state) != before).map(ChangeState::as_str)
        }
        Err(Refused::Cooldown { .. }) => Some("cooldown"),
        Err(Refused::Quota { .. }) => Some("quota"),
        Err(Refused::Frozen { .. }) => Some("frozen"),
        Err(Refused::Stale(_)) => Some("stale"),
        Err(_) => Some("refused"),
    }
}
