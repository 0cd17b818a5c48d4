//! The service from outside: the real application on a free port, against the sandbox, one file per behaviour.

mod support;

mod architecture;
mod fires;
mod openapi_document;
mod panics;
mod runs;
mod schedules;
mod shutdown;
mod store_faults;
mod surviving;
