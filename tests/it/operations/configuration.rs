//! The reference of the configuration, made from `config/default.toml`: what stands there as comments stands in the document as text.
//!
//! A comment directly above a key is what the key is. A comment directly above a table is what the table is. Any other comment is of
//! something that has no default: it is headed by the table of its example, or by the table that follows. Paragraphs that are TOML
//! are examples. The recipes that are shipped are data, and `docs/tasks` tells of them.

use std::fmt::Write as _;

use regex::Regex;
use themis_maintenance::config::ENVIRONMENT_PREFIX;

/// A key with its default.
pub struct Key {
    /// With its section, as in `server.tls.cert_file`.
    pub path: String,
    /// As it is written in TOML.
    pub default: String,
    /// One paragraph; empty when its neighbour above, or its namesake elsewhere, tells.
    what: String,
}

impl Key {
    /// The variable of the environment that sets it.
    pub fn variable(&self) -> String {
        format!("{ENVIRONMENT_PREFIX}{}", self.path.to_ascii_uppercase().replace('.', "__"))
    }
}

/// A table of the file, or something without a default that a comment tells of.
struct Part {
    path: String,
    comment: Vec<String>,
    keys: Vec<Key>,
}

/// All keys of the file, in its order.
pub fn keys(text: &str) -> Vec<Key> {
    parts(text).into_iter().flat_map(|part| part.keys).collect()
}

/// The reference as Markdown.
pub fn reference(text: &str) -> String {
    let parts = parts(text);
    let mut output = String::new();
    for part in &parts {
        write!(output, "\n### `{}`\n{}", part.path, prose(&part.comment)).expect("a text");
        if part.keys.is_empty() {
            continue;
        }
        output.push_str("\n| key | default | what it is | variable |\n|---|---|---|---|\n");
        for (index, key) in part.keys.iter().enumerate() {
            let what = if key.what.is_empty() { elsewhere(&parts, part, index) } else { key.what.clone() };
            writeln!(output, "| `{}` | `{}` | {} | `{}` |", key.path, key.default, cell(&what), key.variable()).expect("a text");
        }
    }
    output
}

/// Where a key without a comment is told of: a namesake in a table of the same name, or the key above, which shares its comment.
fn elsewhere(parts: &[Part], part: &Part, index: usize) -> String {
    let tail = |path: &str| path.rsplit('.').take(2).map(str::to_owned).collect::<Vec<_>>();
    let told = part.keys[..index].iter().rev().find(|key| !key.what.is_empty());
    if let Some(key) = told {
        return format!("See `{}`.", key.path);
    }
    let path = &part.keys[index].path;
    let mut all = parts.iter().flat_map(|part| &part.keys);
    let namesake = all.find(|key| key.path != *path && tail(&key.path) == tail(path));
    format!("As `{}`.", namesake.unwrap_or_else(|| panic!("{path} has no comment in config/default.toml")).path)
}

fn parts(text: &str) -> Vec<Part> {
    let header = Regex::new(r"^\[{1,2}([^\]]+)\]{1,2}$").expect("a pattern");
    let mut parts: Vec<Part> = Vec::new();
    let (mut comment, mut loose) = (Vec::<String>::new(), Vec::<Vec<String>>::new());
    // The first comment is about the file.
    let (_, rest) = text.split_once("\n\n").expect("a comment at the top");
    for line in rest.lines() {
        if let Some(words) = line.strip_prefix('#') {
            comment.push(words.strip_prefix(' ').unwrap_or(words).to_owned());
        } else if line.is_empty() {
            if !comment.is_empty() {
                loose.push(std::mem::take(&mut comment));
            }
        } else {
            let found = header.captures(line).map(|found| found[1].to_owned());
            for comment in loose.drain(..) {
                let next = found.as_deref().and_then(|path| path.split('.').next());
                let path = of_example(&comment).or(next.map(str::to_owned)).expect("what the comment is of");
                parts.push(Part { path, comment, keys: Vec::new() });
            }
            match found {
                Some(path) if path.starts_with("endpoints.") => break,
                Some(path) => parts.push(Part { path, comment: std::mem::take(&mut comment), keys: Vec::new() }),
                None => {
                    let part = parts.last_mut().expect("a table");
                    part.keys.push(key(&part.path, line, &std::mem::take(&mut comment)));
                }
            }
        }
    }
    parts
}

fn key(section: &str, line: &str, comment: &[String]) -> Key {
    let table: toml::Table = toml::from_str(line).unwrap_or_else(|error| panic!("{line}: {error}"));
    let (name, value) = table.into_iter().next().expect("a key");
    Key { path: format!("{section}.{name}"), default: value.to_string(), what: comment.join(" ").replace("  ", " ") }
}

/// The table that a comment's example begins with.
fn of_example(comment: &[String]) -> Option<String> {
    let line = comment.iter().find(|line| line.starts_with('[') && line.ends_with(']'))?;
    Some(line.split(['[', ']']).find(|word| !word.is_empty())?.to_owned())
}

/// A comment as Markdown: text, lists of what has a name, examples.
fn prose(comment: &[String]) -> String {
    let item = Regex::new(r"^ {2}(\w+) {2,}(\S.*)$").expect("a pattern");
    let mut output = String::new();
    for paragraph in comment.split(String::is_empty).filter(|lines| !lines.is_empty()) {
        output.push('\n');
        let text = paragraph.join("\n");
        if toml::from_str::<toml::Table>(&text).is_ok() {
            writeln!(output, "```toml\n{text}\n```").expect("a text");
            continue;
        }
        let mut in_list = false;
        for (index, line) in paragraph.iter().enumerate() {
            match item.captures(line) {
                Some(found) => {
                    let blank = if in_list || index == 0 { "" } else { "\n" };
                    in_list = true;
                    writeln!(output, "{blank}- `{}`: {}", &found[1], markdown(&found[2])).expect("a text");
                }
                None if in_list => writeln!(output, "  {}", markdown(line.trim_start())).expect("a text"),
                None => writeln!(output, "{}", markdown(line.trim_start())).expect("a text"),
            }
        }
    }
    output
}

/// Text in which nothing is emphasised by accident.
fn markdown(text: &str) -> String {
    text.replace('*', "\\*").replace('<', "&lt;")
}

fn cell(text: &str) -> String {
    markdown(text).replace('|', "\\|")
}
