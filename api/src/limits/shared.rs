//! Limits that all processes of the API keep together.

use async_trait::async_trait;

use super::windows::Taken;

/// Windows that all processes count in.
#[async_trait]
pub trait SharedWindows: Send + Sync {
    /// Lets one request of `owner` through if fewer than `quota` of any process were within
    /// [`RateLimits::WINDOW`](super::RateLimits::WINDOW). `None` where that cannot be told now, and soon: the request
    /// waits for it.
    async fn take(&self, owner: &str, quota: u32) -> Option<Taken>;
}
