//! Reads metrics in Prometheus's text format, version 0.0.4.
//!
//! Strict, as a scraper is: a page with a line that is no metric is refused as a whole, because what was meant by that line may be
//! just what is asked for. Types and help texts are comments here.

use std::str::Chars;

/// One value of one series.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Sample<'a> {
    pub(super) name: &'a str,
    pub(super) labels: Vec<(&'a str, String)>,
    pub(super) value: f64,
}

/// Reads a page.
///
/// # Errors
/// The number of the first line that is no metric.
pub(super) fn samples(page: &str) -> Result<Vec<Sample<'_>>, usize> {
    let lines = page.lines().enumerate().map(|(index, line)| (index + 1, line.trim_matches(BLANKS)));
    let metrics = lines.filter(|(_, line)| !line.is_empty() && !line.starts_with('#'));
    metrics.map(|(number, line)| sample(line).ok_or(number)).collect()
}

const BLANKS: [char; 2] = [' ', '\t'];

fn sample(line: &str) -> Option<Sample<'_>> {
    let (name, rest) = split_name(line, true)?;
    let (labels, rest) = match rest.trim_start_matches(BLANKS).strip_prefix('{') {
        Some(rest) => labels(rest)?,
        None if rest.starts_with(BLANKS) => (Vec::new(), rest),
        None => return None,
    };
    let mut words = rest.split(BLANKS).filter(|word| !word.is_empty());
    // Rust's floats are written as Go's are, infinities and NaN included; a hexadecimal one nobody writes.
    let value = words.next()?.parse().ok()?;
    if let Some(timestamp) = words.next() {
        timestamp.parse::<i64>().ok()?;
    }
    words.next().is_none().then_some(Sample { name, labels, value })
}

/// The name at the beginning, and the rest. Only names of metrics may have colons.
fn split_name(text: &str, colons: bool) -> Option<(&str, &str)> {
    let fits = |c: char| c.is_ascii_alphanumeric() || c == '_' || (colons && c == ':');
    let end = text.find(|c| !fits(c)).unwrap_or(text.len());
    let (name, rest) = text.split_at(end);
    name.starts_with(|c: char| !c.is_ascii_digit()).then_some((name, rest))
}

type Labels<'a> = Vec<(&'a str, String)>;

/// The labels after an opening brace, and what follows the closing one. A comma may stand after the last.
fn labels(text: &str) -> Option<(Labels<'_>, &str)> {
    let (mut found, mut rest) = (Labels::new(), text.trim_start_matches(BLANKS));
    loop {
        if let Some(rest) = rest.strip_prefix('}') {
            return Some((found, rest));
        }
        let (name, after) = split_name(rest, false)?;
        let quoted = after.trim_start_matches(BLANKS).strip_prefix('=')?.trim_start_matches(BLANKS).strip_prefix('"')?;
        let (value, after) = quoted_value(quoted)?;
        found.push((name, value));
        let after = after.trim_start_matches(BLANKS);
        rest = match after.strip_prefix(',') {
            Some(next) => next.trim_start_matches(BLANKS),
            None if after.starts_with('}') => after,
            None => return None,
        };
    }
}

/// The value after an opening quote, and what follows the closing one.
fn quoted_value(text: &str) -> Option<(String, &str)> {
    let mut value = String::new();
    let mut chars: Chars<'_> = text.chars();
    loop {
        match chars.next()? {
            '"' => return Some((value, chars.as_str())),
            '\\' => value.push(match chars.next()? {
                'n' => '\n',
                escaped @ ('\\' | '"') => escaped,
                _ => return None,
            }),
            plain => value.push(plain),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(line: &str) -> Sample<'_> {
        let mut found = samples(line).expect("a metric");
        assert_eq!(found.len(), 1, "{line}");
        found.remove(0)
    }

    /// The example of the format's own documentation, which has everything in it.
    #[test]
    fn a_page_is_read_with_comments_blanks_and_timestamps() {
        let page = "# HELP http_requests_total The total number of HTTP requests.\n# TYPE http_requests_total counter\n\
            http_requests_total{method=\"post\",code=\"200\"} 1027 1395066363000\n\n\
            # Escaping in label values:\n\
            msdos_file_access_time_seconds{path=\"C:\\\\DIR\\\\FILE.TXT\",error=\"Cannot find file:\\n\\\"FILE.TXT\\\"\"} 1.458255915e9\n\
            # Minimalistic line:\nmetric_without_timestamp_and_labels 12.47\n\
            # A weird metric from before the epoch:\nsomething_weird{problem=\"division by zero\"} +Inf -3982045\n\
            http_request_duration_seconds_bucket{le=\"+Inf\"} 144320\n\
            http_request_duration_seconds_sum \t 53423";
        let found = samples(page).expect("metrics");
        let values: Vec<(&str, f64)> = found.iter().map(|sample| (sample.name, sample.value)).collect();
        assert_eq!(
            values,
            [
                ("http_requests_total", 1027.0),
                ("msdos_file_access_time_seconds", 1.458_255_915e9),
                ("metric_without_timestamp_and_labels", 12.47),
                ("something_weird", f64::INFINITY),
                ("http_request_duration_seconds_bucket", 144_320.0),
                ("http_request_duration_seconds_sum", 53_423.0),
            ]
        );
        assert_eq!(found[0].labels, [("method", "post".to_owned()), ("code", "200".to_owned())]);
        assert_eq!(found[1].labels[0], ("path", "C:\\DIR\\FILE.TXT".to_owned()));
        assert_eq!(found[1].labels[1], ("error", "Cannot find file:\n\"FILE.TXT\"".to_owned()));
        assert_eq!(samples(""), Ok(Vec::new()));
    }

    #[test]
    fn blanks_and_a_last_comma_do_not_matter() {
        for line in ["a{b=\"}, c\"} 1", " a { b = \"}, c\" , } 1 \r", "\ta\t{b=\"}, c\",}1"] {
            assert_eq!(one(line.trim_end_matches('\r')).labels, [("b", "}, c".to_owned())], "{line}");
        }
        assert_eq!(one("a:b{} -Inf").value, f64::NEG_INFINITY);
        assert!(one("a NaN").value.is_nan());
        assert_eq!(samples("a 1\r\nb 2\r\n").map(|found| found.len()), Ok(2));
    }

    #[test]
    fn a_line_that_is_no_metric_is_named() {
        for bad in [
            "<html>",
            "{\"error\":true}",
            "a",
            "a-5",
            "1a 5",
            "a 5x",
            "a 5 now",
            "a 5 1 2",
            "a{b} 5",
            "a{b=c} 5",
            "a{b=\"c} 5",
            "a{b=\"\\x\"} 5",
            "a{b=\"c\" d=\"e\"} 5",
            "a{b:c=\"d\"} 5",
            "a{b=\"c\"",
            "a{,} 5",
            "é 5",
        ] {
            assert_eq!(samples(&format!("# a page\nfine 1\n{bad}\nfine 2\n")), Err(3), "{bad}");
        }
    }
}
