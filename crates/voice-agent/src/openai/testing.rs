//! A local server whose answers the test gives, one request at a time.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::body::{Body, Bytes};
use axum::extract::Request;
use axum::http::{HeaderMap, Method, StatusCode};
use axum::response::Response;
use axum::serve::ListenerExt as _;
use futures_util::stream;
use tokio::net::TcpListener;
use tokio::sync::{mpsc, oneshot};

use super::{Account, AccountConfig};
use crate::config::Secret;

/// The key that the tests' account has.
pub(crate) const KEY: &str = "sk-test-1234";

pub(crate) struct TestServer {
    url: String,
    accepted: Arc<AtomicUsize>,
    asked: mpsc::UnboundedReceiver<Asked>,
}

/// A request that waits for its answer.
pub(crate) struct Asked {
    pub(crate) method: Method,
    pub(crate) path: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
    answer: oneshot::Sender<Response>,
}

impl TestServer {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/v1", listener.local_addr().unwrap());
        let accepted = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&accepted);
        let listener = listener.tap_io(move |_| {
            counted.fetch_add(1, Ordering::SeqCst);
        });
        let (sender, asked) = mpsc::unbounded_channel();
        let router = axum::Router::new().fallback(move |request: Request| ask(sender.clone(), request));
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { url, accepted, asked }
    }

    /// The settings of an account here, without warm connections.
    pub(crate) fn config(&self) -> AccountConfig {
        AccountConfig {
            base_url: self.url.clone(),
            api_key: Some(Secret::new(KEY)),
            warm_connections: 0,
            ..AccountConfig::default()
        }
    }

    pub(crate) fn account(&self) -> Arc<Account> {
        Account::new(&self.config()).unwrap()
    }

    /// The next request.
    pub(crate) async fn asked(&mut self) -> Asked {
        self.asked.recv().await.unwrap()
    }

    /// Answers all further requests the same way.
    pub(crate) fn answer_all(mut self, status: u16) {
        tokio::spawn(async move {
            while let Some(asked) = self.asked.recv().await {
                asked.answer(status, "text/plain", "");
            }
        });
    }

    /// How many connections were made.
    pub(crate) fn accepted(&self) -> usize {
        self.accepted.load(Ordering::SeqCst)
    }
}

async fn ask(sender: mpsc::UnboundedSender<Asked>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let body = axum::body::to_bytes(body, usize::MAX).await.unwrap();
    let (answer, answered) = oneshot::channel();
    let (method, path, headers) = (parts.method, parts.uri.to_string(), parts.headers);
    // A test that is over answers nobody.
    let _over = sender.send(Asked { method, path, headers, body, answer });
    answered.await.unwrap_or_default()
}

impl Asked {
    /// What was asked, for a look at it after it was answered.
    pub(crate) fn seen(method: Method, path: String, headers: HeaderMap, body: Bytes) -> Self {
        Self { method, path, headers, body, answer: oneshot::channel().0 }
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }

    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    /// Answers at once and wholly.
    pub(crate) fn answer(self, status: u16, content_type: &str, body: impl Into<Body>) {
        self.answer_with(status, &[("content-type", content_type)], body);
    }

    pub(crate) fn answer_with(self, status: u16, headers: &[(&str, &str)], body: impl Into<Body>) {
        let mut response = Response::new(body.into());
        *response.status_mut() = StatusCode::from_u16(status).unwrap();
        for (name, value) in headers {
            let name: axum::http::HeaderName = name.parse().unwrap();
            response.headers_mut().insert(name, value.parse().unwrap());
        }
        assert!(self.answer.send(response).is_ok(), "nobody waits for the answer");
    }

    /// Begins a successful answer.
    pub(crate) fn stream(self, content_type: &str) -> Streaming {
        let (sender, receiver) = mpsc::channel(1);
        let pieces = stream::unfold(receiver, |mut receiver| async { Some((receiver.recv().await?, receiver)) });
        self.answer(200, content_type, Body::from_stream(pieces));
        Streaming(sender)
    }

    /// Waits until whoever asked is gone, without an answer.
    pub(crate) async fn abandoned(mut self) {
        self.answer.closed().await;
    }
}

/// An answer that is being given. Dropped, it is over.
pub(crate) struct Streaming(mpsc::Sender<Result<Bytes, io::Error>>);

impl Streaming {
    pub(crate) async fn send(&self, piece: &str) {
        self.0.send(Ok(Bytes::copy_from_slice(piece.as_bytes()))).await.unwrap();
    }

    /// The connection breaks.
    pub(crate) async fn cut(self) {
        self.0.send(Err(io::Error::other("cut"))).await.unwrap();
    }

    /// Waits until nobody listens any more.
    pub(crate) async fn abandoned(&self) {
        self.0.closed().await;
    }
}
