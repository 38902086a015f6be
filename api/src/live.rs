//! What goes on, as it happens: streams of events about one job or about all of a tenant.
//!
//! | module | holds |
//! |---|---|
//! | [`board`] | one task for a process that asks the store for the news of all jobs watched |
//! | [`follow`] | one stream's way through the news of a job |
//! | [`audience`], [`listen`] | the same for all events of a tenant |
//! | [`position`] | how far a stream has come: the ids of its events |
//! | [`opening`] | what a request for a stream says, and how long the stream may last |
//! | [`places`] | how many streams may be open |
//! | [`wire`] | events as text: Server-Sent Events, or a JSON value a line |

pub(crate) mod audience;
pub(crate) mod board;
pub(crate) mod follow;
pub(crate) mod listen;
pub(crate) mod opening;
pub(crate) mod places;
pub(crate) mod position;
pub(crate) mod wire;
