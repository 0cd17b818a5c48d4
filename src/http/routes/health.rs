//! The health report.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;

use crate::domain::access::Access;
use crate::domain::health::{HealthSignal, OWN_MODULES};
use crate::http::auth::{Authorized, Read};
use crate::http::dto::health::{HealthReport, ModulesDocument};
use crate::http::extract::NoQuery;
use crate::http::openapi::problem_sets;
use crate::http::state::HttpState;
use crate::orchestrator::health::ModuleHealth;
use crate::orchestrator::probes::{pauses_signal, targets_signal};
use crate::orchestrator::view::Counts;

/// Get the health report
///
/// 200 whatever its verdict. Probes run in the background; the request reads their last signals and never waits. A token that is
/// limited to some targets or schedules gets the figures of these, the service's own modules without details, and no configured probe.
#[utoipa::path(
    get,
    path = "/health",
    tag = "health",
    responses((status = 200, description = "The report.", body = HealthReport), problem_sets::ReadProblems),
    security(("bearer" = ["maintenance:read"])),
)]
pub(super) async fn get_health(auth: Authorized<Read>, State(state): State<HttpState>, _: NoQuery) -> Json<HealthReport> {
    let now = state.now();
    let access = &auth.principal.access;
    let counts = state.handle.view().counts_within(now, access, state.handle.catalog());
    let modules = state.health.modules();
    let document = if access.is_unlimited() {
        state.health_page().of(&modules)
    } else {
        Arc::new(ModulesDocument::new(within(access, &modules, &counts, &state).iter()))
    };
    Json(HealthReport::new(now, &counts, &document))
}

/// What a limited caller may know of the modules. Details count jobs of all targets, and what a configured probe asks is its own
/// affair; whether the service works is everybody's.
fn within(access: &Access, modules: &[ModuleHealth], counts: &Counts, state: &HttpState) -> Vec<ModuleHealth> {
    let own = modules.iter().filter(|module| OWN_MODULES.contains(&module.module_name.as_str()));
    let limited = own.map(|module| {
        let signal = match module.module_name.as_str() {
            "targets" => targets_signal(&state.handle, access),
            "pauses" => pauses_signal(&state.handle, access, counts.paused_schedules),
            _ => HealthSignal::new(module.signal.status, module.signal.message.clone()),
        };
        ModuleHealth { module_name: module.module_name.clone(), signal, checked_at: module.checked_at }
    });
    limited.collect()
}
