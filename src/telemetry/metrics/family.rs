//! The series of one metric, by the values of its labels.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::Arc;

use metrics::{Counter, Gauge, Histogram, Label};
use metrics_exporter_prometheus::PrometheusRecorder;
use parking_lot::RwLock;

use super::catalogue::Metric;

/// Stands between label values in a key; no label value has it.
const SEPARATOR: &str = "\u{1f}";

/// A handle that can be registered at the recorder in force.
pub(super) trait Handle: Clone {
    /// Registers a series.
    fn register(name: &'static str, labels: Vec<Label>) -> Self;
}

impl Handle for Counter {
    fn register(name: &'static str, labels: Vec<Label>) -> Self {
        metrics::counter!(name, labels)
    }
}

impl Handle for Gauge {
    fn register(name: &'static str, labels: Vec<Label>) -> Self {
        metrics::gauge!(name, labels)
    }
}

impl Handle for Histogram {
    fn register(name: &'static str, labels: Vec<Label>) -> Self {
        metrics::histogram!(name, labels)
    }
}

/// All series of one metric. Known label values cost a read lock and a look-up; new ones are registered on the way.
pub(super) struct Family<H> {
    metric: &'static Metric,
    recorder: Arc<PrometheusRecorder>,
    series: RwLock<HashMap<String, H>>,
}

impl<H: Handle> Family<H> {
    /// A family without series.
    pub fn new(metric: &'static Metric, recorder: &Arc<PrometheusRecorder>) -> Self {
        Self { metric, recorder: Arc::clone(recorder), series: RwLock::default() }
    }

    /// A family that has a series for each of these values of its only label.
    pub fn with_values(metric: &'static Metric, recorder: &Arc<PrometheusRecorder>, values: &[impl AsRef<str>]) -> Self {
        let family = Self::new(metric, recorder);
        for value in values {
            family.ensure(&[value.as_ref()]);
        }
        family
    }

    /// Makes the series of these label values, at zero.
    pub fn ensure(&self, values: &[&str]) {
        let _at_zero = self.get(values);
    }

    /// The series of these label values, in the order of the declaration. Made at zero if there is none: a label value that
    /// nobody foresaw is worth a series, not a panic or a lost sample.
    pub fn get(&self, values: &[&str]) -> H {
        debug_assert_eq!(values.len(), self.metric.labels.len(), "{} takes other labels", self.metric.name);
        let key = match values {
            [value] => Cow::Borrowed(*value),
            values => Cow::Owned(values.join(SEPARATOR)),
        };
        if let Some(handle) = self.series.read().get(key.as_ref()) {
            return handle.clone();
        }
        let labels = self.metric.labels.iter().zip(values);
        let labels = labels.map(|(label, value)| Label::new(*label, (*value).to_owned())).collect();
        let register = || H::register(self.metric.name, labels);
        // Registering twice yields the same series, so that a race between two callers does no harm.
        let handle = metrics::with_local_recorder(self.recorder.as_ref(), register);
        self.series.write().entry(key.into_owned()).or_insert(handle).clone()
    }
}
