//! The settings: one TOML file, every key overridable by the environment, all of it checked before a port opens.
//!
//! A key's variable is its path in upper case, joined by `_` (`limits.max_sessions` → `LIMITS_MAX_SESSIONS`). The names
//! that the mission fixes follow the same rule, because the sections are named after them; [`env::ALIASES`] has the
//! one exception. Secrets come from the environment or from `*_FILE` paths only.

mod chain;
mod choice;
mod consent;
mod core;
pub mod env;
mod listen;
mod load;
mod phone;
mod prices;
mod secret;
mod section;
mod unknown;
mod validate;

pub use chain::{LlmKind, SttKind, TtsKind};
pub use choice::{AuthMode, ConsentRule, JwtAlgorithm, LogFormat, ScreenDetail};
pub use consent::Consent;
pub use env::Env;
pub use listen::ListenAddr;
pub use load::{Loaded, load};
pub use secret::{Secret, Secrets};
pub use section::{
    Auth, Cartesia, Chain, Cost, Deadline, Deepgram, ElevenLabs, Endpointing, Failover, Http, InputLog, Interruption,
    Limits, LiveKit, Log, Metrics, Model, OpenAi, Otel, PagerDuty, Recording, Screen, Session, Shutdown, Twilio, Vad,
};

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// Every setting.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Where callers reach this server, as they type it; empty: loopback only.
    pub public_url: String,
    /// Where the embedded store lives.
    pub data_dir: PathBuf,
    /// Where the models are; empty: the user's cache folder.
    pub models_dir: PathBuf,
    /// The region's name, for logs and traces.
    pub region: String,
    /// What a new session says first; empty: the caller speaks first.
    pub greeting: String,
    /// A price list in the form of `config/prices.toml`; empty: the one that is built in.
    pub prices_file: PathBuf,
    /// The callers' port.
    pub http: Http,
    /// The operators' port.
    pub metrics: Metrics,
    /// Who a caller is.
    pub auth: Auth,
    /// How much is taken.
    pub limits: Limits,
    /// One session's limits.
    pub session: Session,
    /// When there is speech.
    pub vad: Vad,
    /// When a turn is over.
    pub endpointing: Endpointing,
    /// When the agent falls silent.
    pub interruption: Interruption,
    /// How long each stage may take.
    pub deadline: Deadline,
    /// Speech to text.
    pub stt: Chain,
    /// The language model.
    pub llm: Chain,
    /// Text to speech.
    pub tts: Chain,
    /// Deepgram.
    pub deepgram: Deepgram,
    /// OpenAI, and servers that speak its API.
    pub openai: OpenAi,
    /// Cartesia.
    pub cartesia: Cartesia,
    /// ElevenLabs.
    pub elevenlabs: ElevenLabs,
    /// When a provider gives way to the next.
    pub failover: Failover,
    /// What a call and a day may cost.
    pub cost: Cost,
    /// LiveKit rooms.
    pub livekit: LiveKit,
    /// The telephone.
    pub twilio: Twilio,
    /// Who is told when nothing helps.
    pub pagerduty: PagerDuty,
    /// The embedded models.
    pub model: Model,
    /// The caller's shared screen.
    pub screen: Screen,
    /// How callers come to agree to a recording.
    pub consent: Consent,
    /// The log.
    pub log: Log,
    /// Traces.
    pub otel: Otel,
    /// The sessions' inputs, for replay.
    pub input_log: InputLog,
    /// Recordings of calls.
    pub recording: Recording,
    /// The end of the process.
    pub shutdown: Shutdown,
    /// What comes from the environment only.
    #[serde(skip)]
    pub secrets: Secrets,
    /// What providers charge, from `prices_file`.
    #[serde(skip)]
    pub prices: voice_core::cost::Prices,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            public_url: String::new(),
            data_dir: PathBuf::from("./data"),
            models_dir: PathBuf::new(),
            region: "local".to_owned(),
            greeting: voice_core::config::GREETING.to_owned(),
            prices_file: PathBuf::new(),
            http: Http::default(),
            metrics: Metrics::default(),
            auth: Auth::default(),
            limits: Limits::default(),
            session: Session::default(),
            vad: Vad::default(),
            endpointing: Endpointing::default(),
            interruption: Interruption::default(),
            deadline: Deadline::default(),
            stt: Chain::default(),
            llm: Chain::default(),
            tts: Chain::default(),
            deepgram: Deepgram::default(),
            openai: OpenAi::default(),
            cartesia: Cartesia::default(),
            elevenlabs: ElevenLabs::default(),
            failover: Failover::default(),
            cost: Cost::default(),
            livekit: LiveKit::default(),
            twilio: Twilio::default(),
            pagerduty: PagerDuty::default(),
            model: Model::default(),
            screen: Screen::default(),
            consent: Consent::default(),
            log: Log::default(),
            otel: Otel::default(),
            input_log: InputLog::default(),
            recording: Recording::default(),
            shutdown: Shutdown::default(),
            secrets: Secrets::default(),
            prices: voice_core::cost::Prices::default(),
        }
    }
}

impl Config {
    /// Whether recordings of calls are kept, of those who agree: instances that share a store need a master key that they share.
    pub const fn keeps_recordings(&self) -> bool {
        let shares = self.secrets.redis_url.is_some();
        self.recording.enabled && (!shares || self.secrets.recording_master_key.is_some())
    }

    /// Whether callers reach this server by telephone: whoever signs can be told from others, or need not be.
    pub const fn has_phone(&self) -> bool {
        self.secrets.twilio_auth_token.is_some() || !self.twilio.validate_signatures
    }
}

/// A setting that cannot work. It ends the process with exit code 64 before any port opens.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{key}: {reason}")]
pub struct ConfigError {
    /// The key, or the variable, or the file.
    pub key: String,
    /// The value, what is wrong with it, and what would be right.
    pub reason: String,
}

impl ConfigError {
    /// An error of this key.
    pub fn new(key: impl Into<String>, reason: impl Into<String>) -> Self {
        Self { key: key.into(), reason: reason.into() }
    }
}

#[cfg(test)]
mod tests;
