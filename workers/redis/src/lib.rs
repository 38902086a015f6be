//! Redis, which holds nothing that may not be wiped: hints, and counts that are rebuilt as requests come.
//!
//! A server that is away, wiped or slow holds nothing up. This crate alone connects to Redis, once a process;
//! whoever uses it takes a [`Connection`] with a deadline of its own. All keys begin with `golden:`, and those of one
//! script share a hash tag, so that a cluster has them on one node.
//!
//! | module | holds |
//! |---|---|
//! | `address` | where Redis is, as `REDIS_URL` says it |
//! | `connection` | the one connection of a process, and what keeps it in order |
//! | [`dispatch`] | hints of jobs that are ready, for workers to ask for |
//! | `inspection` | what a server says of itself |
//! | `windows` | how often callers ask, counted by all processes together |
//! | `wire` | connections as they are made, whatever Redis is like |

mod address;
mod connection;
pub mod dispatch;
mod inspection;
mod windows;
mod wire;

pub use address::{Address, MalformedAddress};
pub use connection::{Away, Connection, Redis};
pub use dispatch::ThroughRedis;
pub use inspection::Inspection;
pub use windows::{Taken, Uncounted, Windows};
