//! The index routes. Work on something that is not there succeeds, and does nothing.

use std::sync::Arc;

use axum::Json;
use axum::body::Bytes;
use axum::extract::State;
use serde_json::{Map, Value, json};

use crate::sandbox::answer::{NOT_OPEN, Refusal, object, optional_text, text};
use crate::sandbox::index::IndexKind;
use crate::sandbox::shared::Shared;

/// `POST /index/create`: the index is empty, whatever rows there are.
pub(super) async fn create(State(shared): State<Arc<Shared>>, body: Bytes) -> Result<Json<Value>, Refusal> {
    let request = object(&body)?;
    let table = text(&request, "table")?;
    let unique = match request.get("unique") {
        None => false,
        Some(unique) => unique.as_bool().ok_or_else(|| Refusal::bad_request("Invalid JSON: 'unique' must be a boolean"))?,
    };
    let (kind, column) = described(&request)?;
    let mut store = shared.store.lock();
    if !store.is_open() {
        return Err(Refusal::bad_request(NOT_OPEN));
    }
    store.create_index(table, &column, kind, unique);

    let mut answer = json!({"success": true, "table": table});
    match kind {
        IndexKind::Composite => answer["columns"] = column.split('+').collect(),
        IndexKind::Regular | IndexKind::Range | IndexKind::Fulltext => answer["column"] = column.into(),
    }
    match kind {
        IndexKind::Regular | IndexKind::Composite => answer["unique"] = unique.into(),
        IndexKind::Range | IndexKind::Fulltext => answer["type"] = kind.name().into(),
    }
    Ok(Json(answer))
}

/// What kind of index is asked for, and of which column (`a+b` for several).
fn described(request: &Map<String, Value>) -> Result<(IndexKind, String), Refusal> {
    let kind = match optional_text(request, "type")? {
        Some("range") => IndexKind::Range,
        Some("fulltext") => IndexKind::Fulltext,
        _ if request.contains_key("columns") => {
            let columns = request["columns"].as_array().into_iter().flatten().map(Value::as_str);
            let columns: Option<Vec<&str>> = columns.collect();
            let columns = columns.filter(|columns| !columns.is_empty());
            let message = "'columns' must be a non-empty array of strings";
            let columns = columns.ok_or_else(|| Refusal::bad_request(message))?;
            return Ok((IndexKind::Composite, columns.join("+")));
        }
        _ => IndexKind::Regular,
    };
    let column = optional_text(request, "column")?;
    let column = column.ok_or_else(|| Refusal::bad_request("Missing 'column' or 'columns'"))?;
    Ok((kind, column.to_owned()))
}

/// `POST /index/rebuild`: empties the index, and fills it after the delay, whether or not the caller is still there.
pub(super) async fn rebuild(State(shared): State<Arc<Shared>>, body: Bytes) -> Result<Json<Value>, Refusal> {
    let request = object(&body)?;
    let (table, column) = (text(&request, "table")?, text(&request, "column")?);
    rebuild_inside(&shared, table, Some(column)).await?;

    let store = shared.store.lock();
    let index = store.table(table).and_then(|table| table.indexes.get(column));
    Ok(Json(json!({
        "success": true,
        "table": table,
        "column": column,
        "entry_count": index.map_or(0, |index| index.entry_count()),
        "estimated_size_bytes": index.map_or(0, |index| index.estimated_size_bytes()),
    })))
}

/// `POST /index/reindex`: the same for all indexes of a table.
pub(super) async fn reindex(State(shared): State<Arc<Shared>>, body: Bytes) -> Result<Json<Value>, Refusal> {
    let request = object(&body)?;
    let table = text(&request, "table")?;
    rebuild_inside(&shared, table, None).await?;

    let store = shared.store.lock();
    let indexes = store.table(table).into_iter().flat_map(|table| &table.indexes);
    let indexes: Vec<Value> = indexes
        .map(|(column, index)| json!({"column": column, "type": index.kind.name(), "entry_count": index.entry_count()}))
        .collect();
    Ok(Json(json!({"success": true, "table": table, "indexes_rebuilt": indexes.len(), "indexes": indexes})))
}

async fn rebuild_inside(shared: &Arc<Shared>, table: &str, column: Option<&str>) -> Result<(), Refusal> {
    if let Some(table) = shared.store.lock().table_mut(table) {
        table.empty_indexes(column);
    }
    let (table, column) = (table.to_owned(), column.map(str::to_owned));
    shared
        .take_time(move |shared| {
            if let Some(table) = shared.store.lock().table_mut(&table) {
                table.fill_indexes(column.as_deref());
            }
        })
        .await
}

/// `GET /index/stats`, whose question is its body.
pub(super) async fn stats(State(shared): State<Arc<Shared>>, body: Bytes) -> Result<Json<Value>, Refusal> {
    let request = object(&body)?;
    let (table, column) = (text(&request, "table")?, optional_text(&request, "column")?);
    let store = shared.store.lock();
    let found = store.table(table);
    Ok(Json(match column {
        None => {
            let indexes = found.into_iter().flat_map(|table| &table.indexes);
            indexes.map(|(column, index)| index.stats(table, column)).collect()
        }
        Some(column) => match found.and_then(|table| table.indexes.get(column)) {
            Some(index) => index.stats(table, column),
            None => json!({
                "type": "",
                "table": table,
                "column": column,
                "entry_count": 0,
                "estimated_size_bytes": 0,
                "unique": false,
            }),
        },
    }))
}
