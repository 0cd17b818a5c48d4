//! Which fields log lines have, found in the sources: those of all events and spans at `info` and above.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use regex::Regex;

/// Every field with the places that use it (`file:line`).
pub fn used(folder: &Path) -> BTreeMap<String, Vec<String>> {
    let call = Regex::new(r"\b(info|warn|error)(_span)?!\s*\(").expect("a pattern");
    let mut found = BTreeMap::<String, Vec<String>>::new();
    for file in sources(folder) {
        let text = std::fs::read_to_string(&file).expect("a source");
        let code = text.split("mod tests {").next().unwrap_or_default();
        for begin in call.find_iter(code) {
            let line = code[..begin.start()].lines().count();
            let place = format!("{}:{line}", file.strip_prefix(folder).unwrap_or(&file).display());
            for field in arguments(&code[begin.end()..]).iter().filter_map(|argument| field_of(argument)) {
                found.entry(field).or_default().push(place.clone());
            }
        }
    }
    found
}

/// The fields that the table of the document tells of: what stands in code in the first column.
pub fn described(section: &str) -> Vec<String> {
    let rows = section.lines().filter_map(|line| line.strip_prefix("| `"));
    rows.flat_map(|row| row.split(" | ").next().unwrap_or_default().split('`').step_by(2)).map(str::to_owned).collect()
}

fn sources(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").path());
    let is_test = |path: &Path| path.file_stem().is_some_and(|name| name == "tests");
    let all = entries.filter(|path| !is_test(path)).flat_map(|path| if path.is_dir() { sources(&path) } else { vec![path] });
    all.filter(|path| path.extension().is_some_and(|extension| extension == "rs")).collect()
}

/// The arguments of a call, from behind its opening parenthesis: what commas divide that stand in no parentheses and no text.
fn arguments(code: &str) -> Vec<String> {
    let (mut arguments, mut current) = (Vec::new(), String::new());
    let (mut depth, mut in_text, mut escaped) = (0, false, false);
    for character in code.chars() {
        if in_text {
            in_text = character != '"' || escaped;
            escaped = character == '\\' && !escaped;
        } else {
            match character {
                '"' => in_text = true,
                '(' | '[' | '{' => depth += 1,
                ')' if depth == 0 => break,
                ')' | ']' | '}' => depth -= 1,
                ',' if depth == 0 => {
                    arguments.push(std::mem::take(&mut current));
                    continue;
                }
                _ => {}
            }
        }
        current.push(character);
    }
    arguments.push(current);
    arguments
}

/// The name of a field: what stands before `=`, or the variable that is its own name. A text is the message, `target:` no field.
fn field_of(argument: &str) -> Option<String> {
    let name = argument.split('=').next()?.trim().trim_start_matches(['%', '?']);
    let is_name = !name.is_empty() && name.chars().all(|character| character.is_ascii_alphanumeric() || "_.".contains(character));
    is_name.then(|| name.to_owned())
}
