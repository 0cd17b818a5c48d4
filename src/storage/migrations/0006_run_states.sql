-- What a schedule's runs leave behind, in a row of its own, so that a fire need not write the whole schedule again. It is newer than
-- the run state in the schedule's own row, which is that of the schedule's last edit; a schedule without a row here has that one.
CREATE TABLE run_states (
    id   TEXT NOT NULL PRIMARY KEY,               -- the schedule's
    body TEXT NOT NULL
) STRICT, WITHOUT ROWID;
