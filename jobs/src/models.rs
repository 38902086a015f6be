//! What models write: how it is asked for, and whether it can be used.
//!
//! | module | holds |
//! |---|---|
//! | [`exchange`] | what is said to a model, and what comes back |
//! | [`validation`] | whether an answer can be used, as it is or repaired |
//! | [`secrets`] | what is taken out of an answer before it is stored |

pub mod exchange;
pub mod secrets;
pub mod validation;
