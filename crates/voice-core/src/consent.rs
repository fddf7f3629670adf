//! Consent as a type: recorded audio needs a permit that only consent creates and its withdrawal destroys.

use serde::{Deserialize, Serialize};

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
