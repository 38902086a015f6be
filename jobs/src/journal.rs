//! What a run shows of itself while it goes: lines of log, and how far it has come.
//!
//! A run writes into its own [`Journal`], which costs it no more than memory, and that only if it
//! has something to say. Its worker takes what gathered from the [`Desk`], for all its runs
//! together and several times a second, and the rest before the run's end is recorded.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Instant,
};

use serde_json::value::RawValue;
use tokio::sync::Notify;

use crate::store::{LogAppend, LogBegin, LogStream, NewLine, Report, Run};

/// Bytes of a line; a longer one goes on in the next.
const LINE_BYTES: usize = 8 * 1024;
/// Bytes and lines of a run that may wait to be recorded; whoever writes more waits with them.
const WAITING_BYTES: usize = 64 * 1024;
const WAITING_LINES: usize = 1000;
/// Bytes of JSON that say how far a run has come. What is larger belongs into its result.
const PROGRESS_BYTES: usize = 16 * 1024;

/// What one run shows of itself.
pub struct Journal {
    run: Run,
    attempt: u32,
    page: Mutex<Page>,
    /// There is room again.
    room: Notify,
    desk: Arc<Desk>,
}

#[derive(Default)]
struct Page {
    /// Lines not known to be on record, oldest first, and their bytes.
    waiting: VecDeque<Waiting>,
    bytes: usize,
    /// Lines and bytes that the run wrote in all.
    lines: u64,
    upto: u64,
    begin: Option<LogBegin>,
    /// The latest that is not known to be on record.
    progress: Option<Arc<RawValue>>,
    /// On the desk.
    queued: bool,
    /// The job keeps no more lines.
    cut: bool,
    /// Nothing more is recorded of this run.
    closed: bool,
}

struct Waiting {
    line: NewLine,
    since: Instant,
}

/// What of a journal is to be recorded.
pub struct Draft {
    pub append: Option<LogAppend>,
    pub report: Option<Report>,
    progress: Option<Arc<RawValue>>,
}

impl Journal {
    /// An empty one. Once something is written to it, it is found on `desk`.
    pub fn new(run: Run, attempt: u32, desk: Arc<Desk>) -> Arc<Self> {
        Arc::new(Self { run, attempt, page: Mutex::default(), room: Notify::new(), desk })
    }

    /// One that nobody keeps, for runs outside a worker.
    pub fn unread(run: Run, attempt: u32) -> Arc<Self> {
        let journal = Self::new(run, attempt, Arc::default());
        journal.close();
        journal
    }

    pub fn run(&self) -> Run {
        self.run
    }

    /// Writes text, an entry for each of its lines. Waits while too much of what this run wrote
    /// before is not on record yet.
    pub async fn log(self: &Arc<Self>, stream: LogStream, text: &str) {
        for line in text.split_terminator('\n') {
            let mut rest = line;
            loop {
                let (piece, more) = rest.split_at(rest.floor_char_boundary(LINE_BYTES));
                self.line(stream, piece).await;
                if more.is_empty() {
                    break;
                }
                rest = more;
            }
        }
    }

    async fn line(self: &Arc<Self>, stream: LogStream, text: &str) {
        loop {
            // Made before the look, so that room that comes in between is not missed.
            let room = self.room.notified();
            {
                let mut page = self.page();
                if page.cut || page.closed {
                    return;
                }
                if page.bytes < WAITING_BYTES && page.waiting.len() < WAITING_LINES {
                    page.write(stream, text);
                    self.put_on_desk(&mut page);
                    return;
                }
            }
            room.await;
        }
    }

    /// Says how far the run has come. Only the latest counts, so that it costs little to say.
    pub fn progress(self: &Arc<Self>, progress: Box<RawValue>) {
        if progress.get().len() > PROGRESS_BYTES {
            tracing::warn!(job.id = %self.run.id, "progress of more than {PROGRESS_BYTES} bytes is not shown");
            return;
        }
        let mut page = self.page();
        if !page.closed {
            page.progress = Some(Arc::from(progress));
            self.put_on_desk(&mut page);
        }
    }

    /// Whether all that was written is on record.
    pub fn is_recorded(&self) -> bool {
        let page = self.page();
        page.waiting.is_empty() && page.progress.is_none()
    }

    /// Bytes of lines that are not on record yet.
    pub fn waiting(&self) -> usize {
        self.page().bytes
    }

    /// What is not on record yet; `None` where all is.
    pub fn draft(&self) -> Option<Draft> {
        let page = self.page();
        let append = (!page.waiting.is_empty()).then(|| LogAppend {
            run: self.run,
            attempt: self.attempt,
            begin: page.begin,
            lines: page.waiting.iter().map(Waiting::aged).collect(),
        });
        let report = page.progress.as_ref().map(|progress| Report {
            run: self.run,
            progress: Some((**progress).to_owned()),
            checkpoint: None,
        });
        let progress = page.progress.clone();
        (append.is_some() || report.is_some()).then_some(Draft { append, report, progress })
    }

    /// The lines of a draft are on record. `begin` is what the store answered.
    pub fn appended(&self, draft: &Draft, begin: LogBegin) {
        let Some(last) = draft.append.as_ref().and_then(|append| append.lines.last()) else { return };
        let mut page = self.page();
        page.begin = Some(begin);
        page.forget(last.n);
        if begin.overflows(last) {
            page.cut = true;
            page.forget(u64::MAX);
        }
        drop(page);
        self.room.notify_waiters();
    }

    /// The progress of a draft is on record.
    pub fn reported(&self, draft: &Draft) {
        let mut page = self.page();
        if let (Some(latest), Some(recorded)) = (&page.progress, &draft.progress)
            && Arc::ptr_eq(latest, recorded)
        {
            page.progress = None;
        }
    }

    /// Nothing more is recorded of this run: its lease is lost, or the store refuses it.
    pub fn close(&self) {
        let mut page = self.page();
        page.closed = true;
        page.progress = None;
        page.forget(u64::MAX);
        drop(page);
        self.room.notify_waiters();
    }

    fn put_on_desk(self: &Arc<Self>, page: &mut Page) {
        if !std::mem::replace(&mut page.queued, true) {
            self.desk.put(Arc::clone(self));
        }
        if page.bytes >= WAITING_BYTES / 2 || page.waiting.len() >= WAITING_LINES / 2 {
            self.desk.pressing.notify_one();
        }
    }

    fn page(&self) -> MutexGuard<'_, Page> {
        self.page.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Page {
    fn write(&mut self, stream: LogStream, text: &str) {
        // PostgreSQL's text has none, and SQLite's functions take it for the end.
        let text = text.replace('\0', "\u{FFFD}");
        let from = self.upto;
        self.lines += 1;
        self.upto += text.len() as u64;
        self.bytes += text.len();
        let line = NewLine { n: self.lines, from, upto: self.upto, stream, age: Default::default(), text };
        self.waiting.push_back(Waiting { line, since: Instant::now() });
    }

    /// Lets go of the lines up to this one.
    fn forget(&mut self, n: u64) {
        while self.waiting.front().is_some_and(|waiting| waiting.line.n <= n) {
            let gone = self.waiting.pop_front();
            self.bytes -= gone.map_or(0, |gone| gone.line.text.len());
        }
    }
}

impl Waiting {
    fn aged(&self) -> NewLine {
        NewLine { age: self.since.elapsed(), ..self.line.clone() }
    }
}

/// Where the journals of a process lie that have something to record.
#[derive(Default)]
pub struct Desk {
    journals: Mutex<Vec<Arc<Journal>>>,
    some: Notify,
    /// One of them has so much that it should not wait.
    pressing: Notify,
    writing: tokio::sync::Mutex<()>,
}

impl Desk {
    fn put(&self, journal: Arc<Journal>) {
        self.journals().push(journal);
        self.some.notify_one();
    }

    /// Waits for a journal.
    pub async fn some(&self) {
        while self.journals().is_empty() {
            self.some.notified().await;
        }
    }

    /// Waits for one with so much in it that it should be taken at once.
    pub async fn pressing(&self) {
        self.pressing.notified().await;
    }

    /// Held from drafts to their record: what was written earlier must not come later, and go
    /// over it.
    pub async fn turn(&self) -> impl Drop + '_ {
        self.writing.lock().await
    }

    /// Takes what there is.
    pub fn take(&self) -> Vec<Arc<Journal>> {
        let taken = std::mem::take(&mut *self.journals());
        for journal in &taken {
            journal.page().queued = false;
        }
        taken
    }

    fn journals(&self) -> MutexGuard<'_, Vec<Arc<Journal>>> {
        self.journals.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;
    use crate::{
        id::JobId,
        store::{LOG_BYTES, LOG_LINES},
    };

    fn journal() -> (Arc<Journal>, Arc<Desk>) {
        let desk = Arc::<Desk>::default();
        (Journal::new(Run { id: JobId::new(), lease: 1 }, 1, Arc::clone(&desk)), desk)
    }

    fn lines(draft: &Draft) -> Vec<&NewLine> {
        draft.append.iter().flat_map(|append| &append.lines).collect()
    }

    #[tokio::test]
    async fn a_text_is_a_line_for_each_of_its_lines_and_long_ones_go_on_in_the_next() {
        let (journal, _) = journal();
        journal.log(LogStream::Log, "a\n\nb\0c\r\n").await;
        journal.log(LogStream::Stderr, &"ä".repeat(LINE_BYTES / 2 + 1)).await;
        journal.log(LogStream::Log, "").await;

        let draft = journal.draft().unwrap();
        let texts: Vec<&str> = lines(&draft).iter().map(|line| line.text.as_str()).collect();
        assert_eq!(texts[..3], ["a", "", "b\u{FFFD}c\r"]);
        assert_eq!((texts[3].len(), texts[4], texts.len()), (LINE_BYTES, "ä", 5));
        let places: Vec<_> = lines(&draft).iter().map(|line| (line.n, line.from, line.upto)).collect();
        assert_eq!(places[..3], [(1, 0, 1), (2, 1, 1), (3, 1, 7)]);
    }

    #[tokio::test]
    async fn what_is_not_known_to_be_on_record_is_offered_again() {
        let (journal, desk) = journal();
        journal.log(LogStream::Log, "a\nb").await;
        let draft = journal.draft().unwrap();
        journal.log(LogStream::Log, "c").await;
        assert_eq!(lines(&journal.draft().unwrap()).len(), 3);

        journal.appended(&draft, LogBegin { seq: 7, bytes: 70 });
        let rest = journal.draft().unwrap();
        let append = rest.append.as_ref().unwrap();
        assert_eq!((append.begin, lines(&rest)[0].n), (Some(LogBegin { seq: 7, bytes: 70 }), 3));
        assert_eq!((desk.take().len(), desk.take().len()), (1, 0));
    }

    #[tokio::test]
    async fn the_latest_progress_counts_also_when_it_comes_while_another_is_recorded() {
        let (journal, desk) = journal();
        let progress = |of: &str| journal.progress(RawValue::from_string(of.to_owned()).unwrap());
        let shown = || journal.draft().and_then(|draft| draft.report?.progress).map(|it| it.get().to_owned());
        progress("1");
        progress("2");
        assert_eq!(shown().as_deref(), Some("2"));
        let draft = journal.draft().unwrap();
        progress("2");
        journal.reported(&draft);
        assert_eq!(shown().as_deref(), Some("2"));
        journal.reported(&journal.draft().unwrap());
        assert_eq!(shown(), None);
        assert_eq!(desk.take().len(), 1);

        progress(&format!("\"{}\"", "x".repeat(PROGRESS_BYTES)));
        assert_eq!(shown(), None, "too much to show");
    }

    #[tokio::test]
    async fn who_writes_too_much_waits_until_there_is_room() {
        let (journal, desk) = journal();
        for _ in 0..WAITING_LINES {
            journal.log(LogStream::Log, "x").await;
        }
        desk.pressing().await;
        let mut more = Box::pin(journal.log(LogStream::Log, "more"));
        assert!((&mut more).now_or_never().is_none());

        journal.appended(&journal.draft().unwrap(), LogBegin::default());

        more.await;
        assert_eq!(lines(&journal.draft().unwrap())[0].text, "more");
    }

    #[tokio::test]
    async fn beyond_what_its_job_keeps_nothing_waits_any_more() {
        for begin in [LogBegin { seq: LOG_LINES, bytes: 0 }, LogBegin { seq: 0, bytes: LOG_BYTES }] {
            let (journal, _) = journal();
            journal.log(LogStream::Log, "x").await;
            journal.appended(&journal.draft().unwrap(), begin);
            journal.log(LogStream::Log, "x").await;
            assert!(journal.draft().is_none());
            journal.progress(RawValue::NULL.to_owned());
            assert!(journal.draft().is_some(), "progress is shown on");
        }
        let (journal, _) = journal();
        journal.close();
        journal.log(LogStream::Log, "x").await;
        journal.progress(RawValue::NULL.to_owned());
        assert!(journal.draft().is_none());
    }
}
