//! What must not be seen.

use std::fmt;

/// A text that `Debug` does not show. It is revealed explicitly, where it is used.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Wraps a text.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text itself.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

macro_rules! secrets {
    ($($(#[$doc:meta])* $field:ident: $variable:literal,)*) => {
        /// Every secret that this version uses.
        #[derive(Debug, Clone, Default, PartialEq, Eq)]
        pub struct Secrets {
            $($(#[$doc])* pub $field: Option<Secret>,)*
        }

        impl Secrets {
            /// Their variables; each may also be given as a path in `{variable}_FILE`.
            pub const VARIABLES: &'static [&'static str] = &[$($variable,)*];

            /// Fills them from where `read` finds a variable's value.
            pub(super) fn read<E>(mut read: impl FnMut(&'static str) -> Result<Option<Secret>, E>) -> Result<Self, E> {
                Ok(Self { $($field: read($variable)?,)* })
            }
        }
    };
}

secrets! {
    /// Verifies callers' tokens with the HS algorithms.
    jwt_secret: "AUTH_JWT_SECRET",
    /// The operator's token.
    admin_token: "ADMIN_TOKEN",
    /// The auditor's token.
    auditor_token: "AUDITOR_TOKEN",
    /// The privacy officer's token.
    privacy_token: "PRIVACY_TOKEN",
    /// Where the Redis is that several instances share, with its password; none for the embedded store.
    redis_url: "REDIS_URL",
    /// Deepgram's key.
    deepgram_key: "DEEPGRAM_API_KEY",
    /// The key of OpenAI, or of a server that speaks its API.
    openai_key: "OPENAI_API_KEY",
    /// Cartesia's key.
    cartesia_key: "CARTESIA_API_KEY",
    /// ElevenLabs' key.
    elevenlabs_key: "ELEVENLABS_API_KEY",
    /// What Twilio signs its requests with: the account's auth token, or the secret of its shared key.
    twilio_auth_token: "TWILIO_AUTH_TOKEN",
    /// The master key, 32 bytes in base64: wraps the keys under which recordings and logs of inputs are sealed.
    recording_master_key: "RECORDING_MASTER_KEY",
    /// Earlier master keys, with commas between them: what they wrapped can be read, and is wrapped anew at the start.
    recording_master_keys_old: "RECORDING_MASTER_KEYS_OLD",
    /// LiveKit's API key.
    livekit_key: "LIVEKIT_API_KEY",
    /// Its secret, with which tokens for rooms are signed.
    livekit_secret: "LIVEKIT_API_SECRET",
    /// Where PagerDuty's events go.
    pagerduty_key: "PAGERDUTY_ROUTING_KEY",
}
