//! Twilio's REST client: one message at a time, none of them twice.
//!
//! `POST Messages.json` cannot be repeated safely: a message whose answer was lost may have been taken. So the account's messages
//! are looked at first, and it is sent again only when it is not among them. What cannot be looked at is not sent again.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use reqwest::header::RETRY_AFTER;
use reqwest::{Client, RequestBuilder, Url};
use tokio::time::{Instant, sleep, timeout_at};

use super::wire::{self, Taken, Verdict};
use crate::config::{Config, Secret};
use crate::store::Clock;
use crate::transport::twilio::PhoneNumber;

/// Most bytes of an answer that are read.
const MAX_ANSWER: usize = 256 * 1024;
/// Twilio's clock may be behind ours.
const SKEW: SignedDuration = SignedDuration::from_secs(30);
/// The longest pause before another attempt.
const LONGEST_PAUSE: Duration = Duration::from_secs(10);

/// Why a message was not sent, or may not have been.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RestError {
    /// The receiver wants none.
    #[error("the receiver has opted out")]
    OptedOut,
    /// Twilio refused it.
    #[error("refused with code {0}")]
    Refused(u32),
    /// It was not taken, in all attempts.
    #[error("not taken in time")]
    Failed,
    /// It may have been taken; nobody could say.
    #[error("nobody knows whether it was taken")]
    Unsure,
}

/// The client of an account.
pub(super) struct Rest {
    client: Client,
    messages: Url,
    account: String,
    token: Secret,
    from: String,
    status_callback: Option<String>,
    attempts: u32,
    attempt: Duration,
    deadline: Duration,
    retry: Duration,
}

/// What one attempt came to.
enum Attempt {
    Done(Result<Taken, RestError>),
    Again(Option<Duration>),
    Look,
}

impl Rest {
    /// The client of these settings; none when they have no account, token or number.
    pub(super) fn new(config: &Config) -> Option<Self> {
        let twilio = &config.twilio;
        let token = config.secrets.twilio_auth_token.clone()?;
        if twilio.account_sid.is_empty() || twilio.from_number.is_empty() {
            return None;
        }
        let attempt = Duration::from_millis(twilio.sms_attempt_ms);
        let mut messages = Url::parse(&twilio.base_url).ok()?;
        let account = twilio.account_sid.as_str();
        messages.path_segments_mut().ok()?.pop_if_empty().extend(["2010-04-01", "Accounts", account, "Messages.json"]);
        let public = config.public_url.trim_end_matches('/');
        let status_callback = (!public.is_empty()).then(|| format!("{public}/twilio/status"));
        Some(Self {
            client: client(attempt)?,
            messages,
            account: account.to_owned(),
            token,
            from: twilio.from_number.clone(),
            status_callback,
            attempts: twilio.sms_attempts,
            attempt,
            deadline: Duration::from_millis(twilio.sms_deadline_ms),
            retry: Duration::from_millis(twilio.sms_retry_ms),
        })
    }

    /// Sends a message, and tells what Twilio says of it.
    pub(super) async fn send(&self, clock: &dyn Clock, to: &PhoneNumber, text: &str) -> Result<Taken, RestError> {
        let until = Instant::now() + self.deadline;
        let since = clock.now().checked_sub(SKEW).unwrap_or(Timestamp::MIN);
        let mut unsure = false;
        for attempt in 0..self.attempts {
            let tried = timeout_at(until, async {
                if unsure { self.look(to, text, since).await } else { self.post(to, text).await }
            });
            let pause = match tried.await {
                Err(_) => return Err(if unsure { RestError::Unsure } else { RestError::Failed }),
                Ok(Attempt::Done(done)) => return done,
                Ok(Attempt::Again(after)) => {
                    unsure = false;
                    after
                }
                Ok(Attempt::Look) => {
                    unsure = true;
                    None
                }
            };
            let pause = pause.unwrap_or(self.retry.saturating_mul(1 << attempt.min(8))).min(LONGEST_PAUSE);
            if attempt + 1 == self.attempts || Instant::now() + pause >= until {
                break;
            }
            sleep(pause).await;
        }
        Err(if unsure { RestError::Unsure } else { RestError::Failed })
    }

    async fn post(&self, to: &PhoneNumber, text: &str) -> Attempt {
        let form = wire::form(to.reveal(), &self.from, text, self.status_callback.as_deref());
        let request = self.client.post(self.messages.clone()).body(form);
        let request = request.header("content-type", "application/x-www-form-urlencoded");
        let (status, retry_after, body) = match self.ask(request).await {
            Ok(answer) => answer,
            // Nothing was sent: nobody was there.
            Err(error) if error.is_connect() => return Attempt::Again(None),
            Err(_) => return Attempt::Look,
        };
        match wire::verdict(status, retry_after.as_deref(), &body) {
            Verdict::Taken(taken) => Attempt::Done(Ok(taken)),
            Verdict::OptedOut => Attempt::Done(Err(RestError::OptedOut)),
            Verdict::Refused(code) => Attempt::Done(Err(RestError::Refused(code))),
            Verdict::Later(after) => Attempt::Again(after),
            Verdict::Unsure => Attempt::Look,
        }
    }

    /// Whether Twilio has the message. What cannot be found out is asked again, and not sent again.
    async fn look(&self, to: &PhoneNumber, text: &str, since: Timestamp) -> Attempt {
        let mut url = self.messages.clone();
        url.query_pairs_mut()
            .append_pair("To", to.reveal())
            .append_pair("From", &self.from)
            .append_pair("PageSize", "20");
        let Ok((200, _, body)) = self.ask(self.client.get(url)).await else { return Attempt::Look };
        match wire::find(&body, to.reveal(), text, since) {
            Ok(Some(taken)) => Attempt::Done(Ok(taken)),
            Ok(None) => Attempt::Again(Some(Duration::ZERO)),
            Err(_) => Attempt::Look,
        }
    }

    async fn ask(&self, request: RequestBuilder) -> reqwest::Result<(u16, Option<String>, Vec<u8>)> {
        let request = request.basic_auth(&self.account, Some(self.token.reveal())).timeout(self.attempt);
        let response = request.send().await?;
        let retry_after = response.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok()).map(str::to_owned);
        let status = response.status().as_u16();
        Ok((status, retry_after, body_of(response, MAX_ANSWER).await?))
    }
}

/// A client that follows nobody: what is sent is for this host and no other.
pub(crate) fn client(connect: Duration) -> Option<Client> {
    let client = Client::builder()
        .user_agent(concat!("voice-agent/", env!("CARGO_PKG_VERSION")))
        .connect_timeout(connect)
        .redirect(reqwest::redirect::Policy::none())
        .build();
    client.inspect_err(|error| tracing::error!(%error, "there can be no HTTP client")).ok()
}

/// The body of an answer, as far as anybody looks at it.
pub(crate) async fn body_of(mut response: reqwest::Response, most: usize) -> reqwest::Result<Vec<u8>> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await? {
        body.extend(chunk.iter().take(most.saturating_sub(body.len())));
        if body.len() >= most {
            break;
        }
    }
    Ok(body)
}
