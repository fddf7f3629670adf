//! From a LiveKit address to those of its sockets.

use std::fmt;

use crate::error::AddressError;
use crate::ids::ParticipantSid;

/// Of the signalling protocol: the newest that this crate follows.
const PROTOCOL: u32 = 15;

/// Where a LiveKit server is: `wss://example.livekit.cloud`, `http://127.0.0.1:7880`.
///
/// Its `Debug` and `Display` show scheme and host only.
#[derive(Clone, PartialEq, Eq)]
pub struct Address {
    secure: bool,
    /// Host, port and what stands behind them, without a slash at the end.
    rest: String,
}

impl Address {
    /// Reads an address with the scheme `ws`, `wss`, `http` or `https`. A path is kept as a prefix; a query is refused.
    ///
    /// # Errors
    /// Another scheme, no host, or something in it that cannot be in an address.
    pub fn parse(address: &str) -> Result<Self, AddressError> {
        let (scheme, rest) = address.trim().split_once("://").ok_or(AddressError::Scheme)?;
        let secure = match scheme.to_ascii_lowercase().as_str() {
            "wss" | "https" => true,
            "ws" | "http" => false,
            _ => return Err(AddressError::Scheme),
        };
        let rest = rest.trim_end_matches('/');
        let host = rest.split('/').next().unwrap_or_default();
        let unusable =
            |c: char| c.is_whitespace() || c.is_control() || matches!(c, '?' | '#' | '@' | '"' | '<' | '>' | '\\');
        if host.is_empty() || host.starts_with(':') || rest.contains(unusable) {
            return Err(AddressError::Host);
        }
        Ok(Self { secure, rest: rest.to_owned() })
    }

    /// Where the server's HTTP API is, for [`dispatch`](crate::dispatch).
    pub fn http(&self) -> String {
        format!("{}://{}", if self.secure { "https" } else { "http" }, self.rest)
    }

    /// Host and port, as a name resolver takes them.
    pub fn host_and_port(&self) -> String {
        let host = self.rest.split('/').next().unwrap_or_default();
        let has_port =
            host.rsplit_once(':').is_some_and(|(_, port)| port.parse::<u16>().is_ok() && !host.ends_with(']'));
        if has_port { host.to_owned() } else { format!("{host}:{}", if self.secure { 443 } else { 80 }) }
    }

    fn web_socket(&self, path: &str, query: &[(&str, &str)]) -> String {
        let scheme = if self.secure { "wss" } else { "ws" };
        let mut url = format!("{scheme}://{}{path}?", self.rest);
        let mut serializer = form_urlencoded::Serializer::new(String::new());
        serializer.extend_pairs(query);
        url.push_str(&serializer.finish());
        url
    }

    /// The signalling socket of a participant.
    pub(crate) fn signal(&self, auto_subscribe: bool, resume: Option<&ParticipantSid>) -> String {
        let protocol = PROTOCOL.to_string();
        let mut query = vec![
            ("sdk", "rust"),
            ("version", env!("CARGO_PKG_VERSION")),
            ("protocol", protocol.as_str()),
            ("auto_subscribe", if auto_subscribe { "1" } else { "0" }),
            ("adaptive_stream", "0"),
        ];
        if let Some(sid) = resume {
            query.extend([("reconnect", "1"), ("sid", sid.as_str())]);
        }
        self.web_socket("/rtc", &query)
    }

    /// The socket of an agent worker.
    pub(crate) fn worker(&self) -> String {
        self.web_socket("/agent", &[("protocol", "1")])
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Address({self})")
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let host = self.rest.split('/').next().unwrap_or_default();
        write!(f, "{}://{host}", if self.secure { "wss" } else { "ws" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_become_sockets() {
        let address = Address::parse(" https://rooms.example:7443/livekit/ ").unwrap();
        assert_eq!(address.worker(), "wss://rooms.example:7443/livekit/agent?protocol=1");
        assert_eq!(address.http(), "https://rooms.example:7443/livekit");
        assert_eq!(address.host_and_port(), "rooms.example:7443");
        assert_eq!(address.to_string(), "wss://rooms.example:7443");
        let sid = ParticipantSid::from("PA_x y");
        let signal = address.signal(true, Some(&sid));
        assert!(signal.starts_with("wss://rooms.example:7443/livekit/rtc?sdk=rust&"), "{signal}");
        assert!(signal.ends_with("&auto_subscribe=1&adaptive_stream=0&reconnect=1&sid=PA_x+y"), "{signal}");
    }

    #[test]
    fn ports_come_from_the_scheme() {
        assert_eq!(Address::parse("ws://a").unwrap().host_and_port(), "a:80");
        assert_eq!(Address::parse("wss://a/b").unwrap().host_and_port(), "a:443");
        assert_eq!(Address::parse("wss://[::1]").unwrap().host_and_port(), "[::1]:443");
        assert_eq!(Address::parse("wss://[::1]:9").unwrap().host_and_port(), "[::1]:9");
    }

    #[test]
    fn what_is_no_address_is_refused() {
        for (text, error) in [
            ("rooms.example", AddressError::Scheme),
            ("ftp://rooms.example", AddressError::Scheme),
            ("ws://", AddressError::Host),
            ("ws://:7880", AddressError::Host),
            ("ws://a?access_token=b", AddressError::Host),
            ("ws://key:secret@a", AddressError::Host),
            ("ws://a b", AddressError::Host),
        ] {
            assert_eq!(Address::parse(text), Err(error), "{text}");
        }
    }
}
