//! One table: its rows, and the indexes that say which rows they hold.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};

/// What the size estimates count for one entry.
const BYTES_PER_ENTRY: u64 = 48;

/// The kinds of index, as `/index/stats` names them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IndexKind {
    /// Of one column.
    Regular,
    /// Of several columns, named `a+b`.
    Composite,
    /// Ordered, of one column.
    Range,
    /// Of the words of one column; counted by rows here.
    Fulltext,
}

impl IndexKind {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Regular => "regular",
            Self::Composite => "composite",
            Self::Range => "range",
            Self::Fulltext => "fulltext",
        }
    }
}

/// An index: the keys of the rows that it holds. What it misses of the table, a rebuild brings back.
#[derive(Clone)]
pub(super) struct Index {
    pub(super) kind: IndexKind,
    pub(super) unique: bool,
    /// How many entries the next rebuild misses.
    pub(super) spoiled: usize,
    entries: BTreeSet<String>,
}

impl Index {
    pub(super) fn new(kind: IndexKind, unique: bool) -> Self {
        Self { kind, unique, spoiled: 0, entries: BTreeSet::new() }
    }

    pub(super) fn entry_count(&self) -> u64 {
        self.entries.len() as u64
    }

    pub(super) fn estimated_size_bytes(&self) -> u64 {
        self.entry_count() * BYTES_PER_ENTRY
    }

    fn lose_entries(&mut self, count: usize) {
        for _ in 0..count.min(self.entries.len()) {
            self.entries.pop_last();
        }
    }

    /// The object of `/index/stats`.
    pub(super) fn stats(&self, table: &str, column: &str) -> Value {
        json!({
            "type": self.kind.name(),
            "table": table,
            "column": column,
            "entry_count": self.entry_count(),
            "estimated_size_bytes": self.estimated_size_bytes(),
            "unique": self.unique,
        })
    }
}

/// A table. Its indexes are keyed by column, composite ones by `a+b`.
#[derive(Clone, Default)]
pub(super) struct Table {
    rows: BTreeMap<String, Map<String, Value>>,
    pub(super) indexes: BTreeMap<String, Index>,
}

impl Table {
    pub(super) fn row_count(&self) -> u64 {
        self.rows.len() as u64
    }

    pub(super) fn row(&self, key: &str) -> Option<&Map<String, Value>> {
        self.rows.get(key)
    }

    /// Stores a row, and has every index follow.
    pub(super) fn put(&mut self, key: &str, row: Map<String, Value>) {
        for (column, index) in &mut self.indexes {
            if has_columns(&row, column) {
                index.entries.insert(key.to_owned());
            } else {
                index.entries.remove(key);
            }
        }
        self.rows.insert(key.to_owned(), row);
    }

    /// What a rebuild does first: the entries are gone.
    pub(super) fn empty_indexes(&mut self, only: Option<&str>) {
        for (column, index) in &mut self.indexes {
            if is_chosen(column, only) {
                index.entries.clear();
            }
        }
    }

    /// What a rebuild does next: an entry for each row that has the columns.
    pub(super) fn fill_indexes(&mut self, only: Option<&str>) {
        for (column, index) in &mut self.indexes {
            if is_chosen(column, only) {
                let held = self.rows.iter().filter(|(_, row)| has_columns(row, column));
                index.entries = held.map(|(key, _)| key.clone()).collect();
                let spoiled = std::mem::take(&mut index.spoiled);
                index.lose_entries(spoiled);
            }
        }
    }

    /// Makes an index miss so many of its entries.
    pub(super) fn lose_entries(&mut self, column: &str, count: usize) {
        if let Some(index) = self.indexes.get_mut(column) {
            index.lose_entries(count);
        }
    }
}

fn is_chosen(column: &str, only: Option<&str>) -> bool {
    only.is_none_or(|only| only == column)
}

/// Whether a row has a value in every column of `a` or `a+b`.
fn has_columns(row: &Map<String, Value>, columns: &str) -> bool {
    columns.split('+').all(|column| row.get(column).is_some_and(|value| !value.is_null()))
}
