//! Which addresses are connected to, whatever the resolver says.

use std::collections::VecDeque;
use std::net::{IpAddr, SocketAddr};

use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use serde_json::json;

use super::server::{Reply, Server};
use super::*;
use crate::domain::addresses::{AddressRule, parse_exception};
use crate::domain::health::HealthStatus;
use crate::domain::ports::{HealthProbe, TargetAnswer};
use crate::domain::recipe::{Check, RenderedCall};
use crate::executor::resolver::{Addresses, CheckedResolver};
use crate::executor::{HttpProbe, ThemisDbProbe};

/// Gives one scripted answer after the other, the last one again and again, and counts the questions.
#[derive(Default)]
struct Names {
    answers: Mutex<VecDeque<Vec<&'static str>>>,
    asked: Mutex<Vec<String>>,
}

impl Names {
    fn new(answers: impl IntoIterator<Item = Vec<&'static str>>) -> Arc<Self> {
        Arc::new(Self { answers: Mutex::new(answers.into_iter().collect()), asked: Mutex::default() })
    }
}

impl Resolve for Names {
    fn resolve(&self, name: Name) -> Resolving {
        self.asked.lock().push(name.as_str().to_owned());
        let mut answers = self.answers.lock();
        let last = answers.len() == 1;
        let found = if last { answers.front().cloned() } else { answers.pop_front() }.expect("an answer");
        let found = found.into_iter().map(|address| SocketAddr::new(address.parse::<IpAddr>().expect("an address"), 0));
        let found: Addrs = Box::new(found.collect::<Vec<_>>().into_iter());
        Box::pin(async move { Ok(found) })
    }
}

fn success() -> Reply {
    Reply::json(200, json!({"success": true}))
}

/// A target by a name, for which `names` gives the addresses. Every connection is closed after its answer, so that each call resolves.
fn named(server: &Server, names: &Arc<Names>, exceptions: &[&str], recipe: Recipe) -> Bench {
    let exceptions = exceptions.iter().map(|text| parse_exception(text).expect("an exception")).collect();
    let base_url = server.url("").replace("127.0.0.1", "themis.internal");
    let settings = TargetSettings { addresses: AddressRule::with_exceptions(exceptions), ..settings(&base_url) };
    Bench::with_lookup(settings, recipe, Arc::clone(names) as Arc<dyn Resolve>)
}

fn closing() -> Reply {
    Reply::Raw(b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 16\r\n\r\n{\"success\":true}".to_vec())
}

#[tokio::test(start_paused = true)]
async fn a_name_that_stands_for_a_refused_address_is_not_called_and_no_fault_of_the_target() {
    for (address, class) in [
        ("169.254.169.254", "the address of a cloud's metadata service"),
        ("::ffff:169.254.169.254", "the address of a cloud's metadata service"),
        ("169.254.1.1", "a link-local address"),
        ("0.0.0.0", "an unspecified address"),
        ("224.0.0.1", "a multicast address"),
    ] {
        let server = Server::start([success()]).await;
        let bench = named(&server, &Names::new([vec![address]]), &[], recipe());
        let report = bench.attempt().await;
        assert_eq!((report.outcome, report.answered), (Outcome::Permanent, None));
        let origin = server.url("").replace("127.0.0.1", "themis.internal");
        let expected = format!(
            "POST /index/rebuild: {origin} may not be called: its name stands for {class}, and targets.default.allow_addresses does not \
             list it; nothing was sent"
        );
        assert_eq!(message(&report), expected);
        assert!(!bench.trace.was_sent() && bench.counted().is_empty() && server.lines().is_empty());
        assert_eq!(bench.executor.ask("default").await, TargetAnswer::Ready, "the job says it better");
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_left_of_the_addresses_is_used_and_exceptions_count() {
    let server = Server::start([success()]).await;
    let mixed = Names::new([vec!["169.254.169.254", "fe80::1", "127.0.0.1"]]);
    assert_eq!(named(&server, &mixed, &[], recipe()).attempt().await.outcome, Outcome::Succeeded);
    assert_eq!(server.lines().len(), 1);
    // `0.0.0.0` leads to loopback on Linux.
    let unspecified = Names::new([vec!["0.0.0.0"]]);
    assert_eq!(named(&server, &unspecified, &[], recipe()).attempt().await.outcome, Outcome::Permanent);
    assert_eq!(named(&server, &unspecified, &["0.0.0.0"], recipe()).attempt().await.outcome, Outcome::Succeeded);
}

#[tokio::test(start_paused = true)]
async fn every_connection_is_checked_anew_and_resolves_once() {
    let server = Server::start([closing()]).await;
    let names = Names::new([vec!["127.0.0.1"], vec!["169.254.169.254"], vec!["127.0.0.1"]]);
    let bench = named(&server, &names, &[], recipe());
    let mut outcomes = Vec::new();
    for _ in 0..3 {
        outcomes.push(bench.attempt().await.outcome);
    }
    assert_eq!(outcomes, [Outcome::Succeeded, Outcome::Permanent, Outcome::Succeeded]);
    assert_eq!(*names.asked.lock(), ["themis.internal"; 3]);
    assert_eq!(server.lines().len(), 2);
}

/// The work was done; that it cannot be looked at is no verdict on it.
#[tokio::test(start_paused = true)]
async fn work_whose_verification_may_not_be_made_is_unknown() {
    let server = Server::start([closing()]).await;
    let check = Check { call: call(Method::Get, "/stats", Body::None), success: SuccessRule::default(), settles: true };
    let names = Names::new([vec!["127.0.0.1"], vec!["169.254.169.254"]]);
    let bench = named(&server, &names, &[], Recipe { verify: vec![check], ..recipe() });
    let report = bench.attempt().await;
    assert_eq!(report.outcome, Outcome::Unknown, "{report:?}");
    assert!(message(&report).starts_with("POST /index/rebuild succeeded, but could not be verified: GET /stats: "), "{report:?}");
}

#[tokio::test(start_paused = true)]
async fn a_preflight_check_that_may_not_be_made_puts_the_job_off() {
    let server = Server::start([success()]).await;
    let call = RenderedCall { method: Method::Get, path: "/stats".to_owned(), body: None };
    let check = crate::config::PreflightCheck { call, expected: crate::config::Expected::Json(SuccessRule::default()) };
    let settings = TargetSettings { preflight: vec![check], ..settings("http://themis.internal") };
    let bench = Bench::with_lookup(settings, recipe(), Names::new([vec!["fe80::1"]]));
    let TargetAnswer::Postpone(words) = bench.executor.ask("default").await else { panic!("not put off") };
    assert!(words.contains("http://themis.internal may not be called: its name stands for a link-local address"), "{words}");
    assert!(server.lines().is_empty());
}

#[test]
fn an_address_in_a_url_is_refused_before_any_call() {
    for (url, class) in [
        ("http://169.254.169.254/latest", "metadata"),
        ("http://2852039166", "metadata"),
        ("http://0xa9fea9fe", "metadata"),
        ("http://[::ffff:169.254.169.254]:1", "metadata"),
        ("http://[fd00:ec2::254]", "metadata"),
        ("https://[fe80::1]", "link-local"),
        ("http://0", "unspecified"),
        ("http://[::]", "unspecified"),
        ("http://255.255.255.255", "broadcast"),
    ] {
        let words = |error: Option<crate::executor::ExecutorError>| error.expect("refused").to_string();
        let target = HttpExecutor::new(vec![settings(url)], Arc::default(), Arc::new(Counted::default()));
        let target = words(target.err());
        assert!(target.starts_with("target 'default': the address in the URL may not be called: it is "), "{target}");
        assert!(target.contains(class) && target.ends_with("targets.default.allow_addresses does not list it"), "{target}");
        let probe = words(ThemisDbProbe::new(settings(url)).err());
        assert!(probe.starts_with("probe of target 'default': the address in the URL may not be called"), "{probe}");
        let probe = words(HttpProbe::new(Url::parse(url).expect("a URL")).err());
        assert!(probe.ends_with(", which is never asked"), "{probe}");
    }
    let rule = AddressRule::with_exceptions(vec![parse_exception("169.254.0.0/16").expect("a network")]);
    let excepted = TargetSettings { addresses: rule, ..settings("http://169.254.169.254") };
    HttpExecutor::new(vec![excepted], Arc::default(), Arc::new(Counted::default())).expect("an exception");
}

#[tokio::test]
async fn a_probe_of_a_url_shows_no_address_either() {
    let addresses = Addresses::of_probe(Names::new([vec!["169.254.169.254"]]));
    let probe = HttpProbe::with_addresses(Url::parse("http://db.internal/ready?key=hunter2").expect("a URL"), addresses);
    let signal = probe.expect("a probe").check().await;
    assert_eq!(signal.status, HealthStatus::Unhealthy);
    let expected = "http://db.internal/ready is not reachable (its name stands for the address of a cloud's metadata service, which is \
                    never asked)";
    assert_eq!(signal.message, expected);
}

/// The name that is verified is another one than that by which the server is found; the address is checked all the same.
#[tokio::test]
async fn a_server_found_by_another_name_is_checked_too() {
    let names = Names::new([vec!["127.0.0.1", "169.254.1.1"]]);
    let addresses = Addresses::of_target("default", AddressRule::default(), Arc::clone(&names) as Arc<dyn Resolve>);
    let resolver = CheckedResolver { found_by: Some(url::Host::Domain("db.internal".to_owned())), addresses };
    let found = resolver.resolve("themis.example".parse().expect("a name")).await.expect("an address");
    assert_eq!(found.map(|address| address.ip().to_string()).collect::<Vec<_>>(), ["127.0.0.1"]);
    assert_eq!(*names.asked.lock(), ["db.internal"]);
}
