//! NATS with JetStream: what happens goes out through it, and jobs come in.
//!
//! Messages are hints or copies, and the store is the truth: a server that is away, wiped or slow
//! holds nothing up. This crate alone knows of NATS; the rest of Golden knows the ports of `golden-jobs`.
//!
//! | module | holds |
//! |---|---|
//! | `connection` | the one connection of a process, and what keeps it in order |
//! | `steady` | whether a connection is one to build upon |
//! | `streams` | which streams there are, and their limits |
//! | `subjects` | which subject a message goes to |
//! | `submissions` | jobs that come in, and what becomes of messages that cannot be jobs |
//! | `follow` | messages of a durable consumer, for as long as there is one |
//! | `hints` | wakes and cancels between processes |
//! | `publisher` | events and dead letters out: the port [`Broker`](golden_jobs::broker::Broker) |

mod connection;
mod follow;
mod hints;
mod publisher;
mod steady;
mod streams;
mod subjects;
mod submissions;

pub use connection::{Inspection, Nats, NatsError, NatsOptions};
pub use streams::StreamLimits;
