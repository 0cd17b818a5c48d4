//! Least privilege: to which targets and schedules a caller is limited.
//!
//! What lies outside is as if it were not there for reads, and forbidden for writes. A schedule on several targets is inside only
//! if all of them are: showing it would tell of the others, and running it would touch them.

use std::sync::Arc;

use serde_json::Value;

use super::ids::ScheduleId;

/// The prefix of a word that limits to schedules.
const SCHEDULE_PREFIX: &str = "schedule:";
/// The prefix of a word that limits to targets; words without any prefix do so, too.
const TARGET_PREFIX: &str = "target:";

/// What a caller may see and change. Cheap to clone.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Access(Option<Arc<Limits>>);

/// Patterns with `*` for any run of characters. A kind without patterns is not limited, unless both are without: then nothing is
/// allowed.
#[derive(Debug, PartialEq, Eq)]
struct Limits {
    targets: Vec<String>,
    schedules: Vec<String>,
}

impl Access {
    /// Everything: the access of the service itself, and of all callers where no claim limits them.
    pub const UNLIMITED: Self = Self(None);

    /// Reads the claim that limits a caller: an array of words, or a text with blanks between them. A word is `target:PATTERN`,
    /// `schedule:PATTERN`, or a `PATTERN` of targets; words with another prefix belong to other services and are passed over. With
    /// patterns of both kinds, both have to match. `*` limits nothing; a claim that is absent, or holds no such word, allows nothing,
    /// and so does one with a prefix that is nearly ours: passed over, a limit would be missing.
    pub fn from_claim(claim: Option<&Value>) -> Self {
        let words: Vec<&str> = match claim {
            Some(Value::String(text)) => text.split_ascii_whitespace().collect(),
            // An element is one word, blanks included, which no name has.
            Some(Value::Array(items)) => items.iter().filter_map(Value::as_str).collect(),
            _ => Vec::new(),
        };
        let mut limits = Limits { targets: Vec::new(), schedules: Vec::new() };
        if words.iter().any(|word| is_misspelt(word)) {
            return Self(Some(Arc::new(limits)));
        }
        for word in words {
            if let Some(pattern) = word.strip_prefix(SCHEDULE_PREFIX) {
                limits.schedules.push(pattern.to_owned());
            } else if let Some(pattern) = word.strip_prefix(TARGET_PREFIX) {
                limits.targets.push(pattern.to_owned());
            } else if !word.contains(':') {
                limits.targets.push(word.to_owned());
            }
        }
        if limits.is_void() { Self::UNLIMITED } else { Self(Some(Arc::new(limits))) }
    }

    /// True when nothing is kept from the caller.
    pub fn is_unlimited(&self) -> bool {
        self.0.is_none()
    }

    /// May the caller see this target, and have schedules on it?
    pub fn allows_target(&self, target: &str) -> bool {
        self.0.as_deref().is_none_or(|limits| limits.allow_target(target))
    }

    /// May the caller stop everything on this target? Who is limited to some schedules would stop those of others.
    pub fn allows_all_on(&self, target: &str) -> bool {
        let Some(limits) = self.0.as_deref() else { return true };
        limits.allow_target(target) && (limits.schedules.is_empty() || limits.schedules.iter().any(|pattern| pattern == "*"))
    }

    /// May the caller see and change a schedule on these targets, or a job of it? Without any target nobody who is limited may: which
    /// ones it had is not known.
    pub fn allows(&self, schedule: &ScheduleId, targets: &[&str]) -> bool {
        let Some(limits) = self.0.as_deref() else { return true };
        !targets.is_empty()
            && limits.allow_schedule(schedule.as_str())
            && targets.iter().all(|target| limits.allow_target(target))
    }
}

impl Limits {
    /// True when everything matches: then the caller is as one who is not limited.
    fn is_void(&self) -> bool {
        let void = |patterns: &[String]| patterns.is_empty() || patterns.iter().any(|pattern| pattern == "*");
        let given = !self.targets.is_empty() || !self.schedules.is_empty();
        given && void(&self.targets) && void(&self.schedules)
    }

    fn allow_target(&self, target: &str) -> bool {
        if self.targets.is_empty() { !self.schedules.is_empty() } else { matches_any(&self.targets, target) }
    }

    fn allow_schedule(&self, schedule: &str) -> bool {
        if self.schedules.is_empty() { !self.targets.is_empty() } else { matches_any(&self.schedules, schedule) }
    }
}

/// `Targets:`, `schedules:` and the like, which nobody means for another service.
fn is_misspelt(word: &str) -> bool {
    let prefix = word.split_once(':').map(|(name, _)| name.trim().to_lowercase());
    let is_near = prefix.is_some_and(|name| ["target", "targets", "schedule", "schedules"].contains(&name.as_str()));
    is_near && !word.starts_with(SCHEDULE_PREFIX) && !word.starts_with(TARGET_PREFIX)
}

fn matches_any(patterns: &[String], text: &str) -> bool {
    patterns.iter().any(|pattern| matches(pattern, text))
}

/// `*` stands for any run of characters, every other character for itself. Takes the earliest place for each part, which finds a
/// match if there is one, without going back.
fn matches(pattern: &str, text: &str) -> bool {
    let Some((first, rest)) = pattern.split_once('*') else { return pattern == text };
    let Some(mut text) = text.strip_prefix(first) else { return false };
    let (middle, last) = rest.rsplit_once('*').unwrap_or(("", rest));
    for part in middle.split('*') {
        let Some(at) = text.find(part) else { return false };
        text = &text[at + part.len()..];
    }
    text.ends_with(last)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    fn id(text: &str) -> ScheduleId {
        ScheduleId::parse(text).expect("an id")
    }

    #[test]
    fn patterns_match_as_a_shell_would() {
        for (pattern, text, expected) in [
            ("eu-1", "eu-1", true),
            ("eu-1", "eu-10", false),
            ("eu-*", "eu-", true),
            ("eu-*", "us-1", false),
            ("*", "", true),
            ("*-db", "eu-db", true),
            ("*-db", "eu-db-2", false),
            ("a*b*c", "a-b-b-c", true),
            ("a*b*c", "acb", false),
            ("a*a", "a", false),
            ("**", "x", true),
            ("a**b", "ab", true),
        ] {
            assert_eq!(matches(pattern, text), expected, "{pattern} {text}");
        }
    }

    proptest! {
        #[test]
        fn a_pattern_agrees_with_the_regular_expression(pattern in "[ab*]{0,8}", text in "[ab]{0,10}") {
            let regex = regex::Regex::new(&format!("^{}$", pattern.replace('*', ".*"))).expect("an expression");
            prop_assert_eq!(matches(&pattern, &text), regex.is_match(&text));
        }
    }

    #[test]
    fn without_limits_all_is_allowed() {
        assert!(
            Access::UNLIMITED.is_unlimited() && Access::UNLIMITED.allows_target("x") && Access::UNLIMITED.allows(&id("a"), &[])
        );
    }

    #[test]
    fn a_claim_that_is_absent_or_says_nothing_allows_nothing() {
        for claim in
            [None, Some(json!(null)), Some(json!([])), Some(json!("")), Some(json!(7)), Some(json!([7])), Some(json!("x:y"))]
        {
            let access = Access::from_claim(claim.as_ref());
            assert!(
                !access.is_unlimited() && !access.allows_target("default") && !access.allows(&id("a"), &["default"]),
                "{claim:?}"
            );
        }
    }

    #[test]
    fn a_misspelt_limit_allows_nothing() {
        for claim in [json!(["targets:eu-1", "schedule:*"]), json!("Target:eu-1 schedule:a-*"), json!(["*", "schedules:a"])] {
            let access = Access::from_claim(Some(&claim));
            assert!(!access.allows_target("eu-1") && !access.allows(&id("a-1"), &["eu-1"]), "{claim}");
        }
        let shared = Access::from_claim(Some(&json!("orders:read target:eu-1")));
        assert!(shared.allows(&id("a"), &["eu-1"]) && !shared.allows_target("us-1"));
        assert!(!Access::from_claim(Some(&json!(["team *"]))).allows_target("team"), "an element is one word");
    }

    #[test]
    fn a_star_is_no_limit() {
        for claim in [json!("*"), json!(["schedule:*"]), json!(["eu-1", "*", "schedule:*"])] {
            assert!(Access::from_claim(Some(&claim)).is_unlimited(), "{claim}");
        }
        assert!(!Access::from_claim(Some(&json!(["*", "schedule:a"]))).is_unlimited());
    }

    #[test]
    fn targets_limit_schedules_by_all_of_their_targets() {
        for claim in [json!(["eu-*", "target:test"]), json!("target:eu-* test")] {
            let access = Access::from_claim(Some(&claim));
            assert!(access.allows_target("eu-1") && access.allows_target("test") && !access.allows_target("us-1"));
            assert!(access.allows(&id("any"), &["eu-1", "test"]));
            assert!(!access.allows(&id("any"), &["eu-1", "us-1"]) && !access.allows(&id("any"), &[]));
        }
    }

    #[test]
    fn schedules_are_limited_by_id_and_both_limits_hold_together() {
        let access = Access::from_claim(Some(&json!("schedule:team-*")));
        assert!(
            access.allows(&id("team-a"), &["us-1"]) && !access.allows(&id("other"), &["us-1"]) && access.allows_target("us-1")
        );
        let access = Access::from_claim(Some(&json!(["schedule:team-*", "target:eu-1"])));
        assert!(access.allows(&id("team-a"), &["eu-1"]));
        assert!(!access.allows(&id("team-a"), &["us-1"]) && !access.allows(&id("other"), &["eu-1"]));
    }
}
