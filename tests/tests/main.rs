//! Every test of golden as a whole, in one binary: what is a folder in other projects is a module here.

#![expect(clippy::unwrap_used, reason = "a test says what it expects by failing")]

mod api;
mod chaos;
mod connections;
mod doctor;
mod functions;
mod keda;
mod nats;
mod redis;
mod sandbox;
mod scale;
mod support;
mod tasks;
mod tidy;
mod tracing;
mod watched;
mod webhooks;
