//! The account: where the API is, who asks, and the connections to it.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::future;
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use reqwest::{Client, Method, RequestBuilder, Response, Url, redirect};
use serde_json::Value;
use voice_core::provider::{ProviderErrorKind, ProviderFailure};

use super::refusal::{self, ErrorBody};
use super::warm::{InUse, Ledger};
use crate::config::Secret;
use crate::served::Served;

/// OpenAI's own address.
pub const BASE_URL: &str = "https://api.openai.com/v1";

/// Most connections that are kept open while nobody uses them.
const MAX_IDLE: usize = 64;
/// Least time between two rounds of warming: what many callers lose at once is made good at once.
const WARM_GAP: Duration = Duration::from_secs(1);
/// Longest time of a request that only keeps a connection open. One that is dead is found out by it.
const WARM_DEADLINE: Duration = Duration::from_secs(3);
/// Longest time of a request that nobody waits for.
const PROBE_DEADLINE: Duration = Duration::from_secs(10);
/// Longest time for the body of a refusal, and for the end of an answer that is complete.
const TAIL_DEADLINE: Duration = Duration::from_secs(2);
/// Most bytes of a refusal's body that are looked at.
const MAX_REFUSAL_BYTES: usize = 64 * 1024;
/// Most bytes of a probe's answer.
const MAX_PROBE_BYTES: usize = 64 * 1024;
/// Most bytes of the list of models: some servers have thousands.
const MAX_MODELS_BYTES: usize = 4 * 1024 * 1024;

/// Where the API is, and who asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccountConfig {
    /// The API's address, with its `/v1`.
    pub base_url: String,
    /// The key; none for a server that needs none.
    pub api_key: Option<Secret>,
    /// The organisation that is billed, where an account has several.
    pub organization: Option<String>,
    /// The project that is billed, likewise.
    pub project: Option<String>,
    /// Longest time for a connection, handshake included.
    pub connect_timeout_ms: u64,
    /// How many connections are kept open beyond those in use; 0: none, and the first request after a pause pays the
    /// handshake.
    pub warm_connections: usize,
    /// How often spare connections are used, so that nobody closes them. Shorter than the server's patience.
    pub warm_every_ms: u64,
}

impl Default for AccountConfig {
    fn default() -> Self {
        Self {
            base_url: BASE_URL.to_owned(),
            api_key: None,
            organization: None,
            project: None,
            connect_timeout_ms: 1_000,
            warm_connections: 2,
            warm_every_ms: 20_000,
        }
    }
}

/// Why there can be no account. It quotes nothing: URLs and headers may hold secrets.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AccountError {
    /// The address is none.
    #[error("the base URL is not an http or https URL")]
    BaseUrl,
    /// This setting cannot stand in a header.
    #[error("the {0} has characters that cannot stand in a header")]
    Header(&'static str),
    /// The system has no trusted certificates, for instance.
    #[error("no HTTP client: {0}")]
    Client(String),
}

/// An account with its connections. Every client that uses it shares them.
pub struct Account {
    client: Client,
    base: Url,
    connections: Arc<Ledger>,
    warm_every: Duration,
    warm_gap: Duration,
}

impl fmt::Debug for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Account").finish_non_exhaustive()
    }
}

impl Account {
    /// The account of these settings. Connects to nothing yet.
    ///
    /// # Errors
    /// [`AccountError`] when a setting cannot be used.
    pub fn new(config: &AccountConfig) -> Result<Arc<Self>, AccountError> {
        let base = Url::parse(&config.base_url).map_err(|_quotes_it| AccountError::BaseUrl)?;
        if !matches!(base.scheme(), "http" | "https") || base.cannot_be_a_base() {
            return Err(AccountError::BaseUrl);
        }
        let connect_timeout = Duration::from_millis(config.connect_timeout_ms);
        let warm_every = Duration::from_millis(config.warm_every_ms);
        let client = Client::builder()
            .user_agent(concat!("voice-agent/", env!("CARGO_PKG_VERSION")))
            .default_headers(headers(config)?)
            .connect_timeout(connect_timeout)
            .pool_max_idle_per_host(MAX_IDLE)
            // A redirect would take the request, and what was said, to where nobody meant it to go.
            .redirect(redirect::Policy::none())
            .build()
            .map_err(|error| AccountError::Client(error.to_string()))?;
        let connections = Arc::new(Ledger::new(config.warm_connections));
        Ok(Arc::new(Self { client, base, connections, warm_every, warm_gap: WARM_GAP }))
    }

    /// Keeps spare connections open until the account is dropped: to be spawned once, where the account is made.
    pub fn keep_warm(self: &Arc<Self>) -> impl Future<Output = ()> + Send + use<> {
        let account = Arc::downgrade(self);
        let connections = Arc::clone(&self.connections);
        let (gap, pause) = (self.warm_gap, self.warm_every.saturating_sub(self.warm_gap));
        async move {
            if connections.spare() == 0 {
                return;
            }
            while let Some(account) = account.upgrade() {
                account.warm().await;
                drop(account);
                tokio::time::sleep(gap).await;
                // Until one is missing, or it is time.
                let _which = tokio::time::timeout(pause, connections.is_short()).await;
            }
        }
    }

    /// Uses every spare connection once, and opens those that are missing. Whatever the server answers, the connection is
    /// there then; what is wrong with it, the next request will tell.
    async fn warm(&self) {
        let once = || async {
            let asked = self.request(Method::HEAD, &["models"]).timeout(WARM_DEADLINE).send().await;
            asked.is_ok()
        };
        let answered = future::join_all((0..self.connections.spare()).map(|_| once())).await;
        self.connections.settle(answered.into_iter().filter(|is_open| *is_open).count());
    }

    /// A request to what this path under the base URL names. Segments are escaped.
    pub(crate) fn request(&self, method: Method, path: &[&str]) -> RequestBuilder {
        let mut url = self.base.clone();
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().extend(path);
        }
        self.client.request(method, url)
    }

    /// Sends a request; its answer begins with a success. Nothing is sent twice: who to ask next is the core's to say.
    /// (The client itself asks again only where a kept connection was closed before the request was on its way.)
    ///
    /// # Errors
    /// What the transport, or the provider's refusal, comes to.
    pub(crate) async fn send(&self, request: RequestBuilder) -> Result<Exchange, ProviderFailure> {
        let mut exchange = self.exchange(request).await?;
        if exchange.response.status().is_success() {
            return Ok(exchange);
        }
        let body = exchange.refusal().await;
        Err(exchange.failure(&body))
    }

    async fn exchange(&self, request: RequestBuilder) -> Result<Exchange, ProviderFailure> {
        let in_use = self.connections.take();
        let response = request.send().await.map_err(|error| broken(&error))?;
        Ok(Exchange { response, in_use })
    }

    /// Whether the API serves this model. A key may be allowed to use models and not to look at them: then it is not known.
    pub(crate) async fn served(&self, model: &str) -> Result<Served, ProviderFailure> {
        within(PROBE_DEADLINE, async {
            let mut exchange = self.exchange(self.request(Method::GET, &["models", model])).await?;
            let status = exchange.response.status().as_u16();
            let body = exchange.refusal().await;
            match (status, ErrorBody::parse(&body)) {
                (200..=299, _) => Ok(Served::Yes),
                (_, Some(error)) if error.is_model_not_found() => Ok(Served::No),
                (401 | 403, _) => Ok(Served::Unknown),
                // Many compatible servers have only the list.
                (404 | 405 | 501, _) => Ok(self.listed(model).await),
                _ => Err(exchange.failure(&body)),
            }
        })
        .await
    }

    /// Whether the model is in the list of models; unknown when there is no list.
    async fn listed(&self, model: &str) -> Served {
        let list = async {
            let mut exchange = self.send(self.request(Method::GET, &["models"])).await?;
            exchange.body(MAX_MODELS_BYTES).await
        };
        let list = list.await.ok().and_then(|body| serde_json::from_slice::<Value>(&body).ok());
        match list.as_ref().and_then(|list| list["data"].as_array()) {
            Some(models) if models.iter().any(|listed| listed["id"] == model) => Served::Yes,
            Some(_) => Served::No,
            None => Served::Unknown,
        }
    }

    /// Sends a request that only shows that the provider answers, and gives what it answered; nothing when it answered that
    /// there was no room for an answer, as models do that think first.
    pub(crate) async fn probe(&self, request: RequestBuilder) -> Result<Option<Vec<u8>>, ProviderFailure> {
        within(PROBE_DEADLINE, async {
            let mut exchange = self.exchange(request).await?;
            if exchange.response.status().is_success() {
                return exchange.body(MAX_PROBE_BYTES).await.map(Some);
            }
            let body = exchange.refusal().await;
            let has_answered = ErrorBody::parse(&body).is_some_and(|error| error.is_output_limit());
            if has_answered { Ok(None) } else { Err(exchange.failure(&body)) }
        })
        .await
    }
}

fn headers(config: &AccountConfig) -> Result<HeaderMap, AccountError> {
    let mut headers = HeaderMap::new();
    let key = config.api_key.as_ref().map(|key| format!("Bearer {}", key.reveal()));
    let wanted = [
        (AUTHORIZATION, "API key", key),
        (HeaderName::from_static("openai-organization"), "organisation", config.organization.clone()),
        (HeaderName::from_static("openai-project"), "project", config.project.clone()),
    ];
    for (name, setting, text) in wanted {
        let Some(text) = text else { continue };
        let mut value = HeaderValue::from_str(&text).map_err(|_quotes_it| AccountError::Header(setting))?;
        value.set_sensitive(true);
        headers.insert(name, value);
    }
    Ok(headers)
}

/// An answer that has begun, and the connection that it comes by. Dropping it closes that, unless the answer is read to
/// its end.
pub(crate) struct Exchange {
    response: Response,
    in_use: InUse,
}

impl Exchange {
    /// The next piece of the answer; none at its end.
    ///
    /// # Errors
    /// The connection broke.
    pub(crate) async fn chunk(&mut self) -> Result<Option<Bytes>, ProviderFailure> {
        let chunk = self.response.chunk().await.map_err(|error| broken(&error))?;
        if chunk.is_none() {
            self.in_use.give_back();
        }
        Ok(chunk)
    }

    /// All of the answer.
    ///
    /// # Errors
    /// The connection broke, or the answer is longer than `most` bytes.
    pub(crate) async fn body(&mut self, most: usize) -> Result<Vec<u8>, ProviderFailure> {
        let mut body = Vec::new();
        while let Some(chunk) = self.chunk().await? {
            if body.len() + chunk.len() > most {
                return Err(ProviderErrorKind::Protocol.into());
            }
            body.extend_from_slice(&chunk);
        }
        Ok(body)
    }

    /// Whether the answer says that it is of this media type.
    pub(crate) fn is(&self, media_type: &str) -> bool {
        let said = self.response.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
        let named = said.and_then(|said| said.split(';').next());
        named.is_some_and(|named| named.trim().eq_ignore_ascii_case(media_type))
    }

    /// Everything that matters was read: what may follow is read by nobody's leave, so that the connection can be used
    /// again. It has its own little time.
    pub(crate) fn finish(mut self) {
        tokio::spawn(async move {
            let rest = async { while let Ok(Some(_unread)) = self.chunk().await {} };
            let _in_time = tokio::time::timeout(TAIL_DEADLINE, rest).await;
        });
    }

    /// What a refusal says, as far as it can be had: half of it is better than to wait.
    async fn refusal(&mut self) -> Vec<u8> {
        let mut body = Vec::new();
        let read = async {
            while let Ok(Some(chunk)) = self.chunk().await {
                body.extend_from_slice(&chunk);
                if body.len() > MAX_REFUSAL_BYTES {
                    break;
                }
            }
        };
        let _in_time = tokio::time::timeout(TAIL_DEADLINE, read).await;
        body
    }

    fn failure(&self, body: &[u8]) -> ProviderFailure {
        let (status, headers) = (self.response.status().as_u16(), self.response.headers());
        let error = ErrorBody::parse(body);
        let failure = refusal::failure(status, headers, error.as_ref(), jiff::Timestamp::now());
        // The provider's message may quote the key or the caller: it is not for the log.
        let request_id = headers.get("x-request-id").and_then(|id| id.to_str().ok()).unwrap_or_default();
        let code = error.as_ref().map(ErrorBody::label).unwrap_or_default();
        tracing::debug!(status, code, request_id, kind = failure.kind.as_str(), "the provider refused a request");
        failure
    }
}

/// How a connection failed.
fn broken(error: &reqwest::Error) -> ProviderFailure {
    let kind = if error.is_timeout() {
        ProviderErrorKind::Timeout
    } else if error.is_connect() {
        ProviderErrorKind::Unavailable
    } else if error.is_builder() {
        ProviderErrorKind::BadRequest
    } else {
        ProviderErrorKind::Disconnected
    };
    kind.into()
}

/// Gives up when it takes longer.
async fn within<T>(
    deadline: Duration,
    work: impl Future<Output = Result<T, ProviderFailure>>,
) -> Result<T, ProviderFailure> {
    tokio::time::timeout(deadline, work).await.unwrap_or_else(|_elapsed| Err(ProviderErrorKind::Timeout.into()))
}

#[cfg(test)]
mod tests;
