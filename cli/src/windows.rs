//! How often callers ask, counted in Redis.

use std::time::Duration;

use async_trait::async_trait;
use golden_api::{RateLimits, SharedWindows, Taken};
use golden_jobs::breakers::Board;
use golden_redis::{Redis, Windows};

/// How long a request waits for Redis to count it. One beside the API answers in less than a hundredth of this; what
/// takes longer is in trouble.
const WITHIN: Duration = Duration::from_millis(500);

pub(crate) struct RedisWindows(Windows);

impl RedisWindows {
    pub(crate) fn new(redis: &Redis, breakers: Board) -> Self {
        Self(Windows::new(redis, breakers, RateLimits::WINDOW, WITHIN))
    }
}

#[async_trait]
impl SharedWindows for RedisWindows {
    async fn take(&self, owner: &str, quota: u32) -> Option<Taken> {
        match self.0.take(owner, quota).await {
            Ok(golden_redis::Taken { admitted, remaining, wait }) => Some(Taken { admitted, remaining, wait }),
            Err(error) => {
                // Its breaker says once what this would say at every request.
                tracing::debug!(%error, "Redis does not count a request");
                None
            }
        }
    }
}
