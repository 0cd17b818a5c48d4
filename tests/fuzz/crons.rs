//! Cron expressions: what is accepted is what was written, and fires when it says, and not too often.

use anyhow::{Context as _, ensure};
use chrono::TimeDelta;
use croner::parser::{CronParser, Seconds, Year};
use proptest::strategy::Strategy as _;
use themis_maintenance::domain::cron::{CronExpression, MIN_SECONDS_BETWEEN_FIRES};
use themis_maintenance::domain::time::Timestamp;
use themis_maintenance::domain::window::Window;

use crate::checks::{check_message, cron_texts, kind, now};
use crate::driver::{Fuzz, Verdict};

const WORDS: &[&str] = &[
    "*",
    "*/",
    "/",
    "-",
    ",",
    "?",
    "L",
    "W",
    "LW",
    "#",
    "#5",
    "5L",
    "15W",
    "L-3",
    "MON",
    "SUN-SAT",
    "JAN",
    "DEC",
    "@",
    "@daily",
    "@yearly",
    "@reboot",
    "0 ",
    " * * * *",
    "0 0 29 2 *",
    "29 2",
    "31",
    "59",
    "23",
    "*/10 * * * * *",
    "1-59/2",
    "7",
    "+",
    "\t",
    "0-",
    "*/0",
    "60",
];
/// The fires of an expression that are looked at.
const FIRES: usize = 5;

#[test]
fn cron_expressions_fire_as_they_say() {
    let generated = || cron_texts().prop_map(String::into_bytes).boxed();
    Fuzz { name: "cron", words: WORDS, generated }.run(|| judge);
}

fn judge(input: &[u8]) -> Verdict {
    let Ok(text) = std::str::from_utf8(input) else { return Ok("no text".into()) };
    let now = now();
    let expression = match CronExpression::parse(text, now) {
        Ok(expression) => expression,
        Err(error) => {
            let message = error.to_string();
            check_message(&message)?;
            return Ok(kind(&message));
        }
    };
    ensure!(expression.as_str() == text, "the text has become '{}'", expression.as_str());
    let again = CronExpression::parse(expression.as_str(), now).context("refused when it is read again")?;
    ensure!(again == expression && again.same_as(text), "another expression when it is read again");
    let stored: CronExpression =
        serde_json::from_value(serde_json::to_value(&expression)?).context("unreadable once it is stored")?;

    let fires = fires(&expression, now);
    ensure!(
        fires == self::fires(&again, now) && fires == self::fires(&stored, now),
        "fires at other times when it is read again"
    );
    ensure!(!fires.is_empty(), "never fires");
    let reference = reference(text);
    for pair in [now].iter().chain(&fires).collect::<Vec<_>>().windows(2) {
        ensure!(pair[1] > pair[0], "{} comes after {}", pair[1], pair[0]);
        ensure!(reference.is_time_matching(pair[1])?, "fires at {}, when it does not match", pair[1]);
    }
    for pair in fires.windows(2) {
        let apart = (pair[1] - pair[0]).num_seconds();
        ensure!(apart >= i64::from(MIN_SECONDS_BETWEEN_FIRES), "fires at {} and {}", pair[0], pair[1]);
    }
    // Nothing is passed over, and counting comes to the same.
    let between = reference.find_next_occurrence(&now, false).ok();
    ensure!(between.as_ref() == fires.first(), "first fires at {:?}, not at {between:?}", fires.first());
    let last = fires[fires.len() - 1];
    ensure!(expression.matches_between(now, last) == (fires.len() as u64, Some(last)), "counts its fires wrongly");
    // Times that no schedule has, and a damaged row may: no panic.
    for far in [Timestamp::MAX_UTC, Timestamp::MIN_UTC, Timestamp::MAX_UTC - TimeDelta::days(400)] {
        let _ = expression.next_after(far);
    }
    let inside = expression.ever_inside(Window::new(1, 5).context("hours")?);
    Ok(format!("{} fires, inside {inside}, {} fields", fires.len(), text.split_whitespace().count()))
}

fn fires(expression: &CronExpression, after: Timestamp) -> Vec<Timestamp> {
    std::iter::successors(expression.next_after(after), |fire| expression.next_after(*fire)).take(FIRES).collect()
}

/// What the library that reads the expressions makes of one, without anything of ours.
fn reference(text: &str) -> croner::Cron {
    let text = text.trim();
    let nicknames = [
        ("@hourly", "0 * * * *"),
        ("@daily", "0 0 * * *"),
        ("@weekly", "0 0 * * 0"),
        ("@monthly", "0 0 1 * *"),
        ("@yearly", "0 0 1 1 *"),
    ];
    let fields = nicknames.iter().find(|(name, _)| name.eq_ignore_ascii_case(text)).map_or(text, |(_, fields)| fields);
    let parser = CronParser::builder().seconds(Seconds::Optional).year(Year::Disallowed).build();
    parser.parse(fields).expect("an expression that was accepted")
}
