//! Those who misbehave. Each holds its connections for the whole phase, and counts what became of them.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout, timeout_at};

use super::common::Service;
use super::service::PATIENCE;

/// Half of the connections that the service takes by default.
const CONNECTIONS: usize = 1_000;
/// More connections than the service takes by default, which is 2,048.
const HOLDERS: usize = 2_100;
/// So many connections come from one address: half of what one may have.
const PER_ADDRESS: usize = 250;
/// How often those ask who hold their places by asking: in time, so that they never count as idle for too long.
const NOW_AND_THEN: Duration = Duration::from_millis(1_500);
/// Those that send without a pause; more would measure their own machine.
const FLOODERS: usize = 16;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Attack {
    Nothing,
    Idle,
    SlowHeads,
    SlowBodies,
    Flood,
    BadTokens,
    Oversized,
    Churn,
    NoReaders,
    Holders,
}

/// What became of the abusers.
#[derive(Debug, Default)]
pub struct Harm {
    pub connections: usize,
    /// Connections that the service ended.
    pub cut_off: usize,
    pub statuses: BTreeMap<u16, usize>,
}

impl Harm {
    fn add(mut self, other: Self) -> Self {
        self.connections += other.connections;
        self.cut_off += other.cut_off;
        for (status, count) in other.statuses {
            *self.statuses.entry(status).or_default() += count;
        }
        self
    }

    fn of(&self, status: u16) -> usize {
        self.statuses.get(&status).copied().unwrap_or_default()
    }
}

impl Attack {
    pub const ALL: [Self; 10] = [
        Self::Nothing,
        Self::Idle,
        Self::SlowHeads,
        Self::SlowBodies,
        Self::Flood,
        Self::BadTokens,
        Self::Oversized,
        Self::Churn,
        Self::NoReaders,
        Self::Holders,
    ];

    pub fn name(self) -> &'static str {
        match self {
            Self::Nothing => "nothing",
            Self::Idle => "1,000 idle connections",
            Self::SlowHeads => "1,000 slow heads (slow-loris)",
            Self::SlowBodies => "1,000 slow bodies",
            Self::Flood => "a flood without tokens",
            Self::BadTokens => "a flood of bad tokens",
            Self::Oversized => "oversized everything",
            Self::Churn => "connections opened and dropped",
            Self::NoReaders => "clients that read no answers",
            Self::Holders => "every place held by asking",
        }
    }

    /// What should have happened to the abusers and did not.
    pub fn disappointments(self, harm: &Harm) -> impl Iterator<Item = String> + use<> {
        let missing = match self {
            Self::Nothing | Self::Churn => None,
            Self::Idle | Self::SlowHeads | Self::SlowBodies | Self::NoReaders => {
                (harm.cut_off < harm.connections).then(|| format!("only {} of {} were cut off", harm.cut_off, harm.connections))
            }
            Self::Holders => (harm.cut_off == 0).then(|| "nobody had to make room".to_owned()),
            Self::Flood | Self::BadTokens => (harm.of(429) <= harm.of(401)).then(|| "the flood was not limited".to_owned()),
            Self::Oversized => {
                let accepted: usize = harm.statuses.iter().filter(|(status, _)| **status < 400).map(|(_, count)| count).sum();
                (accepted > 0).then(|| format!("{accepted} requests were accepted"))
            }
        };
        missing.into_iter()
    }

    /// Misbehaves for so long.
    pub async fn run(self, service: &Service, time: Duration) -> Harm {
        let end = Instant::now() + time;
        // A slow client gets the time that it is allowed, and somewhat more to be cut off on a busy machine.
        let patience_over = (Instant::now() + PATIENCE + Duration::from_secs(8)).max(end);
        let address = service.address;
        let post = format!(
            "POST /api/v1/maintenance/schedules HTTP/1.1\r\nhost: a\r\nauthorization: Bearer {}\r\ncontent-type: application/json\r\n\
             content-length: 1000\r\n\r\n",
            service.token
        );
        match self {
            Self::Nothing => {
                tokio::time::sleep_until(end).await;
                Harm::default()
            }
            Self::Idle => {
                many(CONNECTIONS, move |number| dripping(self.from(number), address, String::new(), "", patience_over)).await
            }
            Self::SlowHeads => {
                let head = "GET /api/v1/maintenance/schedules HTTP/1.1\r\nhost: a\r\nx-slow: ".to_owned();
                many(CONNECTIONS, move |number| dripping(self.from(number), address, head.clone(), "x", patience_over)).await
            }
            // A body that keeps coming is bounded by the time for the whole request; these stop.
            Self::SlowBodies => {
                many(CONNECTIONS, move |number| dripping(self.from(number), address, post.clone(), "", patience_over)).await
            }
            Self::Flood => {
                let request = "GET /api/v1/maintenance/schedules HTTP/1.1\r\nhost: a\r\n\r\n".to_owned();
                many(FLOODERS, move |_| flooding(address, request.clone(), end)).await
            }
            Self::BadTokens => {
                let token = format!("{}x", service.token);
                let request =
                    format!("GET /api/v1/maintenance/jobs HTTP/1.1\r\nhost: a\r\nauthorization: Bearer {token}\r\n\r\n");
                many(FLOODERS, move |_| flooding(address, request.clone(), end)).await
            }
            Self::Oversized => {
                let requests = Arc::new(oversized(&service.token));
                many(requests.len(), move |number| {
                    let requests = Arc::clone(&requests);
                    async move { again_and_again(address, &requests[number], end).await }
                })
                .await
            }
            Self::Churn => {
                many(FLOODERS, move |_| {
                    async move {
                        let mut harm = Harm::default();
                        while Instant::now() < end {
                            if TcpStream::connect(address).await.is_ok() {
                                harm.connections += 1;
                            }
                            // As fast as it can, but not faster than ports come back: a closed one waits a minute.
                            tokio::time::sleep(Duration::from_millis(10)).await;
                        }
                        harm
                    }
                })
                .await
            }
            Self::NoReaders => {
                let request = "GET /api-docs/openapi.json HTTP/1.1\r\nhost: a\r\n\r\n".repeat(100);
                many(64, move |number| {
                    dripping(self.from(number), address, request.clone(), "", patience_over.max(end + Duration::from_secs(15)))
                })
                .await
            }
            Self::Holders => many(HOLDERS, move |number| holding(self.from(number), address, end)).await,
        }
    }

    /// From where its connection of this number comes: a network of its own, with so many connections for each address.
    fn from(self, number: usize) -> IpAddr {
        let host = u8::try_from(1 + number / PER_ADDRESS).expect("a few thousand connections");
        IpAddr::from([127, 0, 1 + self as u8, host])
    }
}

/// So many abusers side by side.
async fn many<F: Future<Output = Harm> + Send + 'static>(count: usize, abuser: impl Fn(usize) -> F) -> Harm {
    let mut abusers = JoinSet::new();
    for number in 0..count {
        abusers.spawn(abuser(number));
    }
    let mut harm = Harm::default();
    while let Some(one) = abusers.join_next().await {
        harm = harm.add(one.unwrap());
    }
    harm
}

/// A connection from this address.
async fn connect(from: IpAddr, address: SocketAddr) -> io::Result<TcpStream> {
    let socket = TcpSocket::new_v4()?;
    socket.bind((from, 0).into())?;
    socket.connect(address).await
}

/// Asks now and then for what costs nothing, so that its connection is always in use; comes back when it is cut off.
async fn holding(from: IpAddr, address: SocketAddr, until: Instant) -> Harm {
    let mut harm = Harm::default();
    let mut buffer = [0; 1024];
    while Instant::now() < until {
        if let Ok(Ok(mut stream)) = timeout_at(until, connect(from, address)).await {
            harm.connections += 1;
            while Instant::now() < until {
                let asked = timeout_at(until, stream.write_all(b"GET /livez HTTP/1.1\r\nhost: a\r\n\r\n")).await;
                match (asked, timeout_at(until, stream.read(&mut buffer)).await) {
                    (Ok(Ok(())), Ok(Ok(read))) if read > 0 => note_statuses(&buffer[..read], &mut harm),
                    // The phase is over.
                    (Err(_), _) | (_, Err(_)) => return harm,
                    _ => {
                        harm.cut_off += 1;
                        break;
                    }
                }
                tokio::time::sleep_until(until.min(Instant::now() + NOW_AND_THEN)).await;
            }
        }
        // As an abuser who does not mean to wear out the machine that is measured.
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    harm
}

/// Sends a beginning, then a drip every half second, until it is cut off. Reads nothing that it would have to act upon.
async fn dripping(from: IpAddr, address: SocketAddr, beginning: String, drip: &'static str, until: Instant) -> Harm {
    let Ok(mut stream) = connect(from, address).await else { return Harm::default() };
    let mut harm = Harm { connections: 1, ..Harm::default() };
    if timeout_at(until, stream.write_all(beginning.as_bytes())).await.is_ok_and(|written| written.is_err()) {
        harm.cut_off = 1;
        return harm;
    }
    let reads = beginning.len() < 4096;
    let mut buffer = [0; 4096];
    while Instant::now() < until {
        // Those who read learn of the end at once; the others by a write that fails.
        if reads {
            match timeout(Duration::from_millis(500), stream.read(&mut buffer)).await {
                Ok(Ok(0) | Err(_)) => {
                    harm.cut_off = 1;
                    return harm;
                }
                Ok(Ok(read)) => note_statuses(&buffer[..read], &mut harm),
                Err(_) => {}
            }
        } else {
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
        let drip = if reads { drip } else { "GET " };
        if timeout_at(until, stream.write_all(drip.as_bytes())).await.is_ok_and(|written| written.is_err()) {
            harm.cut_off = 1;
            return harm;
        }
    }
    harm
}

/// Sends one request after the other on one connection, and a new one when it is cut off.
async fn flooding(address: SocketAddr, request: String, until: Instant) -> Harm {
    let mut harm = Harm::default();
    let mut buffer = [0; 16 * 1024];
    while Instant::now() < until {
        let Ok(mut stream) = TcpStream::connect(address).await else { continue };
        harm.connections += 1;
        while Instant::now() < until {
            if stream.write_all(request.as_bytes()).await.is_err() {
                break;
            }
            match timeout_at(until, stream.read(&mut buffer)).await {
                Ok(Ok(read)) if read > 0 => note_statuses(&buffer[..read], &mut harm),
                _ => break,
            }
        }
    }
    harm
}

/// Sends the same request on new connections.
async fn again_and_again(address: SocketAddr, request: &[u8], until: Instant) -> Harm {
    let mut harm = Harm::default();
    let mut buffer = [0; 16 * 1024];
    while Instant::now() < until {
        let Ok(mut stream) = TcpStream::connect(address).await else { continue };
        harm.connections += 1;
        // The service may answer, and hang up, before it has read all.
        let _ = timeout_at(until, stream.write_all(request)).await;
        if let Ok(Ok(read)) = timeout_at(until, stream.read(&mut buffer)).await {
            note_statuses(&buffer[..read], &mut harm);
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    harm
}

fn oversized(token: &str) -> Vec<Vec<u8>> {
    let head = |target: &str, more: &str, length: usize| {
        format!(
            "POST /api/v1/maintenance/{target} HTTP/1.1\r\nhost: a\r\nauthorization: Bearer {token}\r\n{more}\
             content-type: application/json\r\ncontent-length: {length}\r\n\r\n"
        )
    };
    let with_body = |body: String| (head("schedules", "", body.len()) + &body).into_bytes();
    let headers = |count: usize| {
        (0..count).fold(String::new(), |mut text, number| {
            write!(text, "x-{number}: y\r\n").unwrap();
            text
        })
    };
    let mut big = String::from("{\"name\":\"");
    big.push_str(&"x".repeat(8 << 20));
    vec![
        with_body(big),
        with_body("[".repeat(100_000)),
        with_body(format!("{{\"tasks\":[{}]}}", "\"CUSTOM\",".repeat(20_000))),
        with_body(format!("{{{}}}", (0..10_000).map(|number| format!("\"f{number}\":1,")).collect::<String>())),
        head(&format!("schedules?{}", "x".repeat(1 << 20)), "", 0).into_bytes(),
        head("schedules", &format!("x-big: {}\r\n", "x".repeat(1 << 20)), 0).into_bytes(),
        head("schedules", &headers(20_000), 0).into_bytes(),
        format!("GET /api/v1/maintenance/jobs HTTP/1.1\r\nhost: a\r\nauthorization: Bearer {}\r\n\r\n", "x.".repeat(15_000))
            .into_bytes(),
        format!("GET /{} HTTP/1.1\r\nhost: a\r\n\r\n", "a/".repeat(100_000)).into_bytes(),
    ]
}

/// Counts the status lines in what came back.
fn note_statuses(bytes: &[u8], harm: &mut Harm) {
    let text = String::from_utf8_lossy(bytes);
    for line in text.split("HTTP/1.1 ").skip(1) {
        if let Some(status) = line.get(..3).and_then(|digits| digits.parse().ok()) {
            *harm.statuses.entry(status).or_default() += 1;
        }
    }
}
