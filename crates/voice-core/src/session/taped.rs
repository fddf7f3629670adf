//! What may be kept of the words, for whoever writes them down beside a recording.

use crate::ids::{ReplyId, UtteranceId};

use super::Session;

impl Session {
    /// The utterance that began last; the ones before it have lower numbers.
    pub const fn last_utterance(&self) -> UtteranceId {
        UtteranceId(self.counters.utterance)
    }

    /// What was heard of the last two replies so far, the older one first. What was shown counts as heard.
    pub fn heard(&self) -> impl Iterator<Item = (ReplyId, String)> {
        let before = self.last_heard.clone();
        let now = self.reply.as_ref().map(|reply| (reply.id, reply.speech.split_heard().0));
        before.into_iter().chain(now)
    }
}
