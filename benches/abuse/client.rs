//! A client that behaves: one request after the other, most of them on one connection, some on a new one, and a note of how long each
//! took.

use std::time::Duration;

use themis_maintenance::telemetry::Stopwatch;

use super::common::Service;

/// Between two requests: an operator's dashboard with many panels.
const PAUSE: Duration = Duration::from_millis(2);

/// Each so many-th request opens a new connection: who is shut out notices it there.
const NEW_CONNECTION_EVERY: usize = 10;

pub struct GoodClient {
    client: reqwest::Client,
    /// Keeps no connection.
    newcomer: reqwest::Client,
    urls: [String; 2],
    token: String,
}

/// What the good client got.
#[derive(Default)]
pub struct Answers {
    milliseconds: Vec<f64>,
    refused: Vec<String>,
}

impl GoodClient {
    pub fn new(service: &Service) -> Self {
        let api = format!("http://{}/api/v1/maintenance", service.address);
        let builder = || reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(10));
        let client = builder().build().unwrap();
        let newcomer = builder().pool_max_idle_per_host(0).build().unwrap();
        Self { client, newcomer, urls: [format!("{api}/schedules"), format!("{api}/health")], token: service.token.clone() }
    }

    /// Asks until the time is over.
    pub async fn ask_for(&self, time: Duration) -> Answers {
        let mut answers = Answers::default();
        let all = Stopwatch::start();
        for (number, url) in self.urls.iter().cycle().enumerate() {
            if all.seconds() > time.as_secs_f64() {
                break;
            }
            let one = Stopwatch::start();
            let client = if number % NEW_CONNECTION_EVERY == 0 { &self.newcomer } else { &self.client };
            match client.get(url).bearer_auth(&self.token).send().await {
                Ok(answer) if answer.status().is_success() => {
                    if let Err(error) = answer.bytes().await {
                        answers.refused.push(format!("half an answer: {error:?}"));
                    }
                }
                Ok(answer) => answers.refused.push(answer.status().to_string()),
                Err(error) => answers.refused.push(format!("no answer: {error:?}")),
            }
            answers.milliseconds.push(one.seconds() * 1000.0);
            tokio::time::sleep(PAUSE).await;
        }
        answers.milliseconds.sort_by(f64::total_cmp);
        answers
    }
}

impl Answers {
    pub fn count(&self) -> usize {
        self.milliseconds.len()
    }

    pub fn percentile(&self, percent: f64) -> f64 {
        let index = (self.milliseconds.len() as f64 * percent / 100.0) as usize;
        self.milliseconds.get(index.min(self.milliseconds.len().saturating_sub(1))).copied().unwrap_or(f64::INFINITY)
    }

    /// Everything that was no success, the first few.
    pub fn refused(&self) -> impl Iterator<Item = &String> {
        self.refused.iter().take(3)
    }
}
