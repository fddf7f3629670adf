//! A caller's socket.

use std::net::SocketAddr;

use bytes::Bytes;
use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::Value;
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{WebSocketStream, client_async};

pub(crate) struct Socket(pub(crate) WebSocketStream<TcpStream>);

impl Socket {
    pub(crate) async fn open(addr: SocketAddr, id: &str, token: &str) -> Self {
        Self::try_open(addr, id, &format!("voice-agent.v1, token.{token}"), &[]).await.unwrap()
    }

    /// Of a caller who reads: nothing is spoken on it.
    pub(crate) async fn open_reading(addr: SocketAddr, id: &str, token: &str) -> Self {
        let path = format!("/api/sessions/{id}/audio?answers=text");
        Self::try_open_at(addr, &path, &format!("voice-agent.v1, token.{token}"), &[]).await.unwrap()
    }

    /// The status that a refused handshake was answered with.
    pub(crate) async fn refused(addr: SocketAddr, id: &str, protocols: &str, headers: &[(&'static str, &str)]) -> u16 {
        match Self::try_open(addr, id, protocols, headers).await {
            Err(Error::Http(response)) => {
                assert_eq!(response.headers()["content-type"], "application/problem+json");
                response.status().as_u16()
            }
            Err(error) => panic!("{error}"),
            Ok(_) => panic!("it was not refused"),
        }
    }

    pub(crate) async fn try_open(
        addr: SocketAddr,
        id: &str,
        protocols: &str,
        headers: &[(&'static str, &str)],
    ) -> Result<Self, Error> {
        Self::try_open_at(addr, &format!("/api/sessions/{id}/audio"), protocols, headers).await
    }

    async fn try_open_at(
        addr: SocketAddr,
        path: &str,
        protocols: &str,
        headers: &[(&'static str, &str)],
    ) -> Result<Self, Error> {
        let mut request = format!("ws://{addr}{path}").into_client_request()?;
        request.headers_mut().insert("sec-websocket-protocol", protocols.parse().unwrap());
        for (name, value) in headers {
            request.headers_mut().insert(*name, value.parse().unwrap());
        }
        let stream = TcpStream::connect(addr).await.unwrap();
        let (socket, response) = client_async(request, stream).await?;
        assert_eq!(response.headers()["sec-websocket-protocol"], "voice-agent.v1");
        Ok(Self(socket))
    }

    pub(crate) async fn send(&mut self, event: &Value) {
        self.0.send(Message::text(event.to_string())).await.unwrap();
    }

    pub(crate) async fn send_raw(&mut self, message: Message) {
        self.0.send(message).await.unwrap();
    }

    pub(crate) async fn frame(&mut self) {
        self.send_raw(Message::Binary(Bytes::from(vec![0; 640]))).await;
    }

    /// The next event of this type; others and audio are passed over.
    pub(crate) async fn event(&mut self, kind: &str) -> Value {
        loop {
            match self.0.next().await.expect("an event before the end").unwrap() {
                Message::Text(text) => {
                    let event: Value = serde_json::from_str(&text).unwrap();
                    if event["type"] == kind {
                        return event;
                    }
                }
                Message::Close(frame) => panic!("closed before a {kind}: {frame:?}"),
                _ => {}
            }
        }
    }

    /// The next event; audio is none.
    ///
    /// # Panics
    /// When a frame of audio comes.
    pub(crate) async fn any_event(&mut self) -> Value {
        loop {
            match self.0.next().await.expect("an event before the end").unwrap() {
                Message::Text(text) => return serde_json::from_str(&text).unwrap(),
                Message::Binary(_) => panic!("audio for who reads"),
                Message::Close(frame) => panic!("closed: {frame:?}"),
                _ => {}
            }
        }
    }

    /// The next frame of audio.
    pub(crate) async fn audio(&mut self) -> Bytes {
        loop {
            if let Message::Binary(bytes) = self.0.next().await.expect("a frame before the end").unwrap() {
                return bytes;
            }
        }
    }

    /// The code that the server closes with; everything before it is passed over.
    pub(crate) async fn closed(mut self) -> u16 {
        loop {
            match self.0.next().await {
                Some(Ok(Message::Close(Some(frame)))) => return code(frame.code),
                Some(Ok(_)) => {}
                other => panic!("no close frame but {other:?}"),
            }
        }
    }
}

fn code(code: CloseCode) -> u16 {
    code.into()
}
