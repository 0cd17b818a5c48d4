//! Asking a target whether a job may start on it.

use std::time::Duration;

use reqwest::header::{ACCEPT, HeaderMap, HeaderValue};
use tokio::time::{Instant, timeout_at};

use super::answer::{Answer, AnswerBody, LONGEST_BODY};
use super::attempt::deadline_after;
use super::failure::{judge, label};
use super::prometheus_text::{Sample, samples};
use super::target::{NoAnswer, Target};
use crate::config::{Expected, MetricRule, PreflightCheck};
use crate::domain::fields::printable;
use crate::domain::ports::{SentSignal, TargetAnswer};
use crate::domain::recipe::{Method, RenderedCall, SuccessRule};

/// How long all questions together may take, the rate limiter included: a job waits for the answer, and others behind it.
const ASK_TIMEOUT: Duration = Duration::from_secs(10);

const TEXT_FORMAT: HeaderValue = HeaderValue::from_static("text/plain; version=0.0.4");

impl Target {
    /// Asks all pre-flight checks in their order, up to the first that says no; without any, whether the target answers at all.
    pub(super) async fn ask(&self) -> TargetAnswer {
        let deadline = deadline_after(ASK_TIMEOUT);
        if self.preflight.is_empty() {
            return self.ask_for_a_sign(deadline).await;
        }
        for check in &self.preflight {
            match self.check(check, deadline).await {
                TargetAnswer::Ready => {}
                no => return no,
            }
        }
        TargetAnswer::Ready
    }

    /// Whatever HTTP answer comes will do: `/health` says `healthy` even when it is not (THEMISDB.md, Conduct), but a server that is
    /// not there says nothing.
    async fn ask_for_a_sign(&self, deadline: Instant) -> TargetAnswer {
        let call = RenderedCall { method: Method::Get, path: "/health".to_owned(), body: None };
        match self.question(&call, HeaderMap::new(), &SuccessRule::default(), deadline).await {
            // A question that cannot be made (the token's file is gone, the name stands for an address that may not be called) is no
            // fault of the target; the job's own calls will say so.
            Ok(_) | Err(NoAnswer::BrokenOff(..) | NoAnswer::NotMade(_) | NoAnswer::Refused(_)) => TargetAnswer::Ready,
            Err(no_answer) => self.without_answer(&label(&call), no_answer),
        }
    }

    async fn check(&self, check: &PreflightCheck, deadline: Instant) -> TargetAnswer {
        let PreflightCheck { call, expected } = check;
        let label = format!("pre-flight check {}", label(call));
        let any_2xx = SuccessRule::default();
        let (headers, rule) = match expected {
            Expected::Json(rule) => (HeaderMap::new(), rule),
            Expected::Metrics(_) => (HeaderMap::from_iter([(ACCEPT, TEXT_FORMAT)]), &any_2xx),
        };
        let answer = match self.question(call, headers, rule, deadline).await {
            Ok(answer) => answer,
            Err(no_answer) => return self.without_answer(&label, no_answer),
        };
        let verdict = judge(&answer, rule, &label).map_err(|failure| failure.message).and_then(|()| match expected {
            Expected::Json(_) => Ok(()),
            Expected::Metrics(rules) => check_page(rules, &answer).map_err(|why| format!("{label}: {why}")),
        });
        verdict.map_or_else(TargetAnswer::Postpone, |()| TargetAnswer::Ready)
    }

    /// Passes the rate limiter and sends.
    async fn question(
        &self,
        call: &RenderedCall,
        headers: HeaderMap,
        rule: &SuccessRule,
        deadline: Instant,
    ) -> Result<Answer, NoAnswer> {
        if timeout_at(deadline, self.limiter.ready()).await.is_err() {
            return Err(NoAnswer::HeldBack);
        }
        let answer = self.send(call, headers, rule, deadline, &SentSignal::default()).await;
        // A question is counted by whether there was an answer; what it means for a job is no matter of the call.
        self.count(answer.as_ref().err());
        answer
    }

    fn without_answer(&self, label: &str, no_answer: NoAnswer) -> TargetAnswer {
        let limit = humantime::format_duration(ASK_TIMEOUT);
        match no_answer {
            NoAnswer::NotMade(why) => TargetAnswer::Postpone(format!("{label}: {why}")),
            NoAnswer::Refused(why) => TargetAnswer::Postpone(format!("{label}: {} may not be called: {why}", self.base.origin())),
            NoAnswer::HeldBack => TargetAnswer::Postpone(format!(
                "{label} could not be made within {limit}: the target's rate limit is used up, or it asked to be left alone"
            )),
            NoAnswer::NoConnection(why) => {
                TargetAnswer::Unreachable(format!("{label}: no connection to {} ({why})", self.base.origin()))
            }
            NoAnswer::Lost(why) => {
                TargetAnswer::Unreachable(format!("{label}: no answer from {} within {limit} ({why})", self.base.origin()))
            }
            NoAnswer::BrokenOff(status, why) => {
                TargetAnswer::Unreachable(format!("{label} answered {status}, but the answer broke off ({why})"))
            }
        }
    }
}

fn check_page(rules: &[MetricRule], answer: &Answer) -> Result<(), String> {
    let page = match &answer.body {
        AnswerBody::Other(bytes) => std::str::from_utf8(bytes).map_err(|_| "the answer is not in UTF-8".to_owned())?,
        AnswerBody::Json(_) => return Err("the answer is JSON, not metrics in Prometheus's text format".to_owned()),
        AnswerBody::TooLong => return Err(format!("the answer is larger than {LONGEST_BODY} bytes and cannot be checked")),
    };
    let not_metrics = |line| format!("the answer is not in Prometheus's text format (line {line})");
    let samples = samples(page).map_err(not_metrics)?;
    rules.iter().try_for_each(|rule| check_metric(rule, &samples))
}

fn check_metric(rule: &MetricRule, samples: &[Sample<'_>]) -> Result<(), String> {
    let MetricRule { name, labels, at_least, at_most } = rule;
    let has = |sample: &Sample<'_>, wanted: (&String, &String)| {
        sample.labels.iter().any(|(name, value)| (*name, value) == (wanted.0.as_str(), wanted.1))
    };
    let mut chosen =
        samples.iter().filter(|sample| sample.name == name && labels.iter().all(|label| has(sample, label))).peekable();
    if chosen.peek().is_none() {
        let wanted = labels.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        return Err(format!("there is no metric {}", series(name, wanted)));
    }
    for sample in chosen {
        let value = sample.value;
        // A value that is no number is within no bounds.
        let broken = match (at_least, at_most) {
            (Some(least), _) if value.is_nan() || value < *least => format!("at least {least}"),
            (_, Some(most)) if value.is_nan() || value > *most => format!("at most {most}"),
            _ => continue,
        };
        let shown = series(name, sample.labels.iter().map(|(name, value)| (*name, value.as_str())));
        return Err(format!("{shown} must be {broken}, but it is {value}"));
    }
    Ok(())
}

fn series<'a>(name: &str, labels: impl Iterator<Item = (&'a str, &'a str)>) -> String {
    let labels: Vec<String> = labels.map(|(name, value)| format!("{name}={value:?}")).collect();
    if labels.is_empty() { name.to_owned() } else { printable(&format!("{name}{{{}}}", labels.join(","))) }
}
