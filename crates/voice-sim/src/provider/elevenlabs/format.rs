//! Models, output formats and settings, as both kinds of requests have them.

use serde_json::Value;

use crate::provider::pcm::Encoding;

/// Models for these endpoints, with the most characters of a request.
const MODELS: [(&str, usize); 5] = [
    ("eleven_flash_v2_5", 40_000),
    ("eleven_turbo_v2_5", 40_000),
    ("eleven_flash_v2", 30_000),
    ("eleven_turbo_v2", 30_000),
    ("eleven_multilingual_v2", 10_000),
];
const PCM_RATES: [u32; 7] = [8_000, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000];

/// The most characters that a model takes at once.
///
/// # Errors
/// The message of the refusal when there is no such model here.
pub(super) fn longest_text(model: &str) -> Result<usize, String> {
    let known = MODELS.iter().find(|(name, _)| *name == model);
    known
        .map(|(_, longest)| *longest)
        .ok_or_else(|| format!("A model with model ID {model} does not exist for this endpoint."))
}

/// What an output format is made of.
///
/// # Errors
/// The message of the refusal.
pub(super) fn output_format(format: &str) -> Result<(Encoding, u32), String> {
    match format {
        "ulaw_8000" => return Ok((Encoding::Mulaw, 8_000)),
        "alaw_8000" => return Ok((Encoding::Alaw, 8_000)),
        _ => {}
    }
    if let Some(rate) =
        format.strip_prefix("pcm_").and_then(|rate| rate.parse().ok()).filter(|rate| PCM_RATES.contains(rate))
    {
        return Ok((Encoding::Linear16, rate));
    }
    if format.starts_with("mp3_") || format.starts_with("opus_") {
        return Err(format!("{format} is not simulated: ask for pcm, ulaw or alaw"));
    }
    Err(format!("{format} is no output format"))
}

/// Checks `voice_settings`.
///
/// # Errors
/// The name of the field and what is wrong with it.
pub(super) fn check_settings(settings: Option<&Value>) -> Result<(), (&'static str, &'static str)> {
    let Some(settings) = settings.filter(|settings| !settings.is_null()) else { return Ok(()) };
    if !settings.is_object() {
        return Err(("voice_settings", "Input should be a valid dictionary"));
    }
    for (name, low, high) in
        [("stability", 0.0, 1.0), ("similarity_boost", 0.0, 1.0), ("style", 0.0, 1.0), ("speed", 0.7, 1.2)]
    {
        match settings.get(name) {
            None | Some(Value::Null) => {}
            Some(value) if value.as_f64().is_some_and(|value| (low..=high).contains(&value)) => {}
            Some(_) => return Err((name, "Input is out of its range")),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn formats_and_models() {
        assert_eq!(output_format("ulaw_8000"), Ok((Encoding::Mulaw, 8_000)));
        assert_eq!(output_format("pcm_24000"), Ok((Encoding::Linear16, 24_000)));
        assert!(
            output_format("pcm_12345").is_err()
                && output_format("mp3_44100_128").is_err()
                && output_format("").is_err()
        );
        assert_eq!(longest_text("eleven_multilingual_v2"), Ok(10_000));
        assert!(longest_text("eleven_v3").is_err());
        assert_eq!(check_settings(Some(&json!({"stability": 0.5, "speed": 1.1}))), Ok(()));
        assert!(check_settings(Some(&json!({"speed": 2}))).is_err() && check_settings(Some(&json!(1))).is_err());
    }
}
