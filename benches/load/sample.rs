//! What clients got, and how long it took.

#[derive(Default)]
pub struct Sample {
    seconds_each: Vec<f32>,
    sorted: bool,
    refused: usize,
    /// The first of the refusals.
    refusal: Option<String>,
    /// From the first request to the last answer.
    pub seconds: f64,
}

impl Sample {
    pub fn refused(why: String) -> Self {
        Self { refused: 1, refusal: Some(why), ..Self::default() }
    }

    pub fn note(&mut self, seconds: f64) {
        self.seconds_each.push(seconds as f32);
        self.sorted = false;
    }

    pub fn refuse(&mut self, why: String) {
        self.refused += 1;
        self.refusal.get_or_insert(why);
    }

    /// Those who worked at the same time.
    pub fn add(&mut self, other: Self) {
        self.seconds = self.seconds.max(other.seconds);
        self.take(other);
    }

    /// Those who worked after these.
    pub fn then(&mut self, other: Self) {
        self.seconds += other.seconds;
        self.take(other);
    }

    fn take(&mut self, other: Self) {
        self.seconds_each.extend(other.seconds_each);
        self.sorted = false;
        self.refused += other.refused;
        self.refusal = self.refusal.take().or(other.refusal);
    }

    pub fn count(&self) -> usize {
        self.seconds_each.len()
    }

    pub fn per_second(&self) -> f64 {
        self.count() as f64 / self.seconds
    }

    /// In milliseconds; endless when there was no answer.
    pub fn percentile(&mut self, percent: f64) -> f64 {
        if !self.sorted {
            self.seconds_each.sort_by(f32::total_cmp);
            self.sorted = true;
        }
        let index = (self.count() as f64 * percent / 100.0) as usize;
        let seconds = self.seconds_each.get(index.min(self.count().saturating_sub(1)));
        seconds.map_or(f64::INFINITY, |seconds| f64::from(*seconds) * 1000.0)
    }

    /// What was no success, if anything was not.
    pub fn refusals(&self) -> Option<String> {
        (self.refused > 0)
            .then(|| format!("{} refused, the first: {}", self.refused, self.refusal.as_deref().unwrap_or_default()))
    }
}

/// The middle one.
pub fn median(mut figures: Vec<f64>) -> f64 {
    figures.sort_by(f64::total_cmp);
    figures.get(figures.len() / 2).copied().unwrap_or(f64::NAN)
}
