//! What the load programs have in common: the release binary, started as an operator would, and looked at from outside.

mod service;

pub use service::Service;
