//! The modules' part of the health report, written once for all who ask until a signal changes: with dozens of modules it is most of
//! what a report costs.

use std::sync::Arc;

use parking_lot::RwLock;

use super::dto::health::ModulesDocument;
use crate::orchestrator::health::ModuleHealth;

#[derive(Default)]
pub(super) struct HealthPage(RwLock<Option<Written>>);

struct Written {
    /// Held, so that no other signals can have the same place in memory.
    signals: Arc<[ModuleHealth]>,
    document: Arc<ModulesDocument>,
}

impl HealthPage {
    /// These signals as they stand in a report.
    pub fn of(&self, signals: &Arc<[ModuleHealth]>) -> Arc<ModulesDocument> {
        if let Some(written) = self.0.read().as_ref().filter(|written| Arc::ptr_eq(&written.signals, signals)) {
            return Arc::clone(&written.document);
        }
        let document = Arc::new(ModulesDocument::new(signals.iter()));
        *self.0.write() = Some(Written { signals: Arc::clone(signals), document: Arc::clone(&document) });
        document
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::health::{HealthSignal, HealthStatus};

    fn signals(message: &str) -> Arc<[ModuleHealth]> {
        let signal = HealthSignal::new(HealthStatus::Healthy, message);
        [ModuleHealth { module_name: "store".to_owned(), signal, checked_at: None }].into()
    }

    #[test]
    fn a_document_is_made_once_for_the_same_signals_and_anew_for_others() {
        let (page, signals, others) = (HealthPage::default(), signals("a"), signals("b"));
        let first = page.of(&signals);
        assert!(Arc::ptr_eq(&first, &page.of(&signals)));
        let other = page.of(&others);
        assert!(other.json().contains("\"b\""), "{}", other.json());
        assert_eq!(page.of(&signals).json(), first.json());
    }
}
