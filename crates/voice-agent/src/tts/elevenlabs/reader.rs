//! An answer as it comes: lines, and what they are to whoever listens. Pure.

use bytes::{Buf as _, Bytes, BytesMut};
use voice_core::provider::{ProviderErrorKind, ProviderFailure};

use super::wire::{self, Alignment, Line, Since};
use crate::audio::format::AudioFormat;
use crate::tts::TtsEvent;
use crate::tts::sample::{Samples, is_file};
use crate::tts::timing::WordMatch;

/// Longest line, in bytes.
const MAX_LINE_BYTES: usize = 8 * 1024 * 1024;

/// What an answer's body is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Body {
    /// JSON in lines.
    Lines,
    /// Audio and nothing else.
    Audio,
}

impl Body {
    /// By the answer's `Content-Type`. What does not claim to be audio has to prove that it is JSON: an error may come with
    /// a status that says that all is well.
    pub(super) fn of(content_type: &str) -> Self {
        let is_audio = content_type.trim().to_ascii_lowercase().starts_with("audio/");
        if is_audio { Self::Audio } else { Self::Lines }
    }
}

/// Reads one answer.
#[derive(Debug)]
pub(super) struct Reader {
    body: Body,
    /// The beginning of a line whose end has not come.
    line: BytesMut,
    /// So much of it has no end in it.
    searched: usize,
    samples: Samples,
    words: WordMatch,
    /// The beginning of a word whose end has not come, and until when it sounds.
    word: String,
    word_ms: u64,
}

impl Reader {
    /// Nothing has come yet of the answer to this text.
    pub(super) fn new(body: Body, text: &str, format: AudioFormat) -> Self {
        Self {
            body,
            line: BytesMut::new(),
            searched: 0,
            samples: Samples::new(format),
            words: WordMatch::new(text),
            word: String::new(),
            word_ms: 0,
        }
    }

    /// Takes what came.
    ///
    /// # Errors
    /// When the answer has failed. What came before is in `events` all the same.
    pub(super) fn push(&mut self, bytes: Bytes, events: &mut Vec<TtsEvent>) -> Result<(), ProviderFailure> {
        if self.body == Body::Audio {
            return self.take_audio(bytes, events);
        }
        self.line.extend_from_slice(&bytes);
        while let Some(end) = self.line[self.searched..].iter().position(|byte| *byte == b'\n') {
            let line = self.line.split_to(self.searched + end);
            self.line.advance(1);
            self.searched = 0;
            self.take_line(&line, events)?;
        }
        self.searched = self.line.len();
        if self.searched > MAX_LINE_BYTES {
            return Err(ProviderErrorKind::Protocol.into());
        }
        Ok(())
    }

    /// The body has ended.
    ///
    /// # Errors
    /// When that was no whole answer.
    pub(super) fn finish(mut self, events: &mut Vec<TtsEvent>) -> Result<(), ProviderFailure> {
        let last = self.line.split();
        self.take_line(&last, events)?;
        self.end_word();
        if self.samples.bytes() == 0 || !self.samples.is_whole() {
            return Err(ProviderErrorKind::Protocol.into());
        }
        events.push(TtsEvent::Done { words: self.words.finish(self.samples.audio_ms()) });
        Ok(())
    }

    fn take_line(&mut self, line: &[u8], events: &mut Vec<TtsEvent>) -> Result<(), ProviderFailure> {
        match wire::decode(line)? {
            Line::Ignored => {}
            Line::Failed(failure) => return Err(failure),
            Line::Piece { audio, alignment } => {
                let before_ms = self.samples.audio_ms();
                self.take_audio(audio, events)?;
                if alignment.is_some_and(|alignment| self.take_alignment(&alignment, before_ms)) {
                    events.push(TtsEvent::Words(self.words.words().to_vec()));
                }
            }
        }
        Ok(())
    }

    fn take_audio(&mut self, audio: Bytes, events: &mut Vec<TtsEvent>) -> Result<(), ProviderFailure> {
        if is_file(&audio) {
            return Err(ProviderErrorKind::Protocol.into());
        }
        let whole = self.samples.push(audio);
        if !whole.is_empty() {
            events.push(TtsEvent::Audio(whole));
        }
        Ok(())
    }

    /// Says whether more words have ended.
    fn take_alignment(&mut self, alignment: &Alignment, before_ms: u64) -> bool {
        let from_ms = if alignment.since == Since::Piece { before_ms } else { 0 };
        let mut more = false;
        for letter in &alignment.letters {
            if letter.text.chars().all(char::is_whitespace) {
                more |= self.end_word();
            } else {
                self.word.push_str(&letter.text);
                self.word_ms = letter.end_ms + from_ms;
            }
        }
        // A piece of the text's own is found in it, and need not wait for what follows. Of other words pieces mislead.
        if alignment.is_verbatim {
            more |= self.end_word();
        }
        more
    }

    fn end_word(&mut self) -> bool {
        let word = std::mem::take(&mut self.word);
        !word.is_empty() && self.words.hear(&word, self.word_ms)
    }
}
