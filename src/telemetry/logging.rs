//! Sets up the log: to standard error, as text for people or as JSON for machines.

use std::io::{self, IsTerminal};

use parking_lot::Mutex;
use tracing::{Dispatch, Subscriber};
use tracing_subscriber::filter::{EnvFilter, ParseError};
use tracing_subscriber::fmt::format::{DefaultFields, Format};
use tracing_subscriber::fmt::{MakeWriter, SubscriberBuilder};
use tracing_subscriber::util::{SubscriberInitExt, TryInitError};

use super::json_log::{FlatFields, FlatJson};
use super::together::Lines;

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// For a person at a terminal.
    Text,
    /// One JSON object a line, the fields of all spans at its top level.
    Json,
}

/// Why the log could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum LoggingError {
    /// The filter is not in the syntax of `RUST_LOG`.
    #[error("'{filter}' is not a log filter such as \"info\" or \"info,themis_maintenance=debug\"")]
    Filter {
        /// What was given.
        filter: String,
        /// What the parser says.
        #[source]
        source: ParseError,
    },
    /// Another part of the process has set up a log of its own.
    #[error("the log of this process is already set up")]
    AlreadySet(#[source] TryInitError),
}

/// A library that reports each of its steps at level INFO.
const CHATTY: &str = "tokio_cron_scheduler";

/// Set once this module has set up the log of the process.
static INITIALISED: Mutex<bool> = Mutex::new(false);

/// Sends everything that passes `filter` (syntax of `RUST_LOG`) to standard error. The first call of a process decides; later
/// ones only check their filter, so that many services can run in one process, as tests do.
///
/// # Errors
/// When the filter cannot be read, or when somebody else has set up another log.
pub fn init(format: LogFormat, filter: &str) -> Result<(), LoggingError> {
    let filter = parse_filter(filter)?;
    let mut initialised = INITIALISED.lock();
    if !*initialised {
        let log = match format {
            LogFormat::Text => text(filter, || Lines, io::stderr().is_terminal()),
            LogFormat::Json => json(filter, || Lines),
        };
        log.try_init().map_err(LoggingError::AlreadySet)?;
        *initialised = true;
    }
    Ok(())
}

fn parse_filter(filter: &str) -> Result<EnvFilter, LoggingError> {
    // Behind what was asked for, so that it holds only where nothing was said of that library.
    let quieter = if filter.contains(CHATTY) { String::new() } else { format!(",{CHATTY}=warn") };
    let parsed = EnvFilter::builder().parse(format!("{filter}{quieter}"));
    parsed.map_err(|source| LoggingError::Filter { filter: filter.to_owned(), source })
}

/// Timestamps are RFC 3339 in UTC, which is the formatter's own default.
fn text<W>(filter: EnvFilter, writer: W, colours: bool) -> Dispatch
where
    W: for<'writer> MakeWriter<'writer> + Send + Sync + 'static,
{
    dispatch(builder(filter).with_ansi(colours).with_writer(writer).finish())
}

fn json<W>(filter: EnvFilter, writer: W) -> Dispatch
where
    W: for<'writer> MakeWriter<'writer> + Send + Sync + 'static,
{
    let builder = builder(filter).with_writer(writer);
    dispatch(builder.fmt_fields(FlatFields).event_format(FlatJson).finish())
}

/// Does not report a line that could not be written: the report would go to standard error too, and its failure there is a panic
/// in the middle of whatever was logged.
fn builder(filter: EnvFilter) -> SubscriberBuilder<DefaultFields, Format, EnvFilter> {
    tracing_subscriber::fmt().log_internal_errors(false).with_env_filter(filter)
}

fn dispatch(subscriber: impl Subscriber + Send + Sync + 'static) -> Dispatch {
    Dispatch::new(subscriber)
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use serde_json::Value;
    use std::io::Write;
    use std::sync::Arc;

    /// Collects what is logged.
    #[derive(Clone, Default)]
    struct Captured(Arc<Mutex<Vec<u8>>>);

    impl Write for Captured {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    impl Captured {
        fn text(&self) -> String {
            String::from_utf8(self.0.lock().clone()).expect("logs are text")
        }
    }

    /// The JSON lines that `work` logs.
    pub(in crate::telemetry) fn captured_json(work: impl FnOnce()) -> Vec<Value> {
        let captured = Captured::default();
        let writer = captured.clone();
        let filter = parse_filter("trace").expect("a filter");
        tracing::dispatcher::with_default(&json(filter, move || writer.clone()), work);
        captured.text().lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
    }

    #[test]
    fn text_goes_through_the_filter_and_names_its_spans() {
        let captured = Captured::default();
        let writer = captured.clone();
        let filter = parse_filter("warn").expect("a filter");
        tracing::dispatcher::with_default(&text(filter, move || writer.clone(), false), || {
            tracing::info!("not this");
            let _span = tracing::error_span!("job", job_id = "j-1").entered();
            tracing::error!(attempt = 2, "but this");
        });
        let text = captured.text();
        assert_eq!(text.lines().count(), 1, "{text}");
        assert!(text.contains("ERROR job{job_id=\"j-1\"}") && text.contains("but this attempt=2"), "{text}");
        assert!(!text.contains('\u{1b}'), "{text}");
    }

    #[test]
    fn a_chatty_library_is_quiet_unless_it_is_asked_for() {
        for (filter, lines) in [("", 0), ("info", 1), ("info,tokio_cron_scheduler=info", 2), ("off", 0)] {
            let captured = Captured::default();
            let writer = captured.clone();
            let log = text(parse_filter(filter).expect("a filter"), move || writer.clone(), false);
            tracing::dispatcher::with_default(&log, || {
                tracing::info!(target: "tokio_cron_scheduler::job", "created");
                tracing::info!("ours");
            });
            assert_eq!(captured.text().lines().count(), lines, "{filter}");
        }
    }

    #[test]
    fn a_bad_filter_is_refused_by_name_and_a_second_setup_is_not() {
        let error = init(LogFormat::Json, "info,themis=loud").expect_err("not a level");
        assert!(error.to_string().contains("'info,themis=loud'"), "{error}");
        // Off, so that the other tests of this process stay quiet.
        init(LogFormat::Text, "off").expect("the first");
        init(LogFormat::Json, "info").expect("the second");
        assert!(init(LogFormat::Text, "a=b=c").is_err());
    }
}
