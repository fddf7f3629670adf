//! Every limit and delay of a session, in milliseconds unless the name says otherwise.

use serde::{Deserialize, Serialize};

use crate::ceiling::Ceilings;
use crate::consent::ConsentFlow;
use crate::cost::Prices;
use crate::failover::{Chains, FailoverConfig};

/// No deadline is longer than a year, in milliseconds: sums of them and of times never overflow.
const MAX_DELAY_MS: u64 = 366 * 24 * 3_600_000;

/// The longest that a hush waits for the playout to say where it stopped, in milliseconds. Longer would be a pause that a
/// caller takes for the end; where the answer takes longer, a few words are heard twice.
pub(crate) const HUSH_LONGEST_MS: u64 = 500;

/// Most providers of a stage.
const MAX_RUNGS: usize = 8;

/// The greeting of a new session, as the contract has it.
pub const GREETING: &str = "Hello! How can I help with your tasks today?";

/// The core's settings. The shell fills them from its configuration; a log of inputs carries them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct CoreConfig {
    /// What a new session says first; empty: the caller speaks first.
    pub greeting: String,
    /// How the session comes to know whether it may be recorded.
    pub consent: ConsentFlow,
    /// How long the question whether it may waits for its answer, once it was heard; silence means no.
    pub consent_wait_ms: u64,
    /// Whether the caller can read and type instead when voice fails; by telephone the call ends then.
    pub can_type: bool,
    /// Least silence that ends a turn: when the thought is surely complete.
    pub endpointing_delay_ms: u64,
    /// Most silence that a turn is kept open for: when the thought is surely not complete.
    pub max_endpointing_delay_ms: u64,
    /// Whether a reply is begun on a likely final transcript, before the turn is declared over.
    pub preemptive: bool,
    /// From this end-of-turn score on (in thousandths) a reply is begun before the turn is over.
    pub preemptive_min_permille: u16,
    /// Caller speech of this length over the agent's is an interruption, whatever the transcript says.
    pub interruption_min_speech_ms: u64,
    /// Least silence of the agent for what may become speech, before the VAD is sure of it; 0: it is not heeded.
    pub hush_ms: u64,
    /// An utterance that is longer is not continued after a pause: another one is begun.
    pub max_utterance_ms: u64,
    /// Longest one may speak before what was understood so far is answered.
    pub max_turn_ms: u64,
    /// Longest wait for a final transcript after the caller paused.
    pub stt_deadline_ms: u64,
    /// Longest wait for the model's first useful token.
    pub llm_first_deadline_ms: u64,
    /// Longest gap in the model's stream.
    pub llm_gap_deadline_ms: u64,
    /// Longest that an answer may keep its caller waiting, all its requests and tools together: the time in which it is being
    /// made and nothing of it is there to be heard or read. What is being played does not count, however long it is.
    pub answer_deadline_ms: u64,
    /// Longest wait for a tool.
    pub tool_deadline_ms: u64,
    /// Longest wait for the store before the call goes on from memory.
    pub commit_deadline_ms: u64,
    /// Longest wait for a chunk's first audio, and longest gap in it.
    pub tts_deadline_ms: u64,
    /// Grace after a speech should have been played to its end, before it is taken as played.
    pub playout_grace_ms: u64,
    /// Most requests to the model within one reply: a model that only calls tools is stopped.
    pub max_llm_requests: u32,
    /// Most tool calls within one reply.
    pub max_tool_calls: u32,
    /// Longest reply, in characters; the rest is not spoken.
    pub max_reply_chars: usize,
    /// Longest message or transcript, in characters; the rest is cut.
    pub max_text_chars: usize,
    /// Most typed messages that wait for their turn.
    pub max_pending_texts: usize,
    /// Most messages that history keeps; older ones are dropped.
    pub max_history: usize,
    /// Silence of both sides that ends the session.
    pub idle_ms: u64,
    /// Longest duration of a session.
    pub max_session_ms: u64,
    /// How long a lost caller may take to come back.
    pub reconnect_ms: u64,
    /// Longest time for the last words after the session is to end.
    pub closing_ms: u64,
    /// First delay before a failed save is tried again; it doubles up to thirty times this.
    pub commit_retry_ms: u64,
    /// What providers charge.
    pub prices: Prices,
    /// What a call and a day may cost.
    pub ceilings: Ceilings,
    /// The providers of each stage, in order.
    pub chains: Chains,
    /// When one gives way to the next.
    pub failover: FailoverConfig,
}

impl Default for CoreConfig {
    fn default() -> Self {
        Self {
            greeting: GREETING.to_owned(),
            consent: ConsentFlow::Elsewhere,
            consent_wait_ms: 6_000,
            can_type: true,
            endpointing_delay_ms: 300,
            max_endpointing_delay_ms: 1_200,
            preemptive: true,
            preemptive_min_permille: 400,
            interruption_min_speech_ms: 600,
            hush_ms: 160,
            max_utterance_ms: 9_000,
            max_turn_ms: 60_000,
            stt_deadline_ms: 3_000,
            llm_first_deadline_ms: 4_000,
            llm_gap_deadline_ms: 3_000,
            answer_deadline_ms: 15_000,
            tool_deadline_ms: 3_000,
            commit_deadline_ms: 5_000,
            tts_deadline_ms: 3_000,
            playout_grace_ms: 2_000,
            max_llm_requests: 6,
            max_tool_calls: 16,
            max_reply_chars: 2_000,
            max_text_chars: 2_000,
            max_pending_texts: 8,
            max_history: 200,
            idle_ms: 300_000,
            max_session_ms: 1_800_000,
            reconnect_ms: 120_000,
            closing_ms: 10_000,
            commit_retry_ms: 1_000,
            prices: Prices::default(),
            ceilings: Ceilings::default(),
            chains: Chains::default(),
            failover: FailoverConfig::default(),
        }
    }
}

/// A setting that cannot work.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{key}: {reason}")]
pub struct ConfigError {
    /// The key.
    pub key: &'static str,
    /// What is wrong, and what would be right.
    pub reason: String,
}

impl CoreConfig {
    /// Checks that the settings can work together.
    ///
    /// # Errors
    /// [`ConfigError`] that names the first key that cannot work.
    pub fn validate(&self) -> Result<(), ConfigError> {
        let at_least = [
            ("max_utterance_ms", self.max_utterance_ms, 1_000),
            ("max_turn_ms", self.max_turn_ms, self.max_utterance_ms),
            ("max_endpointing_delay_ms", self.max_endpointing_delay_ms, self.endpointing_delay_ms),
            ("stt_deadline_ms", self.stt_deadline_ms, 100),
            ("llm_first_deadline_ms", self.llm_first_deadline_ms, 100),
            ("llm_gap_deadline_ms", self.llm_gap_deadline_ms, 100),
            ("answer_deadline_ms", self.answer_deadline_ms, 1_000),
            ("tool_deadline_ms", self.tool_deadline_ms, 100),
            ("commit_deadline_ms", self.commit_deadline_ms, 100),
            ("tts_deadline_ms", self.tts_deadline_ms, 100),
            ("playout_grace_ms", self.playout_grace_ms, 100),
            ("max_llm_requests", u64::from(self.max_llm_requests), 2),
            ("max_tool_calls", u64::from(self.max_tool_calls), 1),
            ("max_reply_chars", self.max_reply_chars as u64, 100),
            ("max_text_chars", self.max_text_chars as u64, 1),
            ("max_pending_texts", self.max_pending_texts as u64, 1),
            ("max_history", self.max_history as u64, 2),
            ("idle_ms", self.idle_ms, 1_000),
            ("max_session_ms", self.max_session_ms, 1_000),
            ("closing_ms", self.closing_ms, 100),
            ("consent_wait_ms", self.consent_wait_ms, 1_000),
            ("commit_retry_ms", self.commit_retry_ms, 1),
        ];
        for (key, value, least) in at_least {
            if value < least {
                return Err(ConfigError { key, reason: format!("{value} is too small: at least {least} is needed") });
            }
        }
        let longest = [
            ("max_endpointing_delay_ms", self.max_endpointing_delay_ms),
            ("interruption_min_speech_ms", self.interruption_min_speech_ms),
            ("max_turn_ms", self.max_turn_ms),
            ("stt_deadline_ms", self.stt_deadline_ms),
            ("llm_first_deadline_ms", self.llm_first_deadline_ms),
            ("llm_gap_deadline_ms", self.llm_gap_deadline_ms),
            ("answer_deadline_ms", self.answer_deadline_ms),
            ("tool_deadline_ms", self.tool_deadline_ms),
            ("commit_deadline_ms", self.commit_deadline_ms),
            ("tts_deadline_ms", self.tts_deadline_ms),
            ("playout_grace_ms", self.playout_grace_ms),
            ("idle_ms", self.idle_ms),
            ("max_session_ms", self.max_session_ms),
            ("reconnect_ms", self.reconnect_ms),
            ("closing_ms", self.closing_ms),
            ("consent_wait_ms", self.consent_wait_ms),
            ("commit_retry_ms", self.commit_retry_ms),
        ];
        for (key, value) in longest {
            if value > MAX_DELAY_MS {
                return Err(ConfigError {
                    key,
                    reason: format!("{value} is too long: at most {MAX_DELAY_MS} (a year)"),
                });
            }
        }
        if self.hush_ms > HUSH_LONGEST_MS {
            let reason = format!("{} is too long: at most {HUSH_LONGEST_MS}, and 0 turns it off", self.hush_ms);
            return Err(ConfigError { key: "hush_ms", reason });
        }
        self.validate_failover()?;
        self.ceilings.validate()?;
        if self.preemptive_min_permille > 1_000 {
            let reason = format!("{} is more than 1000 thousandths", self.preemptive_min_permille);
            return Err(ConfigError { key: "preemptive_min_permille", reason });
        }
        Ok(())
    }

    fn validate_failover(&self) -> Result<(), ConfigError> {
        let chains =
            [("chains.stt", &self.chains.stt), ("chains.llm", &self.chains.llm), ("chains.tts", &self.chains.tts)];
        for (key, chain) in chains {
            if !(1..=MAX_RUNGS).contains(&chain.len()) {
                let reason = format!("{} providers: 1 to {MAX_RUNGS} work", chain.len());
                return Err(ConfigError { key, reason });
            }
        }
        let failover = &self.failover;
        let ranges = [
            ("failover.stt_hedge_ms", failover.stt_hedge_ms, 20),
            ("failover.llm_hedge_ms", failover.llm_hedge_ms, 20),
            ("failover.tts_hedge_ms", failover.tts_hedge_ms, 20),
            ("failover.min_hedge_ms", failover.min_hedge_ms, 20),
            ("failover.max_hedge_ms", failover.max_hedge_ms, failover.min_hedge_ms),
            ("failover.llm_gap_ms", failover.llm_gap_ms, 20),
            ("failover.min_gap_ms", failover.min_gap_ms, 20),
            ("failover.max_gap_ms", failover.max_gap_ms, failover.min_gap_ms),
            ("failover.tts_gap_ms", failover.tts_gap_ms, 20),
            ("failover.stt_lag_ms", failover.stt_lag_ms, 200),
            ("failover.blip_ms", failover.blip_ms, 0),
            ("failover.cool_down_ms", failover.cool_down_ms, 100),
            ("failover.max_cool_down_ms", failover.max_cool_down_ms, failover.cool_down_ms),
            ("failover.max_retry_after_ms", failover.max_retry_after_ms, 100),
            ("failover.account_rest_ms", failover.account_rest_ms, 100),
        ];
        for (key, value, least) in ranges {
            if !(least..=MAX_DELAY_MS).contains(&value) {
                let reason = format!("{value} does not work: {least} to {MAX_DELAY_MS} do");
                return Err(ConfigError { key, reason });
            }
        }
        if failover.hedge_percent > 100 {
            let reason = format!("{} is more than 100 in a hundred", failover.hedge_percent);
            return Err(ConfigError { key: "failover.hedge_percent", reason });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_work_and_a_bad_value_names_its_key() {
        assert_eq!(CoreConfig::default().validate(), Ok(()));
        let config = CoreConfig { max_endpointing_delay_ms: 10, ..CoreConfig::default() };
        let error = config.validate().unwrap_err();
        assert_eq!(error.key, "max_endpointing_delay_ms");
        assert!(error.to_string().contains("at least 300"));
        assert_eq!(CoreConfig { hush_ms: 0, ..CoreConfig::default() }.validate(), Ok(()));
        let error = CoreConfig { hush_ms: 501, ..CoreConfig::default() }.validate().unwrap_err();
        assert_eq!(error.key, "hush_ms");
    }
}
