//! A WebSocket to the server, in a task of its own: opened, read and written with deadlines, behind bounded queues.

use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::http::HeaderValue;
use tokio_tungstenite::tungstenite::http::header::AUTHORIZATION;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{Bytes, Error, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream};

use crate::error::LinkError;

/// From the name to the upgraded connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(8);
/// For one message to leave.
const WRITE_TIMEOUT: Duration = Duration::from_secs(5);
/// For the farewell.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(1);
/// Messages that wait to be written, and to be read.
const QUEUE: usize = 256;
/// Bytes of the largest message: a room of thousands of participants.
const MAX_MESSAGE: usize = 16 << 20;

type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

/// An open link, or one that is being opened. Dropped, it sends what waits, and closes; one that is
/// not open yet is given up.
pub(crate) struct Link {
    outgoing: mpsc::Sender<Vec<u8>>,
    incoming: mpsc::Receiver<Result<Bytes, LinkError>>,
}

impl Link {
    /// Opens a link. What is sent before it is open goes out then.
    pub(crate) fn open(url: String, token: String) -> Self {
        let (outgoing, outbox) = mpsc::channel(QUEUE);
        let (inbox, incoming) = mpsc::channel(QUEUE);
        tokio::spawn(async move {
            let connected = tokio::select! {
                connected = connect(&url, &token) => connected,
                // Dropped: a late greeting would put out whoever joined meanwhile under the same name.
                () = inbox.closed() => return,
            };
            let error = match connected {
                Ok(socket) => carry(socket, outbox, &inbox).await,
                Err(error) => error,
            };
            // Nobody waits for it any more if the link was dropped.
            let _ = inbox.send(Err(error)).await;
        });
        Self { outgoing, incoming }
    }

    /// Sends a message; `false` if too many are waiting: the server does not read.
    #[must_use]
    pub(crate) fn send(&self, message: Vec<u8>) -> bool {
        !matches!(self.outgoing.try_send(message), Err(mpsc::error::TrySendError::Full(_)))
    }

    /// The next message, or the end of the link.
    pub(crate) async fn next(&mut self) -> Result<Bytes, LinkError> {
        self.incoming.recv().await.unwrap_or(Err(LinkError::Closed))
    }
}

async fn connect(url: &str, token: &str) -> Result<Socket, LinkError> {
    let mut request = url.into_client_request().map_err(|_| LinkError::Unreachable)?;
    let mut bearer = HeaderValue::try_from(format!("Bearer {token}")).map_err(|_| LinkError::Refused(401))?;
    bearer.set_sensitive(true);
    request.headers_mut().insert(AUTHORIZATION, bearer);
    let limits = WebSocketConfig::default().max_message_size(Some(MAX_MESSAGE)).max_frame_size(Some(MAX_MESSAGE));
    let connecting = tokio_tungstenite::connect_async_with_config(request, Some(limits), true);
    match timeout(CONNECT_TIMEOUT, connecting).await {
        Ok(Ok((socket, _))) => Ok(socket),
        Ok(Err(Error::Http(response))) => Err(LinkError::Refused(response.status().as_u16())),
        Ok(Err(error)) => {
            tracing::debug!(%error, "socket not opened");
            Err(LinkError::Unreachable)
        }
        Err(_) => Err(LinkError::Timeout),
    }
}

/// Carries messages both ways; why it ended.
async fn carry(
    mut socket: Socket,
    mut outbox: mpsc::Receiver<Vec<u8>>,
    inbox: &mpsc::Sender<Result<Bytes, LinkError>>,
) -> LinkError {
    loop {
        tokio::select! {
            message = outbox.recv() => {
                let Some(message) = message else {
                    // The link was dropped, and all that was sent on it is out.
                    let _ = timeout(CLOSE_TIMEOUT, socket.close(None)).await;
                    return LinkError::Closed;
                };
                match timeout(WRITE_TIMEOUT, socket.send(Message::binary(message))).await {
                    Ok(Ok(())) => {}
                    Ok(Err(error)) => {
                        tracing::debug!(%error, "socket not written");
                        read_out(&mut socket, inbox).await;
                        return LinkError::Closed;
                    }
                    Err(_) => return LinkError::Timeout,
                }
            }
            message = socket.next() => match message {
                Some(Ok(Message::Binary(message))) => {
                    // Waits while the queue is full: the server's own is next. Once the link is dropped, nobody reads.
                    let _ = inbox.send(Ok(message)).await;
                }
                Some(Ok(Message::Close(_))) | None => return LinkError::Closed,
                // Pings are answered by the library; text is not LiveKit's protocol to us.
                Some(Ok(_)) => {}
                Some(Err(error)) => {
                    tracing::debug!(%error, "socket lost");
                    return LinkError::Closed;
                }
            },
        }
    }
}

/// Reads what the server sent before it closed a socket that takes nothing any more: why it did is the last message.
async fn read_out(socket: &mut Socket, inbox: &mpsc::Sender<Result<Bytes, LinkError>>) {
    let reading = async {
        while let Some(Ok(message)) = socket.next().await {
            if let Message::Binary(message) = message {
                // Once the link is dropped, nobody reads.
                let _ = inbox.send(Ok(message)).await;
            }
        }
    };
    // What has not come by then does not count.
    let _ = timeout(CLOSE_TIMEOUT, reading).await;
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpListener;

    use super::*;

    #[tokio::test]
    async fn the_last_message_is_read_though_the_socket_takes_nothing_any_more() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("ws://{}", listener.local_addr().unwrap());
        for round in 0..50 {
            let mut link = Link::open(url.clone(), "token".to_owned());
            let (stream, _) = listener.accept().await.unwrap();
            let mut socket = tokio_tungstenite::accept_async(stream).await.unwrap();
            socket.send(Message::binary(b"leave".to_vec())).await.unwrap();
            // Without a farewell, and with messages unread: what is written to it from now on is refused.
            drop(socket);
            for _ in 0..20 {
                assert!(link.send(b"candidate".to_vec()));
            }
            assert_eq!(link.next().await.as_deref(), Ok(&b"leave"[..]), "round {round}");
            assert_eq!(link.next().await, Err(LinkError::Closed), "round {round}");
        }
    }
}
