//! Reads everything at a start. Rows come in pages, one result row each, because a result row costs more than its entity; a page is
//! parsed beside the loop that fetches the next.
//!
//! Everything is read as bytes: one row that is no text any more must not keep the others from being read.

use std::collections::{HashMap, HashSet};

use serde::Serialize;

use super::SqliteStore;
use super::rows::{Entity, RunRow, entity, outbox_entry};
use crate::domain::ids::ScheduleId;
use crate::domain::ports::OutboxEntry;
use crate::domain::schedule::Schedule;

/// The rows of a page stand one after the other, each as `LENGTH LENGTH ID BODY` with the lengths of id and body in bytes, so that
/// nothing that a damaged row holds can pass for another row.
macro_rules! page_of {
    ($table:literal) => {
        concat!(
            "SELECT CAST(group_concat(octet_length(id) || ' ' || octet_length(body) || ' ' || id || body, '') AS BLOB), CAST(max(id) AS BLOB) ",
            "FROM (SELECT id, body FROM ",
            $table,
            " WHERE id > CAST(?1 AS TEXT) ORDER BY id LIMIT ?2)"
        )
    };
}

/// Rows of a page: few enough for all cores to have some to parse until the end.
pub(super) const PAGE_ROWS: usize = 500;
/// A row of a schedule is longer, one of a run shorter.
const USUAL_ROW_BYTES: usize = 256;

/// What a page holds.
struct Page<T> {
    entities: Vec<T>,
    damaged: Vec<Damaged>,
}

struct Damaged {
    id: Vec<u8>,
    body: Vec<u8>,
    error: String,
}

fn parse<T: Entity>(mut page: &[u8]) -> Page<T> {
    let mut found = Page { entities: Vec::with_capacity(PAGE_ROWS.min(page.len() / USUAL_ROW_BYTES)), damaged: Vec::new() };
    while let Some((id, body)) = next_row(&mut page) {
        match entity(id, body) {
            Ok(entity) => found.entities.push(entity),
            Err(error) => found.damaged.push(Damaged { id: id.to_vec(), body: body.to_vec(), error }),
        }
    }
    found
}

/// Takes id and body of the next row off a page.
fn next_row<'a>(page: &mut &'a [u8]) -> Option<(&'a [u8], &'a [u8])> {
    let id_length = next_length(page)?;
    let body_length = next_length(page)?;
    let (id, rest) = page.split_at_checked(id_length)?;
    let (body, rest) = rest.split_at_checked(body_length)?;
    *page = rest;
    Some((id, body))
}

fn next_length(page: &mut &[u8]) -> Option<usize> {
    let end = page.iter().position(|byte| *byte == b' ')?;
    let length = std::str::from_utf8(&page[..end]).ok()?.parse().ok()?;
    *page = &page[end + 1..];
    Some(length)
}

impl SqliteStore {
    pub(super) async fn read<T: Entity>(&self, table: &str) -> Result<Vec<T>, sqlx::Error> {
        Ok(self.read_sound(table).await?.0)
    }

    /// The rows that can be read, and the ids of those that were set aside.
    async fn read_sound<T: Entity>(&self, table: &str) -> Result<(Vec<T>, Vec<Vec<u8>>), sqlx::Error> {
        let query = match table {
            "run_states" => page_of!("run_states"),
            "jobs" => page_of!("jobs"),
            "idempotency_keys" => page_of!("idempotency_keys"),
            "pauses" => page_of!("pauses"),
            "freezes" => page_of!("freezes"),
            _ => page_of!("schedules"),
        };
        let rows = i64::try_from(PAGE_ROWS).unwrap_or(i64::MAX);
        // In the order of their ids: schedules and jobs are kept in it, and a tree that is made of what stands in order is made quickly.
        let mut pages = Vec::new();
        let mut last = Vec::new();
        loop {
            let page: (Option<Vec<u8>>, Option<Vec<u8>>) =
                sqlx::query_as(query).bind(&last).bind(rows).fetch_one(&self.pool).await?;
            let (Some(page), Some(max)) = page else { break };
            pages.push(tokio::task::spawn_blocking(move || parse::<T>(&page)));
            last = max;
        }
        let mut read = Vec::with_capacity(pages.len());
        for page in pages {
            // Nothing but a panic keeps it from its end.
            read.push(page.await.unwrap_or_else(|error| std::panic::resume_unwind(error.into_panic())));
        }
        let mut entities = Vec::with_capacity(read.iter().map(|page| page.entities.len()).sum());
        let mut damaged = Vec::new();
        for page in read {
            entities.extend(page.entities);
            for Damaged { id, body, error } in page.damaged {
                self.set_aside(table, &id, &body, &error).await?;
                damaged.push(id);
            }
        }
        Ok((entities, damaged))
    }

    /// Schedules, each with its latest run state. One whose run state cannot be read is set aside with it: what its row holds is from before,
    /// when it was perhaps not paused.
    pub(super) async fn read_schedules(&self) -> Result<Vec<Schedule>, sqlx::Error> {
        let mut schedules = self.read::<Schedule>("schedules").await?;
        let (runs, damaged) = self.read_sound::<RunRow<'static>>("run_states").await?;
        let damaged: HashSet<Vec<u8>> = damaged.into_iter().collect();
        let lost = schedules.extract_if(.., |schedule| damaged.contains(schedule.id.as_str().as_bytes()));
        for schedule in lost.collect::<Vec<_>>() {
            self.set_entity_aside("schedules", schedule.id.as_str(), &schedule, "its run state cannot be read").await?;
        }
        let mut runs: HashMap<ScheduleId, RunRow> = runs.into_iter().map(|row| (row.schedule_id.clone(), row)).collect();
        for schedule in &mut schedules {
            if let Some(row) = runs.remove(&schedule.id) {
                schedule.run = row.run.into_owned();
            }
        }
        // Left there, it would become that of the next schedule of its name.
        for (id, row) in runs {
            self.set_entity_aside("run_states", id.as_str(), &row, "there is no such schedule").await?;
        }
        Ok(schedules)
    }

    pub(super) async fn read_outbox(&self) -> Result<Vec<OutboxEntry>, sqlx::Error> {
        let query = "SELECT position, CAST(event_id AS BLOB), CAST(event AS BLOB) FROM audit_outbox ORDER BY position";
        let rows: Vec<(i64, Vec<u8>, Option<Vec<u8>>)> = sqlx::query_as(query).fetch_all(&self.pool).await?;
        let mut entries = Vec::with_capacity(rows.len());
        for (position, event_id, body) in rows {
            match outbox_entry(position, &event_id, body.as_deref()) {
                Ok(entry) => entries.push(entry),
                Err(error) => {
                    let id = position.to_string();
                    self.set_aside("audit_outbox", id.as_bytes(), body.as_deref().unwrap_or_default(), &error).await?;
                }
            }
        }
        Ok(entries)
    }

    pub(super) async fn count_damaged(&self) -> Result<u64, sqlx::Error> {
        let (count,): (i64,) = sqlx::query_as("SELECT count(*) FROM damaged_rows").fetch_one(&self.pool).await?;
        Ok(u64::try_from(count).unwrap_or(0))
    }

    async fn set_entity_aside(&self, table: &str, id: &str, entity: &impl Serialize, error: &str) -> Result<(), sqlx::Error> {
        let body = serde_json::to_vec(entity).map_err(|error| sqlx::Error::Encode(error.into()))?;
        self.set_aside(table, id.as_bytes(), &body, error).await
    }

    async fn set_aside(&self, table: &str, id: &[u8], body: &[u8], error: &str) -> Result<(), sqlx::Error> {
        tracing::error!(table, id = %id.escape_ascii(), %error, "a damaged row is set aside");
        let mut transaction = self.pool.begin().await?;
        sqlx::query(
            "INSERT OR REPLACE INTO damaged_rows (source, id, error, body) VALUES (?1, CAST(?2 AS TEXT), ?3, CAST(?4 AS TEXT))",
        )
        .bind(table)
        .bind(id)
        .bind(error)
        .bind(body)
        .execute(&mut *transaction)
        .await?;
        let delete = match table {
            "run_states" => "DELETE FROM run_states WHERE id = CAST(?1 AS TEXT)",
            "jobs" => "DELETE FROM jobs WHERE id = CAST(?1 AS TEXT)",
            "audit_outbox" => "DELETE FROM audit_outbox WHERE position = CAST(CAST(?1 AS TEXT) AS INTEGER)",
            "idempotency_keys" => "DELETE FROM idempotency_keys WHERE id = CAST(?1 AS TEXT)",
            "pauses" => "DELETE FROM pauses WHERE id = CAST(?1 AS TEXT)",
            "freezes" => "DELETE FROM freezes WHERE id = CAST(?1 AS TEXT)",
            _ => "DELETE FROM schedules WHERE id = CAST(?1 AS TEXT)",
        };
        sqlx::query(delete).bind(id).execute(&mut *transaction).await?;
        transaction.commit().await
    }
}
