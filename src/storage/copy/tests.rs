//! Copies of real files, whole and damaged.

use super::super::SqliteStore;
use super::*;
use crate::domain::ports::{Change, OutboxCommit, Store};

/// A database with three markers in it, and the store that has it open.
async fn open_database(folder: &Path) -> (PathBuf, SqliteStore) {
    let path = folder.join("maintenance.db");
    let store = SqliteStore::open(&path).await.unwrap();
    put(&store, "daily").await;
    (path, store)
}

async fn put(store: &SqliteStore, name: &str) {
    store.commit(&[Change::BundleInstalled { name: name.into() }], OutboxCommit::default()).await.unwrap();
}

async fn execute(path: &Path, statement: &'static str) {
    let mut connection = SqliteConnection::connect_with(&SqliteConnectOptions::new().filename(path)).await.unwrap();
    sqlx::query(statement).execute(&mut connection).await.unwrap();
    connection.close().await.unwrap();
}

fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> =
        std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[tokio::test]
async fn a_copy_is_made_while_the_store_is_open_and_written() {
    let (folder, copies) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (path, store) = open_database(folder.path()).await;
    let copy = copies.path().join("copy.db");
    backup(&path, &copy).await.unwrap();
    put(&store, "weekly").await;
    assert_eq!(names(copies.path()), ["copy.db"], "nothing unfinished is left");
    assert_eq!(check(&copy).await.unwrap().to_string(), "sound: 0 schedules, 0 jobs, 0 audit events kept, schema 6");
    let loaded = SqliteStore::open(&copy).await.unwrap().load().await.unwrap();
    assert_eq!(loaded.installed_bundles, ["daily"], "as it was when the copy began");
    assert_eq!(store.load().await.unwrap().installed_bundles, ["daily", "weekly"]);
}

#[tokio::test]
async fn nothing_is_overwritten_and_nothing_is_left_of_a_failure() {
    let (folder, copies) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (path, _store) = open_database(folder.path()).await;
    let copy = copies.path().join("copy.db");
    std::fs::write(&copy, "precious").unwrap();
    assert!(matches!(backup(&path, &copy).await, Err(BackupError::Exists(_))));
    assert_eq!(std::fs::read_to_string(&copy).unwrap(), "precious");
    let nowhere = copies.path().join("none/copy.db");
    assert!(matches!(backup(&path, &nowhere).await, Err(BackupError::Write { .. })));
    let none = folder.path().join("none.db");
    assert!(matches!(backup(&none, &copies.path().join("b.db")).await, Err(BackupError::Source { .. })));
    assert!(!none.exists(), "reading makes no database");
    assert!(matches!(backup(&copy, &copies.path().join("b.db")).await, Err(BackupError::Source { .. })), "no database");
    assert_eq!(names(copies.path()), ["copy.db"]);
}

#[tokio::test]
async fn what_is_wrong_with_a_copy_is_said() {
    let folder = tempfile::tempdir().unwrap();
    let (path, store) = open_database(folder.path()).await;
    store.close().await;
    drop(store);
    let damaged = async |name: &str, statement| {
        let copy = folder.path().join(name);
        backup(&path, &copy).await.unwrap();
        execute(&copy, statement).await;
        check(&copy).await.unwrap_err()
    };
    let rows = damaged("rows", "INSERT INTO schedules VALUES ('half', 1, '{\"name\":')").await;
    assert!(matches!(rows, CheckError::Rows(_)) && rows.to_string().contains("schedule half"), "{rows}");
    let later = "INSERT INTO _sqlx_migrations VALUES (9000, 'later', CURRENT_TIMESTAMP, true, x'00', 0)";
    assert!(matches!(damaged("later", later).await, CheckError::Schema(9000)));
    assert!(matches!(damaged("foreign", "DROP TABLE _sqlx_migrations").await, CheckError::Unreadable(_)));
    assert!(matches!(check(&folder.path().join("none")).await, Err(CheckError::Unreadable(_))));

    let copy = folder.path().join("torn");
    backup(&path, &copy).await.unwrap();
    let mut bytes = std::fs::read(&copy).unwrap();
    // The pages behind the first one, which holds the schema.
    bytes[8192..].fill(0xAA);
    std::fs::write(&copy, bytes).unwrap();
    assert!(matches!(check(&copy).await, Err(CheckError::Damaged(_) | CheckError::Unreadable(_))));
}
