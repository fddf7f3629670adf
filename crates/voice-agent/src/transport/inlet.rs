//! What is read of a socket, message by message, and of no message without end.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::extract::ws::Message;
use futures_util::StreamExt as _;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep};

use super::end::{End, Stream, unreadable};
use super::{HARD_LIMIT, close};

/// How often it is looked whether a message comes to an end.
const LOOK_EVERY: Duration = Duration::from_millis(250);
/// Bytes on the wire that may come before a message is whole: the largest one, and as much again for the heads of its frames. The
/// library's limit is one of payload, and a message of ever more empty frames has none.
const MOST_UNFINISHED: u64 = 2 * HARD_LIMIT as u64;

/// Longest head of a frame, in bytes (RFC 6455, section 5.2).
const MOST_HEAD: u64 = 14;

/// How many bytes came over a connection.
#[derive(Debug, Clone, Default)]
pub(crate) struct Received(Arc<AtomicU64>);

impl Received {
    fn bytes(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// A connection whose bytes are counted as they are read.
#[derive(Debug)]
pub(crate) struct Counted<S> {
    stream: S,
    received: Received,
}

impl<S> Counted<S> {
    pub(crate) const fn new(stream: S, received: Received) -> Self {
        Self { stream, received }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Counted<S> {
    fn poll_read(mut self: Pin<&mut Self>, context: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = into.filled().len();
        let read = ready!(Pin::new(&mut self.stream).poll_read(context, into));
        let bytes = into.filled().len().saturating_sub(before);
        self.received.0.fetch_add(bytes as u64, Ordering::Relaxed);
        Poll::Ready(read)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Counted<S> {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        pieces: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(context, pieces)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}

/// The half of a socket that reads.
#[derive(Debug)]
pub(super) struct Inlet {
    stream: Stream,
    received: Received,
    /// As many bytes had come with the last whole message, and with the control frames since.
    taken: u64,
    /// When it is looked again: one timer for all messages, since setting one for each costs more than reading it.
    look: Pin<Box<Sleep>>,
}

impl Inlet {
    pub(super) fn new(stream: Stream, received: Received) -> Self {
        let taken = received.bytes();
        Self { stream, received, taken, look: Box::pin(sleep(LOOK_EVERY)) }
    }

    /// A message came. A control frame may stand in the midst of one that is not whole yet.
    fn take(&mut self, message: &Message) -> Result<(), End> {
        match message {
            Message::Ping(payload) | Message::Pong(payload) => self.taken += payload.len() as u64 + MOST_HEAD,
            _ => self.taken = self.received.bytes(),
        }
        self.check()
    }

    fn check(&self) -> Result<(), End> {
        if self.received.bytes().saturating_sub(self.taken) > MOST_UNFINISHED {
            return Err(End::new(close::TOO_LARGE, "the message does not come to its end"));
        }
        Ok(())
    }

    /// The next message. It is an end when none comes within `silence`, when one does not come to its end, and when what comes is
    /// no message, for which `protocol` is the code.
    pub(super) async fn next(&mut self, silence: Duration, protocol: u16) -> Result<Message, End> {
        let began = Instant::now();
        loop {
            tokio::select! {
                biased;
                message = self.stream.next() => {
                    let Some(message) = message else { return Err(End::new(close::LOST, "the connection was lost")) };
                    let message = message.map_err(|error| unreadable(&error, protocol))?;
                    self.take(&message)?;
                    return Ok(message);
                }
                () = &mut self.look => {
                    self.check()?;
                    let left = silence.saturating_sub(began.elapsed());
                    if left.is_zero() {
                        return Err(End::new(close::LOST, "nothing was heard of it, not even a pong"));
                    }
                    self.look.as_mut().reset(Instant::now() + LOOK_EVERY.min(left));
                }
            }
        }
    }
}
