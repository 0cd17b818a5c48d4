//! Why the audit trail could not be opened.

use std::io;
use std::path::PathBuf;

/// Why the audit file cannot be used. The service does not start then: it would act without a record.
#[derive(Debug, thiserror::Error)]
pub enum AuditError {
    /// The folder of the file cannot be made.
    #[error("cannot make the folder of the audit file {}", path.display())]
    Folder {
        /// The file.
        path: PathBuf,
        /// What the system says.
        #[source]
        source: io::Error,
    },
    /// The file cannot be opened, read or cut.
    #[error("cannot open the audit file {}", path.display())]
    Open {
        /// The file.
        path: PathBuf,
        /// What the system says.
        #[source]
        source: io::Error,
    },
    /// Another sink writes to the file.
    #[error("the audit file {} is in use by another process", path.display())]
    InUse {
        /// The file.
        path: PathBuf,
    },
    /// The chain cannot be continued, because the last line is not one of ours.
    #[error(
        "the last line of the audit file {file} {message}; run `themis-maintenance audit verify {file}`, and move the file away to begin \
         a new chain",
        file = path.display()
    )]
    Broken {
        /// The file.
        path: PathBuf,
        /// What is wrong, as an end of the sentence that begins with the line.
        message: String,
    },
    /// The writing thread cannot be started.
    #[error("cannot start the thread that writes the audit file")]
    Thread(#[source] io::Error),
}
