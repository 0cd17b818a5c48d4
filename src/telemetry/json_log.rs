//! One JSON object a log line, flat: the fields of the event and of all spans around it stand side by side at the top level, so
//! that a search for `request_id` or `job_id` finds every line of a request or a job.

use std::fmt;

use serde_json::{Map, Value};
use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::fmt::format::{FormatEvent, FormatFields, Writer};
use tracing_subscriber::fmt::time::{FormatTime, SystemTime};
use tracing_subscriber::fmt::{FmtContext, FormattedFields};
use tracing_subscriber::registry::LookupSpan;

/// Formats events as flat JSON. Needs the span fields as JSON, that is
/// [`JsonFields`](tracing_subscriber::fmt::format::JsonFields).
pub(super) struct FlatJson;

impl<S, N> FormatEvent<S, N> for FlatJson
where
    S: Subscriber + for<'lookup> LookupSpan<'lookup>,
    N: for<'writer> FormatFields<'writer> + 'static,
{
    fn format_event(&self, context: &FmtContext<'_, S, N>, mut writer: Writer<'_>, event: &Event<'_>) -> fmt::Result {
        let mut timestamp = String::new();
        SystemTime.format_time(&mut Writer::new(&mut timestamp))?;
        let mut fields = Fields(Map::new());
        event.record(&mut fields);
        let Fields(mut fields) = fields;
        let target = log_crate_target(&mut fields).unwrap_or_else(|| Value::from(event.metadata().target()));

        let mut line = Map::new();
        line.insert("timestamp".to_owned(), Value::from(timestamp));
        line.insert("level".to_owned(), Value::from(event.metadata().level().as_str()));
        line.insert("target".to_owned(), target);
        line.extend(fields.remove_entry("message"));
        for span in context.event_scope().into_iter().flat_map(|scope| scope.from_root()) {
            let extensions = span.extensions();
            let formatted = extensions.get::<FormattedFields<N>>().map_or("", |formatted| formatted.fields.as_str());
            if let Ok(Value::Object(span_fields)) = serde_json::from_str(formatted) {
                merge(&mut line, span_fields);
            }
        }
        merge(&mut line, fields);
        writeln!(writer, "{}", Value::Object(line))
    }
}

/// The inner one wins; the four members of the line itself always stand.
fn merge(line: &mut Map<String, Value>, fields: Map<String, Value>) {
    for (name, value) in fields {
        match name.as_str() {
            "timestamp" | "level" | "target" | "message" => line.insert(format!("field_{name}"), value),
            _ => line.insert(name, value),
        };
    }
}

/// Events that come from the `log` crate carry where they come from in fields; the rest of these is noise.
fn log_crate_target(fields: &mut Map<String, Value>) -> Option<Value> {
    let target = fields.remove("log.target")?;
    fields.retain(|name, _| !name.starts_with("log."));
    Some(target)
}

struct Fields(Map<String, Value>);

impl Fields {
    fn insert(&mut self, field: &Field, value: impl Into<Value>) {
        self.0.insert(field.name().to_owned(), value.into());
    }
}

impl Visit for Fields {
    fn record_f64(&mut self, field: &Field, value: f64) {
        self.insert(field, value);
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.insert(field, value);
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.insert(field, value);
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.insert(field, value);
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.insert(field, value);
    }

    fn record_error(&mut self, field: &Field, value: &(dyn std::error::Error + 'static)) {
        // The whole chain, once: `Display` of an error does not print its source.
        let mut text = value.to_string();
        let mut source = value.source();
        while let Some(error) = source {
            text.push_str(": ");
            text.push_str(&error.to_string());
            source = error.source();
        }
        self.insert(field, text);
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.insert(field, format!("{value:?}"));
    }
}

#[cfg(test)]
mod tests {
    use super::super::logging::tests::captured_json;
    use serde_json::json;

    #[test]
    fn fields_of_the_event_and_of_all_spans_stand_side_by_side() {
        let lines = captured_json(|| {
            let request = tracing::info_span!("request", request_id = "r-1", step = "outer");
            let _request = request.enter();
            let job = tracing::info_span!("job", job_id = %7, schedule_id = tracing::field::Empty);
            job.record("schedule_id", "nightly");
            let _job = job.enter();
            tracing::warn!(step = "inner", attempt = 3_u64, ratio = 0.5, last = true, target = "b", "task failed");
        });
        let [line] = lines.as_slice() else { panic!("one line, not {lines:?}") };
        let mut line = line.clone();
        let timestamp = line["timestamp"].take();
        let timestamp = timestamp.as_str().expect("a text");
        assert!(timestamp.ends_with('Z'), "{timestamp} is not UTC");
        assert!(chrono::DateTime::parse_from_rfc3339(timestamp).is_ok(), "{timestamp} is not RFC 3339");
        assert_eq!(
            line,
            json!({
                "timestamp": null, "level": "WARN", "target": module_path!(), "message": "task failed", "request_id": "r-1",
                "step": "inner", "job_id": "7", "schedule_id": "nightly", "attempt": 3, "ratio": 0.5, "last": true,
                "field_target": "b",
            })
        );
    }

    #[test]
    fn an_error_is_written_with_its_causes() {
        #[derive(Debug, thiserror::Error)]
        #[error("cannot open")]
        struct Outer(#[source] std::fmt::Error);
        let lines = captured_json(|| {
            let error = Outer(std::fmt::Error);
            tracing::error!(error = &error as &dyn std::error::Error, "no\nway");
        });
        assert_eq!(lines[0]["error"], format!("cannot open: {}", std::fmt::Error));
        assert_eq!(lines[0]["message"], "no\nway");
    }
}
