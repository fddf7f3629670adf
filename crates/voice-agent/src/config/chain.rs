//! Which providers serve each stage: as configured, or by the keys that are set.

use super::{Chain, Config, ConfigError, Secret};

macro_rules! kinds {
    ($($(#[$doc:meta])* $name:ident { $($(#[$kind_doc:meta])* $kind:ident = $label:literal,)* })*) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum $name {
            $($(#[$kind_doc])* $kind,)*
        }

        impl Kind for $name {
            const ALL: &'static [(&'static str, Self)] = &[$(($label, Self::$kind),)*];
        }
    )*};
}

trait Kind: Copy + PartialEq + 'static {
    /// Every kind with its label, the mission's order; the embedded one is the last.
    const ALL: &'static [(&'static str, Self)];
}

kinds! {
    /// Who can hear.
    SttKind {
        /// Deepgram, streaming.
        Deepgram = "deepgram",
        /// OpenAI's Whisper.
        Whisper = "whisper",
        /// Built in.
        Embedded = "embedded",
    }
    /// Who can think.
    LlmKind {
        /// OpenAI's models, or those of a server that speaks its API.
        OpenAi = "openai",
        /// Built in.
        Embedded = "embedded",
    }
    /// Who can speak.
    TtsKind {
        /// Cartesia.
        Cartesia = "cartesia",
        /// ElevenLabs.
        ElevenLabs = "elevenlabs",
        /// Built in.
        Embedded = "embedded",
    }
}

/// The stage's providers: those that are named, or the ones that can be reached.
fn resolve<K: Kind>(
    key: &str,
    chain: &Chain,
    missing: impl Fn(K) -> Option<&'static str>,
) -> Result<Vec<K>, ConfigError> {
    if chain.chain.is_empty() {
        return Ok(K::ALL.iter().map(|(_, kind)| *kind).filter(|kind| missing(*kind).is_none()).collect());
    }
    let mut kinds = Vec::new();
    for name in &chain.chain {
        let Some((label, kind)) = K::ALL.iter().find(|(label, _)| label == name) else {
            let labels: Vec<&str> = K::ALL.iter().map(|(label, _)| *label).collect();
            return Err(ConfigError::new(key, format!("{name:?} is not a provider: {} are", labels.join(", "))));
        };
        if kinds.contains(kind) {
            return Err(ConfigError::new(key, format!("{label:?} stands in it twice")));
        }
        if let Some(variable) = missing(*kind) {
            return Err(ConfigError::new(key, format!("names {label:?}, and {variable} is not set")));
        }
        kinds.push(*kind);
    }
    Ok(kinds)
}

fn unless_set(secret: Option<&Secret>, variable: &'static str) -> Option<&'static str> {
    if secret.is_some() { None } else { Some(variable) }
}

impl Config {
    /// What OpenAI lacks. A key brings it into a stage's chain; a server of one's own that speaks its API may need none, and
    /// serves where it is named.
    fn openai_missing(&self, chain: &Chain) -> Option<&'static str> {
        let elsewhere = self.openai.base_url != super::OpenAi::default().base_url;
        let serves = elsewhere && !chain.chain.is_empty();
        unless_set(self.secrets.openai_key.as_ref(), "OPENAI_API_KEY").filter(|_| !serves)
    }

    /// Who hears, in order.
    ///
    /// # Errors
    /// [`ConfigError`] when a name is none of a provider, or its key is not set.
    pub fn stt_chain(&self) -> Result<Vec<SttKind>, ConfigError> {
        resolve("stt.chain", &self.stt, |kind| match kind {
            SttKind::Deepgram => unless_set(self.secrets.deepgram_key.as_ref(), "DEEPGRAM_API_KEY"),
            SttKind::Whisper => self.openai_missing(&self.stt),
            SttKind::Embedded => None,
        })
    }

    /// Who thinks, in order.
    ///
    /// # Errors
    /// As [`Self::stt_chain`].
    pub fn llm_chain(&self) -> Result<Vec<LlmKind>, ConfigError> {
        resolve("llm.chain", &self.llm, |kind| match kind {
            LlmKind::OpenAi => self.openai_missing(&self.llm),
            LlmKind::Embedded => None,
        })
    }

    /// Who speaks, in order.
    ///
    /// # Errors
    /// As [`Self::stt_chain`].
    pub fn tts_chain(&self) -> Result<Vec<TtsKind>, ConfigError> {
        resolve("tts.chain", &self.tts, |kind| match kind {
            TtsKind::Cartesia => unless_set(self.secrets.cartesia_key.as_ref(), "CARTESIA_API_KEY"),
            TtsKind::ElevenLabs => unless_set(self.secrets.elevenlabs_key.as_ref(), "ELEVENLABS_API_KEY"),
            TtsKind::Embedded => None,
        })
    }
}
