//! What the server's API is asked, as a request for any HTTP client.

use std::time::{Duration, SystemTime};

use serde::Serialize;

use crate::address::Address;
use crate::error::TokenError;
use crate::token::{AccessToken, ApiKey, Grants};

/// A request is sent at once; its token is good for longer than any of them takes.
const TOKEN_TTL: Duration = Duration::from_secs(60);

/// An HTTP request: a `POST` with this body, of the type `application/json`. `Debug` does not show the authorization.
#[derive(Clone, PartialEq, Eq)]
pub struct Request {
    /// Where to.
    pub url: String,
    /// The value of the `Authorization` header.
    pub authorization: String,
    /// JSON.
    pub body: String,
}

impl std::fmt::Debug for Request {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Request").field("url", &self.url).finish_non_exhaustive()
    }
}

/// Asks a service of the server's something about this room.
pub(crate) fn request(
    server: &Address,
    key: &ApiKey,
    service: &str,
    method: &str,
    room: &str,
    body: &impl Serialize,
    now: SystemTime,
) -> Result<Request, TokenError> {
    let token = AccessToken::new(Grants::admin(room)).ttl(TOKEN_TTL).sign(key, now)?;
    Ok(Request {
        url: format!("{}/twirp/livekit.{service}/{method}", server.http()),
        authorization: format!("Bearer {token}"),
        body: serde_json::to_string(body).map_err(|_| TokenError)?,
    })
}
