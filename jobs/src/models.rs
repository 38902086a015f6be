//! Language models: how they are asked, and whether what they answer can be used.
//!
//! | module | holds |
//! |---|---|
//! | [`exchange`] | what is said to a model, and what comes back |
//! | [`validation`] | whether an answer can be used, as it is or repaired |
//! | [`secrets`] | what is taken out of an answer before it is stored |
//! | [`prompt`] | instructions, and how what others wrote is shown |
//! | [`asking`] | asks until an answer can be used, within a budget |
//! | `port` | the trait behind which models answer |
//! | `offline` | a model that is built in |
//! | `roster` | which model an agent's role has, and on what terms |
//! | `switch` | whether answers to a role may be repaired |

pub mod asking;
pub mod exchange;
mod offline;
mod port;
pub mod prompt;
mod roster;
pub mod secrets;
mod switch;
pub mod validation;

pub use offline::{OFFLINE, Offline};
pub use port::{Model, ModelError};
pub use roster::{ModelTerms, Models, Price};
pub use switch::RepairSwitch;
