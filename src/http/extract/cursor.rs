//! Cursors: where a list goes on. Opaque to clients; inside, a version, the list they belong to, and the key of the last item, so
//! that they survive inserts and deletes between pages.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::DateTime;
use uuid::Uuid;

use crate::domain::ids::{JobId, ScheduleId};
use crate::orchestrator::view::JobKey;

/// What a cursor begins with: the version of the layout, and the list.
const SCHEDULES: [u8; 2] = *b"1s";
const JOBS: [u8; 2] = *b"1j";

/// The cursor after this schedule.
pub(in crate::http) fn after_schedule(id: &ScheduleId) -> String {
    URL_SAFE_NO_PAD.encode([&SCHEDULES[..], id.as_str().as_bytes()].concat())
}

/// Reads a cursor of the schedule list.
pub(in crate::http) fn read_schedule(cursor: &str) -> Option<ScheduleId> {
    let bytes = URL_SAFE_NO_PAD.decode(cursor).ok()?;
    let id = std::str::from_utf8(bytes.strip_prefix(&SCHEDULES)?).ok()?;
    ScheduleId::parse(id).ok()
}

/// The cursor after this job.
pub(in crate::http) fn after_job((created_at, JobId(id)): JobKey) -> String {
    URL_SAFE_NO_PAD.encode([&JOBS[..], &created_at.timestamp_millis().to_be_bytes(), id.as_bytes()].concat())
}

/// Reads a cursor of the job list.
pub(in crate::http) fn read_job(cursor: &str) -> Option<JobKey> {
    let bytes = URL_SAFE_NO_PAD.decode(cursor).ok()?;
    let (millis, id) = bytes.strip_prefix(&JOBS)?.split_first_chunk::<8>()?;
    let created_at = DateTime::from_timestamp_millis(i64::from_be_bytes(*millis))?;
    Some((created_at, JobId(Uuid::from_slice(id).ok()?)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cursors_come_back_as_their_keys() {
        let id = ScheduleId::parse("nightly-index-rebuild").expect("an id");
        assert_eq!(read_schedule(&after_schedule(&id)), Some(id));
        let key = (DateTime::from_timestamp_millis(1_767_225_600_123).expect("a time"), JobId(Uuid::from_u128(7)));
        assert_eq!(read_job(&after_job(key)), Some(key));
    }

    #[test]
    fn anything_else_is_no_cursor() {
        let id = ScheduleId::parse("a").expect("an id");
        let key = (DateTime::UNIX_EPOCH, JobId(Uuid::nil()));
        assert_eq!(read_job(&after_schedule(&id)), None);
        assert_eq!(read_schedule(&after_job(key)), None);
        for text in [
            "",
            "a",
            "====",
            "null",
            &URL_SAFE_NO_PAD.encode("1s"),
            &URL_SAFE_NO_PAD.encode("1s../x"),
            &URL_SAFE_NO_PAD.encode("2sa"),
        ] {
            assert_eq!(read_schedule(text), None, "{text}");
            assert_eq!(read_job(text), None, "{text}");
        }
        let mut far = JOBS.to_vec();
        far.extend(i64::MAX.to_be_bytes());
        far.extend([0; 16]);
        assert_eq!(read_job(&URL_SAFE_NO_PAD.encode(&far)), None);
        assert_eq!(read_job(&(after_job(key) + "AAAA")), None);
    }
}
