//! Log lines, on standard error.

use std::{
    backtrace::{Backtrace, BacktraceStatus},
    io::{self, IsTerminal},
};

use tracing::{Level, Metadata, Subscriber};
use tracing_subscriber::{
    EnvFilter, Layer, Registry,
    filter::{FilterExt, FilterFn, LevelFilter},
    fmt::{self, MakeWriter, format::JsonFields},
    layer::{Filter, SubscriberExt},
    util::SubscriberInitExt,
};

use crate::{
    config::{LogFormat, Settings},
    traces::Traces,
};

mod json;

/// What becomes of events and spans: lines, and traces where there is a collector.
///
/// An absent layer is none of the list, since it would have an opinion on every event: those that nobody asked for would
/// then be looked at whenever they come up, and not once.
type Layers = Vec<Box<dyn Layer<Registry> + Send + Sync>>;

/// Begins logging, and tracing where that is asked for. Called once, by commands that serve; `process` is which.
pub(crate) fn start(settings: &Settings, process: &str) -> Option<Traces> {
    let (traces, trouble) = match settings.traces.as_ref().map(|collector| Traces::to(collector, process)) {
        None => (None, None),
        Some(Ok(traces)) => (Some(traces), None),
        // Jobs do not wait for somebody to mend how they are watched.
        Some(Err(error)) => (None, Some(error)),
    };
    let filter = shown(settings.log.clone());
    let mut layers: Layers = vec![match settings.log_format {
        LogFormat::Json => {
            log_panics();
            json(io::stderr).with_filter(filter).boxed()
        }
        LogFormat::Pretty => fmt::layer()
            .with_writer(io::stderr)
            .with_ansi(io::stderr().is_terminal() && !settings.no_color)
            .with_filter(filter)
            .boxed(),
    }];
    layers.extend(traces.as_ref().map(|traces| traces.layer().boxed()));
    tracing_subscriber::registry().with(layers).init();
    for warning in &settings.warnings {
        tracing::warn!("{warning}");
    }
    if let Some(error) = trouble {
        tracing::warn!("no traces are made: {error:#}");
    }
    traces
}

fn json<S, W>(writer: W) -> impl Layer<S> + Send + Sync
where
    S: Subscriber + for<'a> tracing_subscriber::registry::LookupSpan<'a>,
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    fmt::layer().with_writer(writer).fmt_fields(JsonFields::new()).event_format(json::JsonLines)
}

/// The lines that the operator asks for, and whatever the level, what they belong to: a warning without its job is
/// worth little.
fn shown<S: Subscriber>(log: EnvFilter) -> impl Filter<S> + Send + Sync + 'static
where
    EnvFilter: Filter<S>,
{
    log.or(ours())
}

/// Golden's own spans, and nothing beyond their level: without that hint, no macro could tell by its level alone that
/// nobody asks for it.
pub(crate) fn ours() -> FilterFn {
    FilterFn::new(is_ours as fn(&Metadata<'_>) -> bool).with_max_level_hint(LevelFilter::INFO)
}

fn is_ours(metadata: &Metadata<'_>) -> bool {
    metadata.is_span() && metadata.target().starts_with("golden") && *metadata.level() <= Level::INFO
}

/// Makes a panic a log line as any other: whoever reads JSON reads nothing else.
fn log_panics() {
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(ToString::to_string);
        let backtrace = Backtrace::capture();
        let backtrace = (backtrace.status() == BacktraceStatus::Captured).then(|| backtrace.to_string());
        tracing::error!(place, backtrace, panic = panic.payload_as_str(), "panicked");
    }));
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use serde_json::Value;

    use super::*;

    /// What was logged.
    #[derive(Clone, Default)]
    struct Log(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Log {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// The lines that `work` writes, where those of a level are asked for.
    fn logged(filter: &str, work: impl FnOnce()) -> Vec<Value> {
        let log = Log::default();
        let writer = log.clone();
        let lines = json(move || writer.clone()).with_filter(shown(EnvFilter::new(filter)));
        tracing::subscriber::with_default(tracing_subscriber::registry().with(lines), work);
        let text = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    #[test]
    fn a_line_says_what_it_belongs_to_whatever_level_is_asked_for() {
        let lines = logged("warn", || {
            let request = tracing::info_span!(
                target: "golden_api",
                "request",
                request_id = "r",
                tenant = tracing::field::Empty,
                attempt = 1
            );
            request.record("tenant", "acme");
            let run =
                tracing::info_span!(target: "golden_workers", parent: &request, "run", job.id = "job_1", attempt = 2);
            let _entered = run.enter();
            tracing::info!("nobody asked for this");
            tracing::warn!(tenant = "other", error = %"\"quoted\"\n", took = 1.5, level = "mine", "it failed");
        });
        let [line] = &lines[..] else { panic!("{lines:?}") };
        for (field, value) in [
            ("level", Value::from("WARN")),
            ("message", "it failed".into()),
            ("request_id", "r".into()),
            ("job.id", "job_1".into()),
            ("attempt", 2.into()),
            ("tenant", "other".into()),
            ("error", "\"quoted\"\n".into()),
            ("took", 1.5.into()),
        ] {
            assert_eq!(line[field], value, "{field} in {line}");
        }
        assert!(line["timestamp"].as_str().unwrap().ends_with('Z') && line["target"].is_string(), "{line}");
    }

    #[test]
    fn what_is_beyond_the_level_that_is_asked_for_costs_nothing() {
        let hint = |filter: &str| {
            let layers: Layers = vec![json(io::sink).with_filter(shown(EnvFilter::new(filter))).boxed()];
            tracing_subscriber::registry().with(layers).max_level_hint()
        };
        // Spans are wanted whatever is asked for.
        assert_eq!(hint("warn"), Some(LevelFilter::INFO));
        assert_eq!(hint("info"), Some(LevelFilter::INFO));
        assert_eq!(hint("info,golden=debug"), Some(LevelFilter::DEBUG));
    }

    #[test]
    fn spans_of_others_are_for_those_who_ask() {
        let lines = logged("warn", || {
            let _theirs = tracing::info_span!(target: "sqlx", "query", sql = "SELECT").entered();
            tracing::warn!("slow");
        });
        assert_eq!((lines[0]["message"].as_str(), lines[0].get("sql")), (Some("slow"), None));
    }
}
