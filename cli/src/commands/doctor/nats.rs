//! NATS: whether it can be reached, and has JetStream.

use super::Check;
use crate::{config::Settings, wire};

/// Nothing where NATS is not configured.
pub(super) async fn check(settings: &Settings) -> Vec<Check> {
    let Some(configured) = &settings.nats else { return Vec::new() };
    let found = async { Ok::<_, anyhow::Error>(wire::nats(configured).await?.inspect().await?) };
    vec![match found.await {
        Ok(server) => Check::ok("nats", format!("{} with JetStream, NATS {}", server.name, server.version)),
        Err(error) => Check::failure(
            "nats",
            format!("{error}: check NATS_URL, and start the server with JetStream (`nats-server -js`)"),
        ),
    }]
}
