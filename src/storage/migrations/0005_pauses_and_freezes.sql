-- Pauses of all targets (`targets`) and of one (`target/NAME`). A schedule's own pause is part of its row.
CREATE TABLE pauses (
    id   TEXT NOT NULL PRIMARY KEY,
    body TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- Spans of time in which nothing starts on some targets or on all.
CREATE TABLE freezes (
    id   TEXT NOT NULL PRIMARY KEY,
    body TEXT NOT NULL
) STRICT, WITHOUT ROWID;
