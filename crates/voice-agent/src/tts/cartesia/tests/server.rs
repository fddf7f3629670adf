//! A Cartesia server whose every move the test makes.

use std::future::Future;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::handshake::server::{Request, Response};
use tokio_tungstenite::{WebSocketStream, accept_hdr_async};

/// A test that waits for longer than this waits for what never comes.
pub(super) async fn within<T>(work: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(60), work).await.expect("in time")
}

/// Accepts sockets; the test takes them one by one.
pub(super) struct Server {
    pub(super) url: String,
    peers: mpsc::UnboundedReceiver<Peer>,
}

impl Server {
    pub(super) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let (sender, peers) = mpsc::unbounded_channel();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                if let Some(peer) = Peer::accept(stream).await {
                    let _nobody = sender.send(peer);
                }
            }
        });
        Self { url, peers }
    }

    /// The next socket that was opened.
    pub(super) async fn peer(&mut self) -> Peer {
        within(self.peers.recv()).await.expect("a socket")
    }

    /// Whether another socket was opened already.
    pub(super) fn has_peer(&mut self) -> bool {
        !self.peers.is_empty()
    }
}

/// The server's end of one socket.
pub(super) struct Peer {
    pub(super) socket: WebSocketStream<TcpStream>,
    pub(super) path: String,
    pub(super) headers: Vec<(String, String)>,
}

impl Peer {
    async fn accept(stream: TcpStream) -> Option<Self> {
        let (mut path, mut headers) = (String::new(), Vec::new());
        #[expect(clippy::result_large_err, reason = "the library's own signature")]
        let look = |request: &Request, response: Response| {
            path = request.uri().to_string();
            let shown = |value: &reqwest::header::HeaderValue| value.to_str().unwrap_or_default().to_owned();
            headers = request.headers().iter().map(|(name, value)| (name.to_string(), shown(value))).collect();
            Ok(response)
        };
        let socket = accept_hdr_async(stream, look).await.ok()?;
        Some(Self { socket, path, headers })
    }

    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(header, _)| header == name).map(|(_, value)| value.as_str())
    }

    /// The next message that the client sent; none when it closed the socket.
    pub(super) async fn try_next(&mut self) -> Option<Value> {
        within(async {
            loop {
                match self.socket.next().await? {
                    Ok(Message::Text(text)) => return Some(serde_json::from_str(&text).expect("JSON")),
                    Ok(Message::Close(_)) | Err(_) => return None,
                    Ok(_) => {}
                }
            }
        })
        .await
    }

    pub(super) async fn next(&mut self) -> Value {
        self.try_next().await.expect("a message")
    }

    /// Takes a chunk's two messages, and answers its context's name and its text.
    pub(super) async fn chunk(&mut self) -> (String, String) {
        let (speak, flush) = (self.next().await, self.next().await);
        assert_eq!((&flush["flush"], &flush["transcript"]), (&json!(true), &json!("")), "{flush}");
        assert_eq!((&speak["continue"], &flush["continue"]), (&json!(true), &json!(true)), "{speak}");
        assert_eq!(speak["context_id"], flush["context_id"]);
        (name(&speak), speak["transcript"].as_str().unwrap().to_owned())
    }

    pub(super) async fn say(&mut self, message: Value) {
        self.raw(message.to_string()).await;
    }

    pub(super) async fn raw(&mut self, text: String) {
        self.socket.send(Message::text(text)).await.expect("the client listens");
    }

    pub(super) async fn audio(&mut self, context: &str, flush_id: u64, audio: &[u8]) {
        let data = STANDARD.encode(audio);
        let message = json!({"type": "chunk", "context_id": context, "data": data, "done": false, "status_code": 206,
            "step_time": 30.0, "flush_id": flush_id});
        self.say(message).await;
    }

    pub(super) async fn words(&mut self, context: &str, words: &[(&str, f64)]) {
        let (names, ends): (Vec<_>, Vec<_>) = words.iter().copied().unzip();
        let starts: Vec<f64> = ends.iter().map(|end| end - 0.1).collect();
        let words = json!({"words": names, "start": starts, "end": ends});
        let message = json!({"type": "timestamps", "context_id": context, "done": false, "status_code": 206,
            "word_timestamps": words});
        self.say(message).await;
    }

    pub(super) async fn flush_done(&mut self, context: &str, flush_id: u64) {
        let message = json!({"type": "flush_done", "context_id": context, "flush_id": flush_id, "flush_done": true,
            "done": false, "status_code": 206});
        self.say(message).await;
    }

    pub(super) async fn done(&mut self, context: &str) {
        self.say(json!({"type": "done", "context_id": context, "done": true, "status_code": 200})).await;
    }
}

pub(super) fn name(message: &Value) -> String {
    message["context_id"].as_str().expect("a context").to_owned()
}

/// A server that answers every request for a socket with this, and counts them.
pub(super) async fn refusing(response: String) -> (String, mpsc::UnboundedReceiver<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let (sender, asked) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") {
                let mut byte = [0];
                if stream.read_exact(&mut byte).await.is_err() {
                    break;
                }
                head.push(byte[0]);
            }
            let _gone = stream.write_all(response.as_bytes()).await;
            let _nobody = sender.send(());
        }
    });
    (url, asked)
}

/// An answer with this status, header lines and body.
pub(super) fn response(status: u16, headers: &str, body: &str) -> String {
    format!("HTTP/1.1 {status} No\r\ncontent-length: {}\r\n{headers}\r\n{body}", body.len())
}
