//! Requests to addresses that users name and to providers of models, over real sockets.

#![expect(clippy::unwrap_used, reason = "a test says by failing that it cannot go on")]

use golden_jobs::egress::Egress;
use golden_workers::outbound::HttpOutbound;

mod guard;
mod kinds;
mod models;
mod server;
mod webhooks;

/// What `golden dev` allows.
fn dev() -> HttpOutbound {
    HttpOutbound::new(Egress::with_loopback()).unwrap()
}
