//! Cron expressions in UTC: parsing, the next match, and how many matches lie in a span.
//!
//! `croner` reads the expression and judges days (`L`, `W` and `#` included; day-of-month and day-of-week both set means either,
//! as in Vixie cron). The times of day are kept as three bit sets, because a fire's time of day does not depend on its day:
//! that makes the next match a walk over days, the number of matches in a year a sum over days, and a schedule's share of memory
//! a few dozen bytes (croner's own pattern keeps a table of 5,000 years).

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, LazyLock, Mutex, PoisonError, Weak};

use chrono::{Datelike, Days, NaiveDate, NaiveTime, TimeDelta, Timelike};
use croner::Cron;
use croner::parser::{CronParser, Seconds, Year};

use super::fields::printable_message;
use super::text::deserialize_text;
use super::time::Timestamp;
use super::window::Window;

/// Two fires of one schedule have to be at least this many seconds apart.
pub const MIN_SECONDS_BETWEEN_FIRES: u32 = 10;
/// The longest expression, in bytes. A list of every second, minute and hour is shorter.
const MAX_EXPRESSION_BYTES: usize = 1024;
/// How far ahead a match is looked for. 29 February on a given weekday recurs within 40 years, over 2100 too.
const SEARCH_DAYS: u32 = 41 * 366;
const SECONDS_PER_DAY: u32 = 86_400;
/// The five nicknames and what they stand for.
const NICKNAMES: [(&str, &str); 5] = [
    ("@hourly", "0 * * * *"),
    ("@daily", "0 0 * * *"),
    ("@weekly", "0 0 * * 0"),
    ("@monthly", "0 0 1 * *"),
    ("@yearly", "0 0 1 1 *"),
];

/// Why a text is not a cron expression that a schedule may have. The message is meant for the person who wrote it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CronError {
    /// Not 5 or 6 fields and no nickname.
    #[error("must have 5 fields, or 6 with leading seconds, or be one of @hourly @daily @weekly @monthly @yearly")]
    Shape,
    /// A field that cannot be read.
    #[error("cannot be read: {0}")]
    Syntax(String),
    /// The expression has no match from now on.
    #[error("never matches")]
    NeverMatches,
    /// Two fires closer than [`MIN_SECONDS_BETWEEN_FIRES`].
    #[error("fires twice within {0} s; two fires must be at least {MIN_SECONDS_BETWEEN_FIRES} s apart")]
    TooOften(u32),
}

/// A parsed expression that has a future match and fires at most every ten seconds. Equality is that of the text. Cheap to clone;
/// schedules with the same text share one.
#[derive(Clone)]
pub struct CronExpression(Arc<Parsed>);

struct Parsed {
    source: String,
    /// Bit n is set when second n matches; likewise minutes and hours. None of the three is ever empty.
    seconds: u64,
    minutes: u64,
    hours: u32,
    days: Arc<DayRule>,
}

/// The day-of-month, month and day-of-week fields.
struct DayRule {
    months: u16,
    cron: Cron,
}

impl CronExpression {
    /// Parses an expression and checks it against the rules of the schedule table.
    ///
    /// # Errors
    /// Says which rule the text breaks. Takes well under 50 ms for every input, an expression that never matches included.
    pub fn parse(text: &str, now: Timestamp) -> Result<Self, CronError> {
        if text.len() > MAX_EXPRESSION_BYTES {
            return Err(CronError::Syntax(format!("longer than {MAX_EXPRESSION_BYTES} bytes")));
        }
        let expression = Self::parse_fields(text)?;
        if expression.next_after(now).is_none() {
            return Err(CronError::NeverMatches);
        }
        match expression.shortest_gap(now) {
            Some(gap) if gap < MIN_SECONDS_BETWEEN_FIRES => Err(CronError::TooOften(gap)),
            _ => Ok(expression),
        }
    }

    /// The text as it was given.
    pub fn as_str(&self) -> &str {
        &self.0.source
    }

    /// True when two texts are the same but for blanks and letter case.
    pub fn same_as(&self, text: &str) -> bool {
        let words = |text: &str| text.split_whitespace().map(str::to_ascii_uppercase).collect::<Vec<_>>();
        words(&self.0.source) == words(text)
    }

    /// The first match after `instant`.
    pub fn next_after(&self, instant: Timestamp) -> Option<Timestamp> {
        let mut date = instant.date_naive();
        if self.0.days.matches(date)
            && let Some(time) = self.time_from(instant.num_seconds_from_midnight() + 1)
        {
            return Some(date.and_time(time).and_utc());
        }
        for _ in 0..SEARCH_DAYS {
            date = self.0.days.next_candidate(date)?;
            if self.0.days.matches(date) {
                return Some(date.and_time(self.time_from(0)?).and_utc());
            }
        }
        None
    }

    /// How many matches lie in `(after, until]`, and the last of them.
    pub fn matches_between(&self, after: Timestamp, until: Timestamp) -> (u64, Option<Timestamp>) {
        let (mut count, mut last) = (0, None);
        let mut next = self.next_after(after);
        while let Some(first_of_day) = next.filter(|first| *first <= until) {
            let date = first_of_day.date_naive();
            let from = first_of_day.num_seconds_from_midnight();
            let to = if date == until.date_naive() { until.num_seconds_from_midnight() } else { SECONDS_PER_DAY - 1 };
            let (in_day, last_second) = self.times_between(from, to);
            count += in_day;
            last = last_second.and_then(time_of_day).map(|time| date.and_time(time).and_utc());
            let Some(end_of_day) = time_of_day(SECONDS_PER_DAY - 1) else { break };
            next = self.next_after(date.and_time(end_of_day).and_utc());
        }
        (count, last)
    }

    /// True when some match falls inside the window. A time of day does not depend on the day, so the hours decide.
    pub fn ever_inside(&self, window: Window) -> bool {
        (0..24).any(|hour| self.0.hours >> hour & 1 == 1 && window.contains_hour(hour))
    }

    /// Reads the text, or takes what was read of the same text before.
    fn parse_fields(text: &str) -> Result<Self, CronError> {
        static EXPRESSIONS: LazyLock<Mutex<Interner<Parsed>>> = LazyLock::new(Mutex::default);
        let mut expressions = EXPRESSIONS.lock().unwrap_or_else(PoisonError::into_inner);
        expressions.get_or_make(text, || Self::read_fields(text)).map(Self)
    }

    fn read_fields(text: &str) -> Result<Parsed, CronError> {
        let trimmed = text.trim();
        let expanded = match NICKNAMES.iter().find(|(nickname, _)| nickname.eq_ignore_ascii_case(trimmed)) {
            Some((_, fields)) => fields,
            None => trimmed,
        };
        let fields: Vec<&str> = expanded.split_whitespace().collect();
        // '+' is croner's own sign for "both days must match"; here both set means either, always.
        if !(5..=6).contains(&fields.len()) || expanded.contains('@') || expanded.contains('+') {
            return Err(CronError::Shape);
        }
        let parser = CronParser::builder().seconds(Seconds::Optional).year(Year::Disallowed).build();
        let syntax = |error: croner::errors::CronError| CronError::Syntax(printable_message(&error.to_string()));
        let cron = parser.parse(expanded).map_err(syntax)?;
        let bits =
            |count: u32, matches: &dyn Fn(u32) -> bool| (0..count).filter(|&n| matches(n)).fold(0, |set, n| set | 1_u64 << n);
        let seconds = bits(60, &|n| cron.pattern.second_match(n).unwrap_or(false));
        let minutes = bits(60, &|n| cron.pattern.minute_match(n).unwrap_or(false));
        let hours = bits(24, &|n| cron.pattern.hour_match(n).unwrap_or(false)) as u32;
        if seconds == 0 || minutes == 0 || hours == 0 {
            return Err(CronError::NeverMatches);
        }
        let days = DayRule::shared(&fields[fields.len() - 3..].join(" ").to_ascii_uppercase()).map_err(syntax)?;
        Ok(Parsed { source: text.to_owned(), seconds, minutes, hours, days })
    }

    /// The first matching time of a day at or after a second of that day.
    fn time_from(&self, second_of_day: u32) -> Option<NaiveTime> {
        if second_of_day >= SECONDS_PER_DAY {
            return None;
        }
        let (hour, minute, second) = (second_of_day / 3600, second_of_day / 60 % 60, second_of_day % 60);
        let this_hour = bit_from(u64::from(self.0.hours), hour) == Some(hour);
        let this_minute = this_hour && bit_from(self.0.minutes, minute) == Some(minute);
        let first = |set: u64| set.trailing_zeros();
        let at = NaiveTime::from_hms_opt;
        if this_minute && let Some(second) = bit_from(self.0.seconds, second) {
            return at(hour, minute, second);
        }
        if this_hour && let Some(minute) = bit_from(self.0.minutes, minute + 1) {
            return at(hour, minute, first(self.0.seconds));
        }
        let hour = bit_from(u64::from(self.0.hours), hour + 1)?;
        at(hour, first(self.0.minutes), first(self.0.seconds))
    }

    /// How many times of a day lie in `[from, to]`, and the last of them, in seconds of the day.
    fn times_between(&self, from: u32, to: u32) -> (u64, Option<u32>) {
        if from == 0 && to == SECONDS_PER_DAY - 1 {
            let count = self.0.seconds.count_ones() * self.0.minutes.count_ones() * self.0.hours.count_ones();
            let last = |set: u64| 63 - set.leading_zeros();
            return (
                u64::from(count),
                Some(last(u64::from(self.0.hours)) * 3600 + last(self.0.minutes) * 60 + last(self.0.seconds)),
            );
        }
        let times = std::iter::successors(self.time_from(from), |time| self.time_from(time.num_seconds_from_midnight() + 1));
        let seconds = times.map(|time| time.num_seconds_from_midnight()).take_while(|&second| second <= to);
        seconds.fold((0, None), |(count, _), second| (count + 1, Some(second)))
    }

    /// The shortest time between two matches that follow each other, in seconds; `None` when there is only one match a day and
    /// never on two days in a row.
    fn shortest_gap(&self, now: Timestamp) -> Option<u32> {
        let times = std::iter::successors(self.time_from(0), |time| self.time_from(time.num_seconds_from_midnight() + 1));
        let seconds: Vec<u32> = times.map(|time| time.num_seconds_from_midnight()).collect();
        let within_day = seconds.windows(2).map(|pair| pair[1] - pair[0]).min();
        let over_midnight = seconds.first()? + SECONDS_PER_DAY - seconds.last()?;
        // Only a gap that would break the rule is worth the look at forty years of days.
        let midnight_counts = over_midnight < MIN_SECONDS_BETWEEN_FIRES && self.0.days.ever_two_days_running(now.date_naive());
        match (within_day, midnight_counts) {
            (Some(within), true) => Some(within.min(over_midnight)),
            (None, true) => Some(over_midnight),
            (within, false) => within,
        }
    }
}

impl DayRule {
    /// The rule for `"DOM MONTH DOW"`. Schedules with the same days share one, because croner's pattern is large.
    fn shared(fields: &str) -> Result<Arc<Self>, croner::errors::CronError> {
        static RULES: LazyLock<Mutex<Interner<DayRule>>> = LazyLock::new(Mutex::default);
        let mut rules = RULES.lock().unwrap_or_else(PoisonError::into_inner);
        rules.get_or_make(fields, || {
            let cron = CronParser::builder().year(Year::Disallowed).build().parse(&format!("0 0 {fields}"))?;
            let matching = (1..=12_u32).filter(|&month| cron.pattern.month_match(month).unwrap_or(false));
            Ok(Self { months: matching.fold(0, |set, month| set | 1 << month), cron })
        })
    }

    fn matches(&self, date: NaiveDate) -> bool {
        // croner panics at the ends of the calendar, where a damaged row may point. RFC 3339 ends at 9999 in any case.
        (0..=9999).contains(&date.year())
            && self.months >> date.month() & 1 == 1
            && self.cron.pattern.day_match(date.year(), date.month(), date.day()).unwrap_or(false)
    }

    /// The next day, or the first of the next month when this month does not match at all.
    fn next_candidate(&self, date: NaiveDate) -> Option<NaiveDate> {
        if self.months >> date.month() & 1 == 1 {
            return date.checked_add_days(Days::new(1));
        }
        date.with_day(1)?.checked_add_months(chrono::Months::new(1))
    }

    fn ever_two_days_running(&self, from: NaiveDate) -> bool {
        let days: Vec<bool> = from.iter_days().take(SEARCH_DAYS as usize).map(|date| self.matches(date)).collect();
        days.windows(2).any(|pair| pair[0] && pair[1])
    }
}

/// Keeps one copy of equal things for as long as somebody uses it.
struct Interner<T> {
    entries: HashMap<String, Weak<T>>,
    /// Number of entries at which the abandoned ones are thrown out: twice what was left last time, so that this costs little.
    clean_at: usize,
}

impl<T> Default for Interner<T> {
    fn default() -> Self {
        Self { entries: HashMap::new(), clean_at: 64 }
    }
}

impl<T> Interner<T> {
    fn get_or_make<E>(&mut self, key: &str, make: impl FnOnce() -> Result<T, E>) -> Result<Arc<T>, E> {
        if let Some(known) = self.entries.get(key).and_then(Weak::upgrade) {
            return Ok(known);
        }
        let made = Arc::new(make()?);
        if self.entries.len() >= self.clean_at {
            self.entries.retain(|_, entry| entry.strong_count() > 0);
            self.clean_at = 64.max(self.entries.len() * 2);
        }
        self.entries.insert(key.to_owned(), Arc::downgrade(&made));
        Ok(made)
    }
}

/// The lowest set bit at or above `from`.
fn bit_from(set: u64, from: u32) -> Option<u32> {
    let rest = set.checked_shr(from).unwrap_or(0);
    (rest != 0).then(|| from + rest.trailing_zeros())
}

fn time_of_day(second: u32) -> Option<NaiveTime> {
    NaiveTime::from_num_seconds_from_midnight_opt(second, 0)
}

impl PartialEq for CronExpression {
    fn eq(&self, other: &Self) -> bool {
        self.0.source == other.0.source
    }
}

impl Eq for CronExpression {}

impl fmt::Debug for CronExpression {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_tuple("CronExpression").field(&self.0.source).finish()
    }
}

impl serde::Serialize for CronExpression {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0.source)
    }
}

impl<'de> serde::Deserialize<'de> for CronExpression {
    /// Reads a stored expression. It was checked when it was accepted, so only its form is read again: an expression whose
    /// last match has passed meanwhile still loads.
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserialize_text(deserializer, "a string", Self::parse_fields)
    }
}

/// The wait between a fire and `now`; zero for a fire that lies ahead.
pub fn lateness(scheduled_for: Timestamp, now: Timestamp) -> TimeDelta {
    (now - scheduled_for).max(TimeDelta::zero())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::str::FromStr;

    fn at(text: &str) -> Timestamp {
        text.parse().expect("a timestamp")
    }

    fn parse(text: &str) -> Result<CronExpression, CronError> {
        CronExpression::parse(text, at("2026-01-01T00:00:00Z"))
    }

    #[test]
    fn next_match_of_the_usual_expressions() {
        let after = at("2026-01-31T02:00:00Z");
        for (expression, next) in [
            ("0 2 * * *", "2026-02-01T02:00:00Z"),
            ("*/10 * * * * *", "2026-01-31T02:00:10Z"),
            ("@hourly", "2026-01-31T03:00:00Z"),
            ("@Daily", "2026-02-01T00:00:00Z"),
            ("@weekly", "2026-02-01T00:00:00Z"),
            ("@monthly", "2026-02-01T00:00:00Z"),
            ("@yearly", "2027-01-01T00:00:00Z"),
            ("0 0 29 2 *", "2028-02-29T00:00:00Z"),
            ("0 0 13 * FRI", "2026-02-06T00:00:00Z"),
            ("0 0 L * *", "2026-02-28T00:00:00Z"),
            ("30 59 23 31 12 *", "2026-12-31T23:59:30Z"),
            ("0 0 1 1,4,7,10 *", "2026-04-01T00:00:00Z"),
        ] {
            assert_eq!(parse(expression).expect(expression).next_after(after), Some(at(next)), "{expression}");
        }
    }

    #[test]
    fn expressions_that_break_a_rule_say_which() {
        assert_eq!(parse("0 0 30 2 *"), Err(CronError::NeverMatches));
        assert_eq!(parse("0 0 31 4,6,9,11 *"), Err(CronError::NeverMatches));
        assert_eq!(parse("* * * * * *"), Err(CronError::TooOften(1)));
        assert_eq!(parse("*/7 * * * * *"), Err(CronError::TooOften(4)));
        assert_eq!(parse("0,55 0,59 0,23 * * *"), Err(CronError::TooOften(5)));
        for shape in ["", "* * * *", "0 0 0 1 1 * 2030", "@reboot", "0 0 1 1 +MON", "@daily * * * *"] {
            assert_eq!(parse(shape), Err(CronError::Shape), "{shape}");
        }
        for syntax in ["61 * * * *", "x * * * *", "0 25 * * *", "0 0 0 * *", "*/0 * * * *", "5-1 * * * *"] {
            assert!(matches!(parse(syntax), Err(CronError::Syntax(_))), "{syntax}: {:?}", parse(syntax));
        }
        assert!(parse(&"0,".repeat(600)).is_err());
        assert!(parse("\u{1b} * * * *").is_err_and(|error| !error.to_string().contains(char::is_control)));
    }

    #[test]
    fn a_close_pair_over_midnight_counts_only_when_both_days_match() {
        assert!(parse("0,55 0,59 0,23 1 * *").is_ok());
        assert_eq!(parse("0,55 0,59 0,23 1,2 * *"), Err(CronError::TooOften(5)));
        assert_eq!(parse("0,55 0,59 0,23 1,L * *"), Err(CronError::TooOften(5)));
    }

    #[test]
    fn matches_are_counted_without_walking_over_each() {
        let every_ten_seconds = parse("*/10 * * * * *").expect("cron");
        let (count, last) = every_ten_seconds.matches_between(at("2026-01-01T00:00:00Z"), at("2027-01-01T00:00:05Z"));
        assert_eq!((count, last), (365 * 8640, Some(at("2027-01-01T00:00:00Z"))));
        let daily = parse("0 2 * * *").expect("cron");
        assert_eq!(daily.matches_between(at("2026-01-01T02:00:00Z"), at("2026-01-02T01:59:59Z")), (0, None));
    }

    #[test]
    fn there_is_no_match_at_the_ends_of_the_calendar() {
        let daily = parse("0 2 * * *").expect("cron");
        assert_eq!(daily.next_after(Timestamp::MAX_UTC), None);
        assert_eq!(daily.next_after(Timestamp::MIN_UTC), None);
    }

    #[test]
    fn hours_decide_whether_a_window_is_ever_met() {
        let window = Window::new(1, 5).expect("window");
        assert!(parse("0 2 * * *").expect("cron").ever_inside(window));
        assert!(!parse("59 5 * * *").expect("cron").ever_inside(window));
        assert!(parse("0 0 * * *").expect("cron").ever_inside(Window::WHOLE_DAY));
    }

    fn field(low: u32, high: u32) -> impl Strategy<Value = String> {
        prop_oneof![
            3 => Just("*".to_owned()),
            3 => (low..=high).prop_map(|n| n.to_string()),
            1 => (low..=high, low..=high).prop_map(|(a, b)| format!("{}-{}", a.min(b), a.max(b))),
            1 => (1..=high.max(2)).prop_map(|n| format!("*/{n}")),
            1 => prop::collection::vec(low..=high, 1..4).prop_map(|list| list.iter().map(u32::to_string).collect::<Vec<_>>().join(",")),
        ]
    }

    proptest! {
        #[test]
        fn agrees_with_croner_on_the_next_match(
            second in 0..60_u32, minute in field(0, 59), hour in field(0, 23), day in field(1, 28), month in field(1, 12),
            weekday in field(0, 6), start in 1_700_000_000_i64..2_000_000_000,
        ) {
            let text = format!("{second} {minute} {hour} {day} {month} {weekday}");
            let now = Timestamp::from_timestamp(start, 0).expect("in range");
            let ours = CronExpression::parse_fields(&text).expect("valid by construction");
            let theirs = Cron::from_str(&text).expect("valid by construction");
            prop_assert_eq!(ours.next_after(now), theirs.find_next_occurrence(&now, false).ok());
        }

        #[test]
        fn counting_agrees_with_walking(minute in field(0, 59), hour in field(0, 23), weekday in field(0, 6), hours in 0..200_i64) {
            let expression = CronExpression::parse_fields(&format!("{minute} {hour} * * {weekday}")).expect("valid by construction");
            let after = at("2026-02-27T11:17:31Z");
            let until = after + TimeDelta::hours(hours);
            let walked: Vec<Timestamp> =
                std::iter::successors(expression.next_after(after), |next| expression.next_after(*next)).take_while(|next| *next <= until).collect();
            prop_assert_eq!(expression.matches_between(after, until), (walked.len() as u64, walked.last().copied()));
        }
    }
}
