//! The layers round one run of a job.
//!
//! apalis stacks a user's layers outside a backend's own, so all that must end in a
//! recorded outcome is in here, in one service, in one order: see [`ORDER`].

use std::{
    panic::AssertUnwindSafe,
    pin::Pin,
    sync::Arc,
    task::{Context as TaskContext, Poll},
    time::Instant,
};

use apalis_core::{error::BoxDynError, task::Task};
use futures_util::FutureExt;
use golden_jobs::{
    Context, Registry,
    backoff::Backoff,
    context::Ports,
    journal::{Desk, Journal},
    outcome::{End, Failure, Verdict, verdict},
    registry::RawOutcome,
    store::{Claimed, RunEnd},
    terms::KnownTerms,
    trace,
};
use rand::Rng;
use tokio::sync::mpsc;
use tower::Service;
use tracing::{Span, field};

use crate::{
    recorder::Ended,
    runs::{RunHandle, Stop, StopSignal},
    source::Held,
};

/// How a run came to its end.
enum Ending {
    /// It said so itself.
    Outcome(RawOutcome),
    /// It was stopped from outside.
    Stopped(Stop),
    /// Handed to the recorder: nothing is left to say.
    Recorded,
}

type Running = Pin<Box<dyn Future<Output = Ending> + Send>>;

/// What the layers know of the run they are round.
struct Attempt {
    claimed: Arc<Claimed>,
    stop: Option<StopSignal>,
    journal: Arc<Journal>,
    handle: Option<RunHandle>,
    backoff: Backoff,
    /// The name of its kind in metrics: functions, of which tenants make as many as they like, share one.
    label: String,
    ports: Ports,
    terms: Arc<KnownTerms>,
    recorder: mpsc::Sender<Ended>,
}

type Layer = fn(&mut Attempt, Running) -> Running;

/// The layers, innermost first: the timeout bounds the handler, a stop from outside cuts in,
/// a panic in it or in what either of them drops becomes a failure, whatever came of it is
/// recorded, and all of it is within the run's span.
const LAYERS: [(&str, Layer); 5] =
    [("timeout", time_out), ("cancel", stop), ("panic", catch_panic), ("outcome", record), ("span", span)];

/// The names of the layers, innermost first.
pub const ORDER: [&str; 5] = [LAYERS[0].0, LAYERS[1].0, LAYERS[2].0, LAYERS[3].0, LAYERS[4].0];

/// Results up to this many bytes are kept whatever the tenant's terms say: no limit may be less.
const ALWAYS_KEPT: usize = 1024;

/// The service that runs jobs, under apalis. Its answer is always `Ok`: how a run ended
/// goes to the store and to nobody else.
#[derive(Clone)]
pub(crate) struct Attempts {
    registry: Arc<Registry>,
    ports: Ports,
    desk: Arc<Desk>,
    terms: Arc<KnownTerms>,
    recorder: mpsc::Sender<Ended>,
}

impl Attempts {
    pub(crate) fn new(
        registry: Arc<Registry>,
        ports: Ports,
        desk: Arc<Desk>,
        terms: Arc<KnownTerms>,
        recorder: mpsc::Sender<Ended>,
    ) -> Self {
        Self { registry, ports, desk, terms, recorder }
    }

    fn run(&self, held: Held) -> impl Future<Output = ()> + Send + 'static {
        let Held { claimed, handle, place, .. } = held;
        let kind = self.registry.get(&claimed.kind);
        let journal = Journal::new(claimed.run, claimed.attempt, Arc::clone(&self.desk));
        let running: Running = match kind {
            Some(kind) => {
                let cx = Context::new(Arc::clone(&claimed), self.ports.clone(), Arc::clone(&journal));
                kind.run(claimed.payload.clone(), cx).map(Ending::Outcome).boxed()
            }
            None => {
                let failure = Failure::retry("unknown_kind", format!("this worker knows no kind `{}`", claimed.kind));
                std::future::ready(Ending::Outcome(Err(failure))).boxed()
            }
        };
        let mut attempt = Attempt {
            label: kind.map_or(claimed.kind.as_str(), |kind| kind.name).to_owned(),
            backoff: kind.map_or(Backoff::DEFAULT, |kind| kind.policy.backoff),
            claimed,
            journal,
            stop: Some(handle.stop_signal()),
            handle: Some(handle),
            ports: self.ports.clone(),
            terms: Arc::clone(&self.terms),
            recorder: self.recorder.clone(),
        };
        let layered = LAYERS.iter().fold(running, |inner, (_, layer)| layer(&mut attempt, inner));
        async move {
            layered.await;
            drop(place);
        }
    }
}

impl Service<Task<Held>> for Attempts {
    type Response = ();
    type Error = BoxDynError;
    type Future = Pin<Box<dyn Future<Output = Result<(), BoxDynError>> + Send>>;

    fn poll_ready(&mut self, _: &mut TaskContext<'_>) -> Poll<Result<(), BoxDynError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, task: Task<Held>) -> Self::Future {
        // apalis polls all runs of a worker in one task; a task each uses all cores.
        let run = tokio::spawn(self.run(task.args));
        async move {
            if let Err(error) = run.await {
                tracing::error!(%error, "a run ended outside its layers: it will be found lost");
            }
            Ok(())
        }
        .boxed()
    }
}

/// A panic is this run's failed attempt and nothing more. Its text stays in the log.
fn catch_panic(_: &mut Attempt, inner: Running) -> Running {
    AssertUnwindSafe(inner)
        .catch_unwind()
        .map(|ended| {
            ended.unwrap_or_else(|_| Ending::Outcome(Err(Failure::retry("panic", "the job's handler panicked"))))
        })
        .boxed()
}

fn time_out(attempt: &mut Attempt, inner: Running) -> Running {
    let limit = attempt.claimed.timeout;
    async move {
        tokio::time::timeout(limit, inner).await.unwrap_or_else(|_| {
            let message = format!("the run took longer than {limit:?}");
            Ending::Outcome(Err(Failure::retry("timeout", message)))
        })
    }
    .boxed()
}

/// Drops the run when it is told to stop, and with it whatever it was doing.
fn stop(attempt: &mut Attempt, inner: Running) -> Running {
    let signal = attempt.stop.take();
    async move {
        let Some(mut signal) = signal else { return inner.await };
        tokio::select! {
            biased;
            why = signal.stopped() => Ending::Stopped(why),
            ending = inner => ending,
        }
    }
    .boxed()
}

/// Turns the ending into a verdict and hands it to the recorder.
fn record(attempt: &mut Attempt, inner: Running) -> Running {
    let (claimed, backoff) = (Arc::clone(&attempt.claimed), attempt.backoff);
    let label = std::mem::take(&mut attempt.label);
    let (metrics, recorder) = (attempt.ports.metrics.clone(), attempt.recorder.clone());
    let terms = Arc::clone(&attempt.terms);
    let (handle, journal) = (attempt.handle.take(), Arc::clone(&attempt.journal));
    async move {
        let role = claimed.role.as_str();
        let waited = (claimed.claimed_at - claimed.run_at).to_std().unwrap_or_default();
        metrics.job_wait.with_label_values(&[role]).observe(waited.as_secs_f64());
        let busy = metrics.worker_busy.with_label_values(&[role]);
        busy.inc();
        let begun = Instant::now();
        let ending = inner.await;
        busy.dec();
        metrics.job_duration.with_label_values(&[role, &label]).observe(begun.elapsed().as_secs_f64());

        let verdict = match ending {
            Ending::Stopped(Stop::Lost) | Ending::Recorded => None,
            Ending::Stopped(Stop::Drained) => Some(Verdict::Release),
            Ending::Stopped(Stop::Cancelled) => Some(Verdict::Cancelled),
            Ending::Outcome(outcome) => {
                let chance = rand::rng().random();
                let outcome = bounded(outcome, &terms, &claimed.tenant_id).await;
                Some(verdict(outcome, claimed.attempt, claimed.max_attempts, &backoff, chance))
            }
        };
        let verdict = verdict.map(in_trace);
        let outcome = verdict.as_ref().map_or("lost", Verdict::name);
        let span = Span::current();
        span.record("outcome", outcome);
        if let Some(Verdict::Retry { error, .. } | Verdict::Dead { error }) = &verdict {
            span.record("error.code", error.code.as_str());
        }
        metrics.jobs.with_label_values(&[role, &label, outcome]).inc();
        match &verdict {
            // The message is the owner's to read: it may quote what an endpoint answered.
            Some(Verdict::Retry { error, delay }) => tracing::info!(error.code, ?delay, "attempt failed"),
            Some(Verdict::Dead { error }) => tracing::warn!(error.code, "job is dead"),
            _ => tracing::debug!(outcome, "run ended"),
        }
        if let (Some(verdict), Some(handle)) = (verdict, handle)
            && let end = (RunEnd { run: claimed.run, role: claimed.role, verdict })
            && let journal = (!journal.is_recorded()).then_some(journal)
            && recorder.send(Ended { end, handle, journal }).await.is_err()
        {
            tracing::error!("the recorder is gone: the run will be found lost");
        }
        Ending::Recorded
    }
    .boxed()
}

/// The outcome to record: a result over the tenant's limit is a failure that says so.
async fn bounded(outcome: RawOutcome, terms: &KnownTerms, tenant: &str) -> RawOutcome {
    let size = match &outcome {
        Ok(End::Done(Some(result))) => result.get().len(),
        _ => 0,
    };
    if size <= ALWAYS_KEPT {
        return outcome;
    }
    // While the store is away the default holds: the result cannot be recorded before it is back.
    let limit = terms.of(tenant).await.unwrap_or_default().result_limit();
    if size <= limit {
        return outcome;
    }
    Err(Failure::fatal("result_too_large", format!("the result has {size} bytes; at most {limit} are kept")))
}

/// The children of a run go on from where it is in its trace.
fn in_trace(mut verdict: Verdict) -> Verdict {
    if let Verdict::Await { children, .. } = &mut verdict {
        let here = trace::current();
        children.iter_mut().filter(|child| child.trace.is_none()).for_each(|child| child.trace.clone_from(&here));
    }
    verdict
}

fn span(attempt: &mut Attempt, inner: Running) -> Running {
    let claimed = &attempt.claimed;
    let span = tracing::info_span!(
        "run",
        job.id = %claimed.run.id,
        job.kind = claimed.kind,
        role = claimed.role.as_str(),
        tenant = claimed.tenant_id,
        attempt = claimed.attempt,
        waited_ms = (claimed.claimed_at - claimed.run_at).num_milliseconds().max(0),
        outcome = field::Empty,
        error.code = field::Empty,
        trace_id = field::Empty,
        span_id = field::Empty,
    );
    trace::within(span, claimed.trace.clone(), inner).boxed()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use golden_jobs::{
        JobId, Role,
        store::{Due, NewJob},
        trace::TraceContext,
    };
    use serde_json::value::RawValue;

    use super::*;

    #[tokio::test]
    async fn children_go_on_from_the_run_that_made_them() {
        let here = TraceContext::read("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", None);
        let own = TraceContext::read("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b8-00", None);
        let child = |trace| NewJob {
            id: JobId::new(),
            tenant_id: "acme".to_owned(),
            kind: "noop".to_owned(),
            role: Role::Orchestrator,
            priority: 5,
            payload: RawValue::NULL.to_owned(),
            max_attempts: 1,
            timeout: Duration::from_secs(1),
            due: Due::Now,
            metadata: None,
            callback_url: None,
            parent_id: None,
            max_cost: None,
            trace,
            idempotency: None,
        };
        let verdict = Verdict::Await { children: vec![child(None), child(own.clone())], checkpoint: None, until: None };
        let verdict = trace::within(Span::none(), here.clone(), async { in_trace(verdict) }).await;
        let Verdict::Await { children, .. } = verdict else { panic!("{verdict:?}") };
        assert_eq!((&children[0].trace, &children[1].trace), (&here, &own));
    }

    /// Swapping any two would lose an outcome: a panic in a dropped handler outside the catch
    /// or the record, a timeout that a stop cannot cut short, a record without its span.
    #[test]
    fn the_order_of_the_layers_is_fixed() {
        assert_eq!(ORDER, ["timeout", "cancel", "panic", "outcome", "span"]);
    }
}
