//! What every handler works with.

use std::{
    sync::{Arc, OnceLock},
    time::Duration,
};

use axum::extract::FromRef;
use golden_jobs::{
    Registry, breakers, functions::KnownFunctions, metrics::Metrics, store::SharedStore, terms::KnownTerms,
};
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::{
    Api, ApiOptions, Auth,
    denials::Denials,
    intake::Intake,
    limits::Limits,
    live::{audience::Audience, board::Board, places::Places},
    page::Documents,
    vitals::Vitals,
    wait::Waiting,
};

/// How soon a change of a tenant's terms is kept to.
const TERMS_KNOWN: Duration = Duration::from_secs(1);

pub(crate) struct App {
    pub(crate) store: SharedStore,
    /// The guard asks for those of every caller.
    pub(crate) terms: KnownTerms,
    pub(crate) registry: Arc<Registry>,
    /// Schemas of the functions that were called a while ago.
    pub(crate) functions: KnownFunctions,
    pub(crate) metrics: Metrics,
    pub(crate) auth: Auth,
    pub(crate) options: ApiOptions,
    pub(crate) denials: Arc<Denials>,
    /// What this process found of its dependencies.
    pub(crate) breakers: breakers::Board,
    /// `None` where nothing is limited.
    pub(crate) limits: Option<Limits>,
    pub(crate) vitals: Vitals,
    pub(crate) sandbox_missing: Option<String>,
    pub(crate) intake: Intake,
    pub(crate) waiting: Waiting,
    /// The jobs that streams are about.
    pub(crate) board: Arc<Board>,
    /// The tenants that streams are about.
    pub(crate) audience: Arc<Audience>,
    /// The streams that are open.
    pub(crate) places: Arc<Places>,
    /// Made when somebody asks for them first.
    documents: OnceLock<Documents>,
    /// Cancelled when the intake stops, or is dropped.
    pub(crate) closing: CancellationToken,
    _close_on_drop: DropGuard,
}

impl FromRef<Arc<App>> for Vitals {
    fn from_ref(app: &Arc<App>) -> Self {
        app.vitals.clone()
    }
}

impl App {
    pub(crate) fn new(api: Api) -> Arc<Self> {
        let Api { store, registry, metrics, auth, breakers, windows, options, parts, sandbox_missing } = api;
        let closing = CancellationToken::new();
        let parts = auth.part().into_iter().chain(parts).collect();
        let vitals = Vitals::of(
            Arc::clone(&store),
            metrics.clone(),
            breakers.clone(),
            parts,
            sandbox_missing.clone(),
            closing.clone(),
        );
        Arc::new(Self {
            vitals,
            intake: Intake::new(Arc::clone(&store)),
            waiting: Waiting::new(Arc::clone(&store), closing.clone()),
            board: Board::new(Arc::clone(&store), closing.clone()),
            audience: Audience::new(Arc::clone(&store), closing.clone()),
            places: Places::new(options.streams, metrics.clone()),
            denials: Denials::start(Arc::clone(&store), options.denials_gathered, closing.clone()),
            documents: OnceLock::new(),
            functions: KnownFunctions::new(Arc::clone(&store)),
            terms: KnownTerms::new(Arc::clone(&store), TERMS_KNOWN),
            _close_on_drop: closing.clone().drop_guard(),
            limits: Limits::new(options.rate_limits, windows, metrics.clone()),
            store,
            registry,
            metrics,
            auth,
            breakers,
            options,
            sandbox_missing,
            closing,
        })
    }

    /// What the intake says of itself.
    pub(crate) fn documents(&self) -> &Documents {
        self.documents.get_or_init(|| Documents::of(&self.registry))
    }
}
