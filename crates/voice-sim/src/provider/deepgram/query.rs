//! The query of `/v1/listen`.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::provider::pcm::Encoding;

/// Booleans: the words `true` and `false`.
const SWITCHES: [&str; 12] = [
    "multichannel",
    "interim_results",
    "vad_events",
    "smart_format",
    "punctuate",
    "numerals",
    "filler_words",
    "profanity_filter",
    "dictation",
    "diarize",
    "mip_opt_out",
    "no_delay",
];
/// Parameters that may come several times.
const LISTS: [&str; 7] = ["keyterm", "keywords", "redact", "replace", "search", "tag", "extra"];
/// Those that come once at most.
const SINGLES: [&str; 10] = [
    "model",
    "language",
    "encoding",
    "sample_rate",
    "channels",
    "endpointing",
    "utterance_end_ms",
    "diarize_model",
    "version",
    "callback",
];
/// Words in all key terms together.
const MOST_KEYTERM_WORDS: usize = 500;

/// What was asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Listen {
    pub(crate) model: String,
    pub(crate) language: String,
    pub(crate) encoding: Encoding,
    pub(crate) rate: u32,
    pub(crate) interim_results: bool,
    /// None when it is off.
    pub(crate) endpointing_ms: Option<u64>,
    pub(crate) utterance_end_ms: Option<u64>,
    pub(crate) vad_events: bool,
    /// Capitals and full stops: `punctuate` or `smart_format`.
    pub(crate) punctuate: bool,
    /// What looks like a mistake, but is no error.
    pub(crate) warnings: Vec<String>,
}

impl Listen {
    /// Whether the model knows key terms.
    pub(crate) fn knows_keyterms(&self) -> bool {
        self.model.starts_with("nova-3")
    }
}

/// The query as JSON, for the journal.
pub(crate) fn to_json(query: &[(String, String)]) -> Value {
    Value::Array(query.iter().map(|(name, value)| json!([name, value])).collect())
}

/// Reads a query as strictly as the service does.
///
/// # Errors
/// The message of its 400.
pub(crate) fn parse(query: &[(String, String)]) -> Result<Listen, String> {
    let mut singles: BTreeMap<&str, &str> = BTreeMap::new();
    for (name, value) in query {
        let once = SINGLES.contains(&name.as_str()) || SWITCHES.contains(&name.as_str());
        if !once && !LISTS.contains(&name.as_str()) {
            return Err(format!("unknown query parameter {name}"));
        }
        if once && singles.insert(name, value).is_some() {
            return Err(format!("{name} is given twice"));
        }
    }
    let switch = |name: &str| match singles.get(name).copied() {
        None | Some("false") => Ok(false),
        Some("true") => Ok(true),
        Some(_) => Err(format!("{name} is true or false")),
    };
    for name in SWITCHES {
        switch(name)?;
    }
    let number = |name: &str| match singles.get(name) {
        None => Ok(None),
        Some(text) => text.parse::<u64>().map(Some).map_err(|_| format!("{name} is a whole number")),
    };
    if number("channels")?.unwrap_or(1) != 1 || switch("multichannel")? {
        return Err("several channels are not simulated".to_owned());
    }
    let interim_results = switch("interim_results")?;
    let utterance_end_ms = number("utterance_end_ms")?;
    if utterance_end_ms.is_some_and(|ms| ms < 1_000) {
        return Err("utterance_end_ms is at least 1000".to_owned());
    }
    if utterance_end_ms.is_some() && !interim_results {
        return Err("utterance_end_ms requires interim_results=true".to_owned());
    }
    let endpointing_ms = match singles.get("endpointing").copied() {
        Some("false") => None,
        Some("true") | None => Some(10),
        Some(_) => number("endpointing")?,
    };
    let model = model(singles.get("model").copied())?;
    let warnings = check_terms(query, &model)?;
    let (encoding, rate) = format(singles.get("encoding").copied(), number("sample_rate")?)?;
    Ok(Listen {
        language: language(singles.get("language").copied())?,
        encoding,
        rate,
        interim_results,
        endpointing_ms,
        utterance_end_ms,
        vad_events: switch("vad_events")?,
        punctuate: switch("punctuate")? || switch("smart_format")?,
        model,
        warnings,
    })
}

fn model(name: Option<&str>) -> Result<String, String> {
    let name = name.ok_or("model is required")?;
    let known = ["nova-3", "nova-2", "nova", "enhanced", "base"];
    let family = known
        .iter()
        .find(|family| name.strip_prefix(**family).is_some_and(|rest| rest.is_empty() || rest.starts_with('-')));
    if family.is_none() || name.len() > 40 {
        return Err("no such model/language/tier combination found".to_owned());
    }
    Ok(name.to_owned())
}

fn language(tag: Option<&str>) -> Result<String, String> {
    let tag = tag.unwrap_or("en");
    let parts: Vec<&str> = tag.split('-').collect();
    let plain =
        parts.iter().all(|part| (2..=8).contains(&part.len()) && part.chars().all(|c| c.is_ascii_alphanumeric()));
    if tag == "multi" || (plain && parts.len() <= 3 && parts[0].len() <= 3) {
        return Ok(tag.to_owned());
    }
    Err("no such model/language/tier combination found".to_owned())
}

fn format(encoding: Option<&str>, rate: Option<u64>) -> Result<(Encoding, u32), String> {
    let encoding = match encoding {
        Some("linear16") => Encoding::Linear16,
        Some("mulaw") => Encoding::Mulaw,
        Some("alaw") => Encoding::Alaw,
        Some("linear32" | "flac" | "amr-nb" | "amr-wb" | "opus" | "ogg-opus" | "speex" | "g729") | None => {
            return Err("only linear16, mulaw and alaw are simulated".to_owned());
        }
        Some(_) => return Err("unknown encoding".to_owned()),
    };
    let rate = rate.ok_or("sample_rate is required with raw audio")?;
    let rate = u32::try_from(rate).ok().filter(|rate| (8_000..=48_000).contains(rate));
    Ok((encoding, rate.ok_or("sample_rate is out of range")?))
}

/// Key terms and keywords, each for its own generation of models.
fn check_terms(query: &[(String, String)], model: &str) -> Result<Vec<String>, String> {
    let of = |name: &'static str| query.iter().filter(move |(given, _)| given == name).map(|(_, value)| value.as_str());
    let is_nova_3 = model.starts_with("nova-3");
    if !is_nova_3 && of("keyterm").next().is_some() {
        return Err("keyterm is for nova-3 only".to_owned());
    }
    if is_nova_3 && of("keywords").next().is_some() {
        return Err("keywords is not for nova-3; use keyterm".to_owned());
    }
    if of("keyterm").map(|term| term.split_whitespace().count()).sum::<usize>() > MOST_KEYTERM_WORDS {
        return Err("keyterm limit exceeded: 500 tokens".to_owned());
    }
    if of("tag").any(|tag| tag.len() > 128) {
        return Err("a tag has 128 characters at most".to_owned());
    }
    let weighted =
        of("keyterm").filter(|term| term.rsplit_once(':').is_some_and(|(_, weight)| weight.parse::<f64>().is_ok()));
    Ok(weighted.map(|term| format!("keyterm {term:?} has a weight, which is taken literally")).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn query(text: &str) -> Vec<(String, String)> {
        let pairs = text.split('&').filter(|pair| !pair.is_empty());
        pairs.map(|pair| pair.split_once('=').expect("a pair")).map(|(a, b)| (a.to_owned(), b.to_owned())).collect()
    }

    const RAW: &str = "model=nova-3&encoding=linear16&sample_rate=16000";

    #[test]
    fn a_usual_query_is_understood() {
        let listen = parse(&query(&format!(
            "{RAW}&language=en-US&interim_results=true&endpointing=25&vad_events=true&utterance_end_ms=1000&keyterm=a&keyterm=b&no_delay=true"
        )));
        let listen = listen.expect("a query as every client sends it");
        assert_eq!((listen.rate, listen.endpointing_ms, listen.utterance_end_ms), (16_000, Some(25), Some(1_000)));
        assert!(listen.interim_results && listen.vad_events && !listen.punctuate && listen.warnings.is_empty());
        assert_eq!(parse(&query(RAW)).map(|listen| listen.endpointing_ms), Ok(Some(10)));
        assert_eq!(parse(&query(&format!("{RAW}&endpointing=false"))).map(|listen| listen.endpointing_ms), Ok(None));
    }

    #[test]
    fn what_the_service_refuses_is_refused() {
        for (more, why) in [
            ("&models=nova-3", "unknown"),
            ("&interim_results=1", "true or false"),
            ("&model=nova-3", "twice"),
            ("&utterance_end_ms=500&interim_results=true", "1000"),
            ("&utterance_end_ms=1000", "interim_results"),
            ("&keywords=a:1", "keyterm"),
            ("&channels=2", "channels"),
            ("&endpointing=soon", "number"),
            ("&language=x_y", "combination"),
        ] {
            let error = parse(&query(&format!("{RAW}{more}"))).expect_err(more);
            assert!(error.contains(why), "{more}: {error}");
        }
        for (whole, why) in [
            ("encoding=linear16&sample_rate=16000", "model"),
            ("model=whisper&encoding=linear16&sample_rate=16000", "combination"),
            ("model=nova-3&encoding=linear16", "sample_rate"),
            ("model=nova-3&encoding=mp3&sample_rate=16000", "encoding"),
            ("model=nova-2&keyterm=a&encoding=mulaw&sample_rate=8000", "nova-3"),
            ("model=nova-3&encoding=mulaw&sample_rate=100", "range"),
        ] {
            let error = parse(&query(whole)).expect_err(whole);
            assert!(error.contains(why), "{whole}: {error}");
        }
    }

    #[test]
    fn a_weighted_keyterm_is_a_warning() {
        let listen = parse(&query(&format!("{RAW}&keyterm=budget:0.15"))).expect("it is no error");
        assert_eq!(listen.warnings.len(), 1);
    }
}
