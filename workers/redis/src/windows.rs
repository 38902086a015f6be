//! How often callers ask, counted by all processes together: sliding windows, to the request.

use std::{sync::LazyLock, time::Duration};

use golden_jobs::breakers::{Board, Dependency, Refused};
use redis::{RedisError, Script};
use sha2::{Digest, Sha256};
use tokio::time::timeout;

use crate::connection::{Connection, Redis, late};

static TAKE: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("windows/take.lua")));

/// The windows of all who ask, by their names.
///
/// A window is a list of at most as many moments as its owner may ask within it, which Redis removes once the last of
/// them is over. One call is one script: no two processes both give the last place, and the time is Redis's own.
#[derive(Clone)]
pub struct Windows {
    connection: Connection,
    breakers: Board,
    window: Duration,
    within: Duration,
}

/// What became of one request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Taken {
    pub admitted: bool,
    /// How many more would be let through now.
    pub remaining: u32,
    /// How long until one more would be.
    pub wait: Duration,
}

/// Redis does not say. The caller is to count by itself.
#[derive(Debug, thiserror::Error)]
pub enum Uncounted {
    /// It was not even asked.
    #[error(transparent)]
    LeftAlone(#[from] Refused),
    #[error(transparent)]
    Failed(#[from] RedisError),
}

impl Windows {
    /// Windows of this length. Redis is given so much time to answer, and left alone when it does not.
    pub fn new(redis: &Redis, breakers: Board, window: Duration, within: Duration) -> Self {
        Self { connection: redis.connection(within), breakers, window, within }
    }

    /// Lets one request of `owner` through if fewer than `quota` were within the window. One that is not let through
    /// does not count.
    pub async fn take(&self, owner: &str, quota: u32) -> Result<Taken, Uncounted> {
        let call = self.breakers.call(&Dependency::Redis, self.within)?;
        let mut connection = self.connection.clone();
        let window = self.window.as_micros();
        let window = u64::try_from(window).unwrap_or(u64::MAX);
        let mut take = TAKE.key(key(owner));
        take.arg(quota).arg(window);
        // Several requests where Redis does not know the script yet.
        let taken = timeout(self.within, take.invoke_async(&mut connection)).await;
        let taken = taken.unwrap_or_else(|_| Err(late(self.within)));
        call.ended(taken.is_err());
        let (admitted, remaining, wait): (bool, u32, u64) = taken?;
        Ok(Taken { admitted, remaining, wait: Duration::from_micros(wait) })
    }
}

/// Names are as long as users like, and nobody who looks into Redis need read them.
fn key(owner: &str) -> String {
    let digest = Sha256::digest(owner.as_bytes());
    let hex: String = digest.iter().take(16).map(|byte| format!("{byte:02x}")).collect();
    format!("golden:limit:{{{hex}}}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_owner_has_a_key_of_bounded_length_and_its_own_slot() {
        assert_eq!(key(""), "golden:limit:{e3b0c44298fc1c149afbf4c8996fb924}");
        assert_eq!(key(&"x".repeat(9000)).len(), key("").len());
        assert_ne!(key("a"), key("b"));
    }
}
