//! One stream's way through the events of a tenant.

use std::{collections::VecDeque, sync::Arc};

use golden_jobs::store::{SharedStore, StoreError};
use tokio::sync::watch;

use super::{
    audience::{Heard, Opened, Seat, Told, read},
    opening::Span,
};

/// Events that a stream reads at once of what came before those that are shared.
const PAGE: u32 = 100;

/// Which events a stream is about. Empty lists are all.
#[derive(Debug, Default)]
pub(crate) struct Choice {
    /// Patterns of types: a name, a group such as `job.*`, or `*`.
    pub(crate) types: Vec<String>,
    /// Kinds of jobs. Events about no job are told all the same.
    pub(crate) kinds: Vec<String>,
}

/// What a stream tells.
pub(crate) enum Word {
    /// It begins here: the number of the last event before it.
    Open(u64),
    /// Events after this number and before the next are not to be had any more.
    Gap(u64),
    Event(Arc<Told>),
}

/// One stream.
pub(crate) struct Listen {
    store: SharedStore,
    tenant: String,
    choice: Choice,
    /// Said first, latest first.
    preface: Vec<Word>,
    /// The number of the last event that was told or passed over.
    seen: u64,
    heard: watch::Receiver<Arc<Heard>>,
    /// Read and not yet told.
    events: VecDeque<Arc<Told>>,
    span: Span,
    /// Keeps the tenant listened to.
    _seat: Arc<Seat>,
}

impl Listen {
    /// A stream that goes on after event `after`, or begins now.
    pub(crate) fn new(
        store: SharedStore,
        tenant: &str,
        opened: Opened,
        choice: Choice,
        after: Option<u64>,
        span: Span,
    ) -> Self {
        let Opened { seat, newest, unbroken } = opened;
        // A number beyond the newest is of a log that is no more.
        let seen = after.filter(|after| *after <= newest).unwrap_or(newest);
        let mut preface = vec![Word::Open(seen)];
        if after.is_some_and(|after| after > newest || !unbroken) {
            preface.insert(0, Word::Gap(seen));
        }
        let heard = seat.heard();
        let (tenant, events) = (tenant.to_owned(), VecDeque::new());
        Self { store, tenant, choice, preface, seen, heard, events, span, _seat: seat }
    }

    /// Waits for what comes next. `None` where the stream ends; whoever goes on later misses
    /// nothing that is still in the log.
    pub(crate) async fn next(&mut self) -> Option<Word> {
        if let Some(word) = self.preface.pop() {
            return Some(word);
        }
        while !self.span.is_over() {
            let heard = Arc::clone(&self.heard.borrow_and_update());
            match self.word(&heard).await {
                Ok(Some(word)) => return Some(word),
                Ok(None) => {}
                Err(error) => {
                    tracing::debug!(%error, tenant = self.tenant, "a stream ends early: its events cannot be read");
                    return None;
                }
            }
            tokio::select! {
                () = self.span.over() => return None,
                changed = self.heard.changed() => changed.ok()?,
            }
        }
        None
    }

    async fn word(&mut self, heard: &Heard) -> Result<Option<Word>, StoreError> {
        loop {
            while let Some(told) = self.events.pop_front() {
                if told.seq > self.seen + 1 {
                    let gap = Word::Gap(self.seen);
                    self.seen = told.seq - 1;
                    self.events.push_front(told);
                    return Ok(Some(gap));
                }
                self.seen = told.seq;
                if self.choice.covers(&told) && told.text.is_some() {
                    return Ok(Some(Word::Event(told)));
                }
            }
            if self.seen >= heard.newest {
                return Ok(None);
            }
            match heard.after(self.seen) {
                Some(events) => self.events.extend(events.cloned()),
                None => self
                    .events
                    .extend(read(&self.store, &self.tenant, self.seen, PAGE).await?.into_iter().map(Arc::new)),
            }
            if self.events.is_empty() {
                // All of them left the log meanwhile.
                self.seen = heard.newest;
            }
        }
    }
}

impl Choice {
    fn covers(&self, told: &Told) -> bool {
        let any = |patterns: &[String], chosen: &dyn Fn(&str) -> bool| {
            patterns.is_empty() || patterns.iter().any(|pattern| chosen(pattern))
        };
        any(&self.types, &|pattern| golden_jobs::webhooks::covers(pattern, &told.event))
            && told.kind.as_ref().is_none_or(|kind| any(&self.kinds, &|chosen| chosen == kind))
    }
}
