//! A log line as one JSON object, with what is known of the request or the run that it belongs to.

use std::fmt;

use serde::ser::{SerializeMap, Serializer as _};
use serde_json::{Map, Value};
use tracing::{
    Event, Subscriber,
    field::{Field, Visit},
};
use tracing_subscriber::{
    fmt::{
        FmtContext, FormatEvent, FormattedFields,
        format::{JsonFields, Writer},
        time::{FormatTime, SystemTime},
    },
    registry::LookupSpan,
};

/// `timestamp`, `level`, `target` and `message`, then by name the fields of the spans round it (`trace_id`, `job.id`
/// and the like; the innermost wins), and the line's own, which win over those.
pub(super) struct JsonLines;

impl<S> FormatEvent<S, JsonFields> for JsonLines
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    fn format_event(
        &self,
        ctx: &FmtContext<'_, S, JsonFields>,
        mut line: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let mut fields = Map::new();
        for span in ctx.event_scope().into_iter().flat_map(|scope| scope.from_root()) {
            let extensions = span.extensions();
            let Some(known) = extensions.get::<FormattedFields<JsonFields>>() else { continue };
            fields.extend(serde_json::from_str::<Map<String, Value>>(known).unwrap_or_default());
        }
        event.record(&mut Own(&mut fields));

        let mut timestamp = String::new();
        SystemTime.format_time(&mut Writer::new(&mut timestamp))?;
        let metadata = event.metadata();
        let first = [
            ("timestamp", Value::from(timestamp)),
            ("level", metadata.level().as_str().into()),
            ("target", metadata.target().into()),
            ("message", fields.remove("message").unwrap_or_default()),
        ];
        writeln!(line, "{}", object(&first, &fields).map_err(|_| fmt::Error)?)
    }
}

fn object(first: &[(&str, Value)], fields: &Map<String, Value>) -> Result<String, serde_json::Error> {
    let mut text = Vec::with_capacity(256);
    let mut serializer = serde_json::Serializer::new(&mut text);
    let mut object = serializer.serialize_map(None)?;
    for (name, value) in first {
        object.serialize_entry(name, value)?;
    }
    // What comes first is ours to say.
    for (name, value) in fields.iter().filter(|(name, _)| first.iter().all(|(taken, _)| taken != name)) {
        object.serialize_entry(name, value)?;
    }
    object.end()?;
    Ok(String::from_utf8_lossy(&text).into_owned())
}

/// The fields of the line itself.
struct Own<'a>(&'a mut Map<String, Value>);

impl Own<'_> {
    fn put(&mut self, field: &Field, value: impl Into<Value>) {
        self.0.insert(field.name().trim_start_matches("r#").to_owned(), value.into());
    }
}

impl Visit for Own<'_> {
    fn record_f64(&mut self, field: &Field, value: f64) {
        self.put(field, value);
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.put(field, value);
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.put(field, value);
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.put(field, value);
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.put(field, value);
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.put(field, format!("{value:?}"));
    }
}
