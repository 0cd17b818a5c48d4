//! The service from outside: the real application on a free port, against the sandbox, one file per behaviour.

mod support;

mod architecture;
mod fires;
mod idempotency;
mod openapi_document;
mod panics;
mod resuming;
mod runs;
mod schedules;
mod shutdown;
mod store_faults;
mod surviving;
