//! Where a provider is, and who asks: what can be wrong with it before anything is asked.

use reqwest::Url;
use reqwest::header::HeaderValue;

use crate::config::Secret;

/// Why a voice cannot be set up. Says nothing of what the key or the address is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SetupError {
    /// The base URL is not one.
    #[error("the base URL {0}")]
    BaseUrl(&'static str),
    /// The key cannot stand in a header.
    #[error("the key is empty, or has characters that no key has")]
    ApiKey,
    /// The API's version cannot stand in a header.
    #[error("the API's version has characters that no version has")]
    Version,
    /// There can be no HTTP client.
    #[error("there can be no HTTP client: the system's TLS cannot be set up")]
    Client,
}

/// How a provider is spoken to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Scheme {
    /// `http`, `https`.
    Http,
    /// `ws`, `wss`.
    WebSocket,
}

/// The base URL, given as `http(s)`, `ws(s)` or a bare host (then with TLS), for this way of speaking.
///
/// # Errors
/// [`SetupError::BaseUrl`].
pub(super) fn base(given: &str, scheme: Scheme) -> Result<Url, SetupError> {
    let given = given.trim();
    let whole = if given.contains("://") { given.to_owned() } else { format!("https://{given}") };
    let url = Url::parse(&whole).map_err(|_| SetupError::BaseUrl("is not a URL"))?;
    let (plain, secure) = match scheme {
        Scheme::Http => ("http", "https"),
        Scheme::WebSocket => ("ws", "wss"),
    };
    let wanted = match url.scheme() {
        "http" | "ws" => plain,
        "https" | "wss" => secure,
        _ => return Err(SetupError::BaseUrl("is neither http(s) nor ws(s)")),
    };
    if url.query().is_some() || url.fragment().is_some() || url.password().is_some() || !url.username().is_empty() {
        return Err(SetupError::BaseUrl("has more in it than a host and a path"));
    }
    let mut url = url;
    url.set_scheme(wanted).map_err(|()| SetupError::BaseUrl("is neither http(s) nor ws(s)"))?;
    Ok(url)
}

/// This path below the base URL.
pub(super) fn below(base: &Url, path: &str) -> Url {
    let mut url = base.clone();
    url.set_path(&format!("{}{path}", base.path().trim_end_matches('/')));
    url
}

/// A header that carries the key, and that nothing shows.
///
/// # Errors
/// [`SetupError::ApiKey`].
pub(super) fn key_header(prefix: &str, key: &Secret) -> Result<HeaderValue, SetupError> {
    let key = key.reveal().trim();
    if key.is_empty() {
        return Err(SetupError::ApiKey);
    }
    let mut value = HeaderValue::from_str(&format!("{prefix}{key}")).map_err(|_| SetupError::ApiKey)?;
    value.set_sensitive(true);
    Ok(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_base_url_is_taken_as_it_is_written() {
        let ws = |given| base(given, Scheme::WebSocket).map(|url| below(&url, "/tts/websocket").to_string());
        assert_eq!(ws("https://api.cartesia.ai").unwrap(), "wss://api.cartesia.ai/tts/websocket");
        assert_eq!(ws("wss://api.cartesia.ai/").unwrap(), "wss://api.cartesia.ai/tts/websocket");
        assert_eq!(ws("http://127.0.0.1:4010").unwrap(), "ws://127.0.0.1:4010/tts/websocket");
        assert_eq!(ws("api.cartesia.ai").unwrap(), "wss://api.cartesia.ai/tts/websocket");
        assert_eq!(ws("http://proxy/cartesia/").unwrap(), "ws://proxy/cartesia/tts/websocket");
        let http = |given| base(given, Scheme::Http).map(|url| below(&url, "/v1").to_string());
        assert_eq!(http("ws://127.0.0.1:4010").unwrap(), "http://127.0.0.1:4010/v1");
        assert_eq!(http("https://api.elevenlabs.io").unwrap(), "https://api.elevenlabs.io/v1");
    }

    #[test]
    fn what_is_no_base_url_is_refused_without_being_shown() {
        for given in
            ["", "https://", "ftp://host", "https://host/?key=sk-1", "https://user:sk-1@host", "https://host/#sk-1"]
        {
            let error = base(given, Scheme::Http).unwrap_err();
            assert!(matches!(error, SetupError::BaseUrl(_)), "{given}");
            assert!(!error.to_string().contains("sk-1"), "{error}");
        }
    }

    #[test]
    fn a_key_is_never_shown() {
        let header = key_header("Bearer ", &Secret::new("sk-1\n")).unwrap();
        assert_eq!(header.to_str().unwrap(), "Bearer sk-1");
        assert!(!format!("{header:?}").contains("sk-1"));
        assert_eq!(key_header("", &Secret::new(" ")), Err(SetupError::ApiKey));
        assert_eq!(key_header("", &Secret::new("a\nb")), Err(SetupError::ApiKey));
    }
}
