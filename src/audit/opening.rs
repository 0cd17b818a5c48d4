//! Opening the files of the trail: for one process alone, for the owner alone, and after a crash.

use std::fs::{File, OpenOptions, TryLockError};
use std::io;
use std::path::Path;

use super::error::AuditError;
use super::rotation::Place;
use super::tail::read_tail;

/// Ends what a crash interrupted: puts a whole new file in the place of the one that was put aside for it, and removes one for which
/// nothing was put aside. Nobody was told that the lines in the latter are on disk.
pub(super) fn recover(path: &Path) -> Result<(), AuditError> {
    let open_error = |source| AuditError::Open { path: path.to_owned(), source };
    let place = Place::new(path);
    let pending = place.pending();
    let mut file = match OpenOptions::new().read(true).write(true).open(&pending) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(open_error(error)),
    };
    match file.try_lock() {
        Err(TryLockError::WouldBlock) => return Err(AuditError::InUse { path: path.to_owned() }),
        // Without locks on this file system the lock of the current file warns.
        Ok(()) | Err(TryLockError::Error(_)) => {}
    }
    let has_current = std::fs::metadata(path).is_ok_and(|current| current.len() > 0);
    let is_whole = read_tail(&mut file).map_err(open_error)?.complete_bytes > 0;
    let done = if is_whole && !has_current { std::fs::rename(&pending, path) } else { std::fs::remove_file(&pending) };
    done.and_then(|()| place.sync()).map_err(open_error)?;
    tracing::warn!(file = %path.display(), put_in_place = is_whole && !has_current, "a new audit file was being begun when the service ended");
    Ok(())
}

/// Opens the current file, or makes it, for this process alone.
pub(super) fn open_locked(path: &Path) -> Result<File, AuditError> {
    let place = Place::new(path);
    std::fs::create_dir_all(place.folder()).map_err(|source| AuditError::Folder { path: path.to_owned(), source })?;
    let open_error = |source| AuditError::Open { path: path.to_owned(), source };
    let file = options().create(true).open(path).map_err(open_error)?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => return Err(AuditError::InUse { path: path.to_owned() }),
        Err(TryLockError::Error(error)) if error.kind() == io::ErrorKind::Unsupported => {
            tracing::warn!(file = %path.display(), "the file system has no locks; make sure that no other process writes the audit file");
        }
        Err(TryLockError::Error(error)) => return Err(open_error(error)),
    }
    // The entry of a new file has to be on disk too, or a synced file could be gone after a power cut.
    if file.metadata().map_err(open_error)?.len() == 0 {
        place.sync().map_err(open_error)?;
    }
    Ok(file)
}

/// Makes a file that is not there yet.
pub(super) fn open_new(path: &Path) -> io::Result<File> {
    options().create_new(true).open(path)
}

/// For appending, and readable by the owner alone.
fn options() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.read(true).append(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt;
        options.mode(0o600);
    }
    options
}

/// Takes a new file for this process alone.
pub(super) fn lock(file: &File) -> io::Result<()> {
    match file.try_lock() {
        Err(TryLockError::WouldBlock) => Err(io::Error::new(io::ErrorKind::WouldBlock, "another process writes the new file")),
        Err(TryLockError::Error(error)) if error.kind() != io::ErrorKind::Unsupported => Err(error),
        Ok(()) | Err(TryLockError::Error(_)) => Ok(()),
    }
}

/// Removes a file, if there is one.
pub(super) fn remove_if_there(path: &Path) -> io::Result<()> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}
