use std::collections::BTreeSet;
use std::io::Write as _;

use toml::Table;

use super::env::{keys, variable_of};
use super::load::parse;
use super::*;

const EXAMPLE: &str = include_str!("../../../../config/example.toml");

fn env<const N: usize>(pairs: [(&str, &str); N]) -> Env {
    let mut all = vec![("HOME", "/home/somebody")];
    all.extend(pairs);
    let pairs: [(&str, &str); 8] = std::array::from_fn(|i| all.get(i).copied().unwrap_or(("UNUSED", "")));
    Env::from(pairs)
}

fn refused<const N: usize>(pairs: [(&str, &str); N]) -> String {
    load(None, &env(pairs)).unwrap_err().to_string()
}

#[test]
fn the_example_has_every_key_with_its_default() {
    let parsed = parse(EXAMPLE, None, &Env::default()).unwrap();
    assert_eq!(parsed, Config::default());

    let listed = |table: &Table| keys(table).into_iter().map(|(key, _)| key).collect::<BTreeSet<_>>();
    let defaults = Table::try_from(Config::default()).unwrap();
    assert_eq!(listed(&EXAMPLE.parse().unwrap()), listed(&defaults));
}

/// A caller's 50 frames and 10 reports a second, after the longest silence that is not the connection's end.
#[test]
fn what_a_network_that_stood_still_delivers_together_is_no_flood() {
    let limits = Config::default().limits;
    assert!(u64::from(limits.message_burst) * 1_000 >= 60 * limits.connection_silence_ms);
}

#[test]
fn every_key_has_a_variable_of_its_own_that_overrides_it() {
    let defaults = Table::try_from(Config::default()).unwrap();
    let variables: Vec<String> = keys(&defaults).iter().map(|(key, _)| variable_of(key)).collect();
    assert_eq!(variables.iter().collect::<BTreeSet<_>>().len(), variables.len(), "two keys share a variable");
    for name in [
        "HTTP_ADDR",
        "METRICS_ADDR",
        "PUBLIC_URL",
        "DATA_DIR",
        "MODELS_DIR",
        "REGION",
        "AUTH",
        "AUTH_NONE_OK",
        "AUTH_JWKS_URL",
        "STT_CHAIN",
        "LLM_CHAIN",
        "TTS_CHAIN",
        "ENDPOINTING_DELAY_MS",
        "INTERRUPTION_MIN_SPEECH_MS",
        "INTERRUPTION_HUSH_MS",
        "GREETING",
        "LOG_LEVEL",
        "LOG_FORMAT",
        "OTEL_EXPORTER_OTLP_ENDPOINT",
        "INPUT_LOG_DIR",
        "TWILIO_ACCOUNT_SID",
        "TWILIO_FROM_NUMBER",
        "TWILIO_VALIDATE_SIGNATURES",
        "TWILIO_BASE_URL",
        "PAGERDUTY_BASE_URL",
    ] {
        assert!(variables.iter().any(|variable| variable == name), "{name}");
    }

    let loaded = load(
        None,
        &env([
            ("HTTP_ADDR", "0.0.0.0:8080"),
            ("ENDPOINTING_DELAY_MS", "450"),
            ("AUTH_NONE_OK", "true"),
            ("GREETING", ""),
            ("STT_CHAIN", " embedded "),
        ]),
    )
    .unwrap();
    let core = loaded.config.core();
    assert_eq!((core.endpointing_delay_ms, core.greeting.as_str()), (450, ""));
    assert_eq!(loaded.config.http.addr.to_string(), "0.0.0.0:8080");
    assert_eq!(loaded.config.models_dir, PathBuf::from("/home/somebody/.cache/voice-agent/models"));
    assert!(loaded.config.auth.none_ok);
}

#[test]
fn the_defaults_are_the_cores_own() {
    let config = Config::default();
    assert_eq!(config.core(), voice_core::CoreConfig::default());
    let mission = load(None, &env([])).unwrap().config.core().prices;
    assert_eq!(mission.0["deepgram/nova-3"].audio_minute, 7_700_000);
    assert_eq!(mission.0["openai/gpt-4o-mini"].output_1k_tokens, 600_000);
}

#[test]
fn an_error_names_the_key_the_value_and_what_would_be_right() {
    let cases = [
        (refused([("LIMITS_MAX_SESSIONS", "many")]), ["limits.max_sessions", "\"many\"", "LIMITS_MAX_SESSIONS"]),
        (refused([("LIMITS_MAX_SESSIONS", "0")]), ["limits.max_sessions", "0 is out of range", "1 to"]),
        (refused([("HTTP_ADDR", "here")]), ["http.addr", "\"here\"", "127.0.0.1:8080"]),
        (refused([("AUTH", "basic")]), ["auth.mode", "basic", "jwt"]),
        (refused([("AUTH_NONE_OK", "maybe")]), ["auth.none_ok", "\"maybe\"", "true"]),
        (refused([("PUBLIC_URL", "voice.example.com")]), ["public_url", "\"voice.example.com\"", "https://"]),
        (refused([("PUBLIC_URL", "https://voice.example.com/app")]), ["public_url", "/app", "root"]),
        (refused([("RECORDING_MASTER_KEY", "c2hvcnQ=")]), ["RECORDING_MASTER_KEY", "5 bytes", "32"]),
        (refused([("RECORDING_MASTER_KEY", "no base64!")]), ["RECORDING_MASTER_KEY", "not base64", "32"]),
        (refused([("ENDPOINTING_MAX_DELAY_MS", "10")]), ["endpointing.max_delay_ms", "10 is too small", "300"]),
        (refused([("INTERRUPTION_HUSH_MS", "600")]), ["interruption.hush_ms", "600 is too long", "0 turns it off"]),
        (refused([("LOG_LEVEL", "a=b=c")]), ["log.level", "a=b=c", "filter"]),
        (refused([("LOG_LEVEL", "blah")]), ["log.level", "\"blah\" is no level", "error, warn, info, debug, trace"]),
        (
            refused([("LOG_LEVEL", "info,voice_agent")]),
            ["log.level", "\"voice_agent\" is no level", "info,voice_agent=debug"],
        ),
        (refused([("LOG_LEVEL", "")]), ["log.level", "empty", "info"]),
        (refused([("METRICS_ADDR", "127.0.0.1:8080")]), ["metrics.addr", "127.0.0.1:8080", "http.addr"]),
        (refused([("METRICS_ADDR", "0.0.0.0:8080")]), ["metrics.addr", "0.0.0.0:8080", "http.addr = 127.0.0.1:8080"]),
        (refused([("LIMITS_MAX_SESSION", "3")]), ["LIMITS_MAX_SESSION: ", "not a setting", "LIMITS_MAX_SESSIONS?"]),
        (refused([("LIMITS_COLOUR", "red")]), ["LIMITS_COLOUR", "not a setting", ""]),
        (refused([("RECORDING_ENABLE", "true")]), ["RECORDING_ENABLE: ", "not a setting", "RECORDING_ENABLED?"]),
        (refused([("RECORDING_ENABLED", "maybe")]), ["RECORDING_ENABLED", "\"maybe\"", "true nor false"]),
        (refused([("RECORDING_RETENTION_DAYS", "long")]), ["RECORDING_RETENTION_DAYS", "\"long\"", "90"]),
        (refused([("RECORDING_ENCRYPTION", "ROT13")]), ["recording.encryption", "\"ROT13\"", "AES-256"]),
        (refused([("RECORDING_MASTER_KEYS_OLD", "c2hvcnQ=,x")]), ["RECORDING_MASTER_KEYS_OLD", "5 bytes", "32"]),
        (refused([("REDIS_URL", "voice-redis:6379")]), ["REDIS_URL", "no scheme", "redis://"]),
        (refused([("STT_CHAIN", "deepgram,embedded")]), ["stt.chain", "\"deepgram\"", "DEEPGRAM_API_KEY is not set"]),
        (refused([("LLM_CHAIN", "embedded,embedded")]), ["llm.chain", "\"embedded\"", "twice"]),
        (refused([("OPENAI_BASE_URL", "api.openai.com")]), ["openai.base_url", "not a URL", "https"]),
        (refused([("OPENAI_TEMPERATURE_PERCENT", "900")]), ["openai.temperature_percent", "900", "200"]),
        (refused([("FAILOVER_HEDGE_PERCENT", "101")]), ["failover.hedge_percent", "101", "100"]),
        (refused([("TTS_CHAIN", "siri")]), ["tts.chain", "is not a provider", "embedded"]),
        (refused([("AUTH", "jwt")]), ["auth.jwt_issuer", "is empty", "iss"]),
        (refused([("ADMIN_TOKEN", "short")]), ["ADMIN_TOKEN", "16", "openssl"]),
        (refused([("TWILIO_ACCOUNT_SID", "SK1")]), ["twilio.account_sid", "\"SK1\"", "AC"]),
        (
            refused([("TWILIO_ACCOUNT_SID", "AC1"), ("TWILIO_AUTH_TOKEN", "")]),
            ["TWILIO_AUTH_TOKEN", "is not set", "TWILIO_VALIDATE_SIGNATURES=false"],
        ),
        (
            refused([("TWILIO_AUTH_TOKEN", "  "), ("PUBLIC_URL", "https://voice.example.com")]),
            ["TWILIO_AUTH_TOKEN", "is blank", "console"],
        ),
        (refused([("TWILIO_AUTH_TOKEN", "secret")]), ["public_url", "\"\"", "https://"]),
        (
            refused([("TWILIO_AUTH_TOKEN", "secret"), ("PUBLIC_URL", "http://voice.example.com")]),
            ["public_url", "\"http://voice.example.com\"", "https://"],
        ),
        (refused([("TWILIO_FROM_NUMBER", "0800 1234")]), ["twilio.from_number", "telephone number", "+1555"]),
        (refused([("TWILIO_BASE_URL", "api.twilio.com")]), ["twilio.base_url", "\"api.twilio.com\"", "https://"]),
        (refused([("TWILIO_SMS_REPLY_MS", "15000")]), ["twilio.sms_reply_ms", "15000 is out of range", "14000"]),
        (refused([("PAGERDUTY_BASE_URL", "")]), ["pagerduty.base_url", "is empty", "https://events.pagerduty.com"]),
        (refused([("PAGERDUTY_ROUTING_KEY", "  ")]), ["PAGERDUTY_ROUTING_KEY", "is blank", "integration"]),
        (refused([("TWILIO_BASE_URL", "")]), ["twilio.base_url", "is empty", "https://api.twilio.com"]),
    ];
    for (message, parts) in cases {
        for part in parts {
            assert!(message.contains(part), "{message:?} does not say {part:?}");
        }
    }
}

#[test]
fn what_is_nobodys_mistake_is_taken() {
    let taken = |pairs: [(&str, &str); 2]| load(None, &env(pairs)).unwrap().warnings;
    for level in
        ["off", "INFO", "info,voice_agent=debug", "voice_agent=trace, warn", "info,voice_agent[call{id=1}]=debug"]
    {
        assert_eq!(taken([("LOG_LEVEL", level), ("HTTP_PROXY", "http://proxy")]), Vec::<String>::new(), "{level}");
    }
    // A port that the system chooses, and another machine's address.
    taken([("HTTP_ADDR", "127.0.0.1:0"), ("METRICS_ADDR", "127.0.0.1:0")]);
    taken([("HTTP_ADDR", "127.0.0.1:8080"), ("METRICS_ADDR", "127.0.0.2:8080")]);
    // What Kubernetes sets for Services with such names, and what others' libraries read.
    taken([("LIMITS_SERVICE_HOST", "10.0.0.1"), ("LIMITS_PORT_80_TCP_ADDR", "10.0.0.1")]);
    let foreign = taken([("METRICS_PORT", "tcp://10.0.0.1:80"), ("OTEL_RESOURCE_ATTRIBUTES", "a=b")]);
    assert_eq!(foreign, Vec::<String>::new());
    taken([("RECORDING_ENABLED", "no"), ("RECORDING_ENCRYPTION", "AES-256")]);
    // A slip under a prefix that others use too is only said.
    let slip = taken([("LOG_LEVELS", "debug"), ("UNUSED", "")]);
    assert!(slip.len() == 1 && slip[0].contains("LOG_LEVELS") && slip[0].contains("LOG_LEVEL?"), "{slip:?}");
}

#[test]
fn an_unknown_key_and_broken_toml_are_shown_with_their_line() {
    let unknown = parse("[limits]\nmax_session = 3\n", None, &Env::default()).unwrap_err().to_string();
    assert!(unknown.contains("max_session") && unknown.contains("line 2"), "{unknown}");
    let broken = parse("[limits\n", None, &Env::default()).unwrap_err().to_string();
    assert!(broken.contains("not TOML") && broken.contains("line 1"), "{broken}");
}

#[test]
fn a_wrong_type_is_told_in_plain_words() {
    let told = |text: &str| parse(text, None, &Env::default()).unwrap_err().to_string();
    let most = told("[http]\nmax_connections = \"eighty\"\n");
    assert!(most.contains("expected a whole number of 0 or more") && most.contains("eighty"), "{most}");
    let switch = told("[screen]\nenabled = 1\n");
    assert!(switch.contains("expected true or false"), "{switch}");
}

#[test]
fn a_secret_in_the_file_is_refused_and_never_shown() {
    for text in ["admin_token = \"hunter2\"", "[auth]\njwt_secret = \"hunter2\"", "[openai]\napi_key = \"hunter2\""] {
        let message = parse(text, None, &Env::default()).unwrap_err().to_string();
        assert!(message.contains("does not belong in the file") && message.contains("_FILE"), "{message}");
        assert!(!message.contains("hunter2"));
    }
    let loaded = load(None, &env([("ADMIN_TOKEN", "hunter2hunter2hunter2")])).unwrap();
    assert_eq!(loaded.config.secrets.admin_token.as_ref().unwrap().reveal(), "hunter2hunter2hunter2");
    assert!(!format!("{loaded:?}").contains("hunter2"));
}

#[test]
fn a_secret_may_be_in_a_file_of_its_own() {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    writeln!(file, "0123456789abcdef").unwrap();
    let path = file.path().to_str().unwrap();
    let loaded = load(None, &env([("ADMIN_TOKEN_FILE", path)])).unwrap();
    assert_eq!(loaded.config.secrets.admin_token, Some(Secret::new("0123456789abcdef")));
    let both = refused([("ADMIN_TOKEN_FILE", path), ("ADMIN_TOKEN", "0123456789abcdef")]);
    assert!(both.contains("ADMIN_TOKEN_FILE"), "{both}");
    assert!(refused([("ADMIN_TOKEN_FILE", "/nonexistent/x")]).contains("cannot be read"));
}

#[test]
fn the_telephone_is_there_with_the_token_or_without_signatures() {
    let settings = |pairs: [(&str, &str); 3]| load(None, &env(pairs)).unwrap();
    let none = settings([("UNUSED", ""), ("UNUSED", ""), ("UNUSED", "")]);
    assert!(!none.config.has_phone());
    let public = ("PUBLIC_URL", "https://voice.example.com");
    let whole = settings([("TWILIO_AUTH_TOKEN", "hunter2"), ("TWILIO_ACCOUNT_SID", "AC1"), public]);
    assert!(whole.config.has_phone() && !format!("{whole:?}").contains("hunter2"));
    let missing: Vec<&str> = whole.warnings.iter().filter_map(|warning| warning.split(' ').next()).collect();
    assert_eq!(missing, ["TWILIO_FROM_NUMBER", "PAGERDUTY_ROUTING_KEY"], "{:?}", whole.warnings);
    let more = [("TWILIO_FROM_NUMBER", "+15551234567"), ("PAGERDUTY_ROUTING_KEY", "hunter3")];
    let all = [("TWILIO_AUTH_TOKEN", "hunter2"), ("TWILIO_ACCOUNT_SID", "AC1"), public, more[0], more[1]];
    let all = load(None, &env(all)).unwrap();
    assert!(all.warnings.is_empty() && !format!("{all:?}").contains("hunter3"), "{:?}", all.warnings);
    let test = settings([("TWILIO_VALIDATE_SIGNATURES", "false"), ("TWILIO_FROM_NUMBER", "+15551234567"), public]);
    assert!(test.config.has_phone());
    for part in ["TWILIO_VALIDATE_SIGNATURES is false", "TWILIO_FROM_NUMBER is set"] {
        assert!(test.warnings.iter().any(|warning| warning.contains(part)), "{part}: {:?}", test.warnings);
    }
}

#[test]
fn what_has_no_effect_yet_is_said() {
    let redis = ("REDIS_URL", "redis://localhost");
    let loaded = load(None, &env([("RECORDING_ENABLED", "true"), redis, ("HTTP_ADDR", "0.0.0.0:1")])).unwrap();
    for part in ["RECORDING_MASTER_KEY", "AUTH_NONE_OK", "PUBLIC_URL"] {
        assert!(loaded.warnings.iter().any(|warning| warning.contains(part)), "{part}: {:?}", loaded.warnings);
    }
    assert_eq!(load(None, &env([])).unwrap().warnings, Vec::<String>::new());
}

#[test]
fn rooms_need_an_address_and_both_halves_of_a_key() {
    let refused = |pairs: [(&str, &str); 3]| load(None, &env(pairs)).unwrap_err().to_string();
    let (url, key, secret) = ("LIVEKIT_URL", "LIVEKIT_API_KEY", "LIVEKIT_API_SECRET");
    assert!(refused([(url, "rooms.example.com"), (key, "k"), (secret, "s")]).contains("LIVEKIT_URL"));
    assert!(refused([(url, "wss://x"), (key, ""), (secret, "s")]).contains("LIVEKIT_API_KEY"));
    assert!(refused([(url, "wss://x"), (key, "k"), (secret, "")]).contains("LIVEKIT_API_SECRET"));
    let whole = [(url, "wss://x"), (key, "k"), (secret, "s")];
    assert!(load(None, &env(whole)).is_ok());
    let [url, key, secret] = whole;
    let public = env([url, key, secret, ("LIVEKIT_PUBLIC_URL", "rooms.example.com")]);
    assert!(load(None, &public).unwrap_err().to_string().contains("LIVEKIT_PUBLIC_URL"));
}

#[test]
fn a_key_switches_its_stage_to_the_missions_chain_and_names_win() {
    use super::{LlmKind, SttKind, TtsKind};
    let chains = |pairs: [(&str, &str); 2]| {
        let config = load(None, &env(pairs)).unwrap().config;
        (config.stt_chain().unwrap(), config.llm_chain().unwrap(), config.tts_chain().unwrap())
    };
    let embedded = (vec![SttKind::Embedded], vec![LlmKind::Embedded], vec![TtsKind::Embedded]);
    assert_eq!(chains([("REGION", "x"), ("GREETING", "")]), embedded);
    let (stt, llm, tts) = chains([("DEEPGRAM_API_KEY", "k"), ("OPENAI_API_KEY", "k")]);
    assert_eq!(stt, [SttKind::Deepgram, SttKind::Whisper, SttKind::Embedded]);
    assert_eq!((llm, tts), (vec![LlmKind::OpenAi, LlmKind::Embedded], vec![TtsKind::Embedded]));
    let (.., tts) = chains([("CARTESIA_API_KEY", "k"), ("ELEVENLABS_API_KEY", "k")]);
    assert_eq!(tts, [TtsKind::Cartesia, TtsKind::ElevenLabs, TtsKind::Embedded]);
    assert_eq!(chains([("OPENAI_API_KEY", "k"), ("LLM_CHAIN", "embedded")]).1, [LlmKind::Embedded]);
    let keyless = chains([("OPENAI_BASE_URL", "http://127.0.0.1:9/v1"), ("LLM_CHAIN", "openai")]);
    assert_eq!(keyless.1, [LlmKind::OpenAi], "a server of one's own may need no key");
    assert_eq!(keyless.0, [SttKind::Embedded], "but it hears nobody who was not told to be heard there");
    assert_eq!(chains([("OPENAI_BASE_URL", "http://127.0.0.1:9/v1"), ("GREETING", "")]), embedded);
}
