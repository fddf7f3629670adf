//! The telephone beyond the call, on the built binary: text messages, keys, and what is done when voice fails for good; against
//! servers that play Twilio, PagerDuty and the voices.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use tokio::time::{Instant, MissedTickBehavior, interval};
use voice_agent::audio::mulaw;
use voice_agent::sms::VOICE_FAILED;
use voice_sim::provider::code::{Vocabulary, Voice, decode_words, say, spoken};
use voice_sim::provider::{Provider, ProviderServers, Script, Service, parse_latencies};

use super::super::twilio::client::{PUBLIC_URL, Stream, call_token, signature};
use super::process::{Home, PATIENCE, Process, eventually};

const SETTINGS: [(&str, &str); 14] = [
    ("RECORDING_ENABLED", "true"),
    ("GREETING", ""),
    ("PUBLIC_URL", PUBLIC_URL),
    ("STT_CHAIN", "deepgram"),
    ("LLM_CHAIN", "embedded"),
    ("TTS_CHAIN", "cartesia,elevenlabs"),
    ("FAILOVER_BLIP_MS", "0"),
    ("FAILOVER_COOL_DOWN_MS", "200"),
    ("FAILOVER_MAX_COOL_DOWN_MS", "200"),
    ("FAILOVER_MAX_RETRY_AFTER_MS", "1000"),
    ("TWILIO_FALLBACK_SMS_GAP_MS", "0"),
    ("TWILIO_SMS_RETRY_MS", "50"),
    ("PAGERDUTY_EVENTS_PER_MINUTE", "120"),
    ("PAGERDUTY_RETRY_MS", "50"),
];
const ANA: &str = "+15551234567";

/// A server, and whom it stands on.
struct House {
    server: Process,
    providers: ProviderServers,
    token: String,
}

impl House {
    async fn start(home: &Home) -> Self {
        let latencies = parse_latencies("stt=30,llm=30,tts=30").unwrap();
        let providers = ProviderServers::start(Script { latencies, ..Script::default() }).await.unwrap();
        let chains = ["STT_CHAIN", "LLM_CHAIN", "TTS_CHAIN"].map(|chain| (chain, home.setting(chain)));
        let env = providers.env().into_iter().chain(chains).collect();
        let server = home.start_as("texts", env).await;
        let token = providers.keys().twilio_token.clone();
        Self { server, providers, token }
    }

    /// What a signed webhook is answered.
    async fn webhook(&self, path: &str, form: &[(&str, &str)]) -> String {
        let account = self.providers.keys().twilio_sid.clone();
        let form: Vec<(&str, &str)> = form.iter().copied().chain([("AccountSid", account.as_str())]).collect();
        let body: String = form_urlencoded::Serializer::new(String::new()).extend_pairs(&form).finish();
        let signed = signature(&self.token, &format!("{PUBLIC_URL}{path}"), &form);
        let request = self.server.client.post(self.server.url(path)).body(body);
        let request = request.header("content-type", "application/x-www-form-urlencoded");
        let response = request.header("X-Twilio-Signature", signed).send().await.unwrap();
        let status = response.status();
        let text = response.text().await.unwrap();
        assert_eq!(status, 200, "{path}: {text}");
        text
    }

    /// What is sent back to a text message; empty: nothing.
    async fn text(&self, sid: &str, body: &str) -> String {
        let form = [("MessageSid", sid), ("From", ANA), ("To", "+15550001111"), ("Body", body)];
        let twiml = self.webhook("/twilio/sms", &form).await;
        let inside = twiml.split_once("<Response>").unwrap().1.strip_suffix("</Response>").unwrap();
        inside.replace("<Message>", "").replace("</Message>", " ").trim().to_owned()
    }

    async fn call_webhook(&self, call: &str, from: &str) -> String {
        let form = [("CallSid", call), ("From", from), ("To", "+15550001111"), ("Direction", "inbound")];
        // As by a redirect: no two requests are alike.
        static ASKED: AtomicU64 = AtomicU64::new(0);
        self.webhook(&format!("/twilio/voice?id={}", ASKED.fetch_add(1, Ordering::Relaxed)), &form).await
    }

    /// Calls, and is on the line.
    async fn call(&self, call: &str, from: &str) -> Caller {
        let token = call_token(&self.call_webhook(call, from).await);
        let url = format!("{}/twilio/media", PUBLIC_URL.replace("https", "wss"));
        let signed = signature(&self.token, &url, &[]);
        let mut stream = Stream::try_open(self.server.http, &[("x-twilio-signature", &signed)]).await.unwrap();
        stream.account = self.providers.keys().twilio_sid.clone();
        stream.start(call, Some(&token)).await;
        Caller { stream, audio: Vec::new() }
    }

    fn alerts(&self) -> Vec<(String, u32)> {
        self.providers.alerts().into_iter().map(|alert| (alert.state, alert.triggers)).collect()
    }
}

/// Somebody on a stream, who hears what comes in no time.
struct Caller {
    stream: Stream,
    /// What came since the caller last waited for something, as 16-bit samples.
    audio: Vec<i16>,
}

impl Caller {
    /// Speaks (or is silent) in real time, until these words were heard; else the code that the stream was closed with.
    async fn hears(&mut self, words: &str, said: &[u8]) -> Result<(), u16> {
        let wanted = as_heard(words);
        self.audio.clear();
        let deadline = Instant::now() + PATIENCE;
        let mut ticks = interval(Duration::from_millis(20));
        ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
        let (mut frames, mut looked) = (said.chunks(160), 0);
        loop {
            tokio::select! {
                _ = ticks.tick() => self.stream.media(frames.next().unwrap_or(&[0xff; 160])).await,
                message = self.stream.next() => self.take(&message?).await,
            }
            // Listening to all of it takes its time: now and then is enough.
            if self.audio.len() >= looked + 4_000 || looked > 0 && Instant::now() > deadline {
                looked = self.audio.len();
                let heard = self.heard();
                if heard.contains(&wanted) {
                    return Ok(());
                }
                assert!(Instant::now() < deadline, "never heard {wanted:?}, but: {heard}");
            }
            assert!(Instant::now() < deadline + Duration::from_secs(1), "never heard {wanted:?}: {}", self.heard());
        }
    }

    fn heard(&self) -> String {
        spoken(&decode_words(&self.audio, 8_000), Voice::Cartesia)
    }

    async fn take(&mut self, message: &Value) {
        match message["event"].as_str().unwrap() {
            "media" => {
                let payload = STANDARD.decode(message["media"]["payload"].as_str().unwrap()).unwrap();
                self.audio.extend(payload.into_iter().map(mulaw::decode));
            }
            "mark" => self.stream.mark(message["mark"]["name"].as_str().unwrap()).await,
            _ => {}
        }
    }
}

/// As it is heard: a word that is not common has only a number.
fn as_heard(words: &str) -> String {
    let vocabulary = Vocabulary::default();
    Vocabulary::codes(words).into_iter().map(|code| vocabulary.write(code)).collect::<Vec<_>>().join(" ")
}

/// What a telephone's microphone sends.
fn microphone(words: &str) -> Vec<u8> {
    say(words, 8_000).into_iter().map(mulaw::encode).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tasks_are_kept_by_text_and_told_by_voice_and_a_stop_is_a_stop() {
    let home = Home::with(SETTINGS).await;
    let house = House::start(&home).await;
    let added = house.text("SM1", "add buy milk to my list").await;
    assert!(added.to_lowercase().contains("milk"), "{added}");
    house.text("SM2", "add call the dentist").await;
    assert_eq!(house.text("SM2", "add call the dentist").await, "", "it came twice");
    let list = house.text("SM3", "what are my tasks?").await.to_lowercase();
    assert!(list.contains("milk") && list.contains("dentist"), "{list}");
    let done = house.text("SM4", "complete buy milk").await.to_lowercase();
    assert!(done.contains("milk"), "{done}");

    let mut caller = house.call("CA1", ANA).await;
    caller.hears("disable recording", &[]).await.unwrap();
    caller.hears("call the dentist", &microphone("what are my tasks")).await.unwrap();
    assert!(!caller.heard().contains(&as_heard("milk")), "it is done: {}", caller.heard());
    // A key interrupts, and asks for what was said once more.
    caller.stream.press("#").await;
    caller.hears("call the dentist", &[]).await.unwrap();
    caller.stream.press("*").await;
    caller.hears("Recording has been stopped", &[]).await.unwrap();
    for malformed in ["12", "", "x"] {
        caller.stream.press(malformed).await;
    }
    caller.stream.press("0").await;
    caller.hears("Press 1 for yes and 2 for no", &[]).await.unwrap();
    caller.stream.stop().await;
    assert_eq!(caller.stream.closed().await, 1000);

    for (sid, body) in [("SM5", "STOP"), ("SM6", "what are my tasks?"), ("SM7", "help")] {
        assert_eq!(house.text(sid, body).await, "", "{body}");
    }
    let house = House { server: restart(&home, house.server, &house.providers).await, ..house };
    assert_eq!(house.text("SM8", "what are my tasks?").await, "", "after a restart, too");
    assert_eq!(house.text("SM9", "START").await, "");
    assert!(house.text("SM10", "what are my tasks?").await.to_lowercase().contains("dentist"));
    assert_eq!(house.providers.sms(), []);
    assert_eq!(house.server.metric("voice_sms_received_total{outcome=\"answered\"}").await, 1.0);
}

async fn restart(home: &Home, server: Process, providers: &ProviderServers) -> Process {
    server.kill();
    let chains = ["STT_CHAIN", "LLM_CHAIN", "TTS_CHAIN"].map(|chain| (chain, home.setting(chain)));
    home.start_as("texts", providers.env().into_iter().chain(chains).collect()).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn when_every_voice_is_refused_the_caller_is_texted_and_when_that_is_too_somebody_is_paged_once() {
    let home = Home::with(SETTINGS).await;
    let house = House::start(&home).await;
    let no_voice = || {
        house.providers.fault("tts=503@connect".parse().unwrap()).unwrap();
        house.providers.cut(Provider::Cartesia);
        house.providers.cut(Provider::ElevenLabs);
    };
    no_voice();
    let mut caller = house.call("CA1", ANA).await;
    assert_eq!(caller.hears("anything", &[]).await, Err(4006), "nobody is kept on a silent line");
    eventually("a message is sent", async || house.providers.sms().len() == 1).await;
    let sms = house.providers.sms().pop().unwrap();
    assert_eq!((sms.to.as_str(), sms.body.as_str()), (ANA, VOICE_FAILED));
    // Twilio goes on to the redirect: a voice of its own says why.
    let goodbye = house.call_webhook("CA1", ANA).await;
    assert!(goodbye.ends_with(&format!("<Response><Say>{VOICE_FAILED}</Say><Hangup/></Response>")), "{goodbye}");
    // Whoever does as told is answered.
    assert!(house.text("SM1", "add buy milk").await.to_lowercase().contains("milk"));
    assert_eq!(house.alerts(), []);

    house.providers.fault("twilio=401@connect".parse().unwrap()).unwrap();
    for call in ["CA2", "CA3"] {
        let twiml = house.call_webhook(call, ANA).await;
        if twiml.contains("<Connect>") {
            let mut caller = house.call(call, ANA).await;
            assert_eq!(caller.hears("anything", &[]).await, Err(4006));
        } else {
            assert!(twiml.contains("<Say>"), "{twiml}");
        }
    }
    eventually("both calls are told of", async || {
        let merged = house.server.metric("voice_pages_total{action=\"trigger\",outcome=\"merged\"}").await;
        house.server.metric("voice_pages_total{action=\"trigger\",outcome=\"sent\"}").await == 1.0 && merged >= 1.0
    })
    .await;
    assert_eq!(house.alerts(), [("trigger".to_owned(), 1)]);

    house.providers.clear_faults();
    eventually("it is well", async || house.alerts() == [("resolve".to_owned(), 1)]).await;
    eventually("calls are taken again", async || house.call_webhook("CA4", ANA).await.contains("<Connect>")).await;
    let mut caller = house.call("CA4", ANA).await;
    caller.hears("This call may be recorded", &[]).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_recogniser_is_given_what_the_telephone_sent_byte_for_byte() {
    let home = Home::with(SETTINGS).await;
    let house = House::start(&home).await;
    let mut caller = house.call("CA1", ANA).await;
    caller.hears("disable recording", &[]).await.unwrap();
    let said = microphone("add call the dentist");
    caller.hears("dentist", &said).await.unwrap();
    let entries = house.providers.journal().of(Service::Deepgram);
    // The connection on which the model was tried out at the start had a moment of silence.
    let entry = entries.iter().max_by_key(|entry| entry.audio.len()).expect("audio came");
    for asked in [json!(["encoding", "mulaw"]), json!(["sample_rate", "8000"])] {
        assert!(entry.request.as_array().unwrap().contains(&asked), "{asked}: {}", entry.request);
    }
    // Silence is all the same; of what was said, from its first sound on, every byte must be there and in its place.
    let sound = |byte: &u8| byte | 0x80 != 0xff;
    let (from, to) = (said.iter().position(sound).unwrap(), said.iter().rposition(sound).unwrap());
    assert!(to - from > 4_000 && entry.audio.windows(to - from).any(|heard| heard == &said[from..to]));
    assert_eq!(house.providers.journal().warnings(), Vec::<String>::new());
    caller.stream.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn when_no_recogniser_is_left_in_mid_call_the_caller_is_texted_too() {
    let home = Home::with(SETTINGS).await;
    let house = House::start(&home).await;
    let mut caller = house.call("CA1", ANA).await;
    caller.hears("disable recording", &[]).await.unwrap();
    caller.hears("dentist", &microphone("add call the dentist")).await.unwrap();
    house.providers.fault("stt=503@connect".parse().unwrap()).unwrap();
    house.providers.cut(Provider::Deepgram);
    caller.hears("I couldn't hear that", &microphone("what are my tasks")).await.unwrap();
    assert_eq!(caller.hears("anything", &microphone("what are my tasks")).await, Err(4006));
    eventually("a message is sent", async || house.providers.sms().len() == 1).await;
    assert_eq!(house.providers.sms().pop().unwrap().body, VOICE_FAILED);
    assert_eq!(house.server.metric("voice_text_fallbacks_total{channel=\"phone\"}").await, 1.0);
}
