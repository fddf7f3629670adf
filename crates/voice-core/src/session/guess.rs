//! May the caller be about to finish? The answer is begun before the VAD is sure of the pause, on words that sound whole.
//!
//! A detector needs 100 ms of silence to be sure, and a model and a voice need longer than the silence that is then left of the
//! turn. So the detector says sooner that the caller may have stopped, whoever hears the utterance understands it as far as it
//! goes, and if that ends a sentence the model is asked. Nothing of the answer is heard or done before the turn is over; it is
//! thrown away when the caller turns out to have said more. That is doubled spend like a rival's, under the same ceiling, and
//! happens once a turn.

use crate::ceiling::CostStep;
use crate::ids::UtteranceId;
use crate::provider::Stage;

use super::Session;

/// An interim transcript that comes within this time of the silence, in milliseconds, is of what was said before it.
const OF_THE_PAUSE_MS: u64 = 100;

impl Session {
    /// The caller may have stopped speaking: a pause, or the moment before a consonant.
    pub(super) fn handle_possible_end(&mut self) {
        let now_ms = self.now_ms;
        if let Some(listening) = self.listening.as_mut().filter(|_| self.speaking_since_ms.is_some()) {
            listening.may_have_ended_ms = Some(now_ms);
        }
    }

    /// Words of this utterance were understood: begins their answer, if they may be all that the caller says.
    pub(super) fn consider_guess(&mut self, id: UtteranceId) {
        let now_ms = self.now_ms;
        let Some(listening) = self.listening.as_ref().filter(|_| self.speaking_since_ms.is_some()) else { return };
        let paused = listening.may_have_ended_ms.is_some_and(|since_ms| now_ms - since_ms <= OF_THE_PAUSE_MS);
        if !paused || listening.guessed || !listening.is_understood_to(id) || self.reply.is_some() {
            return;
        }
        let text = listening.text();
        let whole = listening.is_whole() && self.asking.is_none() && text.ends_with(['.', '!', '?']);
        let affordable = self.due_step() < CostStep::Text && self.ladder.may_hedge(Stage::Llm, &self.config.failover);
        if !self.config.preemptive || !whole || !affordable {
            return;
        }
        if let Some(listening) = &mut self.listening {
            listening.guessed = true;
        }
        self.begin_speculation(text);
        if let Some(reply) = &mut self.reply {
            reply.guessed = true;
        }
    }
}
