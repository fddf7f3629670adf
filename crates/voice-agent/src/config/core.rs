//! The core's settings out of ours.

use voice_core::CoreConfig;
use voice_core::ceiling::Ceilings;
use voice_core::consent::ConsentFlow;
use voice_core::cost::NanoUsd;
use voice_core::failover::{Chains, FailoverConfig};

use crate::vad::VadConfig;

use super::{Config, Cost, Failover};

/// The core's keys whose names differ from ours, for error messages.
const NAMES: &[(&str, &str)] = &[
    ("endpointing_delay_ms", "endpointing.delay_ms"),
    ("max_endpointing_delay_ms", "endpointing.max_delay_ms"),
    ("preemptive_min_permille", "endpointing.preemptive_min_permille"),
    ("interruption_min_speech_ms", "interruption.min_speech_ms"),
    ("hush_ms", "interruption.hush_ms"),
    ("max_utterance_ms", "endpointing.max_utterance_ms"),
    ("max_turn_ms", "endpointing.max_turn_ms"),
    ("stt_deadline_ms", "deadline.stt_ms"),
    ("llm_first_deadline_ms", "deadline.llm_first_ms"),
    ("llm_gap_deadline_ms", "deadline.llm_gap_ms"),
    ("answer_deadline_ms", "deadline.answer_ms"),
    ("tool_deadline_ms", "deadline.tool_ms"),
    ("commit_deadline_ms", "deadline.commit_ms"),
    ("commit_retry_ms", "deadline.commit_retry_ms"),
    ("tts_deadline_ms", "deadline.tts_ms"),
    ("playout_grace_ms", "deadline.playout_grace_ms"),
    ("max_session_ms", "session.max_ms"),
    ("consent_wait_ms", "consent.wait_ms"),
    ("ceilings.brief_percent", "cost.brief_percent"),
    ("ceilings.cheap_percent", "cost.cheap_percent"),
    ("ceilings.text_until_percent", "cost.text_until_percent"),
];

/// Our key of a core's key.
pub(super) fn key_of(core_key: &str) -> String {
    NAMES
        .iter()
        .find(|(core, _)| *core == core_key)
        .map(|(_, ours)| (*ours).to_owned())
        // The failover's keys have the same names in both.
        .or_else(|| core_key.contains('.').then(|| core_key.to_owned()))
        .unwrap_or_else(|| format!("session.{core_key}"))
}

impl Failover {
    fn core(&self) -> FailoverConfig {
        FailoverConfig {
            stt_hedge_ms: self.stt_hedge_ms,
            llm_hedge_ms: self.llm_hedge_ms,
            tts_hedge_ms: self.tts_hedge_ms,
            min_hedge_ms: self.min_hedge_ms,
            max_hedge_ms: self.max_hedge_ms,
            llm_gap_ms: self.llm_gap_ms,
            min_gap_ms: self.min_gap_ms,
            max_gap_ms: self.max_gap_ms,
            tts_gap_ms: self.tts_gap_ms,
            stt_lag_ms: self.stt_lag_ms,
            free_hedges: self.free_hedges,
            hedge_percent: self.hedge_percent,
            blip_ms: self.blip_ms,
            cool_down_ms: self.cool_down_ms,
            max_cool_down_ms: self.max_cool_down_ms,
            max_retry_after_ms: self.max_retry_after_ms,
            account_rest_ms: self.account_rest_ms,
        }
    }
}

impl Cost {
    fn ceilings(&self) -> Ceilings {
        Ceilings {
            call: NanoUsd(self.call_nanousd),
            day: NanoUsd(self.day_nanousd),
            always_brief: self.always_brief,
            brief_percent: self.brief_percent,
            cheap_percent: self.cheap_percent,
            at_ceiling: self.at_ceiling,
            text_until_percent: self.text_until_percent,
        }
    }
}

impl Config {
    /// The settings of the VAD.
    pub fn vad(&self) -> VadConfig {
        VadConfig {
            start_threshold: f32::from(self.vad.start_permille) / 1_000.0,
            end_threshold: f32::from(self.vad.end_permille) / 1_000.0,
            min_speech_ms: self.vad.min_speech_ms,
            min_silence_ms: self.vad.min_silence_ms,
            ..VadConfig::default()
        }
    }

    /// The settings of a session.
    pub fn core(&self) -> CoreConfig {
        let Self { session, endpointing, interruption, deadline, .. } = self;
        CoreConfig {
            greeting: self.greeting.clone(),
            // The channel decides.
            consent: ConsentFlow::Elsewhere,
            consent_wait_ms: self.consent.wait_ms,
            can_type: true,
            endpointing_delay_ms: endpointing.delay_ms,
            max_endpointing_delay_ms: endpointing.max_delay_ms,
            preemptive: endpointing.preemptive,
            preemptive_min_permille: endpointing.preemptive_min_permille,
            interruption_min_speech_ms: interruption.min_speech_ms,
            hush_ms: interruption.hush_ms,
            max_utterance_ms: endpointing.max_utterance_ms,
            max_turn_ms: endpointing.max_turn_ms,
            stt_deadline_ms: deadline.stt_ms,
            llm_first_deadline_ms: deadline.llm_first_ms,
            llm_gap_deadline_ms: deadline.llm_gap_ms,
            answer_deadline_ms: deadline.answer_ms,
            tool_deadline_ms: deadline.tool_ms,
            commit_deadline_ms: deadline.commit_ms,
            tts_deadline_ms: deadline.tts_ms,
            playout_grace_ms: deadline.playout_grace_ms,
            max_llm_requests: session.max_llm_requests,
            max_tool_calls: session.max_tool_calls,
            max_reply_chars: session.max_reply_chars,
            max_text_chars: session.max_text_chars,
            max_pending_texts: session.max_pending_texts,
            max_history: session.max_history,
            idle_ms: session.idle_ms,
            max_session_ms: session.max_ms,
            reconnect_ms: session.reconnect_ms,
            closing_ms: session.closing_ms,
            commit_retry_ms: deadline.commit_retry_ms,
            prices: self.prices.clone(),
            ceilings: self.cost.ceilings(),
            chains: Chains::default(),
            failover: self.failover.core(),
        }
    }
}

/// What the core is set to where nothing is configured.
pub(super) fn core() -> CoreConfig {
    CoreConfig::default()
}
