//! The store: tables, changefeed and backups, in memory, and whether it is open.
//!
//! A closed store keeps its data; it merely cannot be reached. As in ThemisDB, index work on it succeeds and does nothing.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::changefeed::Changefeed;
use super::index::{Index, IndexKind, Table};

/// Why a backup was not taken or not restored.
pub(super) enum BackupError {
    /// The store is closed.
    Closed,
    /// The directory of a new backup is there already.
    Exists,
    /// The directory to restore from holds no backup. The live data is gone all the same.
    Missing,
}

/// All data of one sandbox.
#[derive(Default)]
pub(super) struct Store {
    closed: bool,
    tables: BTreeMap<String, Table>,
    pub(super) changefeed: Changefeed,
    backups: BTreeMap<String, BTreeMap<String, Table>>,
    restores: u64,
}

impl Store {
    pub(super) fn set_open(&mut self, open: bool) {
        self.closed = !open;
    }

    pub(super) fn is_open(&self) -> bool {
        !self.closed
    }

    /// A table, unless there is none or the store is closed.
    pub(super) fn table(&self, name: &str) -> Option<&Table> {
        self.tables.get(name).filter(|_| self.is_open())
    }

    /// The same, to work on.
    pub(super) fn table_mut(&mut self, name: &str) -> Option<&mut Table> {
        let open = self.is_open();
        self.tables.get_mut(name).filter(|_| open)
    }

    /// Every table, also of a closed store: what people look at from outside.
    pub(super) fn tables(&self) -> &BTreeMap<String, Table> {
        &self.tables
    }

    /// Adds a table, or rows to it.
    pub(super) fn put_rows(&mut self, table: &str, rows: impl IntoIterator<Item = (String, Map<String, Value>)>) {
        self.tables.entry(table.to_owned()).or_default();
        for (key, row) in rows {
            let size = Value::Object(row.clone()).to_string().len() as u64;
            self.put_row(table, &key, row, size);
        }
    }

    /// Stores one row that was `size_bytes` long, with its event.
    pub(super) fn put_row(&mut self, table: &str, key: &str, row: Map<String, Value>, size_bytes: u64) {
        self.tables.entry(table.to_owned()).or_default().put(key, row);
        self.changefeed.append(format!("{table}:{key}"), size_bytes);
    }

    /// Creates an index that holds nothing yet; one that is there is left alone.
    pub(super) fn create_index(&mut self, table: &str, column: &str, kind: IndexKind, unique: bool) {
        let table = self.tables.entry(table.to_owned()).or_default();
        table.indexes.entry(column.to_owned()).or_insert_with(|| Index::new(kind, unique));
    }

    /// Fills an index at once, for set-up.
    pub(super) fn fill_index(&mut self, table: &str, column: &str) {
        if let Some(table) = self.tables.get_mut(table) {
            table.fill_indexes(Some(column));
        }
    }

    /// Makes an index miss entries, for set-up.
    pub(super) fn lose_index_entries(&mut self, table: &str, column: &str, count: usize) {
        if let Some(table) = self.tables.get_mut(table) {
            table.lose_entries(column, count);
        }
    }

    /// Makes the next rebuild of an index miss entries.
    pub(super) fn spoil_next_rebuild(&mut self, table: &str, column: &str, count: usize) {
        if let Some(index) = self.tables.get_mut(table).and_then(|table| table.indexes.get_mut(column)) {
            index.spoiled = count;
        }
    }

    pub(super) fn row_count(&self) -> u64 {
        self.tables.values().map(Table::row_count).sum()
    }

    pub(super) fn back_up(&mut self, directory: &str) -> Result<(), BackupError> {
        if self.closed {
            return Err(BackupError::Closed);
        }
        if self.backups.contains_key(directory) {
            return Err(BackupError::Exists);
        }
        self.backups.insert(directory.to_owned(), self.tables.clone());
        Ok(())
    }

    pub(super) fn restore(&mut self, directory: &str) -> Result<(), BackupError> {
        self.restores += 1;
        let backup = self.backups.get(directory).cloned();
        let found = backup.is_some();
        self.tables = backup.unwrap_or_default();
        if found { Ok(()) } else { Err(BackupError::Missing) }
    }

    /// How often a restore was asked for.
    pub(super) fn restores(&self) -> u64 {
        self.restores
    }

    pub(super) fn backups(&self) -> impl Iterator<Item = &String> {
        self.backups.keys()
    }

    /// The example data: 250 orders of 100 customers.
    pub(super) fn seed(&mut self) {
        let customers = (1..=100)
            .map(|n| (format!("c{n}"), object(json!({"name": format!("Customer {n}"), "email": format!("c{n}@example.com")}))));
        let orders = (1..=250).map(|n| {
            let status = ["open", "paid", "shipped"][n % 3];
            (format!("o{n}"), object(json!({"customer_id": format!("c{}", n % 100 + 1), "status": status})))
        });
        self.create_index("customers", "email", IndexKind::Regular, true);
        self.create_index("orders", "customer_id", IndexKind::Regular, false);
        self.create_index("orders", "status", IndexKind::Regular, false);
        self.create_index("orders", "customer_id+status", IndexKind::Composite, false);
        self.put_rows("customers", customers);
        self.put_rows("orders", orders);
    }
}

/// A JSON object's fields; anything else has none.
pub(super) fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(fields) => fields,
        _ => Map::new(),
    }
}
