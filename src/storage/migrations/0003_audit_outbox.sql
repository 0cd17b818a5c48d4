-- Audit events of committed changes, until they are known to be in the audit trail. The last one that is known to be there stays
-- without its event: it is where the search for the others ends.

CREATE TABLE audit_outbox (
    position INTEGER NOT NULL PRIMARY KEY,
    event_id TEXT NOT NULL,
    event    TEXT                                 -- JSON; null once it is in the trail
) STRICT;
