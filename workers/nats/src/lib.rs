//! NATS with JetStream: what happens goes out through it.
//!
//! Messages are hints or copies, and the store is the truth: a server that is away, wiped or slow
//! holds nothing up. This crate alone knows of NATS; the rest of Golden knows the ports of `golden-jobs`.
//!
//! | module | holds |
//! |---|---|
//! | `connection` | the one connection of a process, and what keeps it in order |
//! | `streams` | which streams there are, and their limits |
//! | `subjects` | which subject a message goes to |
//! | `publisher` | events and dead letters out: the port [`Broker`](golden_jobs::broker::Broker) |

mod connection;
mod publisher;
mod streams;
mod subjects;

pub use connection::{Inspection, Nats, NatsError, NatsOptions};
pub use streams::StreamLimits;
