//! Golden with a real NATS server, which is killed and wiped.

#![expect(clippy::unwrap_used, reason = "tests say what they expect by failing")]

mod events;
mod golden;
mod hints;
mod server;
