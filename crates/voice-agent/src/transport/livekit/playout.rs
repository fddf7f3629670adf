//! What a room has heard of a speech: where its sound stands in all that was ever sent.

use voice_core::ids::SpeechId;

/// Where the playout of a speech is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Position {
    pub(super) speech: SpeechId,
    /// Milliseconds from its start that were sent, which is when they are heard.
    pub(super) played_ms: u64,
}

/// One voice in one room. Pure: all positions are milliseconds of sound since the voice was published, silence left out.
#[derive(Debug, Default)]
pub(super) struct Playout {
    /// What was handed over to be sent, without what was dropped again.
    pushed_ms: u64,
    speaking: Option<Speaking>,
}

#[derive(Debug, Clone, Copy)]
struct Speaking {
    speech: SpeechId,
    /// What was played of it before.
    from_ms: u64,
    /// Where in the voice's sound that stands.
    at_ms: u64,
    /// All of it was handed over.
    is_whole: bool,
}

impl Playout {
    /// The sound that follows is of this speech, from this position on.
    pub(super) fn begin(&mut self, speech: SpeechId, from_ms: u64) {
        self.speaking = Some(Speaking { speech, from_ms, at_ms: self.pushed_ms, is_whole: false });
    }

    /// So much sound was handed over.
    pub(super) fn push(&mut self, length_ms: u64) {
        self.pushed_ms += length_ms;
    }

    /// Nothing more of it comes.
    pub(super) fn finish(&mut self, speech: SpeechId) {
        if let Some(speaking) = self.speaking.as_mut().filter(|speaking| speaking.speech == speech) {
            speaking.is_whole = true;
        }
    }

    /// Where the speech is, now that so much of the voice was sent; nothing more once all of it was.
    pub(super) fn position(&mut self, sent_ms: u64) -> Option<Position> {
        let speaking = self.speaking?;
        if speaking.is_whole && sent_ms >= self.pushed_ms {
            self.speaking = None;
        }
        Some(speaking.at(sent_ms))
    }

    /// What waits is dropped, now that so much of the voice was sent: how far the speech came.
    pub(super) fn clear(&mut self, sent_ms: u64) -> Option<Position> {
        self.pushed_ms = sent_ms;
        self.speaking.take().map(|speaking| speaking.at(sent_ms))
    }
}

impl Speaking {
    fn at(&self, sent_ms: u64) -> Position {
        Position { speech: self.speech, played_ms: self.from_ms + sent_ms.saturating_sub(self.at_ms) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(speech: u64, played_ms: u64) -> Option<Position> {
        Some(Position { speech: SpeechId(speech), played_ms })
    }

    #[test]
    fn a_speech_is_told_from_the_one_before_it() {
        let mut playout = Playout::default();
        playout.begin(SpeechId(1), 0);
        playout.push(200);
        playout.finish(SpeechId(1));
        assert_eq!(playout.position(120), at(1, 120));
        assert_eq!(playout.position(200), at(1, 200), "once more, and whole");
        assert_eq!(playout.position(200), None);
        playout.begin(SpeechId(2), 0);
        playout.push(100);
        assert_eq!(playout.position(260), at(2, 60));
    }

    #[test]
    fn what_is_cleared_was_not_heard_and_a_speech_goes_on_where_it_was() {
        let mut playout = Playout::default();
        playout.begin(SpeechId(1), 0);
        playout.push(400);
        assert_eq!(playout.clear(140), at(1, 140));
        assert_eq!(playout.clear(140), None);
        playout.begin(SpeechId(1), 140);
        playout.push(100);
        assert_eq!(playout.position(180), at(1, 180));
    }
}
