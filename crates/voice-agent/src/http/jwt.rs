//! Callers' JSON Web Tokens: a pinned algorithm, `exp`, issuer and audience; the user is the `sub`.

use std::collections::HashSet;
use std::sync::Arc;

use base64::Engine as _;
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode, decode_header};
use serde::Deserialize;

use super::jwks::KeySource;
use crate::config::{Auth, JwtAlgorithm, Secret};

/// Why a token is not good. A caller is told none of it.
#[derive(Debug, thiserror::Error)]
pub enum JwtError {
    /// Wrong, expired, or not for us.
    #[error("the token is not valid: {0}")]
    Token(#[from] jsonwebtoken::errors::Error),
    /// It asks that something be understood that is not understood here (RFC 7515, 4.1.11).
    #[error("the token has a critical header, and none is known here")]
    Critical,
    /// Its key is not among the issuer's.
    #[error("the token's key {kid:?} is not among the {held} that are held of the issuer{}", refetched(.refetch_failed.as_deref()))]
    UnknownKey {
        /// The name of the key, which anybody can write into a token.
        kid: Option<String>,
        /// How many keys are held.
        held: usize,
        /// Why the last fetch of newer keys failed, if it did: the key may be among those.
        refetch_failed: Option<String>,
    },
    /// The issuer's keys cannot be had, and none are held that still serve: no token can be checked.
    #[error("the issuer's keys cannot be fetched: {0}")]
    Keys(String),
}

fn refetched(failed: Option<&str>) -> String {
    failed.map_or_else(String::new, |error| format!("; newer ones cannot be fetched: {error}"))
}

#[derive(Debug, Deserialize)]
struct Claims {
    sub: String,
}

/// Verifies callers' tokens.
pub struct Verifier {
    algorithm: Algorithm,
    validation: Validation,
    keys: Keys,
}

enum Keys {
    Shared(DecodingKey),
    Fetched(Arc<KeySource>),
}

impl std::fmt::Debug for Verifier {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Verifier").field("algorithm", &self.algorithm).finish_non_exhaustive()
    }
}

impl Verifier {
    /// A verifier with these settings, which were checked.
    ///
    /// # Errors
    /// When there can be no HTTP client.
    pub fn new(settings: &Auth, secret: Option<&Secret>) -> Result<Self, JwtError> {
        let algorithm = algorithm(settings.jwt_algorithm);
        let mut validation = Validation::new(algorithm);
        validation.set_issuer(&[&settings.jwt_issuer]);
        validation.set_audience(&[&settings.jwt_audience]);
        validation.validate_nbf = true;
        validation.required_spec_claims = HashSet::from(["exp", "iss", "aud", "sub"].map(str::to_owned));
        let keys = match secret.filter(|_| settings.jwt_algorithm.is_symmetric()) {
            Some(secret) => Keys::Shared(DecodingKey::from_secret(secret.reveal().as_bytes())),
            None => Keys::Fetched(Arc::new(KeySource::new(settings)?)),
        };
        Ok(Self { algorithm, validation, keys })
    }

    /// The user whose token this is.
    ///
    /// # Errors
    /// [`JwtError`]; the log's business, not the caller's.
    pub async fn user(&self, token: &str) -> Result<String, JwtError> {
        let header = decode_header(token)?;
        if has_critical_header(token) {
            return Err(JwtError::Critical);
        }
        if header.alg != self.algorithm {
            return Err(jsonwebtoken::errors::Error::from(jsonwebtoken::errors::ErrorKind::InvalidAlgorithm).into());
        }
        let claims = match &self.keys {
            Keys::Shared(key) => decode::<Claims>(token, key, &self.validation)?.claims,
            Keys::Fetched(source) => {
                let key = source.key(header.kid.as_deref()).await?;
                decode::<Claims>(token, &key, &self.validation)?.claims
            }
        };
        Ok(claims.sub)
    }
}

/// Whether the token's header names extensions that must be understood, even none: that is not allowed either.
fn has_critical_header(token: &str) -> bool {
    let header = token.split('.').next().unwrap_or_default();
    let decoded = base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(header).ok();
    let fields: Option<serde_json::Value> = decoded.and_then(|json| serde_json::from_slice(&json).ok());
    fields.is_none_or(|fields| fields.get("crit").is_some())
}

const fn algorithm(named: JwtAlgorithm) -> Algorithm {
    match named {
        JwtAlgorithm::HS256 => Algorithm::HS256,
        JwtAlgorithm::HS384 => Algorithm::HS384,
        JwtAlgorithm::HS512 => Algorithm::HS512,
        JwtAlgorithm::RS256 => Algorithm::RS256,
        JwtAlgorithm::RS384 => Algorithm::RS384,
        JwtAlgorithm::RS512 => Algorithm::RS512,
        JwtAlgorithm::PS256 => Algorithm::PS256,
        JwtAlgorithm::ES256 => Algorithm::ES256,
        JwtAlgorithm::ES384 => Algorithm::ES384,
        JwtAlgorithm::EdDSA => Algorithm::EdDSA,
    }
}

#[cfg(test)]
mod tests {
    use jsonwebtoken::{EncodingKey, Header, encode};
    use serde_json::{Value, json};

    use super::*;

    const SECRET: &str = "0123456789abcdef0123456789abcdef";
    /// A moment in the year 2100: no clock in the test.
    const LATER: u64 = 4_102_444_800;

    fn token(header: &Header, claims: &Value, secret: &str) -> String {
        encode(header, claims, &EncodingKey::from_secret(secret.as_bytes())).unwrap()
    }

    fn verifier() -> Verifier {
        let settings = Auth { jwt_issuer: "iss".to_owned(), jwt_audience: "aud".to_owned(), ..Auth::default() };
        Verifier::new(&settings, Some(&Secret::new(SECRET))).unwrap()
    }

    #[tokio::test]
    async fn only_a_whole_token_of_the_pinned_algorithm_is_good() {
        let good = json!({"sub": "ada", "iss": "iss", "aud": "aud", "exp": LATER});
        let hs256 = Header::default();
        assert_eq!(verifier().user(&token(&hs256, &good, SECRET)).await.unwrap(), "ada");

        let without = |field: &str| {
            let mut claims = good.clone();
            claims.as_object_mut().unwrap().remove(field);
            claims
        };
        let with = |field: &str, value: Value| {
            let mut claims = good.clone();
            claims[field] = value;
            claims
        };
        for claims in [
            without("exp"),
            without("iss"),
            without("aud"),
            without("sub"),
            with("exp", json!(1_000_000)),
            with("iss", json!("other")),
            with("aud", json!("other")),
            with("nbf", json!(LATER)),
        ] {
            assert!(verifier().user(&token(&hs256, &claims, SECRET)).await.is_err(), "{claims}");
        }
        assert!(verifier().user(&token(&Header::new(Algorithm::HS512), &good, SECRET)).await.is_err());
        assert!(verifier().user(&token(&hs256, &good, "another secret of thirty-two byt")).await.is_err());
        // alg: none, unsigned
        let none = "eyJhbGciOiJub25lIn0.eyJzdWIiOiJhZGEiLCJpc3MiOiJpc3MiLCJhdWQiOiJhdWQiLCJleHAiOjQxMDI0NDQ4MDB9.";
        assert!(verifier().user(none).await.is_err());
        assert!(verifier().user("").await.is_err());
    }

    #[tokio::test]
    async fn what_a_token_says_is_critical_must_be_known_and_nothing_is() {
        use base64::engine::general_purpose::URL_SAFE_NO_PAD;

        let good = json!({"sub": "ada", "iss": "iss", "aud": "aud", "exp": LATER});
        for (header, is_good) in [
            (json!({"alg": "HS256"}), true),
            (json!({"alg": "HS256", "crit": ["exp-policy"], "exp-policy": 1}), false),
            (json!({"alg": "HS256", "crit": []}), false),
            (json!({"alg": "HS256", "crit": null}), false),
        ] {
            let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
            let signed = format!("{}.{}", part(&header), part(&good));
            let key = EncodingKey::from_secret(SECRET.as_bytes());
            let signature = jsonwebtoken::crypto::sign(signed.as_bytes(), &key, Algorithm::HS256).unwrap();
            let user = verifier().user(&format!("{signed}.{signature}")).await;
            assert_eq!(user.is_ok(), is_good, "{header}");
        }
    }

    /// A key pair that was made for this test (Ed25519; PKCS #8, and the public half as a JWK has it).
    const PRIVATE: &str = "MC4CAQAwBQYDK2VwBCIEILNxUk2pqBtRbeP5c2NuwSedmsfsorCwJArpH2izS0VL";
    const PUBLIC: &str = "CVlBN693PAWtl_p_zgy7LpaCdXyAQUsk8D7BrrNXyPM";

    #[tokio::test]
    async fn the_issuers_public_keys_are_fetched_once_and_unknown_ones_refused() {
        use std::sync::Arc;
        use std::sync::atomic::{AtomicU32, Ordering};

        let fetches = Arc::new(AtomicU32::new(0));
        let counted = Arc::clone(&fetches);
        let jwks = move || {
            counted.fetch_add(1, Ordering::SeqCst);
            let key = json!({"kty": "OKP", "crv": "Ed25519", "alg": "EdDSA", "kid": "one", "x": PUBLIC});
            std::future::ready(axum::Json(json!({"keys": [key]})))
        };
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let jwks_url = format!("http://{}/", listener.local_addr().unwrap());
        let router = axum::Router::new().route("/", axum::routing::get(jwks));
        tokio::spawn(async move { axum::serve(listener, router).await });

        let settings = Auth {
            jwt_algorithm: JwtAlgorithm::EdDSA,
            jwt_issuer: "iss".to_owned(),
            jwt_audience: "aud".to_owned(),
            jwks_url,
            ..Auth::default()
        };
        let verifier = Verifier::new(&settings, None).unwrap();
        let der = base64::engine::general_purpose::STANDARD.decode(PRIVATE).unwrap();
        let signed = |kid: &str, algorithm: Algorithm, key: &EncodingKey| {
            let header = Header { kid: Some(kid.to_owned()), ..Header::new(algorithm) };
            encode(&header, &json!({"sub": "ada", "iss": "iss", "aud": "aud", "exp": LATER}), key).unwrap()
        };
        let key = EncodingKey::from_ed_der(&der);
        for _ in 0..3 {
            assert_eq!(verifier.user(&signed("one", Algorithm::EdDSA, &key)).await.unwrap(), "ada");
        }
        let unknown = verifier.user(&signed("two", Algorithm::EdDSA, &key)).await;
        assert!(matches!(unknown, Err(JwtError::UnknownKey { .. })));
        // The public key used as if it were a shared secret.
        let confused = EncodingKey::from_secret(PUBLIC.as_bytes());
        assert!(verifier.user(&signed("one", Algorithm::HS256, &confused)).await.is_err());
        assert_eq!(fetches.load(Ordering::SeqCst), 1);
    }
}
