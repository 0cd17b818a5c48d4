//! An event of a job's stream; for the document alone, the stream is written in `http::job_events`.
#![expect(dead_code, reason = "this type is described, not built")]

use utoipa::ToSchema;

/// One server-sent event. The stream has one at once, and one for every change of the job that is seen.
#[derive(ToSchema)]
#[schema(example = json!({"event": "job", "id": "1", "data": "{\"id\":\"01890a5d-ac96-774b-bcce-b302099a8057\",\"state\":\"RUNNING\"}"}))]
pub(in crate::http) struct JobEvent {
    /// Always `job`.
    event: String,
    /// Counts up from 1 in this stream.
    id: String,
    /// The job, a JSON text.
    data: String,
}
