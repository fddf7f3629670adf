//! An HTTP/1.1 server whose every move the test makes, connection by connection.

use std::future::Future;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;

/// A test that waits for longer than this waits for what never comes.
pub(super) async fn within<T>(work: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(60), work).await.expect("in time")
}

/// A request, and the connection that it came on, to answer it.
pub(super) struct Asked {
    stream: TcpStream,
    /// Which connection of the server it is, from 0.
    pub(super) connection: usize,
    pub(super) path: String,
    pub(super) head: String,
    pub(super) body: Value,
    back: mpsc::UnboundedSender<(usize, TcpStream)>,
}

/// Takes connections; what opens a connection in advance is answered by itself.
pub(super) struct Server {
    pub(super) url: String,
    asked: mpsc::UnboundedReceiver<Asked>,
    warmed: mpsc::UnboundedReceiver<usize>,
}

impl Server {
    pub(super) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let (asked_sender, asked) = mpsc::unbounded_channel();
        let (warmed_sender, warmed) = mpsc::unbounded_channel();
        let (back, mut returned) = mpsc::unbounded_channel();
        tokio::spawn(async move {
            let mut connections = 0;
            loop {
                let (connection, stream) = tokio::select! {
                    Ok((stream, _)) = listener.accept() => { connections += 1; (connections - 1, stream) }
                    Some(returned) = returned.recv() => returned,
                };
                tokio::spawn(serve(connection, stream, asked_sender.clone(), warmed_sender.clone(), back.clone()));
            }
        });
        Self { url, asked, warmed }
    }

    /// The next request for speech.
    pub(super) async fn next(&mut self) -> Asked {
        within(self.asked.recv()).await.expect("a request")
    }

    /// The connection that was opened or used in advance next.
    pub(super) async fn warmed(&mut self) -> usize {
        within(self.warmed.recv()).await.expect("a connection")
    }
}

async fn serve(
    connection: usize,
    mut stream: TcpStream,
    asked: mpsc::UnboundedSender<Asked>,
    warmed: mpsc::UnboundedSender<usize>,
    back: mpsc::UnboundedSender<(usize, TcpStream)>,
) {
    while let Some((head, body)) = read_request(&mut stream).await {
        let path = head.split(' ').nth(1).unwrap_or_default().to_owned();
        if !head.starts_with("HEAD ") {
            let body = serde_json::from_slice(&body).unwrap_or_default();
            let _nobody = asked.send(Asked { stream, connection, path, head, body, back });
            return;
        }
        assert!(!head.contains("sk-test"), "the key is not needed: {head}");
        if stream.write_all(b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n").await.is_err() {
            return;
        }
        let _nobody = warmed.send(connection);
    }
}

async fn read_request(stream: &mut TcpStream) -> Option<(String, Vec<u8>)> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.ok()?);
    }
    let head = String::from_utf8(head).ok()?.to_ascii_lowercase().replacen("head ", "HEAD ", 1);
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse().ok()).unwrap_or(0);
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await.ok()?;
    Some((head, body))
}

impl Asked {
    /// The answer's head; pieces follow.
    pub(super) async fn begin(&mut self, content_type: &str) {
        let head = format!("HTTP/1.1 200 OK\r\ncontent-type: {content_type}\r\ntransfer-encoding: chunked\r\n\r\n");
        self.stream.write_all(head.as_bytes()).await.unwrap();
    }

    /// Some bytes of the body. Says whether anybody took them.
    pub(super) async fn raw(&mut self, bytes: &[u8]) -> bool {
        let mut piece = format!("{:x}\r\n", bytes.len()).into_bytes();
        piece.extend_from_slice(bytes);
        piece.extend_from_slice(b"\r\n");
        self.stream.write_all(&piece).await.is_ok()
    }

    /// A line with audio and the times of these characters, in seconds from the answer's start.
    pub(super) async fn piece(&mut self, audio: &[u8], letters: &[(char, f64)]) {
        let line = format!("{}\n", piece(audio, letters));
        assert!(self.raw(line.as_bytes()).await);
    }

    /// The body has ended; the connection serves on.
    pub(super) async fn end(mut self) {
        self.stream.write_all(b"0\r\n\r\n").await.unwrap();
        let _over = self.back.send((self.connection, self.stream));
    }

    /// The whole answer of a refusal; the connection serves on.
    pub(super) async fn refuse(mut self, status: u16, headers: &str, body: &str) {
        let length = if status == 204 { String::new() } else { format!("content-length: {}\r\n", body.len()) };
        let answer = format!("HTTP/1.1 {status} No\r\n{length}{headers}\r\n{body}");
        self.stream.write_all(answer.as_bytes()).await.unwrap();
        let _over = self.back.send((self.connection, self.stream));
    }

    /// Waits until the client has closed the connection.
    pub(super) async fn until_closed(mut self) {
        within(async { while self.stream.read_u8().await.is_ok() {} }).await;
    }
}

pub(super) fn piece(audio: &[u8], letters: &[(char, f64)]) -> Value {
    let characters: Vec<String> = letters.iter().map(|(letter, _)| letter.to_string()).collect();
    let ends: Vec<f64> = letters.iter().map(|(_, end)| *end).collect();
    let starts: Vec<f64> = ends.iter().map(|end| end - 0.05).collect();
    json!({"audio_base64": STANDARD.encode(audio), "normalized_alignment": null, "alignment": {
        "characters": characters, "character_start_times_seconds": starts, "character_end_times_seconds": ends}})
}
