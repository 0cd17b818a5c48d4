//! The service from outside: the real application on a free port, against the sandbox, one file per behaviour.

mod support;

mod architecture;
mod audit_trail;
mod bad_input;
mod command_line;
mod contention;
mod denied_reads;
mod documentation;
mod fires;
mod health_report;
mod idempotency;
mod job_lists;
mod key_sets;
mod limited_tokens;
mod listener;
mod lists;
mod metrics_page;
mod open_files;
mod openapi_document;
mod panics;
mod problems;
mod rate_limits;
mod recipe_contracts;
mod resuming;
mod runs;
mod schedules;
mod secrets;
mod several_targets;
mod shutdown;
mod store_faults;
mod surviving;
mod target_gates;
mod task_types;
mod tls_listener;
mod tokens;
