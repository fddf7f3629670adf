//! Opening a connection: TCP, TLS and the upgrade.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use jiff::Timestamp;
use reqwest::Url;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::http::{HeaderMap, HeaderValue};
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{self, Error, error::ProtocolError};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async_with_config};
use voice_core::provider::{ProviderErrorKind, ProviderFailure};

use super::DeepgramConfig;
use super::refusal::{RefusedUpgrade, loggable, refusal};
use super::wire::connection_url;
use crate::audio::format::AudioFormat;

/// Longest message of the server's, in bytes: results of a minute's words are a tenth of it.
const MAX_MESSAGE_BYTES: usize = 256 * 1024;
/// What a session's connection reads at once, in bytes.
const READ_BYTES: usize = 8 * 1024;
/// What may wait for the network inside the connection, in bytes: what waits longer waits in the outbox.
const MAX_WRITE_BYTES: usize = 64 * 1024;

/// Who opens connections: the network's, and the tests'.
pub(super) trait Dial: Send + Sync + 'static {
    /// The stream below.
    type Stream: AsyncRead + AsyncWrite + Unpin + Send;
    /// Opens one. Whoever calls it waits no longer than they want to: dropping the future gives up.
    fn dial(&self) -> impl Future<Output = Result<WebSocketStream<Self::Stream>, ProviderFailure>> + Send;
}

/// How much a connection holds.
pub(super) fn socket_config() -> WebSocketConfig {
    WebSocketConfig::default()
        .read_buffer_size(READ_BYTES)
        // Every message goes to the network at once.
        .write_buffer_size(0)
        .max_write_buffer_size(MAX_WRITE_BYTES)
        .max_message_size(Some(MAX_MESSAGE_BYTES))
        .max_frame_size(Some(MAX_MESSAGE_BYTES))
}

/// Opens connections to the configured host, for audio in one format.
pub(super) struct Dialer {
    /// With the key terms, which are titles.
    url: String,
    /// Without them.
    bare_url: String,
    /// The key terms were refused.
    is_bare: AtomicBool,
    config: Arc<DeepgramConfig>,
}

impl Dialer {
    /// For `terms` that may well be spoken.
    pub(super) fn new(listen: &Url, config: &Arc<DeepgramConfig>, format: AudioFormat, terms: &[String]) -> Self {
        Self {
            url: connection_url(listen, config, format, terms),
            bare_url: connection_url(listen, config, format, &[]),
            is_bare: AtomicBool::new(false),
            config: Arc::clone(config),
        }
    }

    fn request(&self) -> Result<tungstenite::handshake::client::Request, ProviderFailure> {
        let url = if self.is_bare.load(Ordering::Relaxed) { &self.bare_url } else { &self.url };
        let mut request = url.into_client_request().map_err(|_| ProviderErrorKind::BadRequest)?;
        let token = format!("Token {}", self.config.api_key.reveal());
        // A key that is none in a header is none at all.
        let mut token = HeaderValue::try_from(token).map_err(|_| ProviderErrorKind::Auth)?;
        token.set_sensitive(true);
        request.headers_mut().insert("Authorization", token);
        Ok(request)
    }

    /// What a failed attempt means. It is logged here, where the request's id and the provider's code are at hand.
    fn failed(&self, error: Error) -> ProviderFailure {
        let Error::Http(response) = error else { return failure(&error) };
        let status = response.status().as_u16();
        let headers = response.headers();
        let body = response.body().as_deref().unwrap_or_default();
        let refused = RefusedUpgrade {
            status,
            retry_after: header(headers, "retry-after"),
            dg_error: header(headers, "dg-error"),
            // Only what came in one piece with the headers; `dg-error` says the same.
            body,
        };
        let refusal = refusal(refused, Timestamp::now());
        let request_id = loggable(header(headers, "dg-request-id").unwrap_or_default());
        if refusal.about_terms && self.url != self.bare_url {
            self.is_bare.store(true, Ordering::Relaxed);
        }
        tracing::warn!(status, code = refusal.code, request_id, "deepgram refuses the connection");
        refusal.failure
    }
}

impl Dial for Dialer {
    type Stream = MaybeTlsStream<TcpStream>;

    async fn dial(&self) -> Result<WebSocketStream<Self::Stream>, ProviderFailure> {
        loop {
            let had_terms = !self.is_bare.load(Ordering::Relaxed);
            match connect_async_with_config(self.request()?, Some(socket_config()), true).await {
                Ok((socket, response)) => {
                    let request_id = loggable(header(response.headers(), "dg-request-id").unwrap_or_default());
                    tracing::debug!(request_id, "connected to deepgram");
                    return Ok(socket);
                }
                Err(error) => {
                    let failure = self.failed(error);
                    // Titles are a help that nobody should have to do without the rest for.
                    if !(had_terms && self.is_bare.load(Ordering::Relaxed)) {
                        return Err(failure);
                    }
                }
            }
        }
    }
}

fn header<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

/// What an error of the connection means. Its text is not kept: it may name what was sent.
pub(super) fn failure(error: &Error) -> ProviderFailure {
    let kind = match error {
        Error::ConnectionClosed | Error::AlreadyClosed => ProviderErrorKind::Disconnected,
        Error::Protocol(ProtocolError::ResetWithoutClosingHandshake | ProtocolError::HandshakeIncomplete) => {
            ProviderErrorKind::Disconnected
        }
        Error::Io(error) => match error.kind() {
            // TLS says so of what is no TLS, and of certificates that it does not trust.
            io::ErrorKind::InvalidData => ProviderErrorKind::Protocol,
            io::ErrorKind::TimedOut => ProviderErrorKind::Timeout,
            io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe | io::ErrorKind::UnexpectedEof => {
                ProviderErrorKind::Disconnected
            }
            // Nobody listens, no route, no such name.
            _ => ProviderErrorKind::Unavailable,
        },
        Error::Url(_) | Error::HttpFormat(_) => ProviderErrorKind::BadRequest,
        _ => ProviderErrorKind::Protocol,
    };
    kind.into()
}
