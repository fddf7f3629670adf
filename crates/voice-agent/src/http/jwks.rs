//! The issuer's public keys: fetched by one request at a time, kept for a while, and never waited for by whoever has a
//! key already.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use jsonwebtoken::DecodingKey;
use jsonwebtoken::jwk::JwkSet;
use tokio::sync::watch;

use super::jwt::JwtError;
use crate::config::Auth;

/// Least time between two fetches of the public keys: a flood of tokens with unknown keys must not become one of
/// fetches.
const LEAST_FETCH_GAP: Duration = Duration::from_secs(10);
/// Longest time of one fetch.
const FETCH_TIMEOUT: Duration = Duration::from_secs(5);
/// How long keys that are due for a fetch still serve: an issuer that is down for a while does not lock everybody out,
/// and a key that it withdrew does not serve for ever.
const GRACE: Duration = Duration::from_secs(3_600);
/// Most bytes of a key set.
const MAX_JWKS_BYTES: usize = 256 * 1024;

/// Where the keys come from, and the ones that came.
pub(super) struct KeySource {
    url: String,
    keep: Duration,
    gap: Duration,
    client: reqwest::Client,
    cache: Mutex<Cache>,
}

#[derive(Default)]
struct Cache {
    /// The keys, and when they came.
    keys: Option<(JwkSet, Instant)>,
    /// When the last fetch began.
    asked: Option<Instant>,
    /// Closed when that fetch is over.
    fetching: Option<watch::Receiver<()>>,
    /// Why it failed, if it did.
    failed: Option<String>,
}

/// What is known of a key without asking the issuer.
enum Known {
    /// It serves.
    Key(DecodingKey),
    /// A fetch is under way, and will tell.
    Wait(watch::Receiver<()>),
    /// There is none, and it is too early to ask again.
    No(JwtError),
}

impl KeySource {
    /// The source of these settings.
    ///
    /// # Errors
    /// When there can be no HTTP client.
    pub(super) fn new(settings: &Auth) -> Result<Self, JwtError> {
        let client = reqwest::Client::builder().timeout(FETCH_TIMEOUT).build();
        Ok(Self {
            url: settings.jwks_url.clone(),
            keep: Duration::from_millis(settings.jwks_cache_ms),
            gap: LEAST_FETCH_GAP,
            client: client.map_err(|error| JwtError::Keys(error.to_string()))?,
            cache: Mutex::default(),
        })
    }

    /// The key of this name. Whoever needs one that is not known waits for the one fetch that is under way.
    ///
    /// # Errors
    /// [`JwtError::UnknownKey`] or [`JwtError::Keys`].
    pub(super) async fn key(self: &Arc<Self>, kid: Option<&str>) -> Result<DecodingKey, JwtError> {
        let mut over = match self.look(kid) {
            Known::Key(key) => return Ok(key),
            Known::No(error) => return Err(error),
            Known::Wait(over) => over,
        };
        // Nothing is ever sent: an error says that the fetch is over, however it went.
        while over.changed().await.is_ok() {}
        let cache = self.lock();
        cache.find(kid, self.keep + GRACE).ok_or_else(|| cache.why_not(kid, self.keep + GRACE))
    }

    /// Looks the key up, and begins a fetch if one is due and none is under way.
    fn look(self: &Arc<Self>, kid: Option<&str>) -> Known {
        let mut cache = self.lock();
        if let Some(key) = cache.find(kid, self.keep) {
            return Known::Key(key);
        }
        let under_way = cache.fetching.clone().filter(|over| over.has_changed().is_ok());
        let is_due = cache.asked.is_none_or(|at| at.elapsed() >= self.gap);
        let fetching = under_way.or_else(|| is_due.then(|| self.begin(&mut cache)));
        // A key that is due for a fetch serves while that goes on.
        match (cache.find(kid, self.keep + GRACE), fetching) {
            (Some(key), _) => Known::Key(key),
            (None, Some(over)) => Known::Wait(over),
            (None, None) => Known::No(cache.why_not(kid, self.keep + GRACE)),
        }
    }

    /// Fetches in a task of its own: a caller who hangs up does not end it for the others.
    fn begin(self: &Arc<Self>, cache: &mut Cache) -> watch::Receiver<()> {
        let (under_way, over) = watch::channel(());
        cache.asked = Some(Instant::now());
        cache.fetching = Some(over.clone());
        let source = Arc::clone(self);
        tokio::spawn(async move {
            let fetched = fetch(&source.client, &source.url).await;
            {
                let mut cache = source.lock();
                match fetched {
                    Ok(keys) => {
                        cache.keys = Some((keys, Instant::now()));
                        cache.failed = None;
                    }
                    Err(error) => {
                        tracing::warn!(error, has_keys = cache.keys.is_some(), "the issuer's keys cannot be fetched");
                        cache.failed = Some(error);
                    }
                }
            }
            // Only now: whoever waits looks into the cache next.
            drop(under_way);
        });
        over
    }

    fn lock(&self) -> MutexGuard<'_, Cache> {
        // Every change leaves the cache whole, so a panic elsewhere leaves nothing half done.
        self.cache.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Cache {
    /// The key of this name among keys that are not older than this.
    fn find(&self, kid: Option<&str>, oldest: Duration) -> Option<DecodingKey> {
        let (keys, _) = self.keys.as_ref().filter(|(_, came)| came.elapsed() < oldest)?;
        let jwk = match kid {
            Some(kid) => keys.find(kid)?,
            // Without a name it is only clear which one is meant when there is one.
            None if keys.keys.len() == 1 => &keys.keys[0],
            None => return None,
        };
        DecodingKey::from_jwk(jwk).ok()
    }

    /// Why there is no key of this name among keys that are not older than this: the issuer is to blame only when none of
    /// its keys are held.
    fn why_not(&self, kid: Option<&str>, oldest: Duration) -> JwtError {
        let held = self.keys.as_ref().filter(|(_, came)| came.elapsed() < oldest).map(|(keys, _)| keys.keys.len());
        match (held, self.failed.clone()) {
            (None, Some(error)) => JwtError::Keys(error),
            (held, refetch_failed) => {
                JwtError::UnknownKey { kid: kid.map(str::to_owned), held: held.unwrap_or(0), refetch_failed }
            }
        }
    }
}

async fn fetch(client: &reqwest::Client, url: &str) -> Result<JwkSet, String> {
    let failed = |error: reqwest::Error| error.to_string();
    let mut response = client.get(url).send().await.and_then(reqwest::Response::error_for_status).map_err(failed)?;
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(failed)? {
        if body.len() + chunk.len() > MAX_JWKS_BYTES {
            return Err(format!("more than {MAX_JWKS_BYTES} bytes"));
        }
        body.extend_from_slice(&chunk);
    }
    serde_json::from_slice(&body).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use serde_json::json;
    use tokio::sync::Semaphore;

    use super::*;

    /// The public half of an Ed25519 key that was made for this test.
    const PUBLIC: &str = "CVlBN693PAWtl_p_zgy7LpaCdXyAQUsk8D7BrrNXyPM";

    /// An issuer that answers when it is allowed to.
    struct Issuer {
        asked: AtomicUsize,
        arrivals: Semaphore,
        answers: Semaphore,
    }

    impl Issuer {
        /// The issuer, and a source that asks it, with fetches as often as somebody wants one.
        async fn start(keep: Duration) -> (Arc<Self>, Arc<KeySource>) {
            let (arrivals, answers) = (Semaphore::new(0), Semaphore::new(0));
            let issuer = Arc::new(Self { asked: AtomicUsize::new(0), arrivals, answers });
            let serving = Arc::clone(&issuer);
            let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
            let jwks_url = format!("http://{}/", listener.local_addr().unwrap());
            let answer = move || {
                let issuer = Arc::clone(&serving);
                async move {
                    issuer.asked.fetch_add(1, Ordering::SeqCst);
                    issuer.arrivals.add_permits(1);
                    issuer.answers.acquire().await.unwrap().forget();
                    let key = json!({"kty": "OKP", "crv": "Ed25519", "alg": "EdDSA", "kid": "one", "x": PUBLIC});
                    axum::Json(json!({"keys": [key]}))
                }
            };
            let router = axum::Router::new().route("/", axum::routing::get(answer));
            tokio::spawn(async move { axum::serve(listener, router).await });
            let source = KeySource::new(&Auth { jwks_url, ..Auth::default() }).unwrap();
            (issuer, Arc::new(KeySource { keep, gap: Duration::ZERO, ..source }))
        }

        fn allow(&self) {
            self.answers.add_permits(1);
        }

        async fn is_asked(&self) {
            self.arrivals.acquire().await.unwrap().forget();
        }
    }

    #[tokio::test]
    async fn all_who_need_the_keys_share_one_fetch() {
        let (issuer, source) = Issuer::start(GRACE).await;
        let asking = (0..8).map(|_| {
            let source = Arc::clone(&source);
            tokio::spawn(async move { source.key(Some("one")).await.is_ok() })
        });
        let asking: Vec<_> = asking.collect();
        // One who gives up does not end it for the others.
        issuer.is_asked().await;
        asking[0].abort();
        issuer.allow();
        for asked in asking.into_iter().skip(1) {
            assert!(asked.await.unwrap());
        }
        assert_eq!(issuer.asked.load(Ordering::SeqCst), 1);
    }

    #[tokio::test]
    async fn whoever_has_a_key_waits_for_nobodys_fetch() {
        let (issuer, source) = Issuer::start(GRACE).await;
        issuer.allow();
        assert!(source.key(Some("one")).await.is_ok());
        issuer.is_asked().await;
        let strangers = Arc::clone(&source);
        let stranger = tokio::spawn(async move { strangers.key(Some("two")).await });
        issuer.is_asked().await;
        assert!(source.key(Some("one")).await.is_ok());
        assert!(!stranger.is_finished());
        issuer.allow();
        assert!(matches!(stranger.await.unwrap(), Err(JwtError::UnknownKey { held: 1, refetch_failed: None, .. })));
    }

    #[tokio::test]
    async fn a_stale_key_serves_while_the_new_ones_are_fetched() {
        let (issuer, source) = Issuer::start(Duration::ZERO).await;
        issuer.allow();
        assert!(source.key(Some("one")).await.is_ok());
        issuer.is_asked().await;
        // Stale at once; the issuer does not answer, and the key is there all the same.
        assert!(source.key(None).await.is_ok());
        issuer.is_asked().await;
        assert!(source.key(Some("one")).await.is_ok());
        assert_eq!(issuer.asked.load(Ordering::SeqCst), 2);
    }

    #[tokio::test]
    async fn too_old_a_key_does_not_serve_and_a_failure_is_told() {
        let settings = Auth { jwks_url: "http://127.0.0.1:9/".to_owned(), ..Auth::default() };
        let source = Arc::new(KeySource::new(&settings).unwrap());
        let keys = json!({"keys": [{"kty": "OKP", "crv": "Ed25519", "kid": "one", "x": PUBLIC}]});
        let came = Instant::now();
        source.lock().keys = Some((serde_json::from_value(keys).unwrap(), came));
        assert!(source.lock().find(Some("one"), Duration::from_secs(60)).is_some());
        assert!(source.lock().find(Some("one"), Duration::ZERO).is_none());
        // The issuer is down; a token of a key that nobody knows is refused for that.
        let error = source.key(Some("two")).await.err().unwrap();
        assert!(matches!(&error, JwtError::UnknownKey { held: 1, refetch_failed: Some(_), .. }), "{error}");
        let told = error.to_string();
        let wanted = "the token's key Some(\"two\") is not among the 1 that are held of the issuer; newer ones cannot be fetched: ";
        assert!(told.starts_with(wanted), "{told}");
        assert!(source.key(Some("one")).await.is_ok());
        source.lock().keys = None;
        assert!(matches!(source.key(Some("one")).await, Err(JwtError::Keys(_))));
        // Not asked again for a while; the reason stays the same.
        assert!(matches!(source.key(Some("one")).await, Err(JwtError::Keys(_))));
    }
}
