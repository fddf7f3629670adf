//! Plain clients.

use std::time::Duration;

use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::Value;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::client::ClientRequestBuilder;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};
use voice_sim::provider::{Latency, Provider, ProviderServers, Script, Step};

/// Longer than anything here takes.
pub(crate) const LONG: Duration = Duration::from_secs(20);

/// Servers without latencies.
pub(crate) async fn start(script: Script) -> ProviderServers {
    let quick = [Step::Connect, Step::Stt, Step::Llm, Step::Token, Step::Tts];
    let script = quick.into_iter().fold(script, |script, step| script.latency(step, Latency::fixed(0)));
    ProviderServers::start(script).await.expect("free ports")
}

/// What came on a WebSocket.
#[derive(Debug, PartialEq)]
pub(crate) enum Came {
    Json(Value),
    /// A text that is no JSON.
    Broken(String),
    Closed(u16, String),
    /// The connection ended without a close.
    Cut,
}

#[derive(Debug)]
pub(crate) struct Socket(WebSocketStream<MaybeTlsStream<TcpStream>>);

/// Opens a WebSocket; or the status and the body of the refusal.
pub(crate) async fn open(url: &str, headers: &[(&str, &str)]) -> Result<Socket, (u16, Value)> {
    let uri = url.replacen("http", "ws", 1).parse().expect("a URL");
    let request = headers
        .iter()
        .fold(ClientRequestBuilder::new(uri), |request, (name, value)| request.with_header(*name, *value));
    match timeout(LONG, connect_async(request)).await.expect("an answer in time") {
        Ok((socket, _)) => Ok(Socket(socket)),
        Err(Error::Http(response)) => {
            let body = response.body().as_deref().and_then(|body| serde_json::from_slice(body).ok());
            Err((response.status().as_u16(), body.unwrap_or_default()))
        }
        Err(_) => Err((0, Value::Null)),
    }
}

impl Socket {
    pub(crate) async fn text(&mut self, text: &str) {
        self.0.send(Message::text(text)).await.expect("an open socket");
    }

    pub(crate) async fn json(&mut self, value: &Value) {
        self.text(&value.to_string()).await;
    }

    pub(crate) async fn binary(&mut self, bytes: Vec<u8>) {
        self.0.send(Message::binary(bytes)).await.expect("an open socket");
    }

    pub(crate) async fn next(&mut self) -> Came {
        loop {
            let message = timeout(LONG, self.0.next()).await.expect("something in time");
            return match message {
                Some(Ok(Message::Text(text))) => match serde_json::from_str(&text) {
                    Ok(value) => Came::Json(value),
                    Err(_) => Came::Broken(text.to_string()),
                },
                Some(Ok(Message::Close(Some(frame)))) => Came::Closed(frame.code.into(), frame.reason.to_string()),
                Some(Ok(Message::Ping(_) | Message::Pong(_))) => continue,
                Some(Ok(Message::Close(None) | Message::Binary(_) | Message::Frame(_)) | Err(_)) | None => Came::Cut,
            };
        }
    }

    /// The next message that is JSON.
    pub(crate) async fn next_json(&mut self) -> Value {
        match self.next().await {
            Came::Json(value) => value,
            other => panic!("{other:?} instead of JSON"),
        }
    }

    /// Whether nothing comes within that time.
    pub(crate) async fn is_silent(&mut self, for_ms: u64) -> bool {
        timeout(Duration::from_millis(for_ms), self.0.next()).await.is_err()
    }

    /// Everything until the end, which is its last.
    pub(crate) async fn rest(&mut self) -> Vec<Came> {
        let mut all = Vec::new();
        loop {
            let came = self.next().await;
            let is_end = matches!(came, Came::Closed(..) | Came::Cut);
            all.push(came);
            if is_end {
                return all;
            }
        }
    }

    pub(crate) async fn close(mut self) {
        let _it_may_be_closed = self.0.close(None).await;
        while let Some(Ok(_)) = self.0.next().await {}
    }
}

/// Opens Deepgram for 16 kHz PCM.
pub(crate) async fn deepgram(servers: &ProviderServers, more: &str) -> Socket {
    let base = servers.base_url(Provider::Deepgram);
    let url = format!("{base}/v1/listen?model=nova-3&encoding=linear16&sample_rate=16000{more}");
    let key = format!("Token {}", servers.keys().deepgram);
    open(&url, &[("authorization", &key)]).await.expect("an open stream")
}

pub(crate) async fn cartesia(servers: &ProviderServers) -> Socket {
    let url = format!("{}/tts/websocket", servers.base_url(Provider::Cartesia));
    let headers = [("x-api-key", servers.keys().cartesia.as_str()), ("cartesia-version", "2026-03-01")];
    open(&url, &headers).await.expect("an open socket")
}

pub(crate) async fn elevenlabs(servers: &ProviderServers, more: &str) -> Socket {
    let base = servers.base_url(Provider::ElevenLabs);
    let url = format!(
        "{base}/v1/text-to-speech/voice/multi-stream-input?model_id=eleven_flash_v2_5&output_format=pcm_16000{more}"
    );
    open(&url, &[("xi-api-key", &servers.keys().elevenlabs)]).await.expect("an open socket")
}

/// Samples as bytes.
pub(crate) fn bytes(pcm: &[i16]) -> Vec<u8> {
    pcm.iter().flat_map(|sample| sample.to_le_bytes()).collect()
}

/// Bytes as samples.
pub(crate) fn samples(bytes: &[u8]) -> Vec<i16> {
    bytes.chunks_exact(2).map(|pair| i16::from_le_bytes([pair[0], pair[1]])).collect()
}

/// An HTTP client that keeps its connections.
pub(crate) fn http() -> reqwest::Client {
    reqwest::Client::builder().no_proxy().timeout(LONG).build().expect("a client")
}

/// Asks the chat model.
pub(crate) async fn chat(
    servers: &ProviderServers,
    client: &reqwest::Client,
    request: &Value,
) -> reqwest::Result<reqwest::Response> {
    let url = format!("{}/chat/completions", servers.base_url(Provider::OpenAi));
    client.post(url).bearer_auth(&servers.keys().openai).json(request).send().await
}

/// The events of a stream, as far as they came; and whether it ended properly.
pub(crate) async fn read_events(mut response: reqwest::Response) -> (Vec<String>, bool) {
    let mut text = Vec::new();
    let whole = loop {
        match response.chunk().await {
            Ok(Some(bytes)) => text.extend_from_slice(&bytes),
            Ok(None) => break true,
            Err(_) => break false,
        }
    };
    let text = String::from_utf8(text).expect("UTF-8").replace("\r\n", "\n");
    let data = text.lines().filter_map(|line| line.strip_prefix("data:")).map(|data| data.trim_start().to_owned());
    (data.collect(), whole)
}

/// The text of the content in events.
pub(crate) fn content(events: &[String]) -> String {
    let deltas = events.iter().filter_map(|event| serde_json::from_str::<Value>(event).ok());
    deltas.filter_map(|chunk| chunk["choices"][0]["delta"]["content"].as_str().map(str::to_owned)).collect()
}
