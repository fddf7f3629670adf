//! Consent as a type: recorded audio needs a permit that only consent creates and its withdrawal destroys.

use serde::{Deserialize, Serialize};

/// How a session comes to know whether it may be recorded. Which one is right is decided by whoever operates it, by channel
/// and jurisdiction.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ConsentFlow {
    /// The caller's side asks, before the call or during it: a page's dialog.
    #[default]
    Elsewhere,
    /// The session's first words say that it may be recorded. It is from when they were heard, until somebody objects.
    Announce,
    /// The session's first words ask. It is recorded after a yes, and never without one.
    Ask,
    /// It is not recorded, whatever anybody says, and nothing is said of it.
    Never,
}

/// What was decided about recording.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ConsentDecision {
    /// The announcement was heard, and nobody objected.
    Announced,
    /// The caller agreed.
    Agreed,
    /// The caller refused.
    Declined,
    /// The caller was asked and answered neither yes nor no: that is no.
    Unanswered,
    /// The caller had it stopped.
    Stopped,
    /// The caller is not to be recorded again, in this call or a later one.
    OptedOut,
}

impl ConsentDecision {
    /// Whether the call is recorded after it.
    pub const fn records(self) -> bool {
        matches!(self, Self::Announced | Self::Agreed)
    }

    /// The decision as a word of the consent ledger.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Announced => "announced",
            Self::Agreed => "agreed",
            Self::Declined => "declined",
            Self::Unanswered => "unanswered",
            Self::Stopped => "stopped",
            Self::OptedOut => "opted_out",
        }
    }
}

/// How it was decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ConsentHow {
    /// By letting the announcement pass.
    Announcement,
    /// In spoken words.
    Voice,
    /// By a key of a telephone.
    Key,
    /// In writing.
    Text,
    /// In a page's dialog, or by its button.
    Page,
    /// By saying nothing.
    Silence,
    /// In the person's name, by somebody who answers for people's rights.
    InName,
    /// Nobody hears the caller any more, so that no objection would be heard.
    NotHeard,
    /// In a way that only a later version knows: what it wrote is read all the same.
    #[serde(other)]
    Other,
}

impl ConsentHow {
    /// The way as a word of the consent ledger.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Announcement => "announcement",
            Self::Voice => "voice",
            Self::Key => "key",
            Self::Text => "text",
            Self::Page => "page",
            Self::Silence => "silence",
            Self::InName => "in_name",
            Self::NotHeard => "not_heard",
            Self::Other => "other",
        }
    }
}

/// The right to record. It cannot be made, copied or kept outside this module: who records borrows it for each frame.
#[derive(Debug, PartialEq, Eq)]
pub struct RecordingPermit {
    _private: (),
}

/// What the caller was told and what the caller agreed to, as the contract's `context` has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct ConsentState {
    /// The caller was told that the call may be recorded.
    pub recording_announced: bool,
    /// The caller agreed, and has not withdrawn.
    pub recording_enabled: bool,
}

/// The session's consent.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Consent {
    announced: bool,
    permit: Option<RecordingPermit>,
}

impl Consent {
    /// Takes up what a snapshot says.
    pub fn restore(state: ConsentState) -> Self {
        Self {
            announced: state.recording_announced,
            permit: state.recording_enabled.then_some(RecordingPermit { _private: () }),
        }
    }

    /// What a snapshot keeps.
    pub const fn state(&self) -> ConsentState {
        ConsentState { recording_announced: self.announced, recording_enabled: self.permit.is_some() }
    }

    /// The permit, while there is consent.
    pub const fn permit(&self) -> Option<&RecordingPermit> {
        self.permit.as_ref()
    }

    /// The caller was asked, and answered. Says whether anything changed.
    pub fn set(&mut self, agreed: bool) -> bool {
        self.announced = true;
        let changed = self.permit.is_some() != agreed;
        self.permit = agreed.then_some(RecordingPermit { _private: () });
        changed
    }

    /// Destroys the permit. Says whether there was one.
    pub fn stop(&mut self) -> bool {
        self.permit.take().is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_is_no_permit_before_consent_and_none_after_its_withdrawal() {
        let mut consent = Consent::default();
        assert!(consent.permit().is_none());
        assert!(consent.set(true) && consent.permit().is_some());
        assert!(consent.stop() && consent.permit().is_none());
        assert!(!consent.stop());
        let state = consent.state();
        assert_eq!(state, ConsentState { recording_announced: true, recording_enabled: false });
        assert_eq!(Consent::restore(state), consent);
    }
}
