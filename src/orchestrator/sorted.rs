//! A sequence in order without repetitions, for where there are very many of them: it takes what its values take, where a tree begins
//! with room for eleven. New values come at the end as a rule, and old ones go at the beginning.

use std::collections::VecDeque;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Sorted<T>(VecDeque<T>);

impl<T> Default for Sorted<T> {
    fn default() -> Self {
        Self(VecDeque::new())
    }
}

impl<T: Ord> Sorted<T> {
    pub fn insert(&mut self, value: T) {
        if let Err(place) = self.0.binary_search(&value) {
            if self.0.is_empty() {
                // Most have one value and never another.
                self.0.reserve_exact(1);
            }
            self.0.insert(place, value);
        }
    }

    /// True when none is left.
    pub fn remove(&mut self, value: &T) -> bool {
        if let Ok(place) = self.0.binary_search(value) {
            self.0.remove(place);
        }
        self.0.is_empty()
    }

    /// Lowest first.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = &T> {
        self.0.iter()
    }

    /// Those below `end`, or all, lowest first.
    pub fn before(&self, end: Option<&T>) -> impl DoubleEndedIterator<Item = &T> {
        let end = end.map_or(self.0.len(), |end| self.0.partition_point(|value| value < end));
        self.0.range(..end)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_stand_in_order_and_once() {
        let mut sorted = Sorted::default();
        [3, 1, 2, 3].into_iter().for_each(|value| sorted.insert(value));
        assert!(sorted.iter().eq(&[1, 2, 3]) && sorted.before(None).rev().eq(&[3, 2, 1]));
        assert!(sorted.before(Some(&3)).eq(&[1, 2]) && sorted.before(Some(&1)).next().is_none());
        assert!(!sorted.remove(&4) && !sorted.remove(&1) && !sorted.remove(&3));
        assert!(sorted.remove(&2) && sorted == Sorted::default());
    }
}
