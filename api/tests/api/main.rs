//! The real router on the SQLite store. No worker runs here: tests end runs by the store's own verbs.

#![expect(clippy::unwrap_used, reason = "tests say what they expect by failing")]

mod audit;
mod batch;
mod breakers;
mod budgets;
mod dlq;
mod docs;
mod down;
mod escalations;
mod events;
mod functions;
mod guards;
mod harness;
mod health;
mod idempotency;
mod issuer;
mod jobs;
mod jwks;
mod kinds;
mod limits;
mod live;
mod messages;
mod openapi;
mod permissions;
mod policies;
mod problems;
mod programs;
mod queues;
mod reviews;
mod scaler;
mod scaling;
mod schedules;
mod server;
mod stream;
mod submit;
mod tasks;
mod tenants;
mod terms;
mod wait;
mod webhooks;
mod workers;
