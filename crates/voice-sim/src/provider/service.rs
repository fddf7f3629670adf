//! Who is simulated.

use std::fmt;
use std::str::FromStr;

use serde::Serialize;

/// A company, with a listener of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Provider {
    /// Streaming STT.
    Deepgram,
    /// The language model, and transcription of files.
    OpenAi,
    /// TTS over a WebSocket.
    Cartesia,
    /// TTS over a WebSocket and over HTTP.
    ElevenLabs,
    /// SMS and the control of calls.
    Twilio,
    /// Events v2.
    PagerDuty,
}

impl Provider {
    /// All of them, in the order of their ports.
    pub const ALL: [Self; 6] =
        [Self::Deepgram, Self::OpenAi, Self::Cartesia, Self::ElevenLabs, Self::Twilio, Self::PagerDuty];

    /// Its name, in lower case.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Deepgram => "deepgram",
            Self::OpenAi => "openai",
            Self::Cartesia => "cartesia",
            Self::ElevenLabs => "elevenlabs",
            Self::Twilio => "twilio",
            Self::PagerDuty => "pagerduty",
        }
    }

    /// The services behind its listener.
    pub fn services(self) -> impl Iterator<Item = Service> {
        Service::ALL.into_iter().filter(move |service| service.provider() == self)
    }
}

impl fmt::Display for Provider {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

impl FromStr for Provider {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        Self::ALL
            .into_iter()
            .find(|provider| provider.name() == name)
            .ok_or_else(|| format!("no provider is called {name:?}"))
    }
}

/// What a provider does: faults and journals tell these apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Service {
    /// Deepgram's `/v1/listen`.
    Deepgram,
    /// OpenAI's `/v1/chat/completions`.
    Chat,
    /// OpenAI's `/v1/models`.
    Models,
    /// OpenAI's `/v1/audio/transcriptions`.
    Whisper,
    /// Cartesia's `/tts/websocket`.
    Cartesia,
    /// ElevenLabs' `/v1/text-to-speech/…`.
    ElevenLabs,
    /// Twilio's `/2010-04-01/Accounts/…`.
    Twilio,
    /// PagerDuty's `/v2/enqueue`.
    PagerDuty,
}

impl Service {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::Deepgram,
        Self::Chat,
        Self::Models,
        Self::Whisper,
        Self::Cartesia,
        Self::ElevenLabs,
        Self::Twilio,
        Self::PagerDuty,
    ];

    /// Its name, in lower case.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Chat => "chat",
            Self::Models => "models",
            Self::Whisper => "whisper",
            _ => self.provider().name(),
        }
    }

    /// Whose it is.
    pub const fn provider(self) -> Provider {
        match self {
            Self::Deepgram => Provider::Deepgram,
            Self::Chat | Self::Models | Self::Whisper => Provider::OpenAi,
            Self::Cartesia => Provider::Cartesia,
            Self::ElevenLabs => Provider::ElevenLabs,
            Self::Twilio => Provider::Twilio,
            Self::PagerDuty => Provider::PagerDuty,
        }
    }

    /// The services of a name: one's own, a provider's, or a stage's (`stt`, `llm`, `tts`).
    ///
    /// # Errors
    /// When nothing has that name.
    pub fn of_name(name: &str) -> Result<Vec<Self>, String> {
        match name {
            "stt" => return Ok(vec![Self::Deepgram, Self::Whisper]),
            "llm" => return Ok(vec![Self::Chat]),
            "tts" => return Ok(vec![Self::Cartesia, Self::ElevenLabs]),
            _ => {}
        }
        if let Ok(provider) = name.parse::<Provider>() {
            return Ok(provider.services().collect());
        }
        Self::ALL.into_iter().find(|service| service.name() == name).map(|service| vec![service]).ok_or_else(|| {
            format!(
                "{name:?} is none of stt, llm, tts, deepgram, openai, chat, models, whisper, cartesia, elevenlabs, \
                 twilio, pagerduty"
            )
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_lead_to_services() {
        assert_eq!(Service::of_name("tts"), Ok(vec![Service::Cartesia, Service::ElevenLabs]));
        assert_eq!(Service::of_name("openai"), Ok(vec![Service::Chat, Service::Models, Service::Whisper]));
        assert_eq!(Service::of_name("whisper"), Ok(vec![Service::Whisper]));
        assert!(Service::of_name("azure").is_err());
        for provider in Provider::ALL {
            assert_eq!(provider.to_string().parse(), Ok(provider));
            assert!(provider.services().count() > 0);
        }
    }
}
