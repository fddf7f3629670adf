//! Which kinds of events a seed got to see.

use voice_core::output::{HushEnd, Observation};
use voice_core::provider::Stage;

use crate::seen::Seen;
use crate::world::World;

impl World {
    /// Notes what the session observed.
    pub(crate) fn see(&mut self, observation: &Observation) {
        let seen = match observation {
            Observation::EndOfTurn { endpointing_ms: Some(_), .. } => Seen::EndOfTurn,
            Observation::EndOfTurn { endpointing_ms: None, .. } => Seen::TypedTurn,
            Observation::Interrupted { .. } => Seen::Interruption,
            Observation::FalseInterruption { .. } => Seen::FalseInterruption,
            Observation::Hushed { end: HushEnd::Nothing, held_ms, .. } if *held_ms >= 500 => Seen::HushLongest,
            Observation::Hushed { end: HushEnd::Nothing, .. } => Seen::HushVain,
            Observation::Hushed { end: HushEnd::Speech, .. } => Seen::HushSpeech,
            Observation::Hushed { end: HushEnd::CutShort, .. } => Seen::HushCut,
            Observation::SpeculationDiscarded { .. } => Seen::Discarded,
            Observation::ToolFinished { failed: true, .. } => Seen::ToolFailed,
            Observation::Handoff { .. } => Seen::Handoff,
            Observation::ProviderFailed { stage: Stage::Tts, .. } => Seen::TtsRetry,
            Observation::ProviderFailed { stage: Stage::Llm, .. } => Seen::LlmRetry,
            Observation::Hedged { .. } => Seen::Hedged,
            Observation::FailedOver { stage: Stage::Stt, .. } => Seen::SttFailover,
            Observation::FailedOver { stage: Stage::Llm, .. } => Seen::LlmFailover,
            Observation::FailedOver { stage: Stage::Tts, .. } => Seen::TtsFailover,
            Observation::DeadlineMissed { state } => match *state {
                "stt" => Seen::SttDeadline,
                "llm" => Seen::LlmDeadline,
                "answer_llm" | "answer_tool" | "answer_tts" => Seen::AnswerDeadline,
                "tool" => Seen::ToolDeadline,
                "tts" => Seen::TtsDeadline,
                "playout" => Seen::PlayoutStalled,
                "commit" => Seen::CommitDeadline,
                "long_speech" => Seen::LongSpeech,
                _ => return,
            },
            _ => return,
        };
        self.saw(seen);
    }
}
