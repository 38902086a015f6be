//! On what terms tenants are served, remembered for a moment.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use crate::store::{SharedStore, StoreError, Terms};

/// The longest payload, and the longest result, in bytes, of a tenant whose terms say nothing of it.
pub const DEFAULT_SIZE_LIMIT: usize = 256 * 1024;

/// Tenants remembered, at most.
const REMEMBERED: usize = 10_000;

/// Answers for what was asked a moment ago without asking the store.
pub struct KnownTerms {
    store: SharedStore,
    freshness: Duration,
    known: Mutex<HashMap<String, (Instant, Terms)>>,
}

impl KnownTerms {
    /// A change of terms is seen after `freshness` at the latest.
    pub fn new(store: SharedStore, freshness: Duration) -> Self {
        Self { store, freshness, known: Mutex::default() }
    }

    /// The terms of a tenant; the default ones where nobody knows it yet. Where the store does not
    /// answer, those known last.
    pub async fn of(&self, tenant: &str) -> Result<Terms, StoreError> {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner).get(tenant).cloned();
        if let Some((at, terms)) = &known
            && at.elapsed() < self.freshness
        {
            return Ok(terms.clone());
        }
        match (self.store.tenant(tenant).await, known) {
            (Ok(found), _) => {
                let terms = found.map(|tenant| tenant.terms).unwrap_or_default();
                self.remember(tenant, terms.clone());
                Ok(terms)
            }
            (Err(_), Some((_, terms))) => Ok(terms),
            (Err(error), None) => Err(error),
        }
    }

    /// The terms of a tenant as they were when they were last asked for; the default ones where
    /// they never were.
    pub fn last(&self, tenant: &str) -> Terms {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.get(tenant).map(|(_, terms)| terms.clone()).unwrap_or_default()
    }

    fn remember(&self, tenant: &str, terms: Terms) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= REMEMBERED {
            known.retain(|_, (at, _)| at.elapsed() < self.freshness);
        }
        if known.len() < REMEMBERED {
            known.insert(tenant.to_owned(), (Instant::now(), terms));
        }
    }
}

impl Terms {
    /// In bytes of JSON.
    pub fn payload_limit(&self) -> usize {
        size_limit(self.max_payload)
    }

    /// In bytes of JSON.
    pub fn result_limit(&self) -> usize {
        size_limit(self.max_result)
    }
}

fn size_limit(most: Option<u64>) -> usize {
    most.map_or(DEFAULT_SIZE_LIMIT, |most| usize::try_from(most).unwrap_or(usize::MAX))
}
