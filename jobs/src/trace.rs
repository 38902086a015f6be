//! Which request a piece of work goes back to, across processes and for as long as it takes.
//!
//! A job keeps the [`TraceContext`] that it came in with, or that of the span in which it was recorded; its runs
//! go on from there, and what they call is told. Spans are those of `tracing`, named with Golden's own words.
//! Whether they become part of traces is for a [`Tracer`] to see to, of which a process has one or none:
//! without one, what callers send is handed on as it came.

use std::{future::Future, sync::OnceLock};

use tracing::{Instrument, Span, field, instrument::Instrumented};

use crate::store::NewJob;

mod context;

pub use context::TraceContext;

/// A port: what makes spans part of traces, and sends them to whoever collects them.
pub trait Tracer: Send + Sync + 'static {
    /// Makes `span`, which nobody has entered yet, go on from `from` instead of from the span it was made in.
    fn follow(&self, span: &Span, from: &TraceContext);

    /// What others are to go on from that are called within `span`; `None` where it is no part of a trace.
    fn context(&self, span: &Span) -> Option<TraceContext>;
}

static TRACER: OnceLock<Box<dyn Tracer>> = OnceLock::new();

tokio::task_local! {
    /// What to hand on where no tracer knows better.
    static CURRENT: Option<TraceContext>;
}

/// Traces this process from now on. Only the first call in the life of a process counts.
pub fn install(tracer: impl Tracer) {
    let _ = TRACER.set(Box::new(tracer));
}

/// What is to be handed to others now: the place in the trace that this task is at.
pub fn current() -> Option<TraceContext> {
    let known = TRACER.get().and_then(|tracer| tracer.context(&Span::current()));
    known.or_else(|| CURRENT.try_with(Clone::clone).ok().flatten())
}

/// Does `work` within `span`, as part of the trace that `from` is of, or else of the one that this task is at.
///
/// Where the span has the fields `trace_id` and `span_id`, they are filled in.
pub fn within<F: Future>(
    span: Span,
    from: Option<TraceContext>,
    work: F,
) -> Instrumented<impl Future<Output = F::Output>> {
    let here = begin(&span, from);
    CURRENT.scope(here, work).instrument(span)
}

/// Makes a span, which nobody has entered yet, part of a trace, and answers what others go on from that are
/// called within it.
pub fn begin(span: &Span, from: Option<TraceContext>) -> Option<TraceContext> {
    let from = from.or_else(current);
    let context = TRACER.get().and_then(|tracer| {
        if let Some(from) = &from {
            tracer.follow(span, from);
        }
        tracer.context(span)
    });
    if let Some(context) = &context {
        span.record("span_id", field::display(context.span_id()));
    }
    let context = context.or(from);
    if let Some(context) = &context {
        span.record("trace_id", field::display(context.trace_id()));
    }
    context
}

/// The span in which a job is recorded. Its runs go on from it, however much later.
pub fn sending(job: &NewJob) -> Span {
    tracing::info_span!(
        "send",
        job.id = %job.id,
        job.kind = job.kind,
        role = job.role.as_str(),
        tenant = job.tenant_id,
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn without_a_tracer_what_came_in_is_handed_on() {
        let given = TraceContext::read("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", Some("a=b"));
        assert!(given.is_some() && current().is_none());
        let inner = async {
            assert_eq!(current(), given);
            // Of what is done within, too, unless that has an origin of its own.
            within(Span::none(), None, async { current() }).await
        };
        assert_eq!(within(Span::none(), given.clone(), inner).await, given);
        assert_eq!(current(), None);
    }
}
