//! What holds for every operation, added once all of them are known.

use utoipa::openapi::extensions::ExtensionsBuilder;
use utoipa::openapi::path::Operation;
use utoipa::openapi::schema::SchemaType;
use utoipa::openapi::{HttpMethod, OpenApi, PathItem, RefOr, Schema, Type};

use super::problem_sets::header;

/// Adds the request id to every response, and to every operation of the API the scope that it needs, in words and as
/// `x-required-scope`; of the others it says that they need no token.
pub(super) fn finish(document: &mut OpenApi) {
    for item in document.paths.paths.values_mut() {
        for operation in operations_mut(item) {
            name_scope(operation);
            // An empty list: without one it would be left open.
            operation.security.get_or_insert_default();
            refuse_null_body(operation);
            refuse_null_parameters(operation);
            for response in operation.responses.responses.values_mut() {
                if let RefOr::T(response) = response {
                    let description = "The request's id: the caller's if it is sane, else one of the service's.";
                    response.headers.insert("X-Request-Id".to_owned(), RefOr::T(header(Type::String, description)));
                }
            }
        }
    }
}

/// A body that can be left out is no body that can be null, although the derived schema says so.
fn refuse_null_body(operation: &mut Operation) {
    let Some(RefOr::T(body)) = &mut operation.request_body else { return };
    for content in body.content.values_mut() {
        let RefOr::T(content) = content else { continue };
        if let Some(RefOr::T(Schema::OneOf(choice))) = &content.schema
            && let Some(RefOr::Ref(reference)) = choice.items.iter().find(|item| matches!(item, RefOr::Ref(_)))
        {
            content.schema = Some(RefOr::Ref(reference.clone()));
        }
    }
}

/// A header or a query parameter that can be left out cannot be null either.
fn refuse_null_parameters(operation: &mut Operation) {
    for parameter in operation.parameters.iter_mut().flatten() {
        let RefOr::T(parameter) = parameter else { continue };
        if let Some(RefOr::T(Schema::Object(schema))) = &mut parameter.schema
            && let SchemaType::Array(types) = &schema.schema_type
            && let [Type::Null, only] | [only, Type::Null] = types.as_slice()
        {
            schema.schema_type = SchemaType::Type(only.clone());
        }
    }
}

fn name_scope(operation: &mut Operation) {
    let Some(scope) = required_scope(operation) else { return };
    let sentence = format!("Needs the scope `{scope}`.");
    operation.description = Some(match operation.description.take().filter(|text| !text.is_empty()) {
        Some(text) => format!("{text}\n\n{sentence}"),
        None => sentence,
    });
    let extension = ExtensionsBuilder::new().add("x-required-scope", scope).build();
    operation.extensions.get_or_insert_default().merge(extension);
}

/// The scope in an operation's security requirement.
fn required_scope(operation: &Operation) -> Option<String> {
    let requirements = serde_json::to_value(operation.security.as_ref()?).ok()?;
    Some(requirements.pointer("/0/bearer/0")?.as_str()?.to_owned())
}

fn operations_mut(item: &mut PathItem) -> impl Iterator<Item = &mut Operation> {
    [&mut item.get, &mut item.put, &mut item.post, &mut item.delete, &mut item.patch].into_iter().flatten()
}

/// The operations of a path.
pub(super) fn operations(item: PathItem) -> impl Iterator<Item = (HttpMethod, Operation)> {
    let PathItem { get, put, post, delete, patch, .. } = item;
    let methods = [HttpMethod::Get, HttpMethod::Put, HttpMethod::Post, HttpMethod::Delete, HttpMethod::Patch];
    methods.into_iter().zip([get, put, post, delete, patch]).filter_map(|(method, operation)| Some((method, operation?)))
}
