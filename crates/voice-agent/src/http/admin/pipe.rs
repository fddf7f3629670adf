//! An answer that is written by a thread while it is sent, and is never in memory as a whole.

use std::io::{self, Write};

use bytes::Bytes;
use futures_util::Stream;
use tokio::sync::mpsc;

/// Pieces that may wait for the network; then whoever writes waits, too.
const WAITING: usize = 4;

/// The end that is written to, by a thread that may wait.
#[derive(Debug, Clone)]
pub(super) struct Pipe(mpsc::Sender<io::Result<Bytes>>);

impl Pipe {
    /// Both ends: what is written to the one comes out of the other.
    pub(super) fn new() -> (Self, impl Stream<Item = io::Result<Bytes>>) {
        let (pipe, pieces) = mpsc::channel(WAITING);
        let pieces =
            futures_util::stream::unfold(pieces, |mut pieces| async move { Some((pieces.recv().await?, pieces)) });
        (Self(pipe), pieces)
    }

    /// The rest does not come: whoever reads is not to take what there is for all of it.
    pub(super) async fn break_off(self) {
        let broken = io::Error::other("it could not be written to its end");
        // Nobody reads any more: so much the better.
        let _gone = self.0.send(Err(broken)).await;
    }
}

impl Write for Pipe {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let piece = Ok(Bytes::copy_from_slice(bytes));
        self.0.blocking_send(piece).map_err(|_| io::Error::from(io::ErrorKind::BrokenPipe))?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use futures_util::StreamExt as _;

    use super::*;

    #[tokio::test]
    async fn what_is_written_comes_out_and_a_broken_end_is_no_end() {
        let (mut pipe, pieces) = Pipe::new();
        let mut pieces = std::pin::pin!(pieces);
        let broken = pipe.clone();
        let writing = tokio::task::spawn_blocking(move || (0..9_u8).try_for_each(|n| pipe.write_all(&[n])));
        for n in 0..9 {
            assert_eq!(pieces.next().await.unwrap().unwrap().as_ref(), [n]);
        }
        writing.await.unwrap().unwrap();
        broken.break_off().await;
        assert!(pieces.next().await.unwrap().is_err());
        assert!(pieces.next().await.is_none());
    }

    #[tokio::test]
    async fn whoever_writes_to_nobody_is_told() {
        let (mut pipe, pieces) = Pipe::new();
        drop(pieces);
        let written = tokio::task::spawn_blocking(move || pipe.write(b"x")).await.unwrap();
        assert_eq!(written.unwrap_err().kind(), io::ErrorKind::BrokenPipe);
    }
}
