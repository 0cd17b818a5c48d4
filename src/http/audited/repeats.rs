//! Keeps refusals that repeat themselves from filling the disk: a dashboard with an old token asks every few seconds for weeks, and a
//! flood that is answered with 429 must not become a flood of lines.

use std::collections::HashMap;
use std::net::IpAddr;

use chrono::TimeDelta;
use parking_lot::Mutex;

use crate::domain::time::Timestamp;

/// After a line, as long without another one of the same kind.
const SILENCE: TimeDelta = TimeDelta::minutes(1);
/// Kinds that are kept apart. Each may cost a line of some 400 bytes a minute: at worst 100 KiB a minute, which a rotated trail bears.
/// More at once is an attack or a wrong client address behind a proxy; those beyond share one line a minute.
const MOST_KINDS: usize = 256;

/// Refusals of one kind are counted together.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Kind {
    pub address: Option<IpAddr>,
    pub actor: String,
    pub action: &'static str,
}

/// What was left out before a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum LeftOut {
    /// So many of the same kind.
    OfIts(u64),
    /// So many of all kinds for which there was no room.
    OfOthers(u64),
}

#[derive(Debug, Default)]
pub(super) struct Repeats(Mutex<Inner>);

#[derive(Debug, Default)]
struct Inner {
    kinds: HashMap<Kind, Seen>,
    others: Option<Seen>,
}

#[derive(Debug, Clone, Copy)]
struct Seen {
    /// When there was a line.
    at: Timestamp,
    left_out: u64,
}

impl Repeats {
    /// Whether a refusal gets a line, and what was left out before it.
    pub fn admit(&self, kind: Kind, now: Timestamp) -> Option<LeftOut> {
        let mut inner = self.0.lock();
        let known = inner.kinds.contains_key(&kind);
        if !known && inner.kinds.len() >= MOST_KINDS {
            inner.make_room(now);
        }
        if !known && inner.kinds.len() >= MOST_KINDS {
            let others = inner.others.get_or_insert(Seen { at: Timestamp::MIN_UTC, left_out: 0 });
            return others.admit(now).map(LeftOut::OfOthers);
        }
        let seen = inner.kinds.entry(kind).or_insert(Seen { at: Timestamp::MIN_UTC, left_out: 0 });
        seen.admit(now).map(LeftOut::OfIts)
    }
}

impl Inner {
    /// Lets go of kinds that could have a line again. What was left out of them is told with the others.
    fn make_room(&mut self, now: Timestamp) {
        let mut untold = 0;
        self.kinds.retain(|_, seen| {
            let stays = seen.is_silent(now);
            untold += if stays { 0 } else { seen.left_out };
            stays
        });
        if untold > 0 {
            self.others.get_or_insert(Seen { at: Timestamp::MIN_UTC, left_out: 0 }).left_out += untold;
        }
    }
}

impl Seen {
    /// A clock that was put back ends the silence.
    fn is_silent(&self, now: Timestamp) -> bool {
        self.at <= now && now - self.at < SILENCE
    }

    fn admit(&mut self, now: Timestamp) -> Option<u64> {
        if self.is_silent(now) {
            self.left_out += 1;
            return None;
        }
        self.at = now;
        Some(std::mem::take(&mut self.left_out))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kind(number: u32) -> Kind {
        Kind { address: Some(IpAddr::V4(number.into())), actor: "anonymous".to_owned(), action: "list_jobs" }
    }

    fn at(seconds: i64) -> Timestamp {
        Timestamp::UNIX_EPOCH + TimeDelta::seconds(1_800_000_000 + seconds)
    }

    #[test]
    fn a_kind_has_one_line_a_minute_with_the_number_of_those_before_it() {
        let repeats = Repeats::default();
        let told: Vec<_> = [0, 1, 59, 60, 61, 130, 131].map(|seconds| repeats.admit(kind(1), at(seconds))).to_vec();
        let line = |left_out| Some(LeftOut::OfIts(left_out));
        assert_eq!(told, [line(0), None, None, line(2), None, line(1), None]);
    }

    #[test]
    fn kinds_differ_by_address_actor_and_action() {
        let repeats = Repeats::default();
        let base = kind(1);
        for kind in [
            base.clone(),
            kind(2),
            Kind { address: None, ..base.clone() },
            Kind { actor: "ann".to_owned(), ..base.clone() },
            Kind { action: "list_schedules", ..base },
        ] {
            assert_eq!(repeats.admit(kind, at(0)), Some(LeftOut::OfIts(0)));
        }
    }

    #[test]
    fn a_clock_that_was_put_back_silences_nobody() {
        let repeats = Repeats::default();
        repeats.admit(kind(1), at(1000));
        assert_eq!(repeats.admit(kind(1), at(0)), Some(LeftOut::OfIts(0)));
    }

    #[test]
    fn too_many_kinds_share_a_line_and_no_number_is_lost() {
        let repeats = Repeats::default();
        let most = u32::try_from(MOST_KINDS).expect("small");
        for number in 0..most {
            repeats.admit(kind(number), at(0));
            repeats.admit(kind(number), at(1));
        }
        assert_eq!(repeats.admit(kind(most), at(2)), Some(LeftOut::OfOthers(0)));
        assert_eq!(repeats.admit(kind(most + 1), at(3)), None);
        // One of those that are kept apart speaks for itself still.
        assert_eq!(repeats.admit(kind(0), at(60)), Some(LeftOut::OfIts(1)));
        // A minute later the others have made room, and what was left out of them is told with the next of the rest.
        assert_eq!(repeats.admit(kind(most + 2), at(61)), Some(LeftOut::OfIts(0)));
        assert_eq!(repeats.0.lock().kinds.len(), 2);
        for number in 2..most {
            repeats.admit(kind(1_000_000 + number), at(62));
        }
        assert_eq!(repeats.admit(kind(most + 3), at(63)), Some(LeftOut::OfOthers(1 + u64::from(most) - 1)));
    }
}
