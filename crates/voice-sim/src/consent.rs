//! When a call may be recorded, worked out here once more: from what may have been heard, and what was said.

use voice_core::consent::{ConsentDecision, ConsentFlow};

use crate::said::agrees;
use crate::seen::Seen;
use crate::world::World;

impl World {
    /// A plain yes to a question that may have been heard allows a recording; what only sounds like one does not.
    pub(crate) fn check_yes(&mut self, text: &str) {
        if self.profile.config.consent == ConsentFlow::Ask && self.check.opened && agrees(text) {
            self.check.recording_allowed = true;
        }
    }

    /// The first words are on their way to the caller, to their last.
    pub(crate) fn check_opening(&mut self, text: &str) {
        let last = match self.profile.config.consent {
            ConsentFlow::Announce => "disable recording.",
            ConsentFlow::Ask => "training purposes?",
            ConsentFlow::Elsewhere | ConsentFlow::Never => return,
        };
        if text.contains(last) && !std::mem::replace(&mut self.check.opened, true) {
            self.check.recording_allowed |= self.profile.config.consent == ConsentFlow::Announce;
        }
    }

    /// What was decided about recording.
    pub(crate) fn decided(&mut self, decision: ConsentDecision) {
        self.saw(match decision {
            ConsentDecision::Announced => Seen::Announced,
            ConsentDecision::Agreed => Seen::Agreed,
            ConsentDecision::Declined => Seen::Declined,
            ConsentDecision::Unanswered => Seen::Unanswered,
            ConsentDecision::Stopped => Seen::Stopped,
            ConsentDecision::OptedOut => Seen::OptedOut,
        });
    }
}
