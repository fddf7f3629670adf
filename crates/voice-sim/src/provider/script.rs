//! What the servers are to play.

use std::collections::BTreeMap;

use super::fault::Fault;
use super::latency::{Latency, Step};
use super::openai::manner::Manner;
use super::openai::rules::Rule;
use super::service::Provider;

/// The keys that are right. All of them are made up, and worth nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Keys {
    /// `DEEPGRAM_API_KEY`.
    pub deepgram: String,
    /// `OPENAI_API_KEY`.
    pub openai: String,
    /// `CARTESIA_API_KEY`.
    pub cartesia: String,
    /// `ELEVENLABS_API_KEY`.
    pub elevenlabs: String,
    /// `TWILIO_ACCOUNT_SID`.
    pub twilio_sid: String,
    /// `TWILIO_AUTH_TOKEN`.
    pub twilio_token: String,
    /// `TWILIO_FROM_NUMBER`: the number that the account owns.
    pub twilio_number: String,
    /// `PAGERDUTY_ROUTING_KEY`: 32 characters.
    pub pagerduty: String,
}

impl Default for Keys {
    fn default() -> Self {
        Self {
            deepgram: "rehearsal-deepgram".to_owned(),
            openai: "rehearsal-openai".to_owned(),
            cartesia: "rehearsal-cartesia".to_owned(),
            elevenlabs: "rehearsal-elevenlabs".to_owned(),
            twilio_sid: format!("AC{}", "0".repeat(32)),
            twilio_token: "rehearsal-twilio".to_owned(),
            twilio_number: "+15005550006".to_owned(),
            pagerduty: format!("{:r<32}", "rehearsal-pagerduty-"),
        }
    }
}

/// The limits of the real services, so that a test need not wait for the long ones. All times are in ms.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Deepgram closes with `NET-0001` after so long without audio or text.
    pub deepgram_idle_ms: u64,
    /// Deepgram answers no `Finalize` when less audio than this came since the last final.
    pub deepgram_least_finalized_ms: u64,
    /// Cartesia closes an idle socket.
    pub cartesia_idle_ms: u64,
    /// Cartesia ends a context so long after its last audio.
    pub cartesia_context_ms: u64,
    /// Contexts that are active at Cartesia at once, over all sockets.
    pub cartesia_contexts: usize,
    /// Contexts that are open on one ElevenLabs socket.
    pub elevenlabs_contexts: usize,
    /// Requests that ElevenLabs serves at once.
    pub elevenlabs_requests: usize,
    /// Events that PagerDuty takes of one key in a minute.
    pub pagerduty_events: usize,
    /// How many times faster than real time a TTS synthesises.
    pub tts_speed: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            deepgram_idle_ms: 10_000,
            deepgram_least_finalized_ms: 100,
            cartesia_idle_ms: 300_000,
            cartesia_context_ms: 1_000,
            cartesia_contexts: 15,
            elevenlabs_contexts: 5,
            elevenlabs_requests: 10,
            pagerduty_events: 120,
            tts_speed: 6,
        }
    }
}

/// What the servers are to play. [`Script::default`] is a good day.
#[derive(Debug, Clone)]
pub struct Script {
    /// For everything that varies.
    pub seed: u64,
    /// The right keys.
    pub keys: Keys,
    /// Fixed ports; any free one for the others.
    pub ports: BTreeMap<Provider, u16>,
    /// The port of the control API; no such API when none. 0 is any free port.
    pub control_port: Option<u16>,
    /// Latencies that differ from the usual ones.
    pub latencies: Vec<(Step, Latency)>,
    /// Faults that are on from the beginning.
    pub faults: Vec<Fault>,
    /// What the language model answers; before the rules that it always has.
    pub rules: Vec<Rule>,
    /// How the language model words what no rule says.
    pub manner: Manner,
    /// Words, beyond the common ones, that an STT understands.
    pub words: String,
    /// Models that OpenAI serves.
    pub models: Vec<String>,
    /// The services' limits.
    pub limits: Limits,
    /// Numbers to which no SMS can be sent, and Twilio's error code for each.
    pub unreachable: BTreeMap<String, u32>,
}

impl Default for Script {
    fn default() -> Self {
        Self {
            seed: 1,
            keys: Keys::default(),
            ports: BTreeMap::new(),
            control_port: None,
            latencies: Vec::new(),
            faults: Vec::new(),
            rules: Vec::new(),
            manner: Manner::default(),
            words: String::new(),
            models: SERVED.iter().map(|model| (*model).to_owned()).collect(),
            limits: Limits::default(),
            unreachable: BTreeMap::new(),
        }
    }
}

/// What is served by default. `gpt-3.5-turbo` is not: it was retired.
const SERVED: [&str; 10] = [
    "gpt-4o-mini",
    "gpt-4o",
    "gpt-4.1-mini",
    "gpt-4.1",
    "gpt-5.4-mini",
    "gpt-5.5",
    "whisper-1",
    "gpt-4o-mini-transcribe",
    "gpt-4o-transcribe",
    "gpt-transcribe",
];

impl Script {
    /// With a fault from the beginning on.
    #[must_use]
    pub fn fault(mut self, fault: Fault) -> Self {
        self.faults.push(fault);
        self
    }

    /// With another latency.
    #[must_use]
    pub fn latency(mut self, step: Step, latency: Latency) -> Self {
        self.latencies.push((step, latency));
        self
    }

    /// With one more rule for the language model; rules that were given first count first.
    #[must_use]
    pub fn rule(mut self, rule: Rule) -> Self {
        self.rules.push(rule);
        self
    }

    /// With words that an STT understands beyond the common ones.
    #[must_use]
    pub fn words(mut self, words: &str) -> Self {
        self.words.push(' ');
        self.words.push_str(words);
        self
    }

    /// With one more model that OpenAI serves.
    #[must_use]
    pub fn serve_model(mut self, model: &str) -> Self {
        self.models.push(model.to_owned());
        self
    }
}
