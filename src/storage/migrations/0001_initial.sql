-- Schedules, jobs and bundle markers. The columns beside `body` are those that constraints need; `body` is the whole entity as
-- JSON, so that a row is read, or set aside, as one.

CREATE TABLE schedules (
    id      TEXT NOT NULL PRIMARY KEY,
    version INTEGER NOT NULL,
    body    TEXT NOT NULL
) STRICT;

CREATE TABLE jobs (
    id            TEXT NOT NULL PRIMARY KEY,
    schedule_id   TEXT NOT NULL,
    scheduled_for INTEGER NOT NULL,               -- Unix time in milliseconds
    state         TEXT NOT NULL,
    body          TEXT NOT NULL,
    UNIQUE (schedule_id, scheduled_for)           -- a fire starts at most one job, whoever writes
) STRICT;

CREATE TABLE installed_bundles (
    name TEXT NOT NULL PRIMARY KEY
) STRICT, WITHOUT ROWID;

-- One row that is written when it has to be known whether the file can be written.
CREATE TABLE write_check (
    id     INTEGER NOT NULL PRIMARY KEY CHECK (id = 1),
    counts INTEGER NOT NULL
) STRICT;

INSERT INTO write_check (id, counts) VALUES (1, 0);

-- Rows that could not be read at a start. They are kept for a person to look at.
CREATE TABLE damaged_rows (
    source TEXT NOT NULL,
    id     TEXT NOT NULL,
    error  TEXT NOT NULL,
    body   TEXT NOT NULL,
    PRIMARY KEY (source, id)
) STRICT, WITHOUT ROWID;
