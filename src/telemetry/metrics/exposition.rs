//! The per-schedule gauges in the Prometheus text format, version 0.0.4.
//!
//! The recorder cannot drop a single series, and these have to be gone when their schedule is. So they are not recorded but written
//! at every scrape from what the caller says is there.

use std::fmt::Write;

use super::catalogue::{LAST_SUCCESS, Metric, NEXT_RUN};

/// Appends both gauges: the help and type lines in any case, and a line for each schedule.
pub(super) fn write_schedules<'a>(output: &mut String, schedules: impl Iterator<Item = (&'a str, f64, Option<f64>)>) {
    let mut next_runs = String::new();
    write_head(&mut next_runs, &NEXT_RUN);
    write_head(output, &LAST_SUCCESS);
    for (id, last_success, next_run) in schedules {
        write_sample(output, &LAST_SUCCESS, id, last_success);
        if let Some(next_run) = next_run {
            write_sample(&mut next_runs, &NEXT_RUN, id, next_run);
        }
    }
    output.push('\n');
    output.push_str(&next_runs);
}

fn write_head(output: &mut String, metric: &Metric) {
    let Metric { name, help, unit: _, labels: _, kind } = metric;
    let _ = writeln!(output, "# HELP {name} {help}\n# TYPE {name} {}", kind.as_str());
}

fn write_sample(output: &mut String, metric: &Metric, label_value: &str, value: f64) {
    let label = metric.labels.first().copied().unwrap_or_default();
    let _ = writeln!(output, "{}{{{label}=\"{}\"}} {value}", metric.name, escaped(label_value));
}

/// A label value as the text format wants it: backslash, double quote and line feed are escaped.
fn escaped(value: &str) -> String {
    value.replace('\\', r"\\").replace('"', "\\\"").replace('\n', r"\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_schedule_has_a_line_in_each_gauge_and_a_disabled_one_has_no_next_run() {
        let mut output = String::new();
        let schedules = [("nightly", 1_767_225_600.25, Some(1_767_312_000.0)), ("off", 0.0, None)];
        write_schedules(&mut output, schedules.into_iter());
        assert_eq!(
            output,
            "# HELP maintenance_schedule_last_success_timestamp_seconds When a job of the schedule last ended SUCCEEDED, in \
             seconds since 1970; 0 if none has yet.\n\
             # TYPE maintenance_schedule_last_success_timestamp_seconds gauge\n\
             maintenance_schedule_last_success_timestamp_seconds{schedule_id=\"nightly\"} 1767225600.25\n\
             maintenance_schedule_last_success_timestamp_seconds{schedule_id=\"off\"} 0\n\
             \n\
             # HELP maintenance_schedule_next_run_timestamp_seconds When the schedule fires next, in seconds since 1970; absent \
             while it is disabled.\n\
             # TYPE maintenance_schedule_next_run_timestamp_seconds gauge\n\
             maintenance_schedule_next_run_timestamp_seconds{schedule_id=\"nightly\"} 1767312000\n"
        );
    }

    #[test]
    fn label_values_are_escaped() {
        assert_eq!(escaped("a\\b\"c\nd"), r#"a\\b\"c\nd"#);
    }
}
