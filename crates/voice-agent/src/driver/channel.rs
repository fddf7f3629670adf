//! What a session's channel decides: how the agent's audio is coded, and what is said first.

use voice_core::CoreConfig;
use voice_core::phrases::PHONE_CONSENT;

use crate::audio::format::AudioFormat;
use crate::ledger::ceilings_on;
use crate::store::Channel;

/// The format of the agent's audio on this channel.
pub(super) const fn audio_format(channel: Channel) -> AudioFormat {
    match channel {
        Channel::Browser | Channel::ScreenShare => AudioFormat::Pcm24k,
        Channel::Phone => AudioFormat::Mulaw8k,
    }
}

/// The core's settings on this channel. A page asks for consent before the call; by telephone the call itself says that
/// it may be recorded, before anything else.
pub(super) fn core(config: &CoreConfig, channel: Channel) -> CoreConfig {
    let mut config = config.clone();
    if channel == Channel::Phone {
        config.greeting = format!("{PHONE_CONSENT} {}", config.greeting).trim_end().to_owned();
        config.announces_recording = true;
    }
    config.ceilings = ceilings_on(&config.ceilings, channel);
    config
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_caller_by_telephone_hears_of_the_recording_before_anything_else() {
        let config = CoreConfig::default();
        let first = |channel, greeting: &str| {
            let core = core(&CoreConfig { greeting: greeting.to_owned(), ..config.clone() }, channel);
            assert_eq!(core.announces_recording, channel == Channel::Phone);
            core.greeting
        };
        assert_eq!(first(Channel::Browser, "Hello!"), "Hello!");
        assert_eq!(first(Channel::Phone, "Hello!"), format!("{PHONE_CONSENT} Hello!"));
        assert_eq!(first(Channel::Phone, ""), PHONE_CONSENT, "a caller who speaks first is told, too");
    }
}
