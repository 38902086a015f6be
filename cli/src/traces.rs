//! Spans of this process, sent to a collector over OTLP.
//!
//! | module | holds |
//! |---|---|
//! | `words` | what of a span leaves the process, and under which names |
//! | `exporter` | batches on their way, and what becomes of those that are lost |
//! | `client` | HTTP for them |

use std::{str::FromStr, time::Duration};

use anyhow::Context as _;
use golden_jobs::trace::{self, TraceContext, Tracer};
use opentelemetry::{
    Context, InstrumentationScope, Key, KeyValue,
    trace::{SpanContext, SpanId, TraceContextExt, TraceFlags, TraceId, TraceState, TracerProvider},
};
use opentelemetry_otlp::{Protocol, SpanExporter, WithExportConfig, WithHttpConfig};
use opentelemetry_sdk::{Resource, trace::SdkTracerProvider};
use tracing::{Span, Subscriber};
use tracing_opentelemetry::{OpenTelemetryLayer, OpenTelemetrySpanExt};
use tracing_subscriber::{Layer, registry::LookupSpan};
use uuid::Uuid;

use crate::{config::Collector, logging::ours};

mod client;
mod exporter;
mod words;

/// How long the last spans may take to be handed over when the process ends.
const LAST_WORDS: Duration = Duration::from_secs(3);

/// Where spans go, for as long as the process lives.
pub(crate) struct Traces(SdkTracerProvider);

impl Traces {
    /// Gets ready to send to `collector`. `process` is the command that runs.
    ///
    /// A collector that is away is no error, here or later.
    pub(crate) fn to(collector: &Collector, process: &str) -> anyhow::Result<Self> {
        let exporter = SpanExporter::builder()
            .with_http()
            .with_http_client(client::Client::new(collector.timeout)?)
            .with_protocol(Protocol::HttpBinary)
            .with_endpoint(collector.endpoint.as_str())
            .with_timeout(collector.timeout)
            .build()
            .context("spans cannot be sent")?;
        let provider = SdkTracerProvider::builder()
            .with_batch_exporter(exporter::Reported::new(exporter))
            .with_resource(resource(process))
            .build();
        trace::install(Spans);
        Ok(Self(provider))
    }

    /// Makes Golden's own spans, whatever is logged, parts of traces. What is logged is none of them.
    pub(crate) fn layer<S>(&self) -> impl Layer<S> + Send + Sync + use<S>
    where
        S: Subscriber + for<'a> LookupSpan<'a> + Send + Sync,
    {
        let scope = InstrumentationScope::builder("golden").with_version(env!("CARGO_PKG_VERSION")).build();
        OpenTelemetryLayer::new(self.0.tracer_with_scope(scope))
            .with_location(false)
            .with_threads(false)
            .with_tracked_inactivity(false)
            .with_target(false)
            // Spans know their parents; what is current is asked of them.
            .with_context_activation(false)
            .with_filter(ours())
    }

    /// Hands over what has not been sent yet, within a bound.
    pub(crate) async fn finish(self) {
        let finished = tokio::task::spawn_blocking(move || self.0.shutdown_with_timeout(LAST_WORDS)).await;
        if !matches!(finished, Ok(Ok(()))) {
            tracing::warn!("the last spans were not handed over");
        }
    }
}

/// Who sends them. What OTEL_SERVICE_NAME and OTEL_RESOURCE_ATTRIBUTES say wins.
fn resource(process: &str) -> Resource {
    let said = Resource::builder().build();
    let unnamed =
        said.get(&Key::from_static_str("service.name")).is_none_or(|name| name.as_str().starts_with("unknown_service"));
    let ours = [
        ("service.namespace", "golden".to_owned()),
        ("service.version", env!("CARGO_PKG_VERSION").to_owned()),
        ("service.instance.id", Uuid::now_v7().to_string()),
    ];
    let ours = ours.into_iter().chain(unnamed.then(|| ("service.name", format!("golden-{process}"))));
    let unsaid = ours.filter(|(name, _)| *name == "service.name" || said.get(&Key::from_static_str(name)).is_none());
    Resource::builder().with_attributes(unsaid.map(|(name, value)| KeyValue::new(name, value))).build()
}

/// The port by which the other crates ask where in a trace they are.
struct Spans;

impl Tracer for Spans {
    fn follow(&self, span: &Span, from: &TraceContext) {
        let state = from.tracestate().and_then(|state| TraceState::from_str(state).ok()).unwrap_or_default();
        let (trace, parent) = (TraceId::from(from.trace()), SpanId::from(from.span()));
        let remote = SpanContext::new(trace, parent, TraceFlags::new(from.flags()), true, state);
        // Fails where the span is none of a trace: then there is nothing to go on.
        let _ = span.set_parent(Context::new().with_remote_span_context(remote));
    }

    fn context(&self, span: &Span) -> Option<TraceContext> {
        let context = span.context();
        let span = context.span();
        let known = span.span_context();
        TraceContext::new(
            u128::from_be_bytes(known.trace_id().to_bytes()),
            u64::from_be_bytes(known.span_id().to_bytes()),
            known.trace_flags().to_u8(),
            Some(&known.trace_state().header()),
        )
    }
}

#[cfg(test)]
mod tests {
    use tracing_subscriber::{Registry, filter::LevelFilter};

    use super::*;

    #[test]
    fn nothing_beyond_the_level_of_spans_is_looked_at() {
        let traces = Traces(SdkTracerProvider::builder().build());
        assert_eq!(traces.layer::<Registry>().max_level_hint(), Some(LevelFilter::INFO));
    }
}
