//! What a room has heard of a speech: where its sound stands in all that was ever sent.

use voice_core::ids::SpeechId;

/// Where the playout of a speech is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Position {
    pub(super) speech: SpeechId,
    /// Milliseconds from its start that were sent, which is when they are heard.
    pub(super) played_ms: u64,
}

/// What became of a voice's sound so far, in milliseconds; silence between speeches left out.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) struct Passed {
    /// It went out.
    pub(super) sent_ms: u64,
    /// Its time came while nobody could hear it.
    pub(super) lost_ms: u64,
}

impl Passed {
    const fn all_ms(self) -> u64 {
        self.sent_ms + self.lost_ms
    }
}

/// One voice in one room. Pure: all positions are milliseconds of sound since the voice was published, silence left out.
#[derive(Debug, Default)]
pub(super) struct Playout {
    /// What was handed over to be sent, without what was dropped again.
    pushed_ms: u64,
    /// What had been lost when it was last looked at.
    lost_ms: u64,
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
    /// What was last known to be heard of it.
    heard_ms: u64,
    /// Some of it was lost: what came behind the hole is not counted.
    has_hole: bool,
}

impl Playout {
    /// The sound that follows is of this speech, from this position on.
    pub(super) fn begin(&mut self, speech: SpeechId, from_ms: u64) {
        let (at_ms, heard_ms) = (self.pushed_ms, from_ms);
        self.speaking = Some(Speaking { speech, from_ms, at_ms, is_whole: false, heard_ms, has_hole: false });
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

    /// Where the speech is, now that so much of the voice has passed; nothing more once all of it has.
    pub(super) fn position(&mut self, passed: Passed) -> Option<Position> {
        let is_over = passed.all_ms() >= self.pushed_ms;
        let position = self.look(passed);
        if is_over {
            self.speaking.take_if(|speaking| speaking.is_whole);
        }
        position
    }

    /// What waits is dropped, now that so much of the voice has passed: how far the speech came.
    pub(super) fn clear(&mut self, passed: Passed) -> Option<Position> {
        let position = self.look(passed);
        self.pushed_ms = passed.all_ms();
        self.speaking = None;
        position
    }

    fn look(&mut self, passed: Passed) -> Option<Position> {
        let has_lost = passed.lost_ms > std::mem::replace(&mut self.lost_ms, passed.lost_ms);
        let speaking = self.speaking.as_mut()?;
        // Before its first frame has passed, what is lost is of the speech before it.
        speaking.has_hole |= has_lost && passed.all_ms() > speaking.at_ms;
        if !speaking.has_hole {
            speaking.heard_ms = speaking.from_ms + passed.all_ms().saturating_sub(speaking.at_ms);
        }
        Some(Position { speech: speaking.speech, played_ms: speaking.heard_ms })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(speech: u64, played_ms: u64) -> Option<Position> {
        Some(Position { speech: SpeechId(speech), played_ms })
    }

    fn sent(sent_ms: u64) -> Passed {
        Passed { sent_ms, lost_ms: 0 }
    }

    #[test]
    fn a_speech_is_told_from_the_one_before_it() {
        let mut playout = Playout::default();
        playout.begin(SpeechId(1), 0);
        playout.push(200);
        playout.finish(SpeechId(1));
        assert_eq!(playout.position(sent(120)), at(1, 120));
        assert_eq!(playout.position(sent(200)), at(1, 200), "once more, and whole");
        assert_eq!(playout.position(sent(200)), None);
        playout.begin(SpeechId(2), 0);
        playout.push(100);
        assert_eq!(playout.position(sent(260)), at(2, 60));
    }

    #[test]
    fn what_is_cleared_was_not_heard_and_a_speech_goes_on_where_it_was() {
        let mut playout = Playout::default();
        playout.begin(SpeechId(1), 0);
        playout.push(400);
        assert_eq!(playout.clear(sent(140)), at(1, 140));
        assert_eq!(playout.clear(sent(140)), None);
        playout.begin(SpeechId(1), 140);
        playout.push(100);
        assert_eq!(playout.position(sent(180)), at(1, 180));
    }

    #[test]
    fn what_was_lost_was_not_heard_nor_what_came_behind_it() {
        let mut playout = Playout::default();
        playout.begin(SpeechId(1), 0);
        playout.push(400);
        playout.finish(SpeechId(1));
        assert_eq!(playout.position(sent(100)), at(1, 100));
        for (sent_ms, lost_ms) in [(120, 80), (200, 80), (320, 80)] {
            assert_eq!(playout.position(Passed { sent_ms, lost_ms }), at(1, 100), "{sent_ms}");
        }
        assert_eq!(playout.position(Passed { sent_ms: 320, lost_ms: 80 }), None, "its time has passed");
        // The next one has no hole.
        playout.begin(SpeechId(2), 0);
        playout.push(200);
        assert_eq!(playout.position(Passed { sent_ms: 420, lost_ms: 80 }), at(2, 100));
        assert_eq!(playout.clear(Passed { sent_ms: 440, lost_ms: 140 }), at(2, 100));
        playout.begin(SpeechId(2), 100);
        playout.push(100);
        assert_eq!(playout.position(Passed { sent_ms: 500, lost_ms: 140 }), at(2, 160));
    }
}
