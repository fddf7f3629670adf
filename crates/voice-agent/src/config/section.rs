//! One struct per section of the file. Times are milliseconds, sizes bytes, unless the name says otherwise.

use std::net::SocketAddr;

use serde::{Deserialize, Serialize};
use voice_core::ceiling::AtCeiling;
use voice_core::failover::FailoverConfig;

use super::choice::{AuthMode, JwtAlgorithm, LogFormat, ScreenDetail};
use super::core::core;
use super::listen::ListenAddr;

macro_rules! sections {
    ($($(#[$doc:meta])* $name:ident { $($(#[$field_doc:meta])* $field:ident: $type:ty = $default:expr,)* })*) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
        #[serde(deny_unknown_fields, default)]
        pub struct $name {
            $($(#[$field_doc])* pub $field: $type,)*
        }

        impl Default for $name {
            fn default() -> Self {
                Self { $($field: $default,)* }
            }
        }
    )*};
}

sections! {
    /// The callers' port.
    Http {
        /// Where it listens.
        addr: ListenAddr = ListenAddr(SocketAddr::from(([127, 0, 0, 1], 8080))),
        /// Longest time for a request's head, a WebSocket's handshake included, and then for its body.
        handshake_timeout_ms: u64 = 10_000,
        /// Longest time for a request and its answer.
        request_timeout_ms: u64 = 30_000,
        /// Most connections at once; further ones wait in the system's queue.
        max_connections: usize = 2_048,
    }

    /// The operators' port: `/metrics`.
    Metrics {
        /// Where it listens.
        addr: ListenAddr = ListenAddr(SocketAddr::from(([127, 0, 0, 1], 9090))),
    }

    /// Who a browser's caller is.
    Auth {
        /// Whether callers say who they are, or prove it.
        mode: AuthMode = AuthMode::None,
        /// With `mode = "none"`: serve callers on any address, not only on a loopback one.
        none_ok: bool = false,
        /// Where the issuer's public keys are; for the asymmetric algorithms.
        jwks_url: String = String::new(),
        /// For how long the public keys are kept.
        jwks_cache_ms: u64 = 600_000,
        /// The one algorithm that is accepted.
        jwt_algorithm: JwtAlgorithm = JwtAlgorithm::HS256,
        /// The only `iss` that is accepted.
        jwt_issuer: String = String::new(),
        /// The only `aud` that is accepted.
        jwt_audience: String = String::new(),
    }

    /// How much is taken from outside.
    Limits {
        /// Most live sessions; more are answered 503 with `Retry-After`.
        max_sessions: usize = 200,
        /// When all are taken, a session to which nobody came for so long gives its place to another.
        unvisited_ms: u64 = 30_000,
        /// What `Retry-After` says, in seconds.
        retry_after_s: u64 = 5,
        /// Largest body of a request, in bytes.
        max_body_bytes: usize = 65_536,
        /// Largest text message on a socket, in bytes.
        max_message_bytes: usize = 32_768,
        /// Messages per second that a connection may send in the long run: audio takes 50.
        messages_per_second: u32 = 120,
        /// Messages that it may send at once: what a network that stood still, for as long as a connection may be silent, delivers together.
        message_burst: u32 = 2_400,
        /// Events and audio that wait for one connection; when full, the reader is too slow.
        outbound_queue: usize = 256,
        /// What waits for one session's task.
        command_queue: usize = 256,
        /// Longest wait for a connection to take one message.
        write_timeout_ms: u64 = 5_000,
        /// The system's send buffer of a connection, in bytes: what a slow reader may have waiting unseen.
        send_buffer_bytes: usize = 131_072,
        /// How often a connection is pinged.
        ping_interval_ms: u64 = 15_000,
        /// A connection that is silent for this long is lost.
        connection_silence_ms: u64 = 40_000,
    }

    /// One session's limits.
    Session {
        /// Silence of both sides that ends it.
        idle_ms: u64 = core().idle_ms,
        /// Its longest duration.
        max_ms: u64 = core().max_session_ms,
        /// How long a lost caller may take to come back.
        reconnect_ms: u64 = core().reconnect_ms,
        /// Longest time for the last words.
        closing_ms: u64 = core().closing_ms,
        /// Longest message or transcript, in characters.
        max_text_chars: usize = core().max_text_chars,
        /// Most typed messages that wait for their turn.
        max_pending_texts: usize = core().max_pending_texts,
        /// Most messages that history keeps.
        max_history: usize = core().max_history,
        /// Longest reply, in characters.
        max_reply_chars: usize = core().max_reply_chars,
        /// Most requests to the model within one reply.
        max_llm_requests: u32 = core().max_llm_requests,
        /// Most tool calls within one reply.
        max_tool_calls: u32 = core().max_tool_calls,
    }

    /// When there is speech. Probabilities are in thousandths.
    Vad {
        /// A window is speech from this probability on.
        start_permille: u16 = 500,
        /// Speech goes on as long as its probability is above this.
        end_permille: u16 = 350,
        /// So much speech makes a start of speech.
        min_speech_ms: u64 = 64,
        /// So much silence makes an end of speech.
        min_silence_ms: u64 = 100,
    }

    /// When a turn is over.
    Endpointing {
        /// Least silence that ends a turn.
        delay_ms: u64 = core().endpointing_delay_ms,
        /// Most silence that a turn is kept open for.
        max_delay_ms: u64 = core().max_endpointing_delay_ms,
        /// Whether a reply is begun before the turn is declared over.
        preemptive: bool = core().preemptive,
        /// From this end-of-turn score on, in thousandths.
        preemptive_min_permille: u16 = core().preemptive_min_permille,
        /// An utterance that is longer is not continued after a pause.
        max_utterance_ms: u64 = core().max_utterance_ms,
        /// Longest one may speak before what was understood so far is answered.
        max_turn_ms: u64 = core().max_turn_ms,
    }

    /// When the agent falls silent.
    Interruption {
        /// Caller speech of this length over the agent's is an interruption.
        min_speech_ms: u64 = core().interruption_min_speech_ms,
        /// Least silence of the agent for what may become speech; 0 turns it off.
        hush_ms: u64 = core().hush_ms,
    }

    /// How long each stage may take.
    Deadline {
        /// For a final transcript after the caller paused.
        stt_ms: u64 = core().stt_deadline_ms,
        /// For the model's first useful token.
        llm_first_ms: u64 = core().llm_first_deadline_ms,
        /// For the next one.
        llm_gap_ms: u64 = core().llm_gap_deadline_ms,
        /// For a whole answer: the time in which it is being made and nothing of it is there to be heard.
        answer_ms: u64 = core().answer_deadline_ms,
        /// For a tool.
        tool_ms: u64 = core().tool_deadline_ms,
        /// For the store, before the call goes on from memory.
        commit_ms: u64 = core().commit_deadline_ms,
        /// First delay before a failed save is tried again.
        commit_retry_ms: u64 = core().commit_retry_ms,
        /// For a chunk's first audio, and for the next of it.
        tts_ms: u64 = core().tts_deadline_ms,
        /// After a speech should have been played to its end.
        playout_grace_ms: u64 = core().playout_grace_ms,
    }

    /// A stage's providers.
    Chain {
        /// In the order in which they are tried; empty: those whose keys are set, in the mission's order, and the embedded one.
        chain: Vec<String> = Vec::new(),
    }

    /// What a call and a day may cost: billionths of a US dollar, and shares in percent.
    Cost {
        /// For one call; 0: there is no ceiling.
        call_nanousd: u64 = core().ceilings.call.0,
        /// For all calls of a day together, in UTC; 0: there is no ceiling.
        day_nanousd: u64 = core().ceilings.day.0,
        /// Answers are short from the beginning, whatever was spent.
        always_brief: bool = core().ceilings.always_brief,
        /// From this share on answers are shorter; 0: never.
        brief_percent: u32 = core().ceilings.brief_percent,
        /// From this share on the cheapest providers of the chains come first; 0: never.
        cheap_percent: u32 = core().ceilings.cheap_percent,
        /// At the ceiling the agent says goodbye, or a page goes on in text.
        at_ceiling: AtCeiling = core().ceilings.at_ceiling,
        /// A call that goes on in text ends at this share.
        text_until_percent: u32 = core().ceilings.text_until_percent,
        /// For how long an answer is given again to the same question, in seconds; 0: never.
        answer_cache_s: u64 = 300,
        /// Most answers that are kept.
        answer_cache_entries: usize = 1_000,
        /// For how long the same words of a paid voice are played again, in seconds; 0: never.
        voice_cache_s: u64 = 300,
        /// Most audio that is kept for that, in megabytes (10^6 bytes).
        voice_cache_mb: usize = 16,
    }

    /// Deepgram: streaming speech to text.
    Deepgram {
        /// A host; `/v1/listen` is added.
        base_url: String = "https://api.deepgram.com".to_owned(),
        /// The model.
        model: String = "nova-3".to_owned(),
        /// A BCP 47 tag, or `multi`.
        language: String = "en".to_owned(),
        /// Dates and amounts as one writes them; may hold a final transcript back.
        smart_format: bool = false,
        /// Numbers as digits.
        numerals: bool = false,
        /// Nothing is kept to improve models; raises the price.
        mip_opt_out: bool = false,
        /// After so much silence a text is made final there; 0: when it is asked for.
        endpointing_ms: u64 = 60,
        /// Longest time to connect.
        connect_timeout_ms: u64 = 1_000,
        /// When the end of an utterance is not answered, its text is taken for final so long after the last result.
        finalize_wait_ms: u64 = 250,
    }

    /// OpenAI, or a server that speaks its API: the language model, and Whisper.
    OpenAi {
        /// The API's address, with its `/v1`.
        base_url: String = "https://api.openai.com/v1".to_owned(),
        /// The organisation that is billed; empty: the account's own.
        organization: String = String::new(),
        /// The project that is billed, likewise.
        project: String = String::new(),
        /// The language models, in the order in which they are tried.
        models: Vec<String> = ["gpt-4o-mini", "gpt-3.5-turbo", "gpt-5.4-mini"].map(str::to_owned).to_vec(),
        /// Most tokens of an answer.
        max_tokens: u32 = 600,
        /// Most tokens of an answer that is to be short.
        brief_max_tokens: u32 = 200,
        /// Ask with `max_tokens`, for servers that do not know `max_completion_tokens`.
        old_max_tokens: bool = false,
        /// How freely the model chooses its words, in hundredths; -1: the model's own.
        temperature_percent: i32 = -1,
        /// Ask for what was used; some servers refuse that, and it is estimated then.
        include_usage: bool = true,
        /// Let the model make several tool calls at once; some servers refuse the field, which is left out then.
        parallel_tool_calls: bool = true,
        /// Put everything that is not the conversation into one first message, for servers that take no other.
        system_first_only: bool = false,
        /// Longest conversation that is sent, in characters; older turns are left out.
        max_context_chars: usize = 60_000,
        /// The model says with a new task what is to be said once it is added, and is not asked again for that.
        say_with_call: bool = true,
        /// Longest time to connect.
        connect_timeout_ms: u64 = 1_000,
        /// Connections that are kept open beyond those in use.
        warm_connections: usize = 2,
        /// Whisper's model.
        whisper_model: String = "whisper-1".to_owned(),
        /// The language that is spoken (ISO 639-1); empty: Whisper finds out.
        whisper_language: String = "en".to_owned(),
    }

    /// Cartesia: text to speech.
    Cartesia {
        /// Where it is.
        base_url: String = "https://api.cartesia.ai".to_owned(),
        /// The version of its API.
        version: String = "2026-03-01".to_owned(),
        /// The model.
        model: String = "sonic-3".to_owned(),
        /// The voice.
        voice_id: String = "f786b574-daa5-4673-aa0c-cbe3e8534c02".to_owned(),
        /// The language's code.
        language: String = "en".to_owned(),
        /// Longest time to connect.
        connect_timeout_ms: u64 = 5_000,
    }

    /// ElevenLabs: text to speech.
    ElevenLabs {
        /// Where it is.
        base_url: String = "https://api.elevenlabs.io".to_owned(),
        /// The model.
        model: String = "eleven_flash_v2_5".to_owned(),
        /// The voice.
        voice_id: String = "EXAVITQu4vr4xnSDxMaL".to_owned(),
        /// The language's code; empty: none is sent.
        language: String = "en".to_owned(),
        /// Longest time to connect.
        connect_timeout_ms: u64 = 5_000,
    }

    /// LiveKit rooms.
    LiveKit {
        /// The server, like `wss://rooms.example.com`; empty: no rooms.
        url: String = String::new(),
        /// Where browsers find the same server, if that is another address; empty: `url`.
        public_url: String = String::new(),
        /// The name under which agents are dispatched to rooms; empty: to every new room.
        agent_name: String = String::new(),
        /// How long somebody to talk to is waited for in a room, and one whose connection was lost.
        caller_timeout_ms: u64 = 30_000,
    }

    /// The telephone, by Twilio.
    Twilio {
        /// The account, `AC…`; empty: whichever signs with the token.
        account_sid: String = String::new(),
        /// The number that text messages come from, like `+15551234567`.
        from_number: String = String::new(),
        /// Whether requests must be signed with the account's token; anything else is for tests.
        validate_signatures: bool = true,
        /// Where Twilio's API is; a region has a host of its own.
        base_url: String = "https://api.twilio.com".to_owned(),
        /// Longest wait for the message that says which call a stream is of.
        start_timeout_ms: u64 = 5_000,
        /// Messages of a stream that are not Twilio's format and are passed over; one more closes it.
        max_malformed: u32 = 10,
        /// How long a text message's webhook waits for the answer; one that comes later is sent by Twilio's API.
        sms_reply_ms: u64 = 10_000,
        /// How long an answer to a text message may take at all.
        sms_late_ms: u64 = 60_000,
        /// Text messages that may be answered at the same time; further ones are asked to come again.
        sms_pending: usize = 64,
        /// A conversation by text messages lets go of its place after so long without one; the next takes it up again.
        sms_idle_ms: u64 = 60_000,
        /// Most segments of one message: 153 characters each, or 67 where not all are of GSM 7-bit.
        sms_max_segments: usize = 3,
        /// Most messages of one answer; what there is no room for is left out.
        sms_max_messages: usize = 4,
        /// Most requests to Twilio for one message.
        sms_attempts: u32 = 4,
        /// Longest time for one of them.
        sms_attempt_ms: u64 = 5_000,
        /// First pause between two of them; it doubles.
        sms_retry_ms: u64 = 500,
        /// Longest time for a message with all of them.
        sms_deadline_ms: u64 = 30_000,
        /// A number is told at most so often that voice has failed.
        fallback_sms_gap_ms: u64 = 600_000,
    }

    /// Who is told when voice and text have both failed.
    PagerDuty {
        /// A host; `/v2/enqueue` is added.
        base_url: String = "https://events.pagerduty.com".to_owned(),
        /// Most requests for one event.
        attempts: u32 = 5,
        /// Longest time for one of them.
        attempt_ms: u64 = 5_000,
        /// First pause between two of them; it doubles, up to 30 s.
        retry_ms: u64 = 1_000,
        /// Most events in a minute; further ones wait.
        events_per_minute: u32 = 30,
        /// What is still wrong after so long is told again; PagerDuty merges it while the alert is open.
        repeat_ms: u64 = 300_000,
        /// Events that may wait; more are dropped, and said in the log.
        queue: usize = 64,
    }

    /// The embedded models: threads, with a model each, and how much may wait for them.
    Model {
        /// Threads that transcribe.
        stt_workers: usize = 2,
        /// Threads that score whether a caller has finished.
        turn_workers: usize = 1,
        /// Threads that speak.
        tts_workers: usize = 1,
        /// Requests that may wait for a kind of model; further ones are refused at once.
        queue: usize = 64,
    }

    /// The caller's shared screen.
    Screen {
        /// Whether the agent looks at it.
        enabled: bool = true,
        /// How long a picture is waited for.
        wait_ms: u64 = 2_500,
        /// Threads that read pictures, for models that do not see.
        workers: usize = 1,
        /// How closely a language model looks, and what it takes for that: `low`, `high` or `auto`.
        detail: ScreenDetail = ScreenDetail::Auto,
        /// Language models that see nothing: they are told what is read in the picture.
        blind_models: Vec<String> = vec!["gpt-3.5-turbo".to_owned()],
    }

    /// The log, on standard error.
    Log {
        /// `error`, `warn`, `info`, `debug`, `trace`, or a filter like `info,voice_agent=debug`.
        level: String = "info".to_owned(),
        /// How a line looks.
        format: LogFormat = LogFormat::Auto,
    }

    /// OpenTelemetry traces.
    Otel {
        /// An OTLP/HTTP collector, like `http://127.0.0.1:4318`; empty: no traces.
        exporter_otlp_endpoint: String = String::new(),
        /// The service's name in traces.
        service_name: String = "voice-agent".to_owned(),
        /// Most spans that wait for the exporter; more are dropped.
        queue: usize = 2_048,
    }

    /// The sessions' inputs, for `voice-agent replay`. They hold what callers said.
    InputLog {
        /// The folder, a file per session; empty: none is written.
        dir: std::path::PathBuf = std::path::PathBuf::new(),
        /// Days after which a file of it is deleted.
        retention_days: u32 = 7,
        /// Most that all files together may hold, in megabytes (10^6 bytes); the oldest are deleted first.
        max_total_mb: u64 = 1_024,
    }

    /// Recordings of calls.
    Recording {
        /// Whether calls are recorded at all, if their callers agree.
        enabled: bool = false,
        /// Where recordings go: a folder, or `s3://bucket/prefix`; empty: `recordings` below `DATA_DIR`.
        storage: String = String::new(),
        /// Days after which a recording is deleted.
        retention_days: u32 = 90,
        /// How they are encrypted: `AES-256` is the only way.
        encryption: String = "AES-256".to_owned(),
        /// Whether every access to a recording is written to the access log.
        access_logging: bool = true,
        /// How long what was said is held back before it is kept, in milliseconds: what proves to be a card's digits is blanked in it.
        delay_ms: u64 = 10_000,
        /// For so long after the last of a row of keys nothing is recorded, in milliseconds.
        key_pause_ms: u64 = 4_000,
        /// Bits per second of both sides together.
        bitrate: u32 = 32_000,
        /// Most that may wait for the storage, with what is just being made, in megabytes (10^6 bytes): beyond it calls are not recorded.
        spool_max_mb: u64 = 2_048,
        /// First pause after a storage that failed, in milliseconds; it doubles, up to a minute.
        retry_ms: u64 = 1_000,
        /// How long one request to an S3 storage may take, in milliseconds.
        attempt_ms: u64 = 30_000,
        /// Larger files are uploaded in parts of so many megabytes (2^20 bytes).
        part_mb: u64 = 8,
    }

    /// When a provider gives way to the next of its chain. Milliseconds.
    Failover {
        /// A recogniser without a final transcript for so long gets a rival, until its own habits are known.
        stt_hedge_ms: u64 = FailoverConfig::default().stt_hedge_ms,
        /// A language model without a token.
        llm_hedge_ms: u64 = FailoverConfig::default().llm_hedge_ms,
        /// A voice without audio.
        tts_hedge_ms: u64 = FailoverConfig::default().tts_hedge_ms,
        /// No provider's habits bring a rival sooner.
        min_hedge_ms: u64 = FailoverConfig::default().min_hedge_ms,
        /// No provider's habits put a rival off for longer.
        max_hedge_ms: u64 = FailoverConfig::default().max_hedge_ms,
        /// A model's stream that stands still for so long, while there is nothing to listen to, until its habits are known.
        llm_gap_ms: u64 = FailoverConfig::default().llm_gap_ms,
        /// No model's habits bring a rival sooner within a stream, in milliseconds.
        min_gap_ms: u64 = FailoverConfig::default().min_gap_ms,
        /// No model's habits put a rival off for longer within a stream, in milliseconds.
        max_gap_ms: u64 = FailoverConfig::default().max_gap_ms,
        /// A voice that stands still for so long, while the audio runs out.
        tts_gap_ms: u64 = FailoverConfig::default().tts_gap_ms,
        /// A streaming recogniser that shows nothing for so long of what is being said.
        stt_lag_ms: u64 = FailoverConfig::default().stt_lag_ms,
        /// Rivals that a session may ask for at each stage, whatever it has asked before…
        free_hedges: u32 = FailoverConfig::default().free_hedges,
        /// …and beyond them so many in a hundred requests.
        hedge_percent: u32 = FailoverConfig::default().hedge_percent,
        /// A failure that may pass is a reason to rest when another came within so long before it; 0: always.
        blip_ms: u64 = FailoverConfig::default().blip_ms,
        /// The first rest of a provider that failed; it doubles.
        cool_down_ms: u64 = FailoverConfig::default().cool_down_ms,
        /// The longest rest, unless the provider says itself when to come back.
        max_cool_down_ms: u64 = FailoverConfig::default().max_cool_down_ms,
        /// The longest rest that a provider may ask for.
        max_retry_after_ms: u64 = FailoverConfig::default().max_retry_after_ms,
        /// The rest of a provider whose key or account is wrong.
        account_rest_ms: u64 = FailoverConfig::default().account_rest_ms,
    }

    /// The end of the process.
    Shutdown {
        /// How long live sessions that cannot move may go on after SIGTERM.
        grace_ms: u64 = 20_000,
        /// With live sessions: how long whoever sends callers here has to notice, before they are handed over.
        notice_ms: u64 = 500,
        /// After so long a session that is handed over does not wait for the agent's own speech: the next process says the rest.
        hand_over_ms: u64 = 8_000,
    }
}
