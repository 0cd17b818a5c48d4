//! Reads everything at a start. Rows come in pages, one result row each, because a result row costs more than its entity; a page is
//! parsed beside the loop that fetches the next.

use serde::de::DeserializeOwned;
use tokio::task::JoinSet;

use super::SqliteStore;
use super::rows::outbox_entry;
use crate::domain::ports::OutboxEntry;

/// Between the rows of a page, and between a row's id and its body: control characters, which JSON never holds as they are.
const ROW_END: char = '\u{1e}';
const ID_END: char = '\u{1f}';

macro_rules! page_of {
    ($table:literal) => {
        concat!(
            "SELECT group_concat(id || char(31) || body, char(30)), max(id) FROM (SELECT id, body FROM ",
            $table,
            " WHERE id > ?1 ORDER BY id LIMIT 2000)"
        )
    };
}

/// What a page holds.
struct Page<T> {
    entities: Vec<T>,
    damaged: Vec<Damaged>,
}

struct Damaged {
    id: String,
    body: String,
    error: String,
}

fn parse<T: DeserializeOwned>(text: &str) -> Page<T> {
    let mut page = Page { entities: Vec::new(), damaged: Vec::new() };
    for (id, body) in text.split(ROW_END).filter_map(|row| row.split_once(ID_END)) {
        match serde_json::from_str(body) {
            Ok(entity) => page.entities.push(entity),
            Err(error) => page.damaged.push(Damaged { id: id.to_owned(), body: body.to_owned(), error: error.to_string() }),
        }
    }
    page
}

impl SqliteStore {
    pub(super) async fn read<T: DeserializeOwned + Send + 'static>(&self, table: &str) -> Result<Vec<T>, sqlx::Error> {
        let query = match table {
            "jobs" => page_of!("jobs"),
            "idempotency_keys" => page_of!("idempotency_keys"),
            _ => page_of!("schedules"),
        };
        let mut pages = JoinSet::new();
        let mut last = String::new();
        loop {
            let page: (Option<String>, Option<String>) = sqlx::query_as(query).bind(&last).fetch_one(&self.pool).await?;
            let (Some(text), Some(max)) = page else { break };
            pages.spawn_blocking(move || parse::<T>(&text));
            last = max;
        }
        let mut entities = Vec::new();
        for page in pages.join_all().await {
            entities.extend(page.entities);
            for Damaged { id, body, error } in page.damaged {
                tracing::error!(table, %id, %error, "a damaged row is set aside");
                self.set_aside(table, &id, &body, &error).await?;
            }
        }
        Ok(entities)
    }

    pub(super) async fn read_outbox(&self) -> Result<Vec<OutboxEntry>, sqlx::Error> {
        let query = "SELECT position, event_id, event FROM audit_outbox ORDER BY position";
        let rows: Vec<(i64, String, Option<String>)> = sqlx::query_as(query).fetch_all(&self.pool).await?;
        let mut entries = Vec::with_capacity(rows.len());
        for (position, event_id, body) in rows {
            match outbox_entry(position, &event_id, body.as_deref()) {
                Ok(entry) => entries.push(entry),
                Err(error) => {
                    tracing::error!(table = "audit_outbox", position, %error, "a damaged row is set aside");
                    self.set_aside("audit_outbox", &position.to_string(), body.as_deref().unwrap_or_default(), &error).await?;
                }
            }
        }
        Ok(entries)
    }

    pub(super) async fn count_damaged(&self) -> Result<u64, sqlx::Error> {
        let (count,): (i64,) = sqlx::query_as("SELECT count(*) FROM damaged_rows").fetch_one(&self.pool).await?;
        Ok(u64::try_from(count).unwrap_or(0))
    }

    async fn set_aside(&self, table: &str, id: &str, body: &str, error: &str) -> Result<(), sqlx::Error> {
        let mut transaction = self.pool.begin().await?;
        sqlx::query("INSERT OR REPLACE INTO damaged_rows (source, id, error, body) VALUES (?1, ?2, ?3, ?4)")
            .bind(table)
            .bind(id)
            .bind(error)
            .bind(body)
            .execute(&mut *transaction)
            .await?;
        let delete = match table {
            "jobs" => "DELETE FROM jobs WHERE id = ?1",
            "audit_outbox" => "DELETE FROM audit_outbox WHERE position = CAST(?1 AS INTEGER)",
            "idempotency_keys" => "DELETE FROM idempotency_keys WHERE id = ?1",
            _ => "DELETE FROM schedules WHERE id = ?1",
        };
        sqlx::query(delete).bind(id).execute(&mut *transaction).await?;
        transaction.commit().await
    }
}
