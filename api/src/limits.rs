//! How often callers may ask: limits over a sliding minute, kept in this process, or by all together.
//!
//! Whoever shows a token that counts is limited by tenant and subject, at the rate of the
//! token's role. Everybody else is anonymous, whatever they ask for and whatever they show,
//! and is limited by address.
//!
//! Where windows are shared, this process still counts what it let through itself. It refuses by that what is refused
//! anyway, without asking; and it goes by that alone while those who share cannot be asked, so that nobody begins
//! anew then.

use std::{
    hash::Hash,
    net::IpAddr,
    str::FromStr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use axum::http::{HeaderMap, HeaderName, HeaderValue};
use golden_jobs::metrics::Metrics;
use tokio::time::Instant;

use crate::{
    auth::Grant,
    permission::CallerRole,
    problem::{Code, Problem},
};

pub(crate) mod address;
mod shared;
mod windows;

pub use shared::SharedWindows;
pub use windows::Taken;
use windows::{WINDOW, Windows};

/// Callers and addresses remembered at once, each; twice as many in the minute of a flood.
const REMEMBERED: usize = 50_000;
/// Each request within a minute is remembered by its moment; a limit above this is none.
const MOST: u32 = 100_000;

const POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");
const STANDING: HeaderName = HeaderName::from_static("ratelimit");

/// Whether and how requests are limited.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RateLimits {
    Off,
    PerMinute(Quotas),
}

impl RateLimits {
    /// What they are counted over.
    pub const WINDOW: Duration = WINDOW;
}

/// Requests a minute, for each subject of a role and for each anonymous address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quotas {
    pub admin: u32,
    pub operator: u32,
    pub developer: u32,
    pub observer: u32,
    pub anonymous: u32,
    /// How far a token's claim `rate_limit` may go beyond its role's quota. Without it, the
    /// claim can only lower what the role has.
    pub service: Option<u32>,
}

impl Default for Quotas {
    fn default() -> Self {
        Self { admin: 100, operator: 50, developer: 30, observer: 20, anonymous: 5, service: None }
    }
}

impl Default for RateLimits {
    fn default() -> Self {
        Self::PerMinute(Quotas::default())
    }
}

/// Why a text says no limits.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum MalformedLimits {
    #[error("`{0}` is not `off`, `on`, or of the form role=number")]
    Form(String),
    #[error("unknown role `{0}`: expected one of admin, operator, developer, observer, anonymous, service")]
    Role(String),
    #[error("`{limit}` is not a number of requests a minute for {role}, from 1 to {MOST}")]
    Number { role: String, limit: String },
}

/// `off`, `on`, or the quotas that differ from the usual: `admin=1000,developer=300`.
impl FromStr for RateLimits {
    type Err = MalformedLimits;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "off" => return Ok(Self::Off),
            "on" => return Ok(Self::default()),
            _ => {}
        }
        let mut quotas = Quotas::default();
        for entry in text.split(',').map(str::trim).filter(|entry| !entry.is_empty()) {
            let (role, limit) = entry.split_once('=').ok_or_else(|| MalformedLimits::Form(entry.to_owned()))?;
            let number = limit.parse().ok().filter(|number| (1..=MOST).contains(number));
            let number =
                number.ok_or_else(|| MalformedLimits::Number { role: role.to_owned(), limit: limit.to_owned() });
            match role {
                "admin" => quotas.admin = number?,
                "operator" => quotas.operator = number?,
                "developer" => quotas.developer = number?,
                "observer" => quotas.observer = number?,
                "anonymous" => quotas.anonymous = number?,
                "service" => quotas.service = Some(number?),
                _ => return Err(MalformedLimits::Role(role.to_owned())),
            }
        }
        Ok(Self::PerMinute(quotas))
    }
}

impl Quotas {
    fn of_role(&self, role: CallerRole) -> u32 {
        match role {
            CallerRole::Admin => self.admin,
            CallerRole::Operator => self.operator,
            CallerRole::Developer => self.developer,
            CallerRole::Observer => self.observer,
        }
    }

    /// The name and the quota that a caller is held to.
    fn of(&self, grant: &Grant) -> (&'static str, u32) {
        let by_role = self.of_role(grant.role);
        match grant.rate_limit {
            None => (grant.role.as_str(), by_role),
            Some(asked) => ("service", asked.min(by_role.max(self.service.unwrap_or(0)))),
        }
    }
}

/// Who asked how often.
pub(crate) struct Limits {
    quotas: Quotas,
    callers: Mutex<Windows<Subject>>,
    /// Apart from the callers, so that a flood of addresses makes none of them forgotten.
    addresses: Mutex<Windows<IpAddr>>,
    /// What all processes count in, where there is such a thing.
    shared: Option<Arc<dyn SharedWindows>>,
    metrics: Metrics,
}

#[derive(PartialEq, Eq, Hash)]
struct Subject {
    tenant: String,
    subject: String,
}

/// Where a caller stands with its limit after a request.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Standing {
    policy: &'static str,
    quota: u32,
    taken: Taken,
}

impl Limits {
    /// `None` where nothing is limited.
    pub(crate) fn new(limits: RateLimits, shared: Option<Arc<dyn SharedWindows>>, metrics: Metrics) -> Option<Self> {
        let RateLimits::PerMinute(quotas) = limits else { return None };
        let now = Instant::now();
        Some(Self {
            quotas,
            callers: Mutex::new(Windows::new(REMEMBERED, now)),
            addresses: Mutex::new(Windows::new(REMEMBERED, now)),
            shared,
            metrics,
        })
    }

    /// Counts one request of somebody with a token.
    pub(crate) async fn caller(&self, grant: &Grant) -> Standing {
        let (policy, quota) = self.quotas.of(grant);
        let Grant { tenant, subject, .. } = grant;
        // Whatever is in either, no two of them make one owner.
        let owner = || format!("caller:{}:{tenant}:{subject}", tenant.len());
        let key = Subject { tenant: tenant.clone(), subject: subject.clone() };
        Standing { policy, quota, taken: self.take(&self.callers, key, owner, quota).await }
    }

    /// Counts one request of somebody without.
    pub(crate) async fn anonymous(&self, address: IpAddr) -> Standing {
        let quota = self.quotas.anonymous;
        let owner = || format!("address:{address}");
        Standing { policy: "anonymous", quota, taken: self.take(&self.addresses, address, owner, quota).await }
    }

    async fn take<K: Eq + Hash>(
        &self,
        windows: &Mutex<Windows<K>>,
        key: K,
        owner: impl Fn() -> String,
        quota: u32,
    ) -> Taken {
        if let Some(shared) = &self.shared {
            // What counts here counts there, later: nothing is refused here that would be let through there.
            let asked = Instant::now();
            if let Some(refusal) = lock(windows).refusal(&key, quota, asked) {
                return refusal;
            }
            if let Some(taken) = shared.take(&owner(), quota).await {
                if taken.admitted {
                    lock(windows).note(key, asked, Instant::now());
                }
                return taken;
            }
            self.metrics.rate_limits_local.inc();
        }
        // The time is asked for under the lock: moments are in order, and no two requests at once both get the last
        // place.
        let mut windows = lock(windows);
        windows.take(key, quota, Instant::now())
    }
}

fn lock<K>(windows: &Mutex<Windows<K>>) -> MutexGuard<'_, Windows<K>> {
    windows.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Standing {
    pub(crate) fn policy(&self) -> &'static str {
        self.policy
    }

    /// Why the request goes no further, if so. `because` is what else there is to say of it.
    pub(crate) fn refused(&self, because: Option<&str>) -> Option<Problem> {
        if self.taken.admitted {
            return None;
        }
        let Self { policy, quota, .. } = self;
        let mut detail = match *policy {
            "anonymous" => format!("without a token that counts, an address has {quota} requests a minute"),
            policy => format!("this token's subject has {quota} requests a minute (policy {policy})"),
        };
        if let Some(because) = because {
            detail = format!("{detail}; and {because}");
        }
        Some(Problem::new(Code::RateLimited, detail).retry_after(self.taken.wait))
    }

    /// The fields of draft-ietf-httpapi-ratelimit-headers: the policy, and what is left of it.
    /// `t` is the time until one more is let through than `r` says.
    pub(crate) fn write(&self, headers: &mut HeaderMap) {
        let Self { policy, quota, taken: Taken { remaining, wait, .. } } = self;
        let policy_field = format!("\"{policy}\";q={quota};w={}", WINDOW.as_secs());
        let standing = format!("\"{policy}\";r={remaining};t={}", ceil_secs(*wait));
        for (name, value) in [(POLICY, policy_field), (STANDING, standing)] {
            if let Ok(value) = HeaderValue::try_from(value) {
                headers.insert(name, value);
            }
        }
    }
}

/// Whole seconds, rounded up: who waits that long has waited long enough.
pub(crate) fn ceil_secs(wait: Duration) -> u64 {
    wait.as_secs() + u64::from(wait.subsec_nanos() > 0)
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, AtomicU32, Ordering::SeqCst};

    use async_trait::async_trait;
    use futures_util::FutureExt;

    use super::*;

    fn grant(role: CallerRole, rate_limit: Option<u32>) -> Grant {
        Grant { tenant: "t".into(), role, subject: "s".into(), rate_limit }
    }

    #[test]
    fn limits_are_off_on_or_by_known_role() {
        assert_eq!("off".parse(), Ok(RateLimits::Off));
        assert_eq!("on".parse(), Ok(RateLimits::default()));
        let changed = Quotas { admin: 1000, developer: 300, service: Some(6000), ..Quotas::default() };
        assert_eq!("admin=1000, developer=300,service=6000".parse(), Ok(RateLimits::PerMinute(changed)));
        for text in ["yes", "admin", "admin=", "admin=-1", "admin=0", "admin=100001", "root=5"] {
            assert!(text.parse::<RateLimits>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_claim_lowers_the_roles_limit_and_raises_it_as_far_as_the_operator_allows() {
        let usual = Quotas::default();
        let generous = Quotas { service: Some(600), ..usual };
        let of = |quotas: Quotas, claim| quotas.of(&grant(CallerRole::Developer, claim));
        assert_eq!(of(usual, None), ("developer", 30));
        assert_eq!(of(usual, Some(10)), ("service", 10));
        assert_eq!(of(usual, Some(1_000_000)), ("service", 30));
        assert_eq!(of(generous, None), ("developer", 30));
        assert_eq!(of(generous, Some(100)), ("service", 100));
        assert_eq!(of(generous, Some(1_000_000)), ("service", 600));
        assert_eq!(generous.of(&grant(CallerRole::Admin, Some(700))), ("service", 600));
    }

    /// Where nothing is waited for.
    fn admits(limits: &Limits, caller: &Grant) -> bool {
        limits.caller(caller).now_or_never().unwrap().taken.admitted
    }

    /// Counts for all, and can be taken away.
    #[derive(Default)]
    struct Together {
        asked: AtomicU32,
        let_through: AtomicU32,
        is_away: AtomicBool,
    }

    #[async_trait]
    impl SharedWindows for Together {
        async fn take(&self, owner: &str, quota: u32) -> Option<Taken> {
            assert_eq!(owner, "caller:1:t:s");
            self.asked.fetch_add(1, SeqCst);
            let admitted = self.let_through.load(SeqCst) < quota;
            let counted = self.let_through.fetch_add(u32::from(admitted), SeqCst) + u32::from(admitted);
            let taken = Taken { admitted, remaining: quota - counted, wait: WINDOW };
            (!self.is_away.load(SeqCst)).then_some(taken)
        }
    }

    #[test]
    fn what_all_count_together_holds_and_without_it_nobody_begins_anew() {
        let (together, metrics) = (Arc::new(Together::default()), Metrics::new());
        let shared = Arc::clone(&together) as Arc<dyn SharedWindows>;
        let limits = Limits::new(RateLimits::default(), Some(shared), metrics.clone()).unwrap();
        let caller = grant(CallerRole::Operator, None);
        let through = || (0..100).filter(|_| admits(&limits, &caller)).count();

        // Another process let thirty through.
        together.let_through.store(30, SeqCst);
        assert_eq!((through(), together.asked.load(SeqCst)), (20, 100));
        together.is_away.store(true, SeqCst);
        assert_eq!(through(), 30, "twenty were let through here before");
        assert_eq!(metrics.rate_limits_local.get(), 30);
        // Whoever has used up its limit here has done so everywhere: nobody needs to be asked.
        together.is_away.store(false, SeqCst);
        assert_eq!((through(), together.asked.load(SeqCst)), (0, 130));
    }

    #[test]
    fn as_many_at_once_as_like_get_no_more_than_the_limit() {
        let limits = Limits::new(RateLimits::default(), None, Metrics::new()).unwrap();
        let caller = grant(CallerRole::Operator, None);
        let admitted = std::thread::scope(|scope| {
            let threads: Vec<_> =
                (0..8).map(|_| scope.spawn(|| (0..100).filter(|_| admits(&limits, &caller)).count())).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).sum::<usize>()
        });
        assert_eq!(admitted, 50);
    }

    #[test]
    fn seconds_are_rounded_up() {
        let millis = |millis| ceil_secs(Duration::from_millis(millis));
        assert_eq!([millis(0), millis(1), millis(1000), millis(1001)], [0, 1, 1, 2]);
    }
}
