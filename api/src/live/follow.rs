//! One stream's way through the news of a job: what is new since what it has sent, in order.

use std::{collections::VecDeque, sync::Arc};

use golden_jobs::{
    JobId, State,
    store::{LogLine, LogSlice, SharedStore, StoreError},
};
use serde_json::value::RawValue;
use tokio::sync::watch;

use super::{
    board::{Feed, Sight},
    opening::Span,
    position::{Position, of_moment, of_progress},
};

/// Lines that a stream reads at once of what came before those that are shared.
const PAGE: u32 = 100;

/// Something new.
pub(crate) enum News {
    /// The job, as it stands now.
    State(Arc<RawValue>),
    /// Only its progress changed.
    Progress(Option<Arc<RawValue>>),
    Line(Arc<LogLine>),
    /// It has ended, and nothing comes after this.
    End(State),
}

/// What a stream is to tell of.
#[derive(Clone, Copy)]
pub(crate) struct Wants {
    /// The job and its progress, beside its log.
    pub(crate) job: bool,
    /// Only lines of this attempt.
    pub(crate) attempt: Option<u32>,
}

/// One stream.
pub(crate) struct Follow {
    store: SharedStore,
    job: JobId,
    wants: Wants,
    sent: Position,
    sights: watch::Receiver<Option<Arc<Sight>>>,
    /// Read and not yet sent.
    lines: VecDeque<Arc<LogLine>>,
    span: Span,
    /// Keeps the job watched.
    _feed: Arc<Feed>,
}

impl Follow {
    /// A stream that goes on after `sent`.
    pub(crate) fn new(
        store: SharedStore,
        job: JobId,
        feed: Arc<Feed>,
        wants: Wants,
        sent: Position,
        span: Span,
    ) -> Self {
        let sent = Position { ended: false, ..sent };
        Self { store, job, wants, sent, sights: feed.sights(), lines: VecDeque::new(), span, _feed: feed }
    }

    /// Waits for what comes next, and how far the stream is with it. `None` where the stream
    /// ends: after [`News::End`], or before, and then whoever goes on later misses nothing.
    pub(crate) async fn next(&mut self) -> Option<(News, Position)> {
        while !self.sent.ended && !self.span.is_over() {
            let sight = self.sights.borrow_and_update().clone();
            if let Some(sight) = sight {
                match self.news(&sight).await {
                    Ok(Some(news)) => return Some((news, self.sent)),
                    Ok(None) => {}
                    Err(error) => {
                        tracing::debug!(%error, job.id = %self.job, "a stream ends early: its log cannot be read");
                        return None;
                    }
                }
            }
            tokio::select! {
                () = self.span.over() => return None,
                changed = self.sights.changed() => changed.ok()?,
            }
        }
        None
    }

    async fn news(&mut self, sight: &Sight) -> Result<Option<News>, StoreError> {
        // A run's lines come after the word that it runs, and before the word of its end.
        let begins = self.sent.moment == 0 || sight.moment.state == State::Running;
        if begins && let Some(state) = self.state(sight) {
            return Ok(Some(state));
        }
        if let Some(line) = self.line(sight).await? {
            return Ok(Some(News::Line(line)));
        }
        if let Some(news) = self.state(sight).or_else(|| self.progress(sight)) {
            return Ok(Some(news));
        }
        let state = sight.moment.state;
        Ok(state.is_terminal().then(|| {
            self.sent = Position { moment: of_moment(&sight.moment), ended: true, ..self.sent };
            News::End(state)
        }))
    }

    fn state(&mut self, sight: &Sight) -> Option<News> {
        let moment = of_moment(&sight.moment);
        (self.wants.job && moment != self.sent.moment).then(|| {
            let progress = of_progress(sight.progress_in_resource.as_deref());
            self.sent = Position { moment, progress, ..self.sent };
            News::State(Arc::clone(&sight.resource))
        })
    }

    fn progress(&mut self, sight: &Sight) -> Option<News> {
        let progress = of_progress(sight.progress.as_deref());
        (self.wants.job && progress != self.sent.progress).then(|| {
            self.sent.progress = progress;
            News::Progress(sight.progress.clone())
        })
    }

    async fn line(&mut self, sight: &Sight) -> Result<Option<Arc<LogLine>>, StoreError> {
        loop {
            while let Some(line) = self.lines.pop_front() {
                self.sent.line = line.seq;
                if self.wants.attempt.is_none_or(|attempt| attempt == line.attempt) {
                    return Ok(Some(line));
                }
            }
            if self.sent.line >= sight.last_line {
                return Ok(None);
            }
            match sight.lines_after(self.sent.line) {
                Some(lines) => self.lines.extend(lines.cloned()),
                None => {
                    let slice = LogSlice { after: self.sent.line, attempt: None, limit: PAGE };
                    self.lines.extend(self.store.logs(self.job, slice).await?.into_iter().map(Arc::new));
                }
            }
            if self.lines.is_empty() {
                // They were there and are gone: nobody waits for them.
                self.sent.line = sight.last_line;
            }
        }
    }
}
