//! How the replicas of a 2026 server are doing. Read in its sources, not measured.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// How many replicas there are, this server among them, unless it is alone.
const REPLICAS: u32 = 3;

/// What `GET /api/v1/replication/health` of a 2026 server says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Replication {
    /// `HEALTHY`, with a quorum.
    #[default]
    Healthy,
    /// `DEGRADED`: one replica is missing, the others are a quorum.
    Degraded,
    /// `DEGRADED`, and those that are left are no quorum. The answer is 200 all the same.
    QuorumLost,
    /// There is nothing to replicate to: the route answers 503.
    SingleNode,
}

impl Replication {
    /// The report; a single node has none.
    pub(super) fn report(self) -> Option<Value> {
        let (overall_status, has_quorum, healthy) = match self {
            Self::Healthy => ("HEALTHY", true, REPLICAS),
            Self::Degraded => ("DEGRADED", true, REPLICAS - 1),
            Self::QuorumLost => ("DEGRADED", false, REPLICAS - 2),
            Self::SingleNode => return None,
        };
        Some(json!({
            "overall_status": overall_status,
            "has_quorum": has_quorum,
            "replica_count": REPLICAS,
            "healthy_replicas": healthy,
        }))
    }
}
