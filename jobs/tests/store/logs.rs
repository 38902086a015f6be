//! What runs write for those who read along.

use std::time::Duration;

use golden_jobs::{
    JobId, Role, State,
    outcome::Verdict,
    store::{
        Claimed, LOG_BYTES, LOG_LINES, LOG_TRUNCATED, LogAppend, LogBegin, LogKept, LogLine, LogSlice, LogStream,
        NewLine, Report,
    },
};

use crate::{
    bed::{ALL, Bed, Sql},
    both_stores,
    given::{SECOND, job, job_of, json, retry_in, succeeded},
};

both_stores! {
    lines_are_numbered_without_gaps_over_all_runs
    a_line_is_there_once_however_often_it_is_added
    of_a_run_that_lost_its_lease_nothing_is_written
    a_line_does_not_slip_in_behind_the_end
    a_job_keeps_so_many_lines_and_one_that_says_so
    a_job_keeps_so_many_bytes_and_a_line_that_says_so
    a_line_says_when_it_was_written
    what_was_written_is_kept_as_it_is
    a_slice_is_what_was_asked_for
    the_tails_of_many_are_read_together
    a_glance_shows_that_there_is_news
}

/// So many lines of one byte as a run writes them, after `before` others.
fn lines(before: u64, count: u64) -> Vec<NewLine> {
    (before + 1..=before + count).map(|n| line(n, n - 1, "x")).collect()
}

fn line(n: u64, from: u64, text: &str) -> NewLine {
    let upto = from + text.len() as u64;
    NewLine { n, from, upto, stream: LogStream::Log, age: Duration::ZERO, text: text.to_owned() }
}

fn append(run: &Claimed, lines: Vec<NewLine>) -> LogAppend {
    LogAppend { run: run.run, attempt: run.attempt, begin: None, lines }
}

const EVERYTHING: LogSlice = LogSlice { after: 0, attempt: None, limit: 2 * ALL };

async fn log_of(store: &Bed, job: JobId) -> Vec<LogLine> {
    store.logs(job, EVERYTHING).await.unwrap()
}

async fn texts(store: &Bed, job: JobId) -> Vec<String> {
    log_of(store, job).await.into_iter().map(|line| line.text).collect()
}

async fn lines_are_numbered_without_gaps_over_all_runs(store: Bed) {
    let first = store.start(job()).await;
    let kept = store.append_logs(vec![append(&first, lines(0, 2))]).await.unwrap();
    assert_eq!(kept, [LogKept { run: first.run, begin: LogBegin::default() }]);
    let known = LogAppend { begin: Some(kept[0].begin), ..append(&first, lines(2, 1)) };
    store.append_logs(vec![known]).await.unwrap();
    store.end(&first, retry_in(SECOND)).await;
    store.later(SECOND).await;

    let second = store.claim_one(Role::Orchestrator).await;
    let kept = store.append_logs(vec![append(&second, lines(0, 1))]).await.unwrap();
    let begin = LogBegin { seq: 3, bytes: 3 };
    assert_eq!(kept, [LogKept { run: second.run, begin }]);
    let more = LogAppend { begin: Some(begin), ..append(&second, lines(1, 1)) };
    // What the store knows by itself and what it was told come to the same.
    store.append_logs(vec![more]).await.unwrap();
    assert_eq!(store.append_logs(vec![append(&second, lines(2, 1))]).await.unwrap(), kept);

    let numbers: Vec<_> = log_of(&store, first.run.id).await.iter().map(|line| (line.seq, line.attempt)).collect();
    assert_eq!(numbers, [(1, 1), (2, 1), (3, 1), (4, 2), (5, 2), (6, 2)]);
}

/// As after an answer that was lost on its way.
async fn a_line_is_there_once_however_often_it_is_added(store: Bed) {
    let run = store.start(job()).await;
    store.append_logs(vec![append(&run, vec![line(1, 0, "a"), line(2, 1, "b")])]).await.unwrap();
    store.append_logs(vec![append(&run, vec![line(1, 0, "a"), line(2, 1, "b"), line(3, 2, "c")])]).await.unwrap();
    store.append_logs(vec![append(&run, vec![line(2, 1, "b")]), append(&run, vec![line(2, 1, "b")])]).await.unwrap();

    assert_eq!(texts(&store, run.run.id).await, ["a", "b", "c"]);
}

async fn of_a_run_that_lost_its_lease_nothing_is_written(store: Bed) {
    let late = store.start(job()).await;
    store.end(&late, Verdict::Release).await;
    assert_eq!(store.append_logs(vec![append(&late, lines(0, 1))]).await.unwrap(), []);
    let live = store.claim_one(Role::Orchestrator).await;
    let other = store.start(job()).await;

    let appends = vec![append(&late, lines(0, 5)), append(&live, lines(0, 1)), append(&other, lines(0, 2))];
    let mut kept: Vec<_> = store.append_logs(appends).await.unwrap().iter().map(|kept| kept.run).collect();

    kept.sort_unstable_by_key(|run| run.lease);
    assert_eq!(kept, [live.run, other.run]);
    assert_eq!(texts(&store, live.run.id).await.len(), 1);
    assert_eq!(texts(&store, other.run.id).await.len(), 2);
    assert_eq!(store.append_logs(vec![]).await.unwrap(), []);
}

/// A line that waits while its run ends is late when it gets there: the log of a job that was
/// seen to have ended does not grow.
async fn a_line_does_not_slip_in_behind_the_end(store: Bed) {
    let run = store.start(job()).await;
    let id = run.run.id;
    let hold = match &store.sql {
        Sql::Postgres(pool) => {
            let mut hold = pool.begin().await.unwrap();
            sqlx::query("SELECT 1 FROM jobs WHERE id = $1 FOR UPDATE").bind(id.0).execute(&mut *hold).await.unwrap();
            Some(hold)
        }
        Sql::Sqlite(_) => None,
    };
    let ends = {
        let (store, run) = (store.clone(), run.clone());
        tokio::spawn(async move { store.end(&run, succeeded()).await })
    };
    if hold.is_some() {
        store.waiting_for_locks(1).await;
    } else {
        tokio::task::yield_now().await;
    }
    let appends = {
        let (store, run) = (store.clone(), run.clone());
        tokio::spawn(async move { store.append_logs(vec![append(&run, lines(0, 1))]).await })
    };
    if let Some(hold) = hold {
        store.waiting_for_locks(2).await;
        hold.rollback().await.unwrap();
    }
    ends.await.unwrap();
    let kept = appends.await.unwrap().unwrap();

    // Whoever came first: what was refused is not there.
    assert_eq!(texts(&store, id).await.len(), kept.len());
    if matches!(store.sql, Sql::Postgres(_)) {
        assert_eq!(kept, []);
    }
}

async fn a_job_keeps_so_many_lines_and_one_that_says_so(store: Bed) {
    let first = store.start(job()).await;
    store.append_logs(vec![append(&first, lines(0, LOG_LINES - 2))]).await.unwrap();
    store.end(&first, retry_in(SECOND)).await;
    store.later(SECOND).await;
    let second = store.claim_one(Role::Orchestrator).await;
    store.append_logs(vec![append(&second, lines(0, 1))]).await.unwrap();
    store.append_logs(vec![append(&second, lines(1, 5))]).await.unwrap();
    store.append_logs(vec![append(&second, lines(6, 5))]).await.unwrap();
    store.end(&second, retry_in(SECOND)).await;
    store.later(SECOND).await;
    let third = store.claim_one(Role::Orchestrator).await;
    store.append_logs(vec![append(&third, lines(0, 3))]).await.unwrap();

    let log = log_of(&store, first.run.id).await;
    assert_eq!(log.len() as u64, LOG_LINES + 1);
    let cut = log.last().unwrap();
    assert_eq!((cut.seq, cut.stream, cut.text.as_str()), (LOG_LINES + 1, LogStream::System, LOG_TRUNCATED));
    assert!(log[..log.len() - 1].iter().all(|line| line.stream == LogStream::Log));
}

async fn a_job_keeps_so_many_bytes_and_a_line_that_says_so(store: Bed) {
    let run = store.start(job()).await;
    let long = "ä".repeat(LOG_BYTES as usize / 4 - 4);
    let mut from = 0;
    let mut all = Vec::new();
    for (n, text) in (1..).zip([long.as_str(), &long, &"x".repeat(16), "y", "z"]) {
        all.push(line(n, from, text));
        from += text.len() as u64;
    }
    assert_eq!(all[2].upto, LOG_BYTES);
    for line in all {
        store.append_logs(vec![append(&run, vec![line])]).await.unwrap();
    }

    let log = log_of(&store, run.run.id).await;
    let streams: Vec<_> = log.iter().map(|line| line.stream).collect();
    assert_eq!(streams, [LogStream::Log, LogStream::Log, LogStream::Log, LogStream::System]);
    assert_eq!(log[3].text, LOG_TRUNCATED);
}

async fn a_line_says_when_it_was_written(store: Bed) {
    let run = store.start(job()).await;
    let mut lines = lines(0, 2);
    lines[0].age = Duration::from_millis(1500);

    store.append_logs(vec![append(&run, lines)]).await.unwrap();

    let times: Vec<_> = log_of(&store, run.run.id).await.iter().map(|line| store.clock.now() - line.at).collect();
    assert_eq!(times, [chrono::TimeDelta::milliseconds(1500), chrono::TimeDelta::zero()]);
}

async fn what_was_written_is_kept_as_it_is(store: Bed) {
    let run = store.start(job()).await;
    let written = [
        (LogStream::Stdout, "\u{1b}[31mred\u{1b}[0m\r 50%\t\u{7}"),
        (LogStream::Stderr, r#"{"a": "\u0000", 'b': \x}"#),
        (LogStream::Log, "naïve — 👩‍👩‍👧 \u{202E}שלום\u{FFFD}"),
        (LogStream::Stdout, ""),
        (LogStream::System, "'; DROP TABLE job_logs; --"),
    ];
    let mut lines = Vec::new();
    for (n, (stream, text)) in (1..).zip(written) {
        lines.push(NewLine { stream, ..line(n, 0, text) });
    }

    store.append_logs(vec![append(&run, lines)]).await.unwrap();

    let log = log_of(&store, run.run.id).await;
    let read: Vec<_> = log.iter().map(|line| (line.stream, line.text.as_str())).collect();
    assert_eq!(read, written);
}

async fn a_slice_is_what_was_asked_for(store: Bed) {
    let first = store.start(job()).await;
    store.append_logs(vec![append(&first, lines(0, 3))]).await.unwrap();
    store.end(&first, retry_in(SECOND)).await;
    store.later(SECOND).await;
    let second = store.claim_one(Role::Orchestrator).await;
    store.append_logs(vec![append(&second, lines(0, 3))]).await.unwrap();

    for (after, attempt, limit, expected) in [
        (0, None, 2, &[1, 2][..]),
        (2, None, 2, &[3, 4]),
        (5, None, 9, &[6]),
        (6, None, 9, &[]),
        (u64::MAX, None, 9, &[]),
        (0, Some(2), 2, &[4, 5]),
        (2, Some(1), 9, &[3]),
        (0, Some(3), 9, &[]),
    ] {
        let slice = LogSlice { after, attempt, limit };
        let read: Vec<_> = store.logs(first.run.id, slice).await.unwrap().iter().map(|line| line.seq).collect();
        assert_eq!(read, expected, "{slice:?}");
    }
    assert_eq!(store.logs(JobId::new(), EVERYTHING).await.unwrap(), []);
}

async fn the_tails_of_many_are_read_together(store: Bed) {
    let [a, b, c] = [store.start(job()).await, store.start(job_of("other")).await, store.start(job()).await];
    store.append_logs(vec![append(&a, lines(0, 5)), append(&b, lines(0, 5))]).await.unwrap();

    let asked = [(a.run.id, 0), (b.run.id, 3), (c.run.id, 0), (JobId::new(), 0)];
    let mut tails: Vec<_> =
        store.log_tails(&asked, 3).await.unwrap().into_iter().map(|(job, line)| (job, line.seq)).collect();

    tails.sort_unstable();
    let (a, b) = (a.run.id, b.run.id);
    assert_eq!(tails, [(a, 1), (a, 2), (a, 3), (b, 4), (b, 5)]);
    assert_eq!(store.log_tails(&[], 3).await.unwrap(), []);
}

async fn a_glance_shows_that_there_is_news(store: Bed) {
    let id = store.submit(job()).await;
    let glance = async || store.glances(&[id]).await.unwrap().remove(0);
    let mut moments = vec![glance().await.moment];
    let run = store.claim_one(Role::Orchestrator).await;
    moments.push(glance().await.moment);
    assert_eq!((glance().await.progress.is_none(), glance().await.last_line), (true, 0));

    let report = Report { run: run.run, progress: Some(json("0.5")), checkpoint: None };
    store.report(vec![report]).await.unwrap();
    store.append_logs(vec![append(&run, lines(0, 3))]).await.unwrap();
    assert_eq!(glance().await.moment, moments[1], "these are news of their own");
    assert_eq!((glance().await.progress.unwrap().get(), glance().await.last_line), ("0.5", 3));

    store.end(&run, retry_in(SECOND)).await;
    moments.push(glance().await.moment);
    store.later(SECOND).await;
    moments.push(glance().await.moment);
    store.end(&store.claim_one(Role::Orchestrator).await, succeeded()).await;
    moments.push(glance().await.moment);

    let states: Vec<_> = moments.iter().map(|moment| moment.state).collect();
    assert_eq!(states, [State::Queued, State::Running, State::Retrying, State::Queued, State::Succeeded]);
    let record = store.records(&[id, JobId::new()]).await.unwrap().remove(0);
    assert_eq!((&golden_jobs::store::Moment::from(&record), record.id), (&moments[4], id));
    let gone = store.glances(&[JobId::new()]).await.unwrap();
    assert!(gone.is_empty() && store.glances(&[]).await.unwrap().is_empty());
    assert!(store.records(&[]).await.unwrap().is_empty());
}
