//! One JSON object a log line, flat: the fields of the event and of all spans around it stand side by side at the top level, so
//! that a search for `request_id` or `job_id` finds every line of a request or a job.
//!
//! A line is put together from texts: it is written for every request and every job, and a tree of values for each would cost more
//! than a read of the API does.

use std::fmt::{self, Write as _};

use tracing::field::{Field, Visit};
use tracing::span::Record;
use tracing::{Event, Subscriber};
use tracing_subscriber::field::RecordFields;
use tracing_subscriber::fmt::format::{FormatEvent, FormatFields, Writer};
use tracing_subscriber::fmt::time::{FormatTime, SystemTime};
use tracing_subscriber::fmt::{FmtContext, FormattedFields};
use tracing_subscriber::registry::LookupSpan;

/// Between the name of a field and its value, which is JSON; and behind the value. Neither stands in a name, and in JSON both are
/// escaped.
const NAME_END: char = '\u{1f}';
const FIELD_END: char = '\u{1e}';
/// What most lines need, so that they are put together in place.
const USUAL_BYTES: usize = 512;
const USUAL_FIELDS: usize = 16;

/// Fields as `name`, a separator, JSON, a separator: the form in which spans keep them.
pub(super) struct FlatFields;

impl<'writer> FormatFields<'writer> for FlatFields {
    fn format_fields<R: RecordFields>(&self, mut writer: Writer<'writer>, fields: R) -> fmt::Result {
        let mut visitor = Fields { output: &mut writer, result: Ok(()) };
        fields.record(&mut visitor);
        visitor.result
    }

    fn add_fields(&self, current: &'writer mut FormattedFields<Self>, fields: &Record<'_>) -> fmt::Result {
        self.format_fields(current.as_writer(), fields)
    }
}

/// Formats events as flat JSON. Needs the span fields as [`FlatFields`].
pub(super) struct FlatJson;

impl<S> FormatEvent<S, FlatFields> for FlatJson
where
    S: Subscriber + for<'lookup> LookupSpan<'lookup>,
{
    fn format_event(&self, context: &FmtContext<'_, S, FlatFields>, mut writer: Writer<'_>, event: &Event<'_>) -> fmt::Result {
        let mut text = String::with_capacity(USUAL_BYTES);
        for span in context.event_scope().into_iter().flat_map(|scope| scope.from_root()) {
            if let Some(formatted) = span.extensions().get::<FormattedFields<FlatFields>>() {
                text.push_str(&formatted.fields);
            }
        }
        let spans_end = text.len();
        let mut visitor = Fields { output: &mut text, result: Ok(()) };
        event.record(&mut visitor);
        visitor.result?;
        let (of_spans, of_event) = text.split_at(spans_end);
        let metadata = event.metadata();

        writer.write_str("{\"timestamp\":\"")?;
        SystemTime.format_time(&mut writer)?;
        write!(writer, "\",\"level\":\"{}\",\"target\":", metadata.level())?;
        // Events that come from the `log` crate carry where they come from in fields; the rest of these is noise.
        let log_target = fields(of_event).find(|(name, _)| *name == "log.target").map(|(_, value)| value);
        match log_target {
            Some(target) => writer.write_str(target)?,
            None => write_json(&mut writer, metadata.target())?,
        }
        if let Some((_, message)) = fields(of_event).find(|(name, _)| *name == "message") {
            write!(writer, ",\"message\":{message}")?;
        }
        // What the event says comes first; a field of that name is a field like others.
        let mut said = false;
        let own = fields(of_event).filter(|(name, _)| *name != "message" || std::mem::replace(&mut said, true));
        let own = own.filter(|(name, _)| log_target.is_none() || !name.starts_with("log."));
        let mut members: Vec<(&str, &str)> = Vec::with_capacity(USUAL_FIELDS);
        for (name, value) in fields(of_spans).chain(own) {
            // The inner one wins, where the outer one stands.
            match members.iter_mut().find(|(known, _)| *known == name) {
                Some(known) => known.1 = value,
                None => members.push((name, value)),
            }
        }
        for (name, value) in members {
            // The members of the line itself always stand.
            let prefix = if matches!(name, "timestamp" | "level" | "target" | "message") { "field_" } else { "" };
            write!(writer, ",\"{prefix}{name}\":{value}")?;
        }
        writer.write_str("}\n")
    }
}

fn fields(text: &str) -> impl Iterator<Item = (&str, &str)> {
    text.split_terminator(FIELD_END).filter_map(|field| field.split_once(NAME_END))
}

/// Writes each field that it is shown; the first failure stays.
struct Fields<'a> {
    output: &'a mut dyn fmt::Write,
    result: fmt::Result,
}

impl Fields<'_> {
    fn write(&mut self, field: &Field, value: impl FnOnce(&mut dyn fmt::Write) -> fmt::Result) {
        let output = &mut *self.output;
        let written = || {
            output.write_str(field.name())?;
            output.write_char(NAME_END)?;
            value(output)?;
            output.write_char(FIELD_END)
        };
        self.result = self.result.and_then(|()| written());
    }

    fn write_value(&mut self, field: &Field, value: impl fmt::Display) {
        self.write(field, |output| write!(output, "{value}"));
    }

    fn write_text(&mut self, field: &Field, text: fmt::Arguments<'_>) {
        self.write(field, |output| {
            output.write_char('"')?;
            Escaped(&mut *output).write_fmt(text)?;
            output.write_char('"')
        });
    }
}

impl Visit for Fields<'_> {
    fn record_f64(&mut self, field: &Field, value: f64) {
        // JSON has no infinity.
        self.write_value(field, serde_json::Value::from(value));
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.write_value(field, value);
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.write_value(field, value);
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.write_value(field, value);
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.write(field, |output| write_json(output, value));
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
        self.record_str(field, &text);
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.write_text(field, format_args!("{value:?}"));
    }
}

fn write_json(output: &mut dyn fmt::Write, text: &str) -> fmt::Result {
    output.write_char('"')?;
    Escaped(&mut *output).write_str(text)?;
    output.write_char('"')
}

/// What is written to it stands within a JSON text.
struct Escaped<'a>(&'a mut dyn fmt::Write);

impl fmt::Write for Escaped<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        if !text.bytes().any(|byte| byte < b' ' || byte == b'"' || byte == b'\\') {
            return self.0.write_str(text);
        }
        let quoted = serde_json::to_string(text).map_err(|_| fmt::Error)?;
        self.0.write_str(&quoted[1..quoted.len() - 1])
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
    fn whatever_is_in_a_field_the_line_is_json() {
        let odd = "\u{1e}a\u{1f}\"\\\n\u{7f}ä\u{2028}";
        let lines = captured_json(|| {
            let span = tracing::info_span!("request", odd, message = "of the span", infinite = f64::INFINITY);
            let _span = span.enter();
            tracing::info!(shown = %odd, debugged = ?odd, level = odd, small = 0.1 + 0.2, "{odd}");
        });
        let [line] = lines.as_slice() else { panic!("one line, not {lines:?}") };
        for name in ["odd", "shown", "message", "field_level"] {
            assert_eq!(line[name], odd, "{name}");
        }
        assert_eq!(line["debugged"], format!("{odd:?}"));
        assert_eq!((&line["field_message"], &line["infinite"]), (&json!("of the span"), &json!(null)));
        assert_eq!(line["small"], json!(0.1 + 0.2));
    }

    #[test]
    fn events_of_the_log_crate_name_their_own_target() {
        let lines = captured_json(|| {
            tracing::info!(log.target = "library", log.line = 7, kept = 1, "said");
            tracing::info!(log.line = 7, "ours");
        });
        let shown = |line: &serde_json::Value| (line["target"].clone(), line["log.line"].clone(), line["kept"].clone());
        assert_eq!(shown(&lines[0]), (json!("library"), json!(null), json!(1)));
        assert_eq!(shown(&lines[1]), (json!(module_path!()), json!(7), json!(null)));
    }

    #[test]
    fn a_field_of_the_name_of_the_message_is_not_lost() {
        let lines = captured_json(|| tracing::info!(message = "why", "what"));
        assert_eq!((&lines[0]["message"], &lines[0]["field_message"]), (&json!("what"), &json!("why")));
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
