//! The price list: what providers charge, since when, and according to whom.

use std::collections::BTreeMap;
use std::path::Path;

use serde::Deserialize;
use voice_core::cost::{Price, Prices};

use super::{Config, ConfigError, LlmKind, SttKind, TtsKind};

/// The price list that is built in.
const PRICES: &str = include_str!("../../../../config/prices.toml");

/// One model's entry.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[derive(Default)]
struct Entry {
    audio_minute: u64,
    input_1k_tokens: u64,
    cached_input_1k_tokens: Option<u64>,
    output_1k_tokens: u64,
    /// When the price was read, and where. For people.
    as_of: String,
    source: String,
    /// Nobody has read it.
    unknown: bool,
}

/// Reads a price list; an empty path is the one that is built in.
///
/// # Errors
/// [`ConfigError`] when it cannot be read, or an entry says that its price is unknown and gives one, or gives none.
pub(super) fn read(file: &Path) -> Result<Prices, ConfigError> {
    let refused = |reason: String| ConfigError::new("prices_file", format!("{}: {reason}", file.display()));
    let text = if file.as_os_str().is_empty() {
        PRICES.to_owned()
    } else {
        std::fs::read_to_string(file).map_err(|error| refused(format!("cannot be read: {error}")))?
    };
    let entries: BTreeMap<String, Entry> = toml::from_str(&text).map_err(|error| refused(error.to_string()))?;
    let mut prices = BTreeMap::new();
    for (model, entry) in entries {
        let Entry { audio_minute, input_1k_tokens, cached_input_1k_tokens, output_1k_tokens, as_of, source, unknown } =
            entry;
        let price = Price { audio_minute, input_1k_tokens, cached_input_1k_tokens, output_1k_tokens };
        let said = price != Price::default() || !as_of.is_empty() || !source.is_empty();
        match (unknown, said) {
            (true, true) => {
                return Err(refused(format!(
                    "{model}: unknown = true, and a price, a date or a source: leave one out"
                )));
            }
            (true, false) => {}
            (false, false) => {
                return Err(refused(format!("{model}: there is no price: give one, or say unknown = true")));
            }
            (false, true) => {
                prices.insert(model, price);
            }
        }
    }
    Ok(Prices(prices))
}

/// The models of the chains whose price nobody has given: what they use costs nothing in the books.
pub(super) fn without_price(config: &Config) -> Vec<String> {
    let mut models = Vec::new();
    // The chains were checked before.
    for kind in config.stt_chain().unwrap_or_default() {
        match kind {
            SttKind::Deepgram => models.push(format!("deepgram/{}", config.deepgram.model)),
            SttKind::Whisper => models.push(format!("whisper/{}", config.openai.whisper_model)),
            SttKind::Embedded => {}
        }
    }
    if config.llm_chain().unwrap_or_default().contains(&LlmKind::OpenAi) {
        models.extend(config.openai.models.iter().map(|model| format!("openai/{model}")));
    }
    for kind in config.tts_chain().unwrap_or_default() {
        match kind {
            TtsKind::Cartesia => models.push(format!("cartesia/{}", config.cartesia.model)),
            TtsKind::ElevenLabs => models.push(format!("elevenlabs/{}", config.elevenlabs.model)),
            TtsKind::Embedded => {}
        }
    }
    models.retain(|model| !config.prices.0.contains_key(model));
    models
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use voice_core::cost::{Quantity, Usage};
    use voice_core::provider::Stage;

    use super::*;

    fn read_text(text: &str) -> Result<Prices, ConfigError> {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(text.as_bytes()).unwrap();
        read(file.path())
    }

    #[test]
    fn the_built_in_list_has_the_missions_prices_and_guesses_none() {
        let prices = read(Path::new("")).unwrap();
        assert_eq!(prices.0["deepgram/nova-3"].audio_minute, 7_700_000);
        assert_eq!(prices.0["cartesia/sonic-3"].audio_minute, 24_000_000);
        let mini = prices.0["openai/gpt-4o-mini"];
        assert_eq!((mini.input_1k_tokens, mini.output_1k_tokens), (150_000, 600_000));
        assert!(!prices.0.contains_key("openai/gpt-3.5-turbo"), "unknown");
        let entries: BTreeMap<String, Entry> = toml::from_str(PRICES).unwrap();
        for (model, entry) in entries.iter().filter(|(_, entry)| !entry.unknown) {
            assert!(!entry.as_of.is_empty() && !entry.source.is_empty(), "{model}: since when, and says who?");
        }
    }

    #[test]
    fn the_missions_example_costs_by_the_built_in_list_what_the_mission_says() {
        let prices = read(Path::new("")).unwrap();
        let cost = |stage, provider: &str, model: &str, quantity| {
            let (provider, model) = (provider.to_owned(), model.to_owned());
            let (reply, utterance, wasted) = (None, None, false);
            prices.price(&Usage { stage, provider, model, quantity, reply, utterance, wasted }).0
        };
        let heard = cost(Stage::Stt, "deepgram", "nova-3", Quantity::AudioMs(30_000));
        let tokens = Quantity::Tokens { input: 150, cached: 0, output: 80 };
        let answered = cost(Stage::Llm, "openai", "gpt-4o-mini", tokens);
        let spoken = cost(Stage::Tts, "cartesia", "sonic-3", Quantity::AudioMs(25_000));
        assert_eq!((heard, answered, spoken), (3_850_000, 70_500, 10_000_000));
        assert_eq!(heard + answered + spoken, 13_920_500);
    }

    #[test]
    fn an_entry_that_contradicts_itself_or_is_misspelt_is_refused() {
        let error = read_text("[\"a/b\"]\nunknown = true\naudio_minute = 5\n").unwrap_err();
        assert!(error.reason.contains("a/b: unknown"), "{error}");
        let empty = read_text("[\"a/b\"]\n").unwrap_err();
        assert!(empty.reason.contains("a/b: there is no price"), "{empty}");
        assert!(read_text("[\"a/b\"]\naudio_minutes = 5\n").unwrap_err().reason.contains("audio_minutes"));
    }
}
