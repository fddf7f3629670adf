//! What is checked before a port opens.

use super::core::key_of;
use super::{AuthMode, Config, ConfigError, consent, phone};
use crate::store::RedisStore;
use crate::vault;

/// The one way in which recordings are encrypted.
const ENCRYPTION: &str = "AES-256";

/// A store that is found out to be nowhere when the first caller comes would be no store.
fn check_redis(config: &Config) -> Result<(), ConfigError> {
    let Some(url) = &config.secrets.redis_url else { return Ok(()) };
    RedisStore::check_url(url.reveal()).map_err(|why| ConfigError::new("REDIS_URL", why))
}

/// A look at the screen is a tool, and waits no longer than a tool may take.
fn check_screen(config: &Config) -> Result<(), ConfigError> {
    let (wait_ms, tool_ms) = (config.screen.wait_ms, config.deadline.tool_ms);
    if config.screen.enabled && wait_ms >= tool_ms {
        let reason = format!("is {wait_ms}: it must be below deadline.tool_ms ({tool_ms})");
        return Err(ConfigError::new("screen.wait_ms", reason));
    }
    Ok(())
}

/// Rooms need an address and both halves of a key.
fn check_livekit(config: &Config) -> Result<(), ConfigError> {
    if config.livekit.url.is_empty() {
        return Ok(());
    }
    if livekit_rtc::Address::parse(&config.livekit.url).is_err() {
        return Err(ConfigError::new("LIVEKIT_URL", "is no address like wss://rooms.example.com"));
    }
    if !config.livekit.public_url.is_empty() && livekit_rtc::Address::parse(&config.livekit.public_url).is_err() {
        return Err(ConfigError::new("LIVEKIT_PUBLIC_URL", "is no address like wss://rooms.example.com"));
    }
    for (name, half) in
        [("LIVEKIT_API_KEY", &config.secrets.livekit_key), ("LIVEKIT_API_SECRET", &config.secrets.livekit_secret)]
    {
        if half.is_none() {
            return Err(ConfigError::new(name, "is not set: LIVEKIT_URL needs it"));
        }
    }
    Ok(())
}

/// Every stage has somebody, and providers are where a URL can lead.
fn check_providers(config: &Config) -> Result<(), ConfigError> {
    config.stt_chain()?;
    config.llm_chain()?;
    config.tts_chain()?;
    if config.openai.models.is_empty() || config.openai.models.iter().any(|model| model.trim().is_empty()) {
        return Err(ConfigError::new("openai.models", "names no model, or an empty one: \"gpt-4o-mini\" is one"));
    }
    if !(-1..=200).contains(&config.openai.temperature_percent) {
        let reason = format!("{} does not work: 0 to 200 do, and -1", config.openai.temperature_percent);
        return Err(ConfigError::new("openai.temperature_percent", reason));
    }
    for (key, url) in [
        ("deepgram.base_url", &config.deepgram.base_url),
        ("openai.base_url", &config.openai.base_url),
        ("cartesia.base_url", &config.cartesia.base_url),
        ("elevenlabs.base_url", &config.elevenlabs.base_url),
    ] {
        check_provider_url(key, url)?;
    }
    Ok(())
}

fn check_provider_url(key: &str, url: &str) -> Result<(), ConfigError> {
    let parsed = url.parse::<axum::http::Uri>().ok();
    let schemes = ["http", "https", "ws", "wss"];
    let good = parsed.is_some_and(|uri| {
        uri.scheme_str().is_some_and(|scheme| schemes.contains(&scheme))
            && uri.host().is_some()
            && uri.query().is_none()
    });
    if good {
        Ok(())
    } else {
        Err(ConfigError::new(key, "is not a URL like https://api.example.com (http, https, ws and wss work)"))
    }
}

/// Checks that the settings can work, each and together.
pub(super) fn check(config: &Config) -> Result<(), ConfigError> {
    config.core().validate().map_err(|error| ConfigError::new(key_of(error.key), error.reason))?;
    check_ranges(config)?;
    check_url("public_url", &config.public_url)?;
    check_root("public_url", &config.public_url)?;
    check_url("otel.exporter_otlp_endpoint", &config.otel.exporter_otlp_endpoint)?;
    check_url("auth.jwks_url", &config.auth.jwks_url)?;
    check_url("twilio.base_url", &config.twilio.base_url)?;
    check_url("pagerduty.base_url", &config.pagerduty.base_url)?;
    if config.greeting.chars().count() > 500 {
        return Err(ConfigError::new("greeting", "has more than 500 characters: a caller would not wait for its end"));
    }
    if config.data_dir.as_os_str().is_empty() {
        return Err(ConfigError::new("data_dir", "is empty: name a folder"));
    }
    check_log_level(&config.log.level)?;
    check_ports(config)?;
    check_redis(config)?;
    check_livekit(config)?;
    check_screen(config)?;
    check_recording(config)?;
    check_providers(config)?;
    check_auth(config)?;
    consent::check(config)?;
    phone::check(config)
}

/// The page and the API are at the root of their host; a path would be promised to callers and not be there.
fn check_root(key: &str, url: &str) -> Result<(), ConfigError> {
    let parsed = url.parse::<axum::http::Uri>().ok();
    if parsed.as_ref().and_then(|uri| uri.authority()).is_some_and(|authority| authority.as_str().contains('@')) {
        // Not quoted: it may be a real password.
        return Err(ConfigError::new(
            key,
            "names a user or a password: every caller is told it, so it cannot have any",
        ));
    }
    if parsed.and_then(|uri| uri.path_and_query().cloned()).is_none_or(|path| path == "/") {
        return Ok(());
    }
    Err(ConfigError::new(key, format!("{url:?} has a path or a query: the page is at the root of its host only")))
}

/// What could not be kept must not be found out at the first recording.
fn check_recording(config: &Config) -> Result<(), ConfigError> {
    let secrets = &config.secrets;
    if let Some(key) = &secrets.recording_master_key {
        vault::parse_master(key.reveal()).map_err(|why| ConfigError::new("RECORDING_MASTER_KEY", why))?;
    }
    if let Some(keys) = &secrets.recording_master_keys_old {
        vault::check_masters(keys.reveal()).map_err(|why| ConfigError::new("RECORDING_MASTER_KEYS_OLD", why))?;
    }
    if config.recording.encryption != ENCRYPTION {
        let reason =
            format!("{:?} is not what recordings are encrypted with: {ENCRYPTION} is", config.recording.encryption);
        return Err(ConfigError::new("recording.encryption", reason));
    }
    Ok(())
}

/// The levels of the log, from little to much.
const LEVELS: &[&str] = &["off", "error", "warn", "info", "debug", "trace"];

/// A word that is no level would be taken for the name of a module, and everything else would be silent.
fn check_log_level(filter: &str) -> Result<(), ConfigError> {
    let is_level = |word: &str| LEVELS.iter().any(|level| word.eq_ignore_ascii_case(level));
    let refused = |why: String| {
        let accepted = LEVELS.join(", ");
        let reason =
            format!("{filter:?} is no filter: {why}; it is one of {accepted}, or like \"info,voice_agent=debug\"");
        Err(ConfigError::new("log.level", reason))
    };
    if filter.trim().is_empty() {
        return refused("it is empty".to_owned());
    }
    // A span's fields may hold commas; such a part has brackets, and the parser below judges it.
    let parts = filter.split(',').map(str::trim).filter(|_| !filter.contains('['));
    for part in parts {
        let level = part.split_once('=').map_or(part, |(_, level)| level.trim());
        if !is_level(level) {
            return refused(format!("{level:?} is no level"));
        }
    }
    match tracing_subscriber::EnvFilter::try_new(filter) {
        Ok(_) => Ok(()),
        Err(error) => refused(error.to_string()),
    }
}

/// Two ports of one process cannot share an address. Port 0 is whichever is free.
fn check_ports(config: &Config) -> Result<(), ConfigError> {
    let (http, metrics) = (config.http.addr.0, config.metrics.addr.0);
    let same_ip = http.ip() == metrics.ip() || http.ip().is_unspecified() || metrics.ip().is_unspecified();
    if http.port() != 0 && http.port() == metrics.port() && same_ip {
        let reason =
            format!("{metrics} is taken by http.addr = {http}: the two need ports of their own, like 8080 and 9090");
        return Err(ConfigError::new("metrics.addr", reason));
    }
    Ok(())
}

fn check_ranges(config: &Config) -> Result<(), ConfigError> {
    let limits = &config.limits;
    let ranges = [
        ("http.handshake_timeout_ms", config.http.handshake_timeout_ms, 100, 300_000),
        ("http.request_timeout_ms", config.http.request_timeout_ms, 1_000, 300_000),
        ("http.max_connections", config.http.max_connections as u64, 1, 1_000_000),
        ("auth.jwks_cache_ms", config.auth.jwks_cache_ms, 10_000, 86_400_000),
        ("limits.max_sessions", limits.max_sessions as u64, 1, 100_000),
        ("limits.unvisited_ms", limits.unvisited_ms, 0, 3_600_000),
        ("limits.retry_after_s", limits.retry_after_s, 1, 3_600),
        ("limits.max_body_bytes", limits.max_body_bytes as u64, 1_024, 16_777_216),
        ("limits.max_message_bytes", limits.max_message_bytes as u64, 1_024, 1_048_576),
        ("limits.messages_per_second", u64::from(limits.messages_per_second), 60, 10_000),
        ("limits.message_burst", u64::from(limits.message_burst), 60, 100_000),
        ("limits.outbound_queue", limits.outbound_queue as u64, 32, 65_536),
        ("limits.command_queue", limits.command_queue as u64, 32, 65_536),
        ("limits.write_timeout_ms", limits.write_timeout_ms, 10, 60_000),
        ("limits.send_buffer_bytes", limits.send_buffer_bytes as u64, 4_096, 16_777_216),
        ("limits.ping_interval_ms", limits.ping_interval_ms, 1_000, 300_000),
        ("limits.connection_silence_ms", limits.connection_silence_ms, limits.ping_interval_ms + 1_000, 600_000),
        ("vad.start_permille", u64::from(config.vad.start_permille), u64::from(config.vad.end_permille), 1_000),
        ("vad.end_permille", u64::from(config.vad.end_permille), 1, 1_000),
        ("vad.min_speech_ms", config.vad.min_speech_ms, 32, 1_000),
        ("vad.min_silence_ms", config.vad.min_silence_ms, 32, 1_000),
        ("model.stt_workers", config.model.stt_workers as u64, 1, 64),
        ("model.turn_workers", config.model.turn_workers as u64, 1, 64),
        ("model.tts_workers", config.model.tts_workers as u64, 1, 64),
        ("model.queue", config.model.queue as u64, 1, 65_536),
        ("livekit.caller_timeout_ms", config.livekit.caller_timeout_ms, 1_000, 600_000),
        ("screen.wait_ms", config.screen.wait_ms, 100, 20_000),
        ("screen.workers", config.screen.workers as u64, 1, 64),
        ("deepgram.connect_timeout_ms", config.deepgram.connect_timeout_ms, 50, 30_000),
        ("deepgram.finalize_wait_ms", config.deepgram.finalize_wait_ms, 20, 5_000),
        ("deepgram.endpointing_ms", config.deepgram.endpointing_ms, 0, 5_000),
        ("openai.connect_timeout_ms", config.openai.connect_timeout_ms, 50, 30_000),
        ("openai.max_tokens", u64::from(config.openai.max_tokens), 16, 100_000),
        ("openai.brief_max_tokens", u64::from(config.openai.brief_max_tokens), 16, 100_000),
        ("openai.max_context_chars", config.openai.max_context_chars as u64, 1_000, 10_000_000),
        ("openai.warm_connections", config.openai.warm_connections as u64, 0, 100),
        ("cartesia.connect_timeout_ms", config.cartesia.connect_timeout_ms, 50, 30_000),
        ("elevenlabs.connect_timeout_ms", config.elevenlabs.connect_timeout_ms, 50, 30_000),
        ("otel.queue", config.otel.queue as u64, 512, 1_000_000),
        ("input_log.retention_days", u64::from(config.input_log.retention_days), 1, 3_650),
        ("input_log.max_total_mb", config.input_log.max_total_mb, 64, 10_000_000),
        ("recording.retention_days", u64::from(config.recording.retention_days), 1, 36_500),
        ("recording.delay_ms", config.recording.delay_ms, 0, 30_000),
        ("recording.key_pause_ms", config.recording.key_pause_ms, 500, 60_000),
        ("recording.bitrate", u64::from(config.recording.bitrate), 8_000, 128_000),
        ("recording.spool_max_mb", config.recording.spool_max_mb, 16, 10_000_000),
        ("recording.retry_ms", config.recording.retry_ms, 100, 600_000),
        ("recording.attempt_ms", config.recording.attempt_ms, 1_000, 600_000),
        ("recording.part_mb", config.recording.part_mb, 5, 512),
        ("shutdown.grace_ms", config.shutdown.grace_ms, 0, 3_600_000),
        ("shutdown.notice_ms", config.shutdown.notice_ms, 0, 60_000),
        ("shutdown.hand_over_ms", config.shutdown.hand_over_ms, 0, 3_600_000),
    ];
    for (key, value, least, most) in ranges.into_iter().chain(phone::ranges(config)) {
        if !(least..=most).contains(&value) {
            return Err(ConfigError::new(key, format!("{value} is out of range: {least} to {most} work")));
        }
    }
    Ok(())
}

fn check_url(key: &str, url: &str) -> Result<(), ConfigError> {
    if url.is_empty() {
        return Ok(());
    }
    let parsed = url.parse::<axum::http::Uri>().ok();
    let good = parsed.is_some_and(|uri| matches!(uri.scheme_str(), Some("http" | "https")) && uri.host().is_some());
    if good {
        Ok(())
    } else {
        Err(ConfigError::new(key, format!("{url:?} is not a URL like https://voice.example.com")))
    }
}

fn check_auth(config: &Config) -> Result<(), ConfigError> {
    let auth = &config.auth;
    for (name, token) in [
        ("ADMIN_TOKEN", &config.secrets.admin_token),
        ("AUDITOR_TOKEN", &config.secrets.auditor_token),
        ("PRIVACY_TOKEN", &config.secrets.privacy_token),
    ] {
        if token.as_ref().is_some_and(|token| token.reveal().len() < 16) {
            return Err(ConfigError::new(
                name,
                "has fewer than 16 characters: `openssl rand -base64 32` makes a good one",
            ));
        }
    }
    if auth.mode == AuthMode::None {
        return Ok(());
    }
    if auth.jwt_issuer.is_empty() {
        return Err(ConfigError::new("auth.jwt_issuer", "is empty: AUTH=jwt needs the `iss` that tokens must have"));
    }
    if auth.jwt_audience.is_empty() {
        return Err(ConfigError::new("auth.jwt_audience", "is empty: AUTH=jwt needs the `aud` that tokens must have"));
    }
    match (auth.jwt_algorithm.is_symmetric(), &config.secrets.jwt_secret) {
        (true, None) => Err(ConfigError::new(
            "AUTH_JWT_SECRET",
            format!("is not set: auth.jwt_algorithm = {:?} needs it", auth.jwt_algorithm),
        )),
        (true, Some(secret)) if secret.reveal().len() < 32 => {
            Err(ConfigError::new("AUTH_JWT_SECRET", "has fewer than 32 bytes: it could be guessed from one token"))
        }
        (false, _) if auth.jwks_url.is_empty() => Err(ConfigError::new(
            "auth.jwks_url",
            format!("is empty: auth.jwt_algorithm = {:?} needs the issuer's public keys", auth.jwt_algorithm),
        )),
        _ => Ok(()),
    }
}

/// What works, but perhaps not as somebody thinks.
pub(super) fn warnings(config: &Config) -> Vec<String> {
    let mut warnings = Vec::new();
    if config.recording.enabled && config.secrets.redis_url.is_some() && config.secrets.recording_master_key.is_none() {
        warnings.push(
            "RECORDING_ENABLED is true, and RECORDING_MASTER_KEY is not set: instances that share a Redis need one master key, and record \
             nothing without"
                .to_owned(),
        );
    }
    let secrets = &config.secrets;
    let has_roles =
        [&secrets.admin_token, &secrets.auditor_token, &secrets.privacy_token].into_iter().any(Option::is_some);
    if config.recording.access_logging
        && has_roles
        && secrets.redis_url.is_some()
        && secrets.recording_master_key.is_none()
    {
        warnings.push(
            "RECORDING_ACCESS_LOGGING is true, and RECORDING_MASTER_KEY is not set: the access log has no key where instances share a Redis, and \
             operators' calls that hand out somebody's data are answered 503"
                .to_owned(),
        );
    }
    if config.recording.enabled && config.recording.delay_ms == 0 {
        warnings.push(
            "recording.delay_ms is 0: a card's digits are kept before they are understood, and cannot be blanked"
                .to_owned(),
        );
    }
    for model in super::prices::without_price(config) {
        warnings
            .push(format!("{model} has no price: what it uses costs nothing in the books. Give it one in PRICES_FILE"));
    }
    let loopback = config.http.addr.0.ip().is_loopback();
    if config.auth.mode == AuthMode::None && !loopback {
        warnings.push(if config.auth.none_ok {
            "AUTH is none and AUTH_NONE_OK is true: whoever reaches the server may be any user".to_owned()
        } else {
            format!(
                "AUTH is none and {} is not a loopback address: callers' requests are answered 401. Set AUTH=jwt, or \
                 AUTH_NONE_OK=true to believe everybody",
                config.http.addr
            )
        });
    }
    if !loopback && config.public_url.is_empty() {
        warnings
            .push("PUBLIC_URL is not set: pages and requests with another Host than loopback are refused".to_owned());
    }
    phone::warn(config, &mut warnings);
    if !config.input_log.dir.as_os_str().is_empty() {
        warnings.push("INPUT_LOG_DIR is set: what callers say is kept there, sealed under their keys".to_owned());
    }
    warnings
}
