//! What a process says of itself to those who look after it: that it lives, whether it is ready, what it counted.
//!
//! The API says it at its own address. A worker takes no requests, and says it at one of its own.

use std::{sync::Arc, time::Duration};

use axum::{Router, routing::get};
use futures_util::future::join_all;
use golden_jobs::{breakers::Board, metrics::Metrics, store::SharedStore};
use tokio::{net::TcpListener, sync::Mutex, time::Instant};
use tokio_util::sync::CancellationToken;

use crate::{
    connections,
    depths::{KnownBreakers, KnownBudgets, KnownDepths, KnownFrozen},
    part::Part,
    routes::health::{self, PartStatus},
};

/// How old what the parts said may be.
const FRESH: Duration = Duration::from_secs(1);
/// How long a connection of a probe may be silent.
const SILENCE: Duration = Duration::from_secs(75);

/// Cheap to clone; clones ask the parts together.
#[derive(Clone)]
pub struct Vitals(Arc<Signs>);

struct Signs {
    parts: Vec<Part>,
    /// What the parts said, asked at most once a second however many ask: probes are not limited,
    /// and must not be a way to keep the database busy.
    checked: Mutex<Option<(Instant, Vec<PartStatus>)>>,
    metrics: Metrics,
    depths: KnownDepths,
    breakers: KnownBreakers,
    budgets: KnownBudgets,
    frozen: KnownFrozen,
    /// What this process itself found.
    board: Board,
    /// Why there is no sandbox role, where there could be one.
    sandbox_missing: Option<String>,
    closing: CancellationToken,
}

impl Vitals {
    /// `parts` are what the process needs beside the store. From `closing` on it is not ready.
    pub fn new(
        store: SharedStore,
        metrics: Metrics,
        board: Board,
        parts: Vec<Part>,
        closing: CancellationToken,
    ) -> Self {
        Self::of(store, metrics, board, parts, None, closing)
    }

    pub(crate) fn of(
        store: SharedStore,
        metrics: Metrics,
        board: Board,
        parts: Vec<Part>,
        sandbox_missing: Option<String>,
        closing: CancellationToken,
    ) -> Self {
        let depths = KnownDepths::new(Arc::clone(&store));
        let breakers = KnownBreakers::new(Arc::clone(&store));
        let budgets = KnownBudgets::new(Arc::clone(&store));
        let frozen = KnownFrozen::new(Arc::clone(&store));
        let parts = std::iter::once(Part::store(store)).chain(parts).collect();
        let checked = Mutex::default();
        Self(Arc::new(Signs {
            parts,
            checked,
            metrics,
            depths,
            breakers,
            budgets,
            frozen,
            board,
            sandbox_missing,
            closing,
        }))
    }

    pub(crate) async fn parts(&self) -> Vec<PartStatus> {
        let mut checked = self.0.checked.lock().await;
        if let Some((at, parts)) = &*checked
            && at.elapsed() < FRESH
        {
            return parts.clone();
        }
        let asked = Instant::now();
        let parts = join_all(self.0.parts.iter().map(PartStatus::ask)).await;
        *checked = Some((asked, parts.clone()));
        parts
    }

    pub(crate) fn is_closing(&self) -> bool {
        self.0.closing.is_cancelled()
    }

    pub(crate) fn metrics(&self) -> &Metrics {
        &self.0.metrics
    }

    pub(crate) fn depths(&self) -> &KnownDepths {
        &self.0.depths
    }

    pub(crate) fn breakers(&self) -> &KnownBreakers {
        &self.0.breakers
    }

    pub(crate) fn frozen(&self) -> &KnownFrozen {
        &self.0.frozen
    }

    pub(crate) fn budgets(&self) -> &KnownBudgets {
        &self.0.budgets
    }

    pub(crate) fn board(&self) -> &Board {
        &self.0.board
    }

    pub(crate) fn sandbox_missing(&self) -> Option<&str> {
        self.0.sandbox_missing.as_deref()
    }
}

/// Serves `/health`, `/livez`, `/readyz` and `/metrics`, and nothing else, for as long as it is polled: a process
/// that drains still lives. Whoever reaches the address may ask; nothing is said of any tenant.
pub async fn serve_vitals(listener: TcpListener, vitals: Vitals) {
    let router = Router::new()
        .route("/health", get(health::overview))
        .route("/livez", get(health::live))
        .route("/readyz", get(health::ready))
        .route("/metrics", get(health::metrics_for_anybody))
        .with_state(vitals);
    connections::serve(listener, router, SILENCE, CancellationToken::new()).await;
}
