//! The table of metrics, made from `src/telemetry/metrics/catalogue.rs`, which is written so that it can be read line by line.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use regex::Regex;

/// A declared metric.
pub struct Metric {
    pub name: String,
    pub kind: String,
    help: String,
    unit: String,
    labels: Vec<String>,
    buckets: Option<String>,
}

/// All metrics of the catalogue, in its order.
pub fn metrics(source: &str) -> Vec<Metric> {
    let lists = Regex::new(r"const (\w+): &\[f64\] = &\[([^\]]+)\];").expect("a pattern");
    let lists: BTreeMap<&str, &str> =
        lists.captures_iter(source).map(|found| found.extract()).map(|(_, [name, list])| (name, list)).collect();
    let declared = Regex::new(
        r#"(?s): Metric = Metric \{\s+name: "([^"]+)",\s+help: "((?:[^"\\]|\\.)+)",\s+unit: Unit::(\w+),\s+labels: &\[([^\]]*)\],\s+kind: Kind::(\w+)(?:\((\w+)\))?,\s+\};"#,
    )
    .expect("a pattern");
    let metrics: Vec<Metric> = declared
        .captures_iter(source)
        .map(|found| Metric {
            name: found[1].to_owned(),
            help: found[2].to_owned(),
            unit: if &found[3] == "Count" { "number".to_owned() } else { found[3].to_ascii_lowercase() },
            labels: found[4]
                .split(',')
                .map(|label| label.trim().trim_matches('"').to_owned())
                .filter(|l| !l.is_empty())
                .collect(),
            kind: found[5].to_ascii_lowercase(),
            buckets: found.get(6).map(|list| lists[list.as_str()].to_owned()),
        })
        .collect();
    assert_eq!(metrics.len(), source.matches(": Metric = Metric {").count(), "a declaration that cannot be read");
    metrics
}

/// The table as Markdown.
pub fn table(source: &str) -> String {
    let mut output = String::from("\n| name | kind | labels | unit | help |\n|---|---|---|---|---|\n");
    for Metric { name, kind, help, unit, labels, buckets } in metrics(source) {
        let labels: Vec<String> = labels.iter().map(|label| format!("`{label}`")).collect();
        let buckets = buckets.map_or(String::new(), |buckets| format!(" Buckets: {buckets}."));
        let help = help.replace('|', "\\|");
        writeln!(output, "| `{name}` | {kind} | {} | {unit} | {help}{buckets} |", labels.join(", ")).expect("a text");
    }
    output
}
