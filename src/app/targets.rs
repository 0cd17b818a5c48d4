//! From `[targets.NAME]` to what the executor calls and the probes ask.

use crate::config::TargetConfig;
use crate::executor::TargetSettings;

/// The settings of one target.
pub(super) fn target_settings(name: &str, target: &TargetConfig) -> TargetSettings {
    TargetSettings {
        name: name.to_owned(),
        base_url: target.base_url.clone(),
        token: target.token.clone(),
        token_file: target.token_file.clone(),
        connect_timeout: target.connect_timeout,
        requests_per_minute: target.requests_per_minute,
        tls: target.tls.clone(),
        addresses: target.addresses.clone(),
        preflight: target.preflight.clone(),
    }
}
