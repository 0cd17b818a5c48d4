-- Answers that were given under idempotency keys. `id` is whose key it is, for which operation, and the key, as a JSON array.

CREATE TABLE idempotency_keys (
    id   TEXT NOT NULL PRIMARY KEY,               -- a key has one answer, whoever writes
    body TEXT NOT NULL
) STRICT, WITHOUT ROWID;
