//! The document is what the program prints, and clean for those who generate clients from it. What is judged by rules that everybody shares is left to
//! the linter (`.ci/clients`); what every operation has to say of itself stands in `src/http/tests/contract.rs`.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

fn committed() -> String {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/openapi/openapi.json");
    std::fs::read_to_string(path).expect("openapi/openapi.json")
}

fn document() -> Value {
    serde_json::from_str(&committed()).expect("JSON")
}

fn components(document: &Value) -> &Map<String, Value> {
    document["components"]["schemas"].as_object().expect("schemas")
}

/// A schema, and where it stands.
struct Found<'a> {
    place: String,
    schema: &'a Map<String, Value>,
    /// Whether it is one of the components itself, so that it has a name.
    named: bool,
    /// What is said to be an example of it.
    examples: Vec<&'a Value>,
}

/// All schemas of the document, those inside of others too.
fn schemas(document: &Value) -> Vec<Found<'_>> {
    let mut found = Vec::new();
    for (name, schema) in components(document) {
        within_schema(name, schema, true, &mut found);
    }
    within_operations("", &document["paths"], &mut found);
    found
}

/// The schemas of parameters, headers and bodies, with the examples beside them.
fn within_operations<'a>(place: &str, value: &'a Value, found: &mut Vec<Found<'a>>) {
    match value {
        Value::Object(members) => {
            if let Some(schema) = members.get("schema") {
                let first = found.len();
                within_schema(place, schema, false, found);
                let several = members.get("examples").and_then(Value::as_object).into_iter().flat_map(Map::values);
                found[first].examples.extend(several.filter_map(|example| example.get("value")).chain(members.get("example")));
            }
            let rest = members.iter().filter(|(key, _)| !["schema", "example", "examples"].contains(&key.as_str()));
            rest.for_each(|(key, member)| within_operations(&format!("{place} {key}"), member, found));
        }
        Value::Array(items) => items.iter().for_each(|item| within_operations(place, item, found)),
        _ => {}
    }
}

fn within_schema<'a>(place: &str, schema: &'a Value, named: bool, found: &mut Vec<Found<'a>>) {
    let schema = schema.as_object().unwrap_or_else(|| panic!("{place}: no schema"));
    let said = schema.get("examples").and_then(Value::as_array).into_iter().flatten();
    found.push(Found { place: place.to_owned(), schema, named, examples: said.chain(schema.get("default")).collect() });
    let mut inner = |key: &str, schema| within_schema(&format!("{place}.{key}"), schema, false, found);
    for (name, property) in schema.get("properties").and_then(Value::as_object).into_iter().flatten() {
        inner(name, property);
    }
    for key in ["items", "additionalProperties", "propertyNames"] {
        if let Some(schema) = schema.get(key).filter(|schema| schema.is_object()) {
            inner(key, schema);
        }
    }
    for key in ["oneOf", "anyOf", "allOf"] {
        for part in schema.get(key).and_then(Value::as_array).into_iter().flatten() {
            inner(key, part);
        }
    }
}

#[test]
fn the_committed_document_is_the_programs_own() {
    let printed = themis_maintenance::http::openapi_json();
    assert!(
        committed().trim_end() == printed.trim_end(),
        "openapi/openapi.json is out of date: run `cargo run -- openapi > openapi/openapi.json`, and look at the difference"
    );
}

#[test]
fn what_becomes_a_type_of_its_own_has_a_name() {
    let document = document();
    let mut enums = 0;
    for Found { place, schema, named, .. } in schemas(&document) {
        enums += usize::from(schema.contains_key("enum"));
        // A reference or null is an option, and needs no name.
        let choice = ["oneOf", "anyOf", "allOf"].iter().find_map(|key| schema.get(*key)?.as_array());
        let chooses = choice.is_some_and(|parts| parts.iter().filter(|part| part["type"] != "null").count() > 1);
        let anonymous = !named && (schema.contains_key("enum") || schema.contains_key("properties") || chooses);
        assert!(!anonymous, "{place} has no name: generators would make one up");
    }
    assert!(enums >= 9, "the enums were found");
    for name in components(&document).keys() {
        let well_formed =
            name.starts_with(|first: char| first.is_ascii_uppercase()) && name.bytes().all(|b| b.is_ascii_alphanumeric());
        assert!(well_formed, "{name} is no name for a type");
    }
}

#[test]
fn no_schema_is_another_ones_double() {
    let document = document();
    let mut seen: BTreeMap<String, &String> = BTreeMap::new();
    for (name, schema) in components(&document) {
        let mut shape = schema.clone();
        without_words(&mut shape);
        if let Some(other) = seen.insert(shape.to_string(), name) {
            panic!("{name} says the same as {other}");
        }
    }
}

/// Takes away what is for readers alone.
fn without_words(schema: &mut Value) {
    match schema {
        Value::Object(members) => {
            // A property may well be called so: then it is an object.
            members.retain(|key, value| {
                !matches!((key.as_str(), value), ("description" | "title", Value::String(_)) | ("examples", Value::Array(_)))
            });
            members.values_mut().for_each(without_words);
        }
        Value::Array(items) => items.iter_mut().for_each(without_words),
        _ => {}
    }
}

#[test]
fn an_operation_that_succeeds_answers_with_one_type() {
    let document = document();
    let items = document["paths"].as_object().expect("paths").values().filter_map(Value::as_object);
    for operation in items.flat_map(Map::values) {
        let responses =
            operation["responses"].as_object().expect("responses").iter().filter(|(status, _)| status.starts_with('2'));
        let contents: Vec<&Map<String, Value>> = responses.filter_map(|(_, response)| response["content"].as_object()).collect();
        let first = contents.first().and_then(|content| content.values().next());
        let same = |content: &&Map<String, Value>| {
            content.len() == 1 && content.values().next().map(|body| &body["schema"]) == first.map(|body| &body["schema"])
        };
        assert!(contents.iter().all(same), "{}: a method of a generated client has one result", operation["operationId"]);
    }
}

#[test]
fn every_field_is_described_in_the_words_of_openapi_3_1() {
    let document = document();
    for Found { place, schema, .. } in schemas(&document) {
        for (name, property) in schema.get("properties").and_then(Value::as_object).into_iter().flatten() {
            assert!(property["description"].as_str().is_some_and(|text| !text.is_empty()), "{place}.{name} has no description");
        }
        for old in ["nullable", "example"] {
            assert!(!schema.contains_key(old), "{place}: {old} is a word of OpenAPI 3.0");
        }
        // Without properties and without this, a generated type takes nothing.
        let open = schema.contains_key("properties") || schema.contains_key("additionalProperties");
        assert!(open || schema.get("type").is_none_or(|kind| kind != "object"), "{place} is an object without anything in it");
    }
}

#[test]
fn every_example_and_default_is_valid() {
    let document = document();
    let mut seen = 0;
    for Found { place, schema, examples, .. } in schemas(&document).into_iter().filter(|found| !found.examples.is_empty()) {
        let mut schema = schema.clone();
        schema.insert("components".to_owned(), document["components"].clone());
        let validator = jsonschema::draft202012::options()
            .should_validate_formats(true)
            .build(&Value::Object(schema))
            .unwrap_or_else(|error| panic!("{place}: {error}"));
        for example in examples {
            let broken: Vec<String> = validator.iter_errors(example).map(|error| error.to_string()).collect();
            assert!(broken.is_empty(), "{place}: {example}: {broken:?}");
            seen += 1;
        }
    }
    assert!(seen > 50, "the examples were found: {seen}");
}
