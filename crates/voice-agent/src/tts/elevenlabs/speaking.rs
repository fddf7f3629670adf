//! One answer while it is being heard.

use std::collections::VecDeque;
use std::sync::Arc;

use futures_util::StreamExt as _;
use futures_util::stream;
use reqwest::Response;
use tokio::time::timeout;
use voice_core::provider::{ProviderErrorKind, ProviderFailure};

use super::reader::Reader;
use super::warm::Using;
use super::{Events, Sentence, Shared};
use crate::tts::TtsEvent;

/// An answer that has begun. Dropping it takes the request back, by closing its connection.
pub(super) struct Speaking {
    shared: Arc<Shared>,
    sentence: Sentence,
    response: Response,
    /// None when the answer is over.
    reader: Option<Reader>,
    queue: VecDeque<TtsEvent>,
    failure: Option<ProviderFailure>,
    using: Using,
}

impl Speaking {
    /// An answer of which nothing was read yet.
    pub(super) fn new(
        shared: Arc<Shared>,
        sentence: Sentence,
        (response, using): (Response, Using),
        reader: Reader,
    ) -> Self {
        Self { shared, sentence, response, reader: Some(reader), queue: VecDeque::new(), failure: None, using }
    }

    /// What it says.
    pub(super) fn events(self) -> Events {
        stream::unfold(self, |mut speaking| async move { speaking.next().await.map(|event| (event, speaking)) }).boxed()
    }

    async fn next(&mut self) -> Option<Result<TtsEvent, ProviderFailure>> {
        loop {
            if let Some(event) = self.queue.pop_front() {
                return Some(Ok(event));
            }
            if let Some(failure) = self.failure.take() {
                return Some(Err(failure));
            }
            let reader = self.reader.take()?;
            if let Err(failure) = self.read(reader).await {
                self.failure = Some(failure);
            }
        }
    }

    /// Reads the next piece. The reader is given back when the answer goes on.
    async fn read(&mut self, mut reader: Reader) -> Result<(), ProviderFailure> {
        let mut events = Vec::new();
        let result = match timeout(self.shared.gap_timeout, self.response.chunk()).await {
            Ok(Ok(Some(piece))) => {
                let pushed = reader.push(piece, &mut events);
                self.reader = pushed.is_ok().then_some(reader);
                pushed
            }
            Ok(Ok(None)) => {
                self.using.end();
                let finished = reader.finish(&mut events);
                if let (Ok(()), Some(speech)) = (finished, self.sentence.speech) {
                    self.shared.memory.spoke(speech, self.sentence.text.trim());
                }
                finished
            }
            Ok(Err(_)) => Err(ProviderErrorKind::Disconnected.into()),
            Err(_) => Err(ProviderErrorKind::Stalled.into()),
        };
        self.queue.extend(events);
        result
    }
}
