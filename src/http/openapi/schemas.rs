//! What holds for every schema, added once all of them are known: what the derived schemas say in the words of OpenAPI 3.0 is said in
//! those of 3.1, and where generators of clients look for it.

use std::mem::take;

use serde_json::Value;
use utoipa::openapi::schema::{OneOf, SchemaType};
use utoipa::openapi::{OpenApi, RefOr, Schema, Type};

/// Goes through all schemas of the components.
pub(super) fn finish(document: &mut OpenApi) {
    for schema in document.components.iter_mut().flat_map(|components| components.schemas.values_mut()) {
        finish_schema(schema);
    }
}

fn finish_schema(schema: &mut RefOr<Schema>) {
    let RefOr::T(schema) = schema else { return };
    match schema {
        Schema::Object(object) => {
            name_examples(&mut object.example, &mut object.examples);
            object.properties.values_mut().for_each(finish_schema);
        }
        Schema::Array(array) => name_examples(&mut array.example, &mut array.examples),
        Schema::OneOf(choice) => {
            name_examples(&mut choice.example, &mut choice.examples);
            describe_choice(choice);
            choice.items.iter_mut().for_each(finish_schema);
        }
        _ => {}
    }
}

/// `example` is deprecated in schemas; `examples` is JSON Schema's own word.
fn name_examples(example: &mut Option<Value>, examples: &mut Vec<Value>) {
    examples.extend(example.take());
}

/// A field that is another schema or null is described as a field, not inside of its choice, where no generator looks.
fn describe_choice(choice: &mut OneOf) {
    if let [RefOr::Ref(reference), RefOr::T(null)] | [RefOr::T(null), RefOr::Ref(reference)] = choice.items.as_mut_slice()
        && is_null(null)
        && choice.description.is_none()
        && !reference.description.is_empty()
    {
        choice.description = Some(take(&mut reference.description));
    }
}

fn is_null(schema: &Schema) -> bool {
    matches!(schema, Schema::Object(object) if object.schema_type == SchemaType::Type(Type::Null))
}
