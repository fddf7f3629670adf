//! One open connection: a message at a time out, messages in.

use std::task::{Context, Poll};
use std::time::Duration;

use futures_util::{SinkExt as _, StreamExt as _};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::{Error, Message, Utf8Bytes};
use voice_core::provider::{ProviderErrorKind, ProviderFailure};

use super::dial::failure;
use super::refusal::closed;
use super::wire::{self, ServerMessage};

/// What happened on a connection.
#[derive(Debug)]
pub(super) enum Step {
    /// The message that was offered has left.
    Left,
    /// The server said something.
    Said(Utf8Bytes),
    /// The server is there: a pong, or something that means nothing to us.
    Alive,
    /// The connection is over.
    Over(ProviderFailure),
}

/// An open connection.
#[derive(Debug)]
pub(super) struct Connection<S> {
    socket: WebSocketStream<S>,
    offered: Option<Message>,
    unflushed: bool,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Connection<S> {
    pub(super) fn new(socket: WebSocketStream<S>) -> Self {
        Self { socket, offered: None, unflushed: false }
    }

    /// Whether it takes another message.
    pub(super) fn is_free(&self) -> bool {
        self.offered.is_none()
    }

    /// The message that leaves next. Only when it is free.
    pub(super) fn offer(&mut self, message: Message) {
        self.offered = Some(message);
    }

    /// Waits for something to happen. Safe to cancel.
    pub(super) async fn step(&mut self) -> Step {
        std::future::poll_fn(|cx| self.poll_step(cx)).await
    }

    fn poll_step(&mut self, cx: &mut Context<'_>) -> Poll<Step> {
        match self.poll_write(cx) {
            Poll::Ready(Ok(())) => Poll::Ready(Step::Left),
            // What the server said before it went says more than that it is gone.
            Poll::Ready(Err(failure)) => match self.poll_read(cx) {
                Poll::Ready(step) => Poll::Ready(step),
                Poll::Pending => Poll::Ready(Step::Over(failure)),
            },
            Poll::Pending => self.poll_read(cx),
        }
    }

    fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<Step> {
        let message = match std::task::ready!(self.socket.poll_next_unpin(cx)) {
            Some(Ok(message)) => message,
            Some(Err(error)) => return Poll::Ready(Step::Over(failure(&error))),
            None => return Poll::Ready(Step::Over(ProviderErrorKind::Disconnected.into())),
        };
        Poll::Ready(match message {
            Message::Text(text) => Step::Said(text),
            Message::Close(Some(frame)) => Step::Over(closed(frame.code.into(), &frame.reason)),
            Message::Close(None) => Step::Over(ProviderErrorKind::Disconnected.into()),
            _ => Step::Alive,
        })
    }

    /// Ready when the offered message has left.
    fn poll_write(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), ProviderFailure>> {
        let mut left = false;
        if self.offered.is_some()
            && let Poll::Ready(ready) = self.socket.poll_ready_unpin(cx)
            && let Some(message) = self.offered.take()
        {
            ready.and_then(|()| self.socket.start_send_unpin(message)).map_err(|error| failure(&error))?;
            self.unflushed = true;
            left = true;
        }
        // TLS may hold a part back until it is told to.
        if self.unflushed
            && let Poll::Ready(flushed) = self.socket.poll_flush_unpin(cx)
        {
            flushed.map_err(|error| failure(&error))?;
            self.unflushed = false;
        }
        if left { Poll::Ready(Ok(())) } else { Poll::Pending }
    }

    /// Ends it in order: says that no audio comes any more, and hears the rest out, for `wait` at most. The audio that was
    /// processed, in milliseconds, if the server said so.
    pub(super) async fn close(mut self, wait: Duration) -> Option<u64> {
        let mut processed = None;
        // Whether it went well or took too long: it is over.
        let _in_time = tokio::time::timeout(wait, self.hear_out(&mut processed)).await;
        processed
    }

    async fn hear_out(&mut self, processed: &mut Option<u64>) -> Result<(), Error> {
        self.socket.send(Message::text(wire::CLOSE_STREAM)).await?;
        while let Some(message) = self.socket.next().await {
            if let Message::Text(text) = message?
                && let Ok(ServerMessage::Metadata { processed_ms }) = wire::decode(&text)
            {
                *processed = Some(processed_ms);
                // Nothing follows but the server's close, and a server that waits for ours.
                self.socket.send(Message::Close(None)).await?;
            }
        }
        Ok(())
    }
}
