//! Maintenance windows: the UTC hours in which a schedule's jobs may run.

use std::fmt;

use chrono::{NaiveTime, TimeDelta, Timelike};
use serde::{Deserialize, Serialize};

use super::time::Timestamp;

/// UTC hours `[start, end)`; `start > end` spans midnight, `start == end` is the whole day.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Hours")]
pub struct Window {
    start_hour: u8,
    end_hour: u8,
}

/// A window as it is stored, before its hours are checked.
#[derive(Deserialize)]
struct Hours {
    start_hour: u8,
    end_hour: u8,
}

impl TryFrom<Hours> for Window {
    type Error = &'static str;

    fn try_from(Hours { start_hour, end_hour }: Hours) -> Result<Self, Self::Error> {
        Self::new(start_hour, end_hour).ok_or("a window's hours are from 0 to 23")
    }
}

impl Window {
    /// The whole day.
    pub const WHOLE_DAY: Self = Self { start_hour: 0, end_hour: 0 };

    /// Makes a window; `None` when an hour is above 23.
    pub fn new(start_hour: u8, end_hour: u8) -> Option<Self> {
        (start_hour < 24 && end_hour < 24).then_some(Self { start_hour, end_hour })
    }

    /// The first hour inside, 0–23.
    pub fn start_hour(self) -> u8 {
        self.start_hour
    }

    /// The first hour after, 0–23.
    pub fn end_hour(self) -> u8 {
        self.end_hour
    }

    /// True when the window is the whole day, so that it never closes.
    pub fn is_whole_day(self) -> bool {
        self.start_hour == self.end_hour
    }

    /// True when a UTC hour of the day lies inside.
    pub fn contains_hour(self, hour: u8) -> bool {
        if self.is_whole_day() {
            true
        } else if self.start_hour < self.end_hour {
            (self.start_hour..self.end_hour).contains(&hour)
        } else {
            hour >= self.start_hour || hour < self.end_hour
        }
    }

    /// True when the window is open at `instant`.
    pub fn contains(self, instant: Timestamp) -> bool {
        u8::try_from(instant.hour()).is_ok_and(|hour| self.contains_hour(hour))
    }

    /// Says that the window is not open at `instant`.
    pub fn excludes(self, instant: Timestamp) -> String {
        format!("it is {} and the window is {self}", instant.format("%H:%M UTC"))
    }

    /// When the window that is open at `instant` closes; `None` when it is closed then, or never closes.
    pub fn closes_after(self, instant: Timestamp) -> Option<Timestamp> {
        if self.is_whole_day() || !self.contains(instant) {
            return None;
        }
        let end = NaiveTime::from_hms_opt(u32::from(self.end_hour), 0, 0)?;
        let today = instant.date_naive().and_time(end).and_utc();
        Some(if today > instant { today } else { today + TimeDelta::days(1) })
    }
}

impl fmt::Display for Window {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{:02}:00–{:02}:00 UTC", self.start_hour, self.end_hour)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().expect("a timestamp")
    }

    #[test]
    fn start_is_inside_and_end_is_outside() {
        let window = Window::new(1, 5).expect("hours");
        assert!(!window.contains(at("2026-01-01T00:59:59.999Z")));
        assert!(window.contains(at("2026-01-01T01:00:00Z")));
        assert!(window.contains(at("2026-01-01T04:59:59.999Z")));
        assert!(!window.contains(at("2026-01-01T05:00:00Z")));
        assert_eq!(window.closes_after(at("2026-01-01T01:00:00Z")), Some(at("2026-01-01T05:00:00Z")));
        assert_eq!(window.closes_after(at("2026-01-01T06:00:00Z")), None);
    }

    #[test]
    fn a_start_after_the_end_spans_midnight() {
        let window = Window::new(22, 2).expect("hours");
        assert!(window.contains(at("2026-01-01T22:00:00Z")));
        assert!(window.contains(at("2026-01-02T01:59:00Z")));
        assert!(!window.contains(at("2026-01-02T02:00:00Z")));
        assert_eq!(window.closes_after(at("2026-01-01T23:00:00Z")), Some(at("2026-01-02T02:00:00Z")));
        assert_eq!(window.closes_after(at("2026-01-02T01:00:00Z")), Some(at("2026-01-02T02:00:00Z")));
    }

    #[test]
    fn a_window_to_midnight_closes_at_midnight() {
        let window = Window::new(22, 0).expect("hours");
        assert!(window.contains(at("2026-01-01T23:59:59Z")));
        assert!(!window.contains(at("2026-01-02T00:00:00Z")));
        assert_eq!(window.closes_after(at("2026-01-01T22:30:00Z")), Some(at("2026-01-02T00:00:00Z")));
    }

    #[test]
    fn equal_hours_are_the_whole_day() {
        let window = Window::new(7, 7).expect("hours");
        assert!((0..24).all(|hour| window.contains_hour(hour)));
        assert_eq!(window.closes_after(at("2026-01-01T07:00:00Z")), None);
        assert!(Window::new(24, 0).is_none());
    }
}
