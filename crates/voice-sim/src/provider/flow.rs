//! A streamed HTTP answer: its pieces at their times, through the faults.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use futures_util::stream;
use tokio::sync::mpsc;
use tokio::time::{sleep, timeout};

use super::fault::{FaultKind, Now};
use super::journal::{End, Record};
use super::service::Service;
use super::shared::Shared;

/// Pieces that wait for a client that reads slowly.
const WAITING: usize = 16;
/// A client that does not read, or a stream that hangs, is let go of.
const LONGEST_WAIT: Duration = Duration::from_secs(600);
/// Under `dribble`, from a piece without audio to the next.
const DRIBBLE_MS: u64 = 2_000;
/// Every so many pieces, one comes in two reads.
const TORN_EVERY: u64 = 5;
/// Under `spaces`, as many pieces at most.
const MOST_FILLERS: u32 = 10_000;

/// One piece of an answer.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Piece {
    pub(crate) bytes: Vec<u8>,
    /// A token or audio.
    pub(crate) useful: bool,
    /// After the piece before it, in ms.
    pub(crate) gap_ms: u64,
    /// The length of the audio in it, in ms.
    pub(crate) span_ms: u64,
}

/// Where the pieces come from.
pub(crate) trait Source: Send + Sync + 'static {
    fn service(&self) -> Service;
    fn model(&self) -> Option<&str>;
    fn next(&mut self) -> Option<Piece>;
    /// What an error looks like in the open stream.
    fn refusal(&self, kind: FaultKind) -> Piece;
    /// What is left of a piece under `empty`, `spaces`, `wrong_audio`, `malformed` or `unknown`.
    fn distort(&self, piece: Piece, kind: FaultKind) -> Option<Piece>;
    /// What comes for ever under `spaces`, if anything.
    fn filler(&self) -> Option<Piece>;
}

/// How a stream goes on after a piece.
enum Next {
    On,
    Over,
}

struct Flow<S> {
    shared: Arc<Shared>,
    record: Record,
    source: S,
    to: mpsc::Sender<io::Result<Bytes>>,
    useful: u64,
    sent: u64,
    fault: Option<FaultKind>,
    malformed: bool,
}

/// Where a piece is torn, so that a client has to join what it reads: inside a character, if one has several bytes.
fn tear(bytes: &[u8]) -> usize {
    bytes.iter().position(|byte| *byte >= 0xc0).map_or(bytes.len() / 2, |place| place + 1)
}

/// The body of an answer whose pieces come from a task of their own, which ends with the client or with the servers.
pub(crate) fn body(shared: Arc<Shared>, record: Record, source: impl Source) -> Body {
    body_under(shared, record, source, None)
}

/// The same under a fault that has happened already.
pub(crate) fn body_under(shared: Arc<Shared>, record: Record, source: impl Source, fault: Option<FaultKind>) -> Body {
    let (to, from) = mpsc::channel(WAITING);
    let stop = shared.stop.clone();
    let mut flow = Flow { shared, record, source, to, useful: 0, sent: 0, fault, malformed: false };
    tokio::spawn(async move {
        let to = flow.to.clone();
        tokio::select! {
            biased;
            () = stop.cancelled() => flow.record.end(End::Stopped),
            () = to.closed() => flow.record.end(End::ClientGone),
            () = flow.run() => {}
        }
    });
    Body::from_stream(stream::unfold(from, |mut from| async { from.recv().await.map(|piece| (piece, from)) }))
}

impl<S: Source> Flow<S> {
    async fn run(&mut self) {
        while let Some(piece) = self.source.next() {
            let gap_ms = match self.fault {
                Some(FaultKind::Dribble) => {
                    piece.gap_ms.max(if piece.span_ms > 0 { 2 * piece.span_ms } else { DRIBBLE_MS })
                }
                _ => piece.gap_ms,
            };
            sleep(Duration::from_millis(gap_ms)).await;
            if matches!(self.handle(piece).await, Next::Over) {
                return;
            }
        }
        self.record.end(End::Done);
    }

    async fn handle(&mut self, piece: Piece) -> Next {
        if self.fault.is_none()
            && let Some(kind) =
                self.shared.faults.take(self.source.service(), self.source.model(), Now::Open(self.useful))
        {
            self.record.note("fault", format!("{kind} after {}", self.useful));
            self.fault = Some(kind);
        }
        match self.fault {
            None | Some(FaultKind::Dribble) => self.send(piece).await,
            Some(FaultKind::Cut | FaultKind::Refuse) => {
                self.record.end(End::Fault("cut".to_owned()));
                let _a_client_that_is_gone_needs_no_cut = self.to.send(Err(io::Error::other("cut"))).await;
                Next::Over
            }
            Some(FaultKind::Hang) => {
                sleep(LONGEST_WAIT).await;
                self.record.end(End::Fault("hang".to_owned()));
                Next::Over
            }
            Some(kind @ (FaultKind::Status(..) | FaultKind::Quota | FaultKind::ModelNotFound)) => {
                self.send(self.source.refusal(kind)).await;
                self.record.end(End::Fault(kind.to_string()));
                Next::Over
            }
            Some(FaultKind::Malformed) if self.malformed => self.send(piece).await,
            Some(FaultKind::Spaces) if self.source.filler().is_some() => self.fill().await,
            Some(kind) => {
                self.malformed = true;
                match self.source.distort(piece, kind) {
                    Some(piece) => self.send(piece).await,
                    None => Next::On,
                }
            }
        }
    }

    async fn fill(&mut self) -> Next {
        for _ in 0..MOST_FILLERS {
            let Some(piece) = self.source.filler() else { break };
            sleep(Duration::from_millis(piece.gap_ms)).await;
            if matches!(self.send(piece).await, Next::Over) {
                break;
            }
        }
        Next::Over
    }

    async fn send(&mut self, piece: Piece) -> Next {
        self.useful += u64::from(piece.useful);
        self.record.sent(piece.bytes.len(), piece.useful);
        self.sent += 1;
        let mut bytes = Bytes::from(piece.bytes);
        if self.sent.is_multiple_of(TORN_EVERY) {
            let head = bytes.split_to(tear(&bytes));
            if matches!(self.write(head).await, Next::Over) {
                return Next::Over;
            }
            sleep(Duration::from_millis(1)).await;
        }
        self.write(bytes).await
    }

    async fn write(&self, bytes: Bytes) -> Next {
        let sent = timeout(LONGEST_WAIT, self.to.send(Ok(bytes))).await;
        if matches!(sent, Ok(Ok(()))) { Next::On } else { Next::Over }
    }
}
