//! Golden with a real Redis, which is killed, stopped and demoted.

#![expect(clippy::unwrap_used, reason = "tests say what they expect by failing")]

mod connection;
mod dispatch;
mod kept;
mod server;
mod windows;
