//! OpenTelemetry's own variables, as far as it is Golden that heeds them. The others are read by its SDK.

use std::time::Duration;

use reqwest::Url;

use super::{Layers, SettingsError, table};

/// The one protocol that is spoken.
const PROTOCOL: &str = "http/protobuf";

/// How long a collector may take at most. Meanwhile batches wait, and spans are dropped once these are many.
const PATIENCE: Duration = Duration::from_secs(10);

/// Who takes spans.
#[derive(Debug, Clone)]
pub(crate) struct Collector {
    /// Where they are posted to.
    pub(crate) endpoint: Url,
    /// For each try to send a batch, and for the time in which another may begin.
    pub(crate) timeout: Duration,
}

/// Where spans go, unless they are not wanted.
pub(super) fn collector(layers: &Layers) -> Result<Option<Collector>, SettingsError> {
    let says = |name, word: &str| layers.environment(name).is_some_and(|value| value.eq_ignore_ascii_case(word));
    if says("OTEL_SDK_DISABLED", "true") || says("OTEL_TRACES_EXPORTER", "none") {
        return Ok(None);
    }
    Ok(layers.get(&table::OTLP_ENDPOINT)?.map(|mut base| {
        // As the specification of OTLP over HTTP has it: the signal's path is joined to the address.
        let path = format!("{}/v1/traces", base.path().trim_end_matches('/'));
        base.set_path(&path);
        Collector { endpoint: base, timeout: timeout(layers) }
    }))
}

/// What cannot be read is as good as unset, as the specification has it.
fn timeout(layers: &Layers) -> Duration {
    let named = ["OTEL_EXPORTER_OTLP_TRACES_TIMEOUT", "OTEL_EXPORTER_OTLP_TIMEOUT"];
    let given = named.into_iter().find_map(|name| layers.environment(name)?.parse().ok().filter(|ms| *ms > 0));
    given.map_or(PATIENCE, |ms| Duration::from_millis(ms).min(PATIENCE))
}

/// What of it is not done as it was meant.
pub(super) fn warning(layers: &Layers) -> Option<String> {
    let named = ["OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL"];
    let (name, protocol) = named.into_iter().find_map(|name| Some((name, layers.environment(name)?)))?;
    let unheeded = layers.has(&table::OTLP_ENDPOINT) && protocol != PROTOCOL;
    unheeded.then(|| format!("{name} is `{protocol}`, and traces are sent as {PROTOCOL} alone"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn layers(environment: &[(&str, &str)]) -> Layers {
        let environment = environment.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        Layers { environment, ..Layers::default() }
    }

    #[test]
    fn spans_go_to_the_path_of_traces_unless_they_are_not_wanted() {
        let to = |endpoint: &str, more: &[(&str, &str)]| {
            let set = [&[("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint)], more].concat();
            endpoint_of(&layers(&set))
        };
        for (given, sent) in [
            ("http://localhost:4318", "http://localhost:4318/v1/traces"),
            ("http://localhost:4318/", "http://localhost:4318/v1/traces"),
            ("https://example.com/otlp/?key=1", "https://example.com/otlp/v1/traces?key=1"),
        ] {
            assert_eq!(to(given, &[]).as_deref(), Some(sent));
        }
        assert_eq!(endpoint_of(&layers(&[])), None);
        for off in [("OTEL_SDK_DISABLED", "TRUE"), ("OTEL_TRACES_EXPORTER", "none")] {
            assert_eq!(to("http://localhost:4318", &[off]), None);
        }
        assert!(to("http://localhost:4318", &[("OTEL_SDK_DISABLED", "false")]).is_some());
    }

    fn endpoint_of(layers: &Layers) -> Option<String> {
        collector(layers).unwrap().map(|collector| collector.endpoint.into())
    }

    #[test]
    fn a_collector_gets_the_time_that_is_set_and_no_more_than_ten_seconds() {
        let (all, traces) = ("OTEL_EXPORTER_OTLP_TIMEOUT", "OTEL_EXPORTER_OTLP_TRACES_TIMEOUT");
        for (set, ms) in [
            (&[][..], 10_000),
            (&[(all, "300")], 300),
            (&[(all, "300"), (traces, "20")], 20),
            (&[(all, "300"), (traces, "soon")], 300),
            (&[(all, "60000")], 10_000),
            (&[(all, "0")], 10_000),
        ] {
            assert_eq!(timeout(&layers(set)), Duration::from_millis(ms), "{set:?}");
        }
    }

    #[test]
    fn a_protocol_that_is_not_spoken_is_warned_about() {
        let endpoint = ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://localhost:4317");
        let grpc = ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc");
        assert!(warning(&layers(&[endpoint, grpc])).unwrap().contains("http/protobuf"));
        assert_eq!(warning(&layers(&[grpc])), None);
        assert_eq!(warning(&layers(&[endpoint, (grpc.0, PROTOCOL)])), None);
    }
}
