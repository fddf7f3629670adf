//! Twilio's side: webhooks with their signature, streams with their messages.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use futures_util::{SinkExt as _, StreamExt as _};
use reqwest::{Method, Response};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{WebSocketStream, client_async};
use voice_agent::config::{Config, ConsentRule, Secret};

use crate::server::TestServer;

pub(crate) const AUTH_TOKEN: &str = "0123456789abcdef0123456789abcdef";
pub(crate) const PUBLIC_URL: &str = "https://voice.example.com";
pub(crate) const CALL: &str = "CA0123456789abcdef0123456789abcdef";
const ACCOUNT: &str = "AC0123456789abcdef0123456789abcdef";
const STREAM: &str = "MZ18ad3ab5a668481ce02b83e7395059f0";

/// A server that Twilio calls, and that believes nobody else.
pub(crate) fn signed(config: &mut Config) {
    config.secrets.twilio_auth_token = Some(Secret::new(AUTH_TOKEN));
    config.public_url = PUBLIC_URL.to_owned();
    config.recording.enabled = true;
}

/// A server that believes everybody.
pub(crate) fn unsigned(config: &mut Config) {
    config.twilio.validate_signatures = false;
    config.recording.enabled = true;
    // Nobody vouches for a number here.
    config.consent.withheld = ConsentRule::Announce;
}

/// What Twilio signs: the address, and every parameter once and sorted.
pub(crate) fn signature(key: &str, url: &str, form: &[(&str, &str)]) -> String {
    let sorted: BTreeMap<&str, &str> = form.iter().copied().collect();
    let text: String = [url].into_iter().chain(sorted.into_iter().flat_map(|(name, value)| [name, value])).collect();
    let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, key.as_bytes());
    STANDARD.encode(hmac::sign(&key, text.as_bytes()))
}

/// A call of this number comes, or its stream is over.
pub(crate) async fn webhook(server: &TestServer, path: &str, form: &[(&str, &str)]) -> Response {
    let signature = signature(AUTH_TOKEN, &format!("{PUBLIC_URL}{path}"), form);
    post(server, path, form, Some(&signature)).await
}

pub(crate) async fn post(server: &TestServer, path: &str, form: &[(&str, &str)], signature: Option<&str>) -> Response {
    let body: String = form_urlencoded::Serializer::new(String::new()).extend_pairs(form).finish();
    let mut request = server.request(Method::POST, path).body(body);
    request = request.header("content-type", "application/x-www-form-urlencoded; charset=UTF-8");
    if let Some(signature) = signature {
        request = request.header("X-Twilio-Signature", signature);
    }
    request.send().await.unwrap()
}

/// The answer's call token.
pub(crate) fn call_token(twiml: &str) -> String {
    let (_, rest) = twiml.split_once("<Parameter name=\"callToken\" value=\"").expect("a call token");
    rest.split_once('"').unwrap().0.to_owned()
}

/// One stream of a call.
pub(crate) struct Stream {
    socket: WebSocketStream<TcpStream>,
    sequence: u64,
    chunk: u64,
    /// The account that its start names.
    pub(crate) account: String,
    /// Messages that came while another was waited for.
    pub(crate) passed_over: Vec<Value>,
}

impl Stream {
    /// A socket on which nothing was said yet, its handshake signed as Twilio does.
    pub(crate) async fn open(addr: SocketAddr) -> Self {
        let url = format!("{}/twilio/media", PUBLIC_URL.replace("https", "wss"));
        let signature = signature(AUTH_TOKEN, &url, &[]);
        Self::try_open(addr, &[("x-twilio-signature", &signature)]).await.unwrap()
    }

    pub(crate) async fn try_open(addr: SocketAddr, headers: &[(&'static str, &str)]) -> Result<Self, Error> {
        let mut request = format!("ws://{addr}/twilio/media").into_client_request()?;
        for (name, value) in headers {
            request.headers_mut().append(*name, value.parse().unwrap());
        }
        let stream = TcpStream::connect(addr).await.unwrap();
        let (socket, _) = client_async(request, stream).await?;
        Ok(Self { socket, sequence: 0, chunk: 0, account: ACCOUNT.to_owned(), passed_over: Vec::new() })
    }

    /// The status that a refused handshake was answered with.
    pub(crate) async fn refused(addr: SocketAddr, headers: &[(&'static str, &str)]) -> u16 {
        match Self::try_open(addr, headers).await {
            Err(Error::Http(response)) => response.status().as_u16(),
            Err(error) => panic!("{error}"),
            Ok(_) => panic!("it was not refused"),
        }
    }

    /// A stream of this call, its start sent.
    pub(crate) async fn begin(addr: SocketAddr, call: &str, token: Option<&str>) -> Self {
        let mut stream = Self::open(addr).await;
        stream.send(&json!({"event": "connected", "protocol": "Call", "version": "1.0.0"})).await;
        stream.start(call, token).await;
        stream
    }

    pub(crate) async fn start(&mut self, call: &str, token: Option<&str>) {
        let parameters = token.map_or_else(|| json!({}), |token| json!({"callToken": token}));
        let format = json!({"encoding": "audio/x-mulaw", "sampleRate": 8000, "channels": 1});
        let start = json!({
            "accountSid": self.account, "streamSid": STREAM, "callSid": call,
            "tracks": ["inbound"], "mediaFormat": format, "customParameters": parameters,
        });
        self.event("start", start).await;
    }

    async fn event(&mut self, kind: &str, body: Value) {
        self.sequence += 1;
        let sequence = self.sequence.to_string();
        let mut message = json!({"event": kind, "sequenceNumber": sequence, "streamSid": STREAM});
        message[kind] = body;
        self.send(&message).await;
    }

    /// The caller's next audio.
    pub(crate) async fn media(&mut self, mulaw: &[u8]) {
        self.chunk += 1;
        let (chunk, timestamp) = (self.chunk.to_string(), (self.chunk * 20).to_string());
        let payload = STANDARD.encode(mulaw);
        let media = json!({"track": "inbound", "chunk": chunk, "timestamp": timestamp, "payload": payload});
        self.event("media", media).await;
    }

    pub(crate) async fn mark(&mut self, name: &str) {
        self.event("mark", json!({"name": name})).await;
    }

    pub(crate) async fn stop(&mut self) {
        self.event("stop", json!({"accountSid": "AC0123456789abcdef0123456789abcdef", "callSid": CALL})).await;
    }

    pub(crate) async fn press(&mut self, digit: &str) {
        self.event("dtmf", json!({"track": "inbound_track", "digit": digit})).await;
    }

    pub(crate) async fn send(&mut self, message: &Value) {
        self.send_raw(Message::text(message.to_string())).await;
    }

    pub(crate) async fn send_raw(&mut self, message: Message) {
        self.try_send(message).await.unwrap();
    }

    pub(crate) async fn try_send(&mut self, message: Message) -> Result<(), Error> {
        self.socket.send(message).await
    }

    /// The next message, or the code that the socket was closed with.
    pub(crate) async fn next(&mut self) -> Result<Value, u16> {
        loop {
            match self.socket.next().await.expect("a message before the end").unwrap() {
                Message::Text(text) => {
                    let message: Value = serde_json::from_str(&text).unwrap();
                    assert_eq!(message["streamSid"], STREAM, "Twilio would refuse it");
                    return Ok(message);
                }
                Message::Close(frame) => return Err(frame.map_or(1005, |frame| frame.code.into())),
                Message::Binary(_) => panic!("Twilio takes text only"),
                _ => {}
            }
        }
    }

    /// The next message of this kind.
    pub(crate) async fn expect(&mut self, kind: &str) -> Value {
        loop {
            let message = self.next().await.unwrap_or_else(|code| panic!("closed with {code} before a {kind}"));
            if message["event"] == kind {
                return message;
            }
            self.passed_over.push(message);
        }
    }

    /// The next audio for the caller.
    pub(crate) async fn audio(&mut self) -> Vec<u8> {
        let message = self.expect("media").await;
        STANDARD.decode(message["media"]["payload"].as_str().unwrap()).unwrap()
    }

    /// The code that the server closes with; everything before it is passed over.
    pub(crate) async fn closed(mut self) -> u16 {
        loop {
            if let Err(code) = self.next().await {
                return code;
            }
        }
    }
}
