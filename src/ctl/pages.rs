//! Lists that come in pages, read to their end.

use serde_json::{Value, json};

use super::client::{Call, CallError, Client};

/// Reads a list to its end, or until there are `limit` items. The document is that of one long page: `items` and `count`.
///
/// # Errors
/// As for any request.
pub async fn all(
    client: &Client,
    call: &Call,
    items: &str,
    page: usize,
    limit: Option<usize>,
) -> Result<(Value, Vec<Value>), CallError> {
    let limit = limit.unwrap_or(usize::MAX);
    let mut found: Vec<Value> = Vec::new();
    let mut cursor: Option<String> = None;
    loop {
        let wanted = page.min(limit - found.len());
        let next = call.clone().query("limit", wanted.to_string()).maybe_query("cursor", cursor);
        let mut document = client.send(&next).await?.json;
        if let Some(Value::Array(more)) = document.get_mut(items).map(Value::take) {
            found.extend(more);
        }
        cursor = document["next_cursor"].as_str().map(str::to_owned);
        if cursor.is_none() || found.len() >= limit {
            return Ok((json!({items: &found, "count": found.len()}), found));
        }
    }
}
