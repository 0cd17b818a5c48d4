//! One target: its client, token and rate limit; and one call to it.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use reqwest::dns::Resolve;
use reqwest::header::{ACCEPT, AUTHORIZATION, CONTENT_LENGTH, CONTENT_TYPE, HeaderMap, HeaderValue};
use reqwest::{Client, Request};
use tokio::time::{Instant, timeout_at};

use super::answer::{Answer, AnswerBody, answer, read_body};
use super::body::SentBody;
use super::client::{BaseUrl, ExecutorError, TargetSettings, client};
use super::clocks;
use super::failure::{Failure, judge, label, root_cause};
use super::limiter::RequestLimiter;
use super::metrics::RequestMetrics;
use super::resolver::{Addresses, RefusedAddresses};
use super::tls::refused_in_handshake;
use super::token::TokenSource;
use crate::config::PreflightCheck;
use crate::domain::job::Outcome;
use crate::domain::ports::SentSignal;
use crate::domain::recipe::{Method, RenderedCall, SuccessRule};

/// How long the body of a refusal may take. Its status has decided already; the body only adds words.
const REFUSAL_BODY_TIMEOUT: Duration = Duration::from_secs(10);

/// How long a target is left alone that refuses a call with 429 and does not say for how long. ThemisDB says 1 s.
const USUAL_PAUSE: Duration = Duration::from_secs(1);

/// A server that is called.
pub(super) struct Target {
    name: String,
    pub(super) base: BaseUrl,
    client: Client,
    token: Option<TokenSource>,
    pub(super) preflight: Vec<PreflightCheck>,
    pub(super) limiter: RequestLimiter,
    metrics: Arc<dyn RequestMetrics>,
}

/// Why a call has no whole answer.
pub(super) enum NoAnswer {
    /// It could not be made: the fault is here.
    NotMade(String),
    /// The host has no address that may be called.
    Refused(String),
    /// The rate limiter did not let it pass in time. Only for those that pass the limiter within a deadline.
    HeldBack,
    /// Nothing of it was carried out.
    NoConnection(String),
    /// It left, and nothing came back.
    Lost(String),
    /// The answer of this status ended too early.
    BrokenOff(u16, String),
}

impl NoAnswer {
    /// What it means for work that was asked for; `None` for a call that was never made.
    fn outcome(&self) -> Option<Outcome> {
        match self {
            Self::NotMade(_) | Self::Refused(_) | Self::HeldBack => None,
            Self::NoConnection(_) => Some(Outcome::Transient),
            Self::Lost(_) | Self::BrokenOff(..) => Some(Outcome::Unknown),
        }
    }
}

impl Target {
    pub(super) fn new(
        settings: TargetSettings,
        metrics: Arc<dyn RequestMetrics>,
        lookup: Arc<dyn Resolve>,
    ) -> Result<Self, ExecutorError> {
        let TargetSettings { name, base_url, token, token_file, connect_timeout, requests_per_minute, tls, addresses, preflight } =
            settings;
        let addresses = Addresses::of_target(&name, addresses, lookup);
        let owner = format!("target '{name}'");
        let requests_per_minute =
            NonZeroU32::new(requests_per_minute).ok_or_else(|| ExecutorError::NoRequests { target: name.clone() })?;
        if tls.insecure_skip_verify {
            tracing::warn!(
                target = name,
                "the certificate of this target is not verified: anybody on the way can read its token and answer in its place"
            );
        }
        Ok(Self {
            base: BaseUrl::new(&base_url, &owner)?.under_name(tls.server_name.as_deref(), &owner)?,
            client: client(&base_url, connect_timeout, &tls, addresses, &owner)?,
            token: TokenSource::new(token, token_file),
            preflight,
            limiter: RequestLimiter::new(requests_per_minute),
            metrics,
            name,
        })
    }

    /// Sends one call, reads the answer and judges it by `rule`. The rate limiter has been passed before. `headers` come on top of
    /// those that every call carries. Returns at `deadline` at the latest.
    ///
    /// # Errors
    /// When there is no complete answer, or one that the rule does not accept.
    pub(super) async fn call(
        &self,
        call: &RenderedCall,
        headers: HeaderMap,
        rule: &SuccessRule,
        deadline: Instant,
        sent: &SentSignal,
    ) -> Result<Answer, Failure> {
        let label = label(call);
        let answer = self.send(call, headers, rule, deadline, sent).await.map_err(|no_answer| {
            self.count(Some(&no_answer));
            self.failure(&label, no_answer)
        })?;
        let judged = judge(&answer, rule, &label);
        let outcome = judged.as_ref().map_or_else(|failure| failure.outcome, |()| Outcome::Succeeded);
        self.metrics.target_request(&self.name, outcome);
        judged.map(|()| answer)
    }

    /// Sends one call and reads the answer; whole, if `rule` accepts its status. When the target refuses it for want of patience, no
    /// call passes the limiter before the time it asks for is over.
    ///
    /// # Errors
    /// When there is no whole answer.
    pub(super) async fn send(
        &self,
        call: &RenderedCall,
        headers: HeaderMap,
        rule: &SuccessRule,
        deadline: Instant,
        sent: &SentSignal,
    ) -> Result<Answer, NoAnswer> {
        let request = self.request(call, headers, sent).await.map_err(NoAnswer::NotMade)?;
        let answer = self.exchange(request, rule, deadline, sent).await?;
        if answer.status == 429 {
            self.limiter.pause(answer.retry_after.unwrap_or(USUAL_PAUSE));
        }
        Ok(answer)
    }

    /// Counts a call by whether there was an answer.
    pub(super) fn count(&self, no_answer: Option<&NoAnswer>) {
        if let Some(outcome) = no_answer.map_or(Some(Outcome::Succeeded), NoAnswer::outcome) {
            self.metrics.target_request(&self.name, outcome);
        }
    }

    /// The request, or why there is none; nothing was sent then.
    async fn request(&self, call: &RenderedCall, headers: HeaderMap, sent: &SentSignal) -> Result<Request, String> {
        let request = self.base.request(method(call.method), &call.path);
        let mut request = request.ok_or("the path would be changed on its way (it is not a normalised URL path)")?;
        request.headers_mut().extend(headers);
        request.headers_mut().entry(ACCEPT).or_insert(HeaderValue::from_static("application/json"));
        if let Some(token) = &self.token {
            let authorization = token.authorization().await.map_err(|error| error.to_string())?;
            request.headers_mut().insert(AUTHORIZATION, authorization);
        }
        let body = match &call.body {
            Some(body) => {
                request.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
                body.to_string().into_bytes()
            }
            None => {
                // RFC 9110, 8.6: a method that usually has content says that there is none.
                if !matches!(call.method, Method::Get | Method::Delete) {
                    request.headers_mut().insert(CONTENT_LENGTH, HeaderValue::from_static("0"));
                }
                Vec::new()
            }
        };
        *request.body_mut() = Some(reqwest::Body::wrap(SentBody::new(body, sent.clone())));
        Ok(request)
    }

    async fn exchange(
        &self,
        request: Request,
        rule: &SuccessRule,
        deadline: Instant,
        sent: &SentSignal,
    ) -> Result<Answer, NoAnswer> {
        const TIMEOUT: &str = "the timeout was reached";
        let no_answer = |sent: bool, why: String| if sent { NoAnswer::Lost(why) } else { NoAnswer::NoConnection(why) };
        let mut response = match timeout_at(deadline, self.client.execute(request)).await {
            Ok(Ok(response)) => response,
            Ok(Err(error)) => {
                if let Some(refused) = RefusedAddresses::within(&error) {
                    return Err(NoAnswer::Refused(refused.to_string()));
                }
                return Err(no_answer(sent.is_set() && !refused_in_handshake(&error), root_cause(&error)));
            }
            Err(_) => return Err(no_answer(sent.is_set(), TIMEOUT.to_owned())),
        };
        let status = response.status().as_u16();
        if !rule.accepts_status(status) {
            let soon = deadline.min(clocks::instant() + REFUSAL_BODY_TIMEOUT);
            let body = timeout_at(soon, read_body(&mut response)).await;
            return Ok(answer(&response, body.ok().and_then(Result::ok).unwrap_or(AnswerBody::Other(Vec::new()))));
        }
        match timeout_at(deadline, read_body(&mut response)).await {
            Ok(Ok(body)) => Ok(answer(&response, body)),
            Ok(Err(error)) => Err(NoAnswer::BrokenOff(status, root_cause(&error))),
            Err(_) => Err(NoAnswer::BrokenOff(status, TIMEOUT.to_owned())),
        }
    }

    /// What it means for work that was asked for, in words that an operator can act on.
    fn failure(&self, label: &str, no_answer: NoAnswer) -> Failure {
        match no_answer {
            NoAnswer::NotMade(why) => Failure::permanent(format!("{label}: {why}")),
            // Another try would have to wait for the name to change or for the configuration; and a name that now and then stands for
            // such an address is to be noticed, not tried until it does not.
            NoAnswer::Refused(why) => {
                Failure::permanent(format!("{label}: {} may not be called: {why}; nothing was sent", self.base.origin()))
            }
            NoAnswer::HeldBack => Failure::transient(format!("{label}: held back by the target's rate limit; nothing was sent")),
            NoAnswer::NoConnection(why) => {
                Failure::transient(format!("{label}: no connection to {} ({why}); nothing was sent", self.base.origin()))
            }
            NoAnswer::Lost(why) => Failure::unknown(format!("{label} was sent, but no answer came ({why})")),
            NoAnswer::BrokenOff(status, why) => {
                Failure::unknown(format!("{label} answered {status}, but the answer broke off ({why})")).with_status(status)
            }
        }
    }
}

fn method(method: Method) -> reqwest::Method {
    match method {
        Method::Get => reqwest::Method::GET,
        Method::Post => reqwest::Method::POST,
        Method::Put => reqwest::Method::PUT,
        Method::Patch => reqwest::Method::PATCH,
        Method::Delete => reqwest::Method::DELETE,
    }
}
