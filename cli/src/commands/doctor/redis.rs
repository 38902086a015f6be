//! Redis: whether it can be reached, and keeps what it is given.

use golden_redis::Redis;

use super::Check;
use crate::{config::Settings, wire};

/// Nothing where Redis is neither configured nor needed.
pub(super) async fn check(settings: &Settings) -> Vec<Check> {
    let Some(url) = &settings.redis else {
        let missing = settings.is_complete().err();
        return missing.map(|missing| Check::failure("redis", missing.to_string())).into_iter().collect();
    };
    let found = async { Ok::<_, anyhow::Error>(Redis::inspect(&wire::redis_address(url)?).await?) };
    vec![match found.await {
        Ok(server) => match server.warning() {
            None => Check::ok("redis", format!("Redis {}", server.version)),
            Some(warning) => Check::warning("redis", format!("Redis {}: {warning}", server.version)),
        },
        Err(error) => Check::failure("redis", format!("{error}: check REDIS_URL, and start the server")),
    }]
}
