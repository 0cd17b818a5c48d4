//! One target: its client, token and rate limit; and one call to it.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use reqwest::header::{ACCEPT, AUTHORIZATION, CONTENT_LENGTH, CONTENT_TYPE, HeaderMap, HeaderValue};
use reqwest::{Client, Request, Response};
use tokio::time::{Instant, timeout_at};

use super::answer::{Answer, AnswerBody, answer, read_body};
use super::body::SentBody;
use super::client::{BaseUrl, ExecutorError, TargetSettings, client};
use super::clocks;
use super::failure::{Failure, judge, label, root_cause};
use super::limiter::RequestLimiter;
use super::metrics::RequestMetrics;
use super::token::TokenSource;
use crate::domain::job::Outcome;
use crate::domain::ports::SentSignal;
use crate::domain::recipe::{Method, RenderedCall, SuccessRule};

/// How long the body of a refusal may take. Its status has decided already; the body only adds words.
const REFUSAL_BODY_TIMEOUT: Duration = Duration::from_secs(10);

/// A server that is called.
pub(super) struct Target {
    name: String,
    base: BaseUrl,
    client: Client,
    token: Option<TokenSource>,
    pub(super) limiter: RequestLimiter,
    metrics: Arc<dyn RequestMetrics>,
}

impl Target {
    pub(super) fn new(settings: TargetSettings, metrics: Arc<dyn RequestMetrics>) -> Result<Self, ExecutorError> {
        let TargetSettings { name, base_url, token, token_file, connect_timeout, requests_per_minute } = settings;
        let owner = format!("target '{name}'");
        let requests_per_minute =
            NonZeroU32::new(requests_per_minute).ok_or_else(|| ExecutorError::NoRequests { target: name.clone() })?;
        Ok(Self {
            base: BaseUrl::new(&base_url, &owner)?,
            client: client(&base_url, connect_timeout, &owner)?,
            token: TokenSource::new(token, token_file),
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
        let request = self.request(call, headers, sent).await.map_err(|why| Failure::permanent(format!("{label}: {why}")))?;
        let judged = match self.exchange(request, rule, deadline, sent, &label).await {
            Ok(answer) => judge(&answer, rule, &label).map(|()| answer),
            Err(failure) => Err(failure),
        };
        let outcome = judged.as_ref().map_or_else(|failure| failure.outcome, |_| Outcome::Succeeded);
        self.metrics.target_request(&self.name, outcome);
        judged
    }

    /// The request, or why there is none; nothing was sent then.
    async fn request(&self, call: &RenderedCall, headers: HeaderMap, sent: &SentSignal) -> Result<Request, String> {
        let url = self.base.join(&call.path).ok_or("the path would be changed on its way (it is not a normalised URL path)")?;
        let mut request = Request::new(method(call.method), url);
        *request.headers_mut() = headers;
        request.headers_mut().insert(ACCEPT, HeaderValue::from_static("application/json"));
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
        label: &str,
    ) -> Result<Answer, Failure> {
        let mut response = match timeout_at(deadline, self.client.execute(request)).await {
            Ok(Ok(response)) => response,
            Ok(Err(error)) => return Err(self.no_answer(label, sent, &root_cause(&error))),
            Err(_) => return Err(self.no_answer(label, sent, "the timeout was reached")),
        };
        if !rule.accepts_status(response.status().as_u16()) {
            let soon = deadline.min(clocks::instant() + REFUSAL_BODY_TIMEOUT);
            let body = timeout_at(soon, read_body(&mut response)).await;
            return Ok(answer(&response, body.ok().and_then(Result::ok).unwrap_or(AnswerBody::NotJson)));
        }
        match timeout_at(deadline, read_body(&mut response)).await {
            Ok(Ok(body)) => Ok(answer(&response, body)),
            Ok(Err(error)) => Err(broken_off(label, &response, &root_cause(&error))),
            Err(_) => Err(broken_off(label, &response, "the timeout was reached")),
        }
    }

    fn no_answer(&self, label: &str, sent: &SentSignal, why: &str) -> Failure {
        if sent.is_set() {
            Failure::unknown(format!("{label} was sent, but no answer came ({why})"))
        } else {
            Failure::transient(format!("{label}: no connection to {} ({why}); nothing was sent", self.base.origin()))
        }
    }
}

fn broken_off(label: &str, response: &Response, why: &str) -> Failure {
    let status = response.status().as_u16();
    Failure::unknown(format!("{label} answered {status}, but the answer broke off ({why})")).with_status(status)
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
