//! Who calls: the Host and the Origin that a request may have, and the user behind it.

use axum::http::{HeaderMap, Uri, header};

use super::problem::Problem;
use crate::config::{AuthMode, Config};
use crate::telemetry::Pii;

/// The longest user id, in characters.
const MAX_USER_ID: usize = 128;

/// Which Hosts and Origins are ours: the public one and loopback.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origins {
    /// `scheme` and `host[:port]` of the public URL, in lower case.
    public: Option<(String, String)>,
}

impl Origins {
    /// The origins of this public URL; empty: loopback only.
    pub fn new(public_url: &str) -> Self {
        let uri = public_url.parse::<Uri>().ok();
        let public = uri.as_ref().and_then(|uri| {
            let scheme = uri.scheme_str()?.to_ascii_lowercase();
            let authority = normal(uri.authority()?.as_str(), &scheme);
            Some((scheme, authority))
        });
        Self { public }
    }

    /// Refuses a request that names another host, or that a page of another origin sends.
    ///
    /// # Errors
    /// The problem to answer with.
    pub fn check(&self, uri: &Uri, headers: &HeaderMap) -> Result<(), Problem> {
        if headers.get_all(header::HOST).iter().nth(1).is_some() {
            // Which of them a proxy went by nobody knows (RFC 9112, 3.2).
            return Err(Problem::bad_request("The request names more than one Host."));
        }
        let host = uri.authority().map(|authority| authority.as_str().to_owned());
        let host = host.or_else(|| headers.get(header::HOST)?.to_str().ok().map(str::to_owned));
        let host = host.ok_or_else(|| Problem::bad_request("The request names no Host."))?;
        if !self.is_ours("http", &host) && !self.is_ours("https", &host) {
            return Err(Problem::forbidden(
                "foreign_host",
                "This Host is not served. Callers who reach the server under this name need it in PUBLIC_URL.",
            ));
        }
        for origin in headers.get_all(header::ORIGIN) {
            let parts = origin.to_str().ok().and_then(|origin| origin.split_once("://"));
            if !parts.is_some_and(|(scheme, authority)| self.is_ours(scheme, authority)) {
                return Err(Problem::forbidden(
                    "foreign_origin",
                    "Pages of this origin may not call the server. PUBLIC_URL names the one that may.",
                ));
            }
        }
        Ok(())
    }

    fn is_ours(&self, scheme: &str, authority: &str) -> bool {
        let authority = normal(authority, scheme);
        let public = self.public.as_ref().is_some_and(|(s, a)| s == scheme && *a == authority);
        public || (matches!(scheme, "http" | "https") && is_loopback(&authority))
    }
}

/// An authority in lower case, without its scheme's own port.
fn normal(authority: &str, scheme: &str) -> String {
    let port = if scheme == "https" { ":443" } else { ":80" };
    let lower = authority.to_ascii_lowercase();
    lower.strip_suffix(port).unwrap_or(&lower).to_owned()
}

/// Whether an authority is this machine itself: a name or an address that no DNS server can point elsewhere.
fn is_loopback(authority: &str) -> bool {
    let host = match authority.strip_prefix('[') {
        Some(rest) => match rest.split_once(']') {
            Some((address, port)) if is_port(port) => address,
            _ => return false,
        },
        None => match authority.split_once(':') {
            Some((host, port)) if port.parse::<u16>().is_ok() => host,
            Some(_) => return false,
            None => authority,
        },
    };
    host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

fn is_port(text: &str) -> bool {
    text.is_empty() || text.strip_prefix(':').is_some_and(|port| port.parse::<u16>().is_ok())
}

/// Whether callers may be believed: with `AUTH=none`, on a loopback address or where an operator said so.
///
/// # Errors
/// The 401 that says what to set.
pub(super) fn check_open(config: &Config) -> Result<(), Problem> {
    let open = config.auth.none_ok || config.http.addr.0.ip().is_loopback();
    if config.auth.mode == AuthMode::Jwt || open {
        return Ok(());
    }
    Err(Problem::unauthorized(
        "This server has no authentication and is reachable from other machines. Its operator sets AUTH=jwt, or \
         AUTH_NONE_OK=true to believe everybody.",
    ))
}

/// A browser's user id, checked.
///
/// # Errors
/// What is wrong with it.
pub(crate) fn check_user_id(user_id: &str) -> Result<Pii<String>, &'static str> {
    check_name(user_id)?;
    let begins = |prefix: &str| user_id.get(..prefix.len()).is_some_and(|start| start.eq_ignore_ascii_case(prefix));
    if begins("phone:") {
        return Err("must not begin with \"phone:\": those users come by telephone");
    }
    if begins("livekit:") {
        return Err("must not begin with \"livekit:\": those users come through a LiveKit room");
    }
    Ok(Pii::new(user_id.to_owned()))
}

/// Checks what a user is called after, wherever they come from.
///
/// # Errors
/// What is wrong with it.
pub(crate) fn check_name(name: &str) -> Result<(), &'static str> {
    if name.is_empty() || name.chars().count() > MAX_USER_ID {
        return Err("must have 1 to 128 characters");
    }
    if name.chars().any(char::is_control) || name.trim() != name {
        return Err("must not have control characters, or white space at its ends");
    }
    Ok(())
}

/// The bearer token of a request.
pub(super) fn bearer(headers: &HeaderMap) -> Option<&str> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    fn ask(public_url: &str, host: &str, origin: Option<&str>) -> Option<&'static str> {
        let mut headers = HeaderMap::new();
        headers.insert(header::HOST, HeaderValue::from_str(host).unwrap());
        if let Some(origin) = origin {
            headers.insert(header::ORIGIN, HeaderValue::from_str(origin).unwrap());
        }
        Origins::new(public_url).check(&Uri::from_static("/api"), &headers).err().map(|problem| problem.code())
    }

    #[test]
    fn host_and_origin_are_the_public_ones_or_loopback() {
        let public = "https://voice.example.com";
        let cases = [
            (public, "voice.example.com", Some("https://voice.example.com"), None),
            (public, "VOICE.example.com:443", Some("https://voice.example.com:443"), None),
            (public, "voice.example.com", None, None),
            (public, "voice.example.com", Some("http://voice.example.com"), Some("foreign_origin")),
            (public, "voice.example.com", Some("https://voice.example.com.evil.org"), Some("foreign_origin")),
            (public, "voice.example.com", Some("null"), Some("foreign_origin")),
            (public, "10.0.0.7:8080", None, Some("foreign_host")),
            ("", "localhost:8080", Some("http://localhost:5173"), None),
            ("", "127.0.0.1:8080", Some("http://127.0.0.1:8080"), None),
            ("", "[::1]:8080", Some("http://[::1]:8080"), None),
            ("", "127.0.0.1.evil.org", None, Some("foreign_host")),
            ("", "localhost.evil.org:80", None, Some("foreign_host")),
            ("", "localhost:80@evil.org", None, Some("foreign_host")),
            ("", "localhost", Some("file://"), Some("foreign_origin")),
            ("", "localhost", Some("https://evil.org"), Some("foreign_origin")),
        ];
        for (public_url, host, origin, expected) in cases {
            assert_eq!(ask(public_url, host, origin), expected, "{host} {origin:?}");
        }
    }

    #[test]
    fn a_user_id_is_no_telephone_no_room_and_no_novel() {
        assert_eq!(check_user_id("ada").unwrap().reveal(), "ada");
        assert!(check_user_id("livekit").is_ok());
        for bad in ["", "phone:+15551234567", "PHONE:1", "livekit:ada", "LiveKit:ada", "a\nb", " ada", &"a".repeat(129)]
        {
            assert!(check_user_id(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn nobody_is_believed_on_an_open_address() {
        let mut config = Config::default();
        assert!(check_open(&config).is_ok());
        config.http.addr = crate::config::ListenAddr(std::net::SocketAddr::from(([0, 0, 0, 0], 8080)));
        assert_eq!(check_open(&config).unwrap_err().status(), 401);
        config.auth.none_ok = true;
        assert!(check_open(&config).is_ok());
    }
}
