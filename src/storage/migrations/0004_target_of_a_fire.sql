-- A fire makes one job for each target of its schedule, so what is unique is schedule, time and target. Jobs that were stored before
-- had the one target of their definition. SQLite cannot change a constraint: the table is made anew.

CREATE TABLE jobs_by_target (
    id            TEXT NOT NULL PRIMARY KEY,
    schedule_id   TEXT NOT NULL,
    scheduled_for INTEGER NOT NULL,               -- Unix time in milliseconds
    target        TEXT NOT NULL,
    state         TEXT NOT NULL,
    body          TEXT NOT NULL,
    UNIQUE (schedule_id, scheduled_for, target)   -- a fire starts at most one job on a target, whoever writes
) STRICT;

-- A row whose body cannot be read keeps its place, and is set aside when the rows are read.
INSERT INTO jobs_by_target (id, schedule_id, scheduled_for, target, state, body)
SELECT id, schedule_id, scheduled_for,
       CASE WHEN json_valid(body) THEN coalesce(json_extract(body, '$.definition.target'), '') ELSE '' END,
       state, body
FROM jobs;

DROP TABLE jobs;

ALTER TABLE jobs_by_target RENAME TO jobs;
