//! The files that are to be applied: all of them are read and checked, and all mistakes told at once.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value};

use super::documents::{Mistake, json, yaml};
use super::fields::of_author;
use crate::ctl::failure::CtlFailure;
use crate::domain::ids::ScheduleId;

/// The largest file that is read.
const MAX_FILE_BYTES: u64 = 64 * 1024 * 1024;

/// One schedule as an author wrote it.
#[derive(Debug, Clone, PartialEq)]
pub struct Wanted {
    /// Its id.
    pub id: ScheduleId,
    /// Where it stands.
    pub place: Place,
    /// What the author says of it, the id with it.
    pub fields: Map<String, Value>,
}

/// Where a document stands.
#[derive(Debug, Clone, PartialEq)]
pub struct Place {
    file: String,
    line: Option<u64>,
    /// In a list, from 1 on.
    item: Option<usize>,
}

impl fmt::Display for Place {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.file)?;
        if let Some(line) = self.line {
            write!(formatter, ":{line}")?;
        }
        match self.item {
            Some(item) => write!(formatter, " (item {item})"),
            None => Ok(()),
        }
    }
}

/// Reads files, folders and, for `-`, standard input.
///
/// # Errors
/// Every mistake, one a line.
pub fn read(paths: &[PathBuf], input: fn() -> std::io::Result<String>) -> Result<Vec<Wanted>, CtlFailure> {
    let mut reading = Reading::default();
    for path in paths {
        if path == Path::new("-") {
            reading.text("standard input", input().map_err(|error| error.to_string()), false);
        } else if path.is_dir() {
            reading.folder(path);
        } else {
            reading.file(path);
        }
    }
    if reading.wanted.is_empty() && reading.mistakes.is_empty() {
        // A generator that failed leaves nothing, which with --prune would delete everything.
        reading.mistakes.push("there is no schedule in what was given".to_owned());
    }
    if reading.mistakes.is_empty() { Ok(reading.wanted) } else { Err(CtlFailure::Data(reading.mistakes.join("\n"))) }
}

#[derive(Default)]
struct Reading {
    wanted: Vec<Wanted>,
    places: BTreeMap<ScheduleId, Place>,
    mistakes: Vec<String>,
}

impl Reading {
    fn folder(&mut self, folder: &Path) {
        let entries =
            std::fs::read_dir(folder).and_then(|entries| entries.map(|entry| Ok(entry?.path())).collect::<Result<Vec<_>, _>>());
        let mut files = match entries {
            Ok(files) => files,
            Err(error) => return self.mistakes.push(format!("{}: {error}", folder.display())),
        };
        files.retain(|file| {
            let name = file.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
            let known = file.extension().is_some_and(|extension| ["yaml", "yml", "json"].iter().any(|one| extension == *one));
            known && !name.starts_with('.') && !file.is_dir()
        });
        files.sort();
        if files.is_empty() {
            self.mistakes.push(format!("{}: holds no *.yaml, *.yml or *.json", folder.display()));
        }
        for file in files {
            self.file(&file);
        }
    }

    fn file(&mut self, file: &Path) {
        let text = match std::fs::metadata(file) {
            Ok(about) if about.len() > MAX_FILE_BYTES => Err(format!("is longer than {MAX_FILE_BYTES} bytes")),
            Ok(_) | Err(_) => std::fs::read_to_string(file).map_err(|error| error.to_string()),
        };
        self.text(&file.display().to_string(), text, file.extension().is_some_and(|extension| extension == "json"));
    }

    fn text(&mut self, file: &str, text: Result<String, String>, is_json: bool) {
        let text = match text {
            Ok(text) => text,
            Err(error) => return self.mistakes.push(format!("{file}: {error}")),
        };
        let documents = if is_json { json(&text).map(|document| vec![(None, document)]) } else { yaml(&text).map(with_lines) };
        match documents {
            Err(Mistake { at: Some((line, column)), message }) => {
                self.mistakes.push(format!("{file}:{line}:{column}: {message}"))
            }
            Err(Mistake { at: None, message }) => self.mistakes.push(format!("{file}: {message}")),
            Ok(documents) => {
                for (line, document) in documents {
                    self.document(Place { file: file.to_owned(), line, item: None }, document);
                }
            }
        }
    }

    /// One schedule, or a list of them as `schedules list` prints it.
    fn document(&mut self, place: Place, mut document: Value) {
        let is_list = document.get("id").is_none() && document["schedules"].is_array();
        match if is_list { document["schedules"].take() } else { document } {
            Value::Array(items) => {
                for (index, item) in items.into_iter().enumerate() {
                    self.schedule(Place { item: Some(index + 1), ..place.clone() }, &item);
                }
            }
            one => self.schedule(place, &one),
        }
    }

    fn schedule(&mut self, place: Place, document: &Value) {
        let Value::Object(_) = document else {
            return self.mistakes.push(format!("{place}: is no schedule: it has to be an object with an id"));
        };
        let fields = of_author(document);
        let id = match fields.get("id") {
            None => return self.mistakes.push(format!("{place}: id is missing")),
            Some(Value::String(id)) => match ScheduleId::parse(id) {
                Ok(id) => id,
                Err(error) => return self.mistakes.push(format!("{place}: id {error}")),
            },
            Some(_) => return self.mistakes.push(format!("{place}: id must be a string")),
        };
        if let Some(first) = self.places.get(&id) {
            return self.mistakes.push(format!("{place}: the id '{id}' stands in {first}, too"));
        }
        self.places.insert(id.clone(), place.clone());
        self.wanted.push(Wanted { id, place, fields });
    }
}

fn with_lines(documents: Vec<(u64, Value)>) -> Vec<(Option<u64>, Value)> {
    documents.into_iter().map(|(line, document)| (Some(line), document)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mistakes(files: &[(&str, &str)]) -> Vec<String> {
        let folder = tempfile::tempdir().expect("a folder");
        for (name, text) in files {
            std::fs::write(folder.path().join(name), text).expect("a file");
        }
        match read(&[folder.path().to_owned()], || Ok(String::new())) {
            Ok(_) => Vec::new(),
            Err(failure) => {
                assert_eq!(failure.code(), 65);
                let start = format!("{}/", folder.path().display());
                failure.to_string().replace(&start, "").lines().map(str::to_owned).collect()
            }
        }
    }

    #[test]
    fn every_mistake_of_every_file_is_told() {
        let found = mistakes(&[
            ("1.yaml", "id: a\n---\nname: no id\n---\nid: 7\n---\nid: .dot\n"),
            ("2.yml", "id: [\n"),
            ("3.json", "{\"schedules\": [{\"id\": \"b\"}, {\"id\": \"a\"}, 1]}"),
            ("4.txt", "not looked at: ["),
            (".5.yaml", "not looked at: ["),
        ]);
        assert_eq!(found.len(), 6, "{found:?}");
        assert_eq!(found[0], "1.yaml:3: id is missing");
        assert_eq!(found[1], "1.yaml:5: id must be a string");
        assert!(found[2].starts_with("1.yaml:7: id must consist of letters"), "{found:?}");
        assert!(found[3].starts_with("2.yml:"), "{found:?}");
        assert_eq!(found[4], "3.json (item 2): the id 'a' stands in 1.yaml:1, too");
        assert_eq!(found[5], "3.json (item 3): is no schedule: it has to be an object with an id");
    }

    #[test]
    fn an_empty_folder_is_a_mistake_and_so_is_a_missing_file() {
        assert!(mistakes(&[])[0].contains("holds no *.yaml"));
        let failure = read(&["/nowhere/at/all.yaml".into()], || Ok(String::new())).expect_err("no file");
        assert!(failure.to_string().contains("/nowhere/at/all.yaml"), "{failure}");
    }

    #[test]
    fn standard_input_is_yaml_or_a_list_as_it_was_printed() {
        let input = || Ok("schedules:\n- id: a\n  version: 3\n  name: A\n- id: b\ncount: 2\n".to_owned());
        let wanted = read(&["-".into()], input).expect("schedules");
        let ids: Vec<&str> = wanted.iter().map(|wanted| wanted.id.as_str()).collect();
        assert_eq!(ids, ["a", "b"]);
        assert!(!wanted[0].fields.contains_key("version"));
        assert_eq!(wanted[1].place.to_string(), "standard input:1 (item 2)");
    }
}
