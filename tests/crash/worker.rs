//! A client that writes as fast as it is answered, and knows what has to be there.

use std::collections::BTreeMap;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use reqwest::Method;
use serde_json::{Value, json};

use crate::audit::Trail;
use crate::service::{Client, Service};

const TASKS: [&str; 3] = ["LOG_ROTATION", "CACHE_WARM", "MVCC_CLEANUP"];
/// Schedules that one client has at a time.
const SCHEDULES: usize = 3;

/// A schedule as its client knows it.
#[derive(Debug, Clone, PartialEq)]
struct Known {
    version: u64,
    description: String,
    enabled: bool,
}

/// A write to a schedule whose answer never came.
struct InFlight {
    request_id: String,
    id: String,
    after: Option<Known>,
}

/// One client; its schedules are its own.
pub struct Worker {
    number: u64,
    random: StdRng,
    counter: u64,
    /// What was acknowledged; `None` for a deleted schedule.
    schedules: BTreeMap<String, Option<Known>>,
    /// Jobs whose runs were acknowledged since the last check.
    jobs: Vec<String>,
    /// Those of them that this client tried to cancel.
    cancelled: Vec<String>,
    in_flight: Option<InFlight>,
    /// Requests that were acknowledged since the last check.
    acknowledged: Vec<String>,
}

impl Worker {
    pub fn new(number: u64, seed: u64) -> Self {
        Self {
            number,
            random: StdRng::seed_from_u64(seed),
            counter: 0,
            schedules: BTreeMap::new(),
            jobs: Vec::new(),
            cancelled: Vec::new(),
            in_flight: None,
            acknowledged: Vec::new(),
        }
    }

    /// Writes until an answer fails to come.
    pub async fn work(mut self, client: Client) -> Self {
        while self.one(&client).await.is_some() {}
        self
    }

    async fn one(&mut self, client: &Client) -> Option<()> {
        self.counter += 1;
        let own: Vec<(String, Known)> =
            self.schedules.iter().filter_map(|(id, known)| Some((id.clone(), known.clone()?))).collect();
        if own.len() < SCHEDULES {
            return self.create(client).await;
        }
        let (id, known) = own[self.random.random_range(0..own.len())].clone();
        let path = format!("/schedules/{id}");
        let next = Known { version: known.version + 1, ..known.clone() };
        match self.random.random_range(0..20) {
            0..7 => {
                let description = format!("{}-{}", self.number, self.counter);
                let body = json!({ "description": description });
                self.write(client, Method::PATCH, &path, Some(body), &id, Some(Known { description, ..next })).await
            }
            7..12 => {
                let action = if known.enabled { "disable" } else { "enable" };
                let after = Known { enabled: !known.enabled, ..next };
                self.write(client, Method::POST, &format!("{path}/{action}"), None, &id, Some(after)).await
            }
            12..13 => self.write(client, Method::DELETE, &path, None, &id, None).await,
            13..18 => self.run(client, &path).await,
            _ => self.cancel(client).await,
        }
    }

    async fn create(&mut self, client: &Client) -> Option<()> {
        let (id, description) = (format!("w{}-{}", self.number, self.counter), self.counter.to_string());
        let second = self.random.random_range(0..10);
        let seconds: Vec<String> = (0..6).map(|ten| (ten * 10 + second).to_string()).collect();
        let body = json!({
            "id": id,
            "name": "written while the service is killed",
            "description": description,
            "cron_expression": format!("{} * * * * *", seconds.join(",")),
            "tasks": TASKS[..self.random.random_range(1..=TASKS.len())],
            "target": if self.random.random() { "wide" } else { "default" },
        });
        let known = Known { version: 1, description, enabled: true };
        self.write(client, Method::POST, "/schedules", Some(body), &id, Some(known)).await
    }

    /// A write to a schedule that has to be acknowledged, unless the service is killed meanwhile.
    async fn write(
        &mut self,
        client: &Client,
        method: Method,
        path: &str,
        body: Option<Value>,
        id: &str,
        after: Option<Known>,
    ) -> Option<()> {
        let request_id = self.request_id();
        self.in_flight = Some(InFlight { request_id: request_id.clone(), id: id.to_owned(), after: after.clone() });
        let (status, answer) = client.send(method, path, &request_id, body).await?;
        assert!((200..300).contains(&status), "{path}: {status} {answer}");
        if let Some(known) = &after
            && status != 204
        {
            assert_eq!(answer["version"], known.version, "{answer}");
        }
        self.in_flight = None;
        self.schedules.insert(id.to_owned(), after);
        self.acknowledged.push(request_id);
        Some(())
    }

    async fn run(&mut self, client: &Client, path: &str) -> Option<()> {
        let request_id = self.request_id();
        let (status, job) = client.send(Method::POST, &format!("{path}/run"), &request_id, Some(json!({}))).await?;
        match status {
            202 => {
                self.jobs.push(job["id"].as_str().expect("an id").to_owned());
                self.acknowledged.push(request_id);
            }
            409 => {}
            _ => panic!("{path}/run: {status} {job}"),
        }
        Some(())
    }

    /// Cancels the job that was run last, once.
    async fn cancel(&mut self, client: &Client) -> Option<()> {
        let Some(id) = self.jobs.pop() else { return Some(()) };
        let request_id = self.request_id();
        let answer = client.send(Method::POST, &format!("/jobs/{id}/cancel"), &request_id, None).await;
        self.cancelled.push(id);
        match answer? {
            (202, _) => self.acknowledged.push(request_id),
            (409, _) => {}
            (status, body) => panic!("cancel: {status} {body}"),
        }
        Some(())
    }

    fn request_id(&self) -> String {
        format!("r-{}-{}", self.number, self.counter)
    }

    /// After the next start: everything acknowledged is there and has its audit line; a write without an answer was carried out
    /// or was not, and the audit trail says the same. Returns how many writes had been acknowledged.
    pub async fn check(&mut self, service: &Service, trail: &mut Trail) -> u64 {
        let client = service.client();
        let in_flight = self.in_flight.take();
        let mut gone = Vec::new();
        let ids: Vec<String> = self.schedules.keys().chain(in_flight.iter().map(|write| &write.id)).cloned().collect();
        for id in ids {
            let acknowledged = self.schedules.get(&id).cloned().flatten();
            let found = client.get(&format!("/schedules/{id}")).await.map(|schedule| Known {
                version: schedule["version"].as_u64().expect("a version"),
                description: schedule["description"].as_str().expect("a description").to_owned(),
                enabled: schedule["enabled"].as_bool().expect("a flag"),
            });
            match in_flight.as_ref().filter(|write| write.id == id) {
                Some(write) if found == write.after => trail.expect_write(&write.request_id).await,
                Some(write) => {
                    assert_eq!(found, acknowledged, "{id}: neither as acknowledged nor as written last ({:?})", write.after);
                    assert_eq!(trail.writes(&write.request_id), 0, "{id}: audited and not done");
                }
                None => assert_eq!(found, acknowledged, "{id}: not as acknowledged"),
            }
            if found.is_none() {
                gone.push(id.clone());
            }
            self.schedules.insert(id, found);
        }
        // Nobody writes to them again.
        gone.iter().for_each(|id| drop(self.schedules.remove(id)));
        for id in self.jobs.drain(..).chain(self.cancelled.drain(..)) {
            assert!(client.get(&format!("/jobs/{id}")).await.is_some(), "the job of an acknowledged run is gone: {id}");
        }
        for request_id in &self.acknowledged {
            trail.expect_write(request_id).await;
        }
        std::mem::take(&mut self.acknowledged).len() as u64
    }
}
