//! What is to be said once a tool has done what it was called for, said by the model with the call.
//!
//! The model writes these words before it is through with the call's other arguments. Their synthesis begins then; heard they
//! are only when every call of the request did what it asks for and the store has it, as if they had come with the call.

use serde_json::{Map, Value};

use crate::agents;
use crate::ids::LlmRequestId;

use super::reply::{Reply, Request};
use super::{Session, cut};

/// Words of a call that is still being written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct EarlyWords {
    /// The call's words as they have to stand in it once it is whole.
    words: String,
    /// The first chunk of them: from there on nothing may be heard. They are the last chunks of the speech.
    pub(super) first_chunk: u32,
}

impl Session {
    /// The model has written all that is to be said when the call that it writes is carried out.
    pub(super) fn handle_llm_words_ahead(&mut self, id: LlmRequestId, words: &str) {
        let most = self.config.max_reply_chars;
        if self.progress(id).is_none() {
            return;
        }
        let Some(reply) = self.reply.as_mut().filter(|reply| reply.takes_words_ahead()) else { return };
        let words = words.trim();
        // Words that would be cut, or are none, come with the call or not at all.
        if words.chars().count() > most.saturating_sub(reply.chars) || !words.chars().any(char::is_alphanumeric) {
            return;
        }
        // The words before a call are spoken before it.
        if let Some(piece) = reply.chunker.flush() {
            self.add_chunk(piece);
        }
        let now_ms = self.now_ms;
        let Some(reply) = &mut self.reply else { return };
        reply.first_text_ms.get_or_insert(now_ms);
        let mut chunker = reply.chunker.clone();
        reply.early = Some(EarlyWords { words: words.to_owned(), first_chunk: reply.speech.next_index });
        let mut pieces = chunker.push(words);
        pieces.extend(chunker.flush());
        for piece in pieces {
            self.add_chunk(piece);
        }
    }

    /// Words whose synthesis was begun are not to be said after all.
    pub(super) fn forget_early_words(&mut self) {
        let Some(early) = self.reply.as_mut().and_then(|reply| reply.early.take()) else { return };
        self.drop_chunks(early.first_chunk);
        if let Some(reply) = self.reply.as_mut().filter(|reply| reply.speech.chunks.is_empty()) {
            // What is said instead has yet to begin.
            (reply.first_text_ms, reply.first_audio_ms) = (None, None);
        }
    }

    /// A call is whole: the words that came before it stand in it, or are forgotten. Answers the first chunk of what is said
    /// after the call, if that is known already.
    pub(super) fn match_early_words(&mut self, words: Option<&str>) -> Option<u32> {
        let reply = self.reply.as_ref()?;
        let early = reply.early.as_ref()?;
        // They are those of the first call.
        if reply.words_ahead.is_empty() && words != Some(early.words.as_str()) {
            self.forget_early_words();
            return None;
        }
        Some(early.first_chunk)
    }

    /// Every call has done what it asks for: says what of these words is not spoken yet.
    pub(super) fn say_agreed_words(&mut self, words: &str) {
        let Some(reply) = &mut self.reply else { return };
        let words = cut(words, self.config.max_reply_chars.saturating_sub(reply.chars));
        let early = reply.early.take();
        match early.as_ref().map(|early| (words.strip_prefix(early.words.as_str()), early.first_chunk)) {
            Some((Some(rest), _)) if rest.trim().is_empty() => {}
            Some((Some(rest), _)) => self.say(rest),
            Some((None, first_chunk)) => {
                self.drop_chunks(first_chunk);
                self.say(&words);
            }
            None => self.say(&words),
        }
        self.finish_text();
    }

    /// Takes out of a call what is to be said once it has done what it asks for.
    pub(super) fn take_words(&self, arguments: &mut Map<String, Value>) -> Option<String> {
        let words = arguments.remove(agents::SAY_ARGUMENT)?;
        let words = words.as_str().map(str::trim).filter(|words| words.chars().any(char::is_alphanumeric))?;
        Some(cut(words, self.config.max_reply_chars))
    }
}

impl Reply {
    /// From this chunk on the words may never be said: they are of a call that is not carried out.
    pub(super) fn early_limit(&self) -> u32 {
        self.early.as_ref().map_or(u32::MAX, |early| early.first_chunk)
    }

    /// Whether the request writes its first call, and goes on with nothing that was heard.
    fn takes_words_ahead(&self) -> bool {
        let writes = |request: &Request| !request.called && request.overlap.is_none();
        self.request.as_ref().is_some_and(writes) && self.early.is_none() && self.words_ahead.is_empty()
    }

    /// What the model wants said, when every one of its calls has done what it asks for.
    pub(super) fn agreed_words(&self) -> Option<String> {
        let kept = !self.words_ahead.is_empty() && self.words_ahead.iter().all(|ahead| ahead.done);
        let words = self.words_ahead.iter().map(|ahead| ahead.words.as_deref());
        let words: Vec<&str> = words.filter(|_| kept).collect::<Option<_>>()?;
        Some(words.join(" ")).filter(|words| !words.is_empty())
    }
}
