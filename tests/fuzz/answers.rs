//! What comes from targets and from disk: pages of metrics, `Retry-After`, and audit trails. An input is a line that says which, and the
//! text.
//!
//! Two of the readers are private to the executor, and their sources stand on their own: they are compiled in here a second time.

#[path = "../../src/executor/prometheus_text.rs"]
mod prometheus_text;
#[path = "../../src/executor/retry_after.rs"]
mod retry_after;

use std::io::Write as _;
use std::time::Duration;

use anyhow::ensure;
use proptest::prelude::*;
use reqwest::header::{HeaderMap, HeaderValue, RETRY_AFTER};
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use themis_maintenance::audit::{ChainStart, verify_file};

use crate::checks::{check_message, now};
use crate::driver::{Fuzz, Verdict};

const WORDS: &[&str] = &[
    "metrics\n",
    "retry-after\n",
    "audit\n",
    "# TYPE a counter\n",
    "a 1\n",
    "a{b=\"c\"} 1 2\n",
    "{",
    "}",
    "=",
    "\"",
    "\\n",
    "\\\\",
    "\\x",
    ",",
    "NaN",
    "+Inf",
    "-Inf",
    "1e999",
    "0x1p3",
    "_",
    ":",
    "\r\n",
    "\t",
    "120",
    "-1",
    "1.5",
    "99999999999999999999",
    "Sun, 06 Nov 1994 08:49:37 GMT",
    "Sunday, 06-Nov-94 08:49:37 GMT",
    "Sun Nov  6 08:49:37 1994",
    " GMT",
    " +0000",
    "29 Feb",
    "9999",
    "{\"retry_after_seconds\":3}",
    "retry_after_seconds",
    "sequence",
    "previous",
    "event_id",
    "\"sequence\":2",
    "\n",
];

#[test]
fn what_targets_and_disks_say_is_read_strictly() {
    Fuzz { name: "answer", words: WORDS, generated }.run(|| judge);
}

/// Pages of metrics.
fn generated() -> BoxedStrategy<Vec<u8>> {
    let label = ("[a-z_][a-z0-9_]{0,5}", "[ -!#-\\[\\]-~é,}{=]{0,8}").prop_map(|(name, value)| format!("{name}=\"{value}\""));
    let labels = prop::collection::vec(label, 0..3).prop_map(|labels| labels.join(","));
    let sample = ("[a-z:_][a-z0-9:_]{0,8}", prop::option::of(labels), any::<f64>(), prop::option::of(any::<i64>())).prop_map(
        |(name, labels, value, time)| {
            let labels = labels.map_or(String::new(), |labels| format!("{{{labels}}}"));
            format!("{name}{labels} {value}{}\n", time.map_or(String::new(), |time| format!(" {time}")))
        },
    );
    prop::collection::vec(sample, 0..6).prop_map(|lines| format!("metrics\n# HELP a b\n{}", lines.concat()).into_bytes()).boxed()
}

fn judge(input: &[u8]) -> Verdict {
    let line_end = input.iter().position(|byte| *byte == b'\n').unwrap_or(0);
    let rest = &input[(line_end + 1).min(input.len())..];
    match &input[..line_end] {
        b"metrics" => judge_metrics(&String::from_utf8_lossy(rest)),
        b"retry-after" => judge_retry_after(rest),
        b"audit" => judge_audit(rest),
        _ => Ok("none of them".into()),
    }
}

/// A page that is read says the same when it is written anew.
fn judge_metrics(page: &str) -> Verdict {
    let samples = match prometheus_text::samples(page) {
        Ok(samples) => samples,
        Err(line) => {
            ensure!((1..=page.lines().count()).contains(&line), "line {line} is wrong, of {}", page.lines().count());
            return Ok(format!("wrong in line {}", line.min(5)));
        }
    };
    let escaped = |value: &str| value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
    let written: String = samples
        .iter()
        .map(|sample| {
            let labels = sample.labels.iter().map(|(name, value)| format!("{name}=\"{}\",", escaped(value)));
            format!("{}{{{}}} {:?}\n", sample.name, labels.collect::<String>(), sample.value)
        })
        .collect();
    let again = prometheus_text::samples(&written);
    // NaN is not equal to itself.
    ensure!(format!("{again:?}") == format!("{:?}", Ok::<_, usize>(&samples)), "written anew it is {again:?}, not {samples:?}");
    Ok(format!(
        "{} samples, {} labels",
        samples.len().min(5),
        samples.iter().map(|sample| sample.labels.len()).max().unwrap_or(0).min(4)
    ))
}

/// The first line is the header, the rest the body.
fn judge_retry_after(text: &[u8]) -> Verdict {
    let line_end = text.iter().position(|byte| *byte == b'\n').unwrap_or(text.len());
    let mut headers = HeaderMap::new();
    if let Ok(value) = HeaderValue::from_bytes(&text[..line_end]) {
        headers.insert(RETRY_AFTER, value);
    }
    let body: Option<Value> = serde_json::from_slice(&text[(line_end + 1).min(text.len())..]).ok();
    let from_header = retry_after::retry_after(&headers, None, now());
    let asked = retry_after::retry_after(&headers, body.as_ref(), now());
    ensure!(from_header.is_none() || asked == from_header, "the body counts for more than the header");
    Ok(match asked {
        None => "no wait".into(),
        Some(Duration::ZERO) => "at once".into(),
        Some(_) => format!("a wait, by the header {}", from_header.is_some()),
    })
}

/// A trail that is found intact is: every line has its number and the digest of the line before it.
fn judge_audit(trail: &[u8]) -> Verdict {
    let mut file = tempfile::NamedTempFile::new()?;
    file.write_all(trail)?;
    let summary = match verify_file(file.path()) {
        Ok(summary) => summary,
        Err(error) => {
            check_message(&error.to_string())?;
            let lines = trail.split(|byte| *byte == b'\n').count() as u64;
            ensure!(error.line.is_some_and(|line| (1..=lines).contains(&line)), "line {:?} of {lines} is wrong", error.line);
            return Ok(format!("broken in line {}", error.line.unwrap_or(0).min(5)));
        }
    };
    let (before, mut previous) = match &summary.start {
        ChainStart::Beginning => (0, "0".repeat(64)),
        ChainStart::Continued { sequence, digest } => (*sequence, digest.clone()),
    };
    let mut lines = 0;
    for line in trail.split_inclusive(|byte| *byte == b'\n') {
        let line = line.strip_suffix(b"\n").unwrap_or(line);
        let read: Value = serde_json::from_slice(line)?;
        lines += 1;
        ensure!(read["sequence"] == before + lines && read["previous"] == *previous, "line {lines} does not follow: {read}");
        previous = Sha256::digest(line).iter().map(|byte| format!("{byte:02x}")).collect();
    }
    ensure!(
        summary.lines == lines && summary.last_digest == previous,
        "{summary} is not the sum of {lines} lines up to {previous}"
    );
    Ok(format!("intact, {} lines", lines.min(5)))
}
