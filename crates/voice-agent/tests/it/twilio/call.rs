//! Whole calls: the real session behind a stream.

use std::path::Path;
use std::time::Duration;

use futures_util::FutureExt as _;
use tokio::time::{MissedTickBehavior, interval};
use voice_agent::audio::resample::read_wav;
use voice_agent::store::SessionDoc;
use voice_caller::mulaw;
use voice_core::phrases::PHONE_CONSENT;

use super::client::{CALL, Stream, call_token, signed, unsigned, webhook};
use super::script::{SOUND, Script};
use crate::server::{TestServer, soon};

const SCRIPT: Script =
    Script { said: "what are my tasks", answer: "You have three open tasks. The first is milk.", ms_per_word: 40 };
const FRAME: usize = 160;
/// Milliseconds at a speech's end that are not worth waiting for: who has heard all but these has heard all, and the callers
/// here say so before they could have.
const TOLERANCE_MS: u64 = 40;

/// Somebody's speech by telephone, to its last sound.
fn speech() -> Vec<u8> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/audio/stt_what_are_my_tasks.wav");
    let samples = read_wav(&path, 8_000).unwrap();
    let end = samples.iter().rposition(|sample| sample.unsigned_abs() >= 328).unwrap();
    samples[..end.next_multiple_of(FRAME).min(samples.len())].iter().map(|sample| mulaw::encode(*sample)).collect()
}

/// A caller on a stream: speaks in real time, and plays what comes in no time.
struct Caller {
    stream: Stream,
    /// Milliseconds of agent audio that came, and how many of them were said to be played.
    heard_ms: u64,
    returned_ms: u64,
    since_clear_ms: u64,
    /// How much had come when the last clear did.
    at_clear_ms: u64,
    returns_marks: bool,
    marks: Vec<String>,
    clears: usize,
}

impl Caller {
    fn new(stream: Stream) -> Self {
        Self {
            stream,
            heard_ms: 0,
            returned_ms: 0,
            since_clear_ms: 0,
            at_clear_ms: 0,
            returns_marks: true,
            marks: Vec::new(),
            clears: 0,
        }
    }

    /// Takes the next message.
    async fn take(&mut self) {
        let message = self.stream.next().await.expect("the stream is open");
        match message["event"].as_str().unwrap() {
            "media" => {
                use base64::Engine as _;
                let payload = message["media"]["payload"].as_str().unwrap();
                let audio = base64::engine::general_purpose::STANDARD.decode(payload).unwrap();
                assert!(audio.len() <= 1_600 && audio.iter().all(|code| [SOUND, 0xff].contains(code)));
                self.heard_ms += audio.len() as u64 / 8;
                self.since_clear_ms += audio.len() as u64 / 8;
            }
            "mark" => {
                let name = message["mark"]["name"].as_str().unwrap().to_owned();
                if self.returns_marks {
                    self.stream.mark(&name).await;
                    self.returned_ms = self.heard_ms;
                } else {
                    self.marks.push(name);
                }
            }
            "clear" => {
                self.clears += 1;
                self.since_clear_ms = 0;
                self.at_clear_ms = self.heard_ms;
                // Twilio sends back at once all that it holds.
                self.send_marks().await;
            }
            other => panic!("{other}"),
        }
    }

    async fn send_marks(&mut self) {
        for name in std::mem::take(&mut self.marks) {
            self.stream.mark(&name).await;
        }
    }

    /// What was held back is sent, and what comes is sent back at once.
    async fn return_marks(&mut self) {
        self.returns_marks = true;
        self.send_marks().await;
    }

    async fn take_until(&mut self, what: &str, is_so: impl Fn(&Self) -> bool) {
        let taken = async {
            while !is_so(self) {
                self.take().await;
            }
        };
        let taken = tokio::time::timeout(Duration::from_secs(20), taken).await.is_ok();
        assert!(taken, "never: {what}; {} ms came, {} clears", self.heard_ms, self.clears);
    }

    /// Sends this audio in real time.
    async fn say(&mut self, codes: &[u8]) {
        let mut ticks = interval(Duration::from_millis(20));
        ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
        for frame in codes.chunks(FRAME) {
            ticks.tick().await;
            self.stream.media(frame).await;
            while self.take().now_or_never().is_some() {}
        }
    }

    /// Is silent until something is so.
    async fn wait_until(&mut self, what: &str, is_so: impl Fn(&Self) -> bool) {
        for _ in 0..50 {
            if is_so(self) {
                return;
            }
            self.say(&[0xff; 20 * FRAME]).await;
        }
        panic!("never: {what}; {} ms came, {} clears", self.heard_ms, self.clears);
    }
}

async fn stored(server: &TestServer) -> SessionDoc {
    let sessions = server.store.live_sessions().await.unwrap();
    assert_eq!(sessions.len(), 1);
    server.store.load_session(sessions[0].id.clone()).await.unwrap().unwrap().doc
}

fn history(doc: &SessionDoc) -> Vec<(&'static str, &str)> {
    let role = |item: &voice_agent::store::ConversationItem| match item.role {
        voice_agent::store::Role::User => "user",
        _ => "assistant",
    };
    doc.conversation_history.iter().map(|item| (role(item), item.content.as_str())).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_is_told_of_the_recording_greeted_and_answered_and_ends_when_the_caller_hangs_up() {
    let server = TestServer::spawning(signed, |ground| SCRIPT.spawner(ground)).await;
    let form = [("CallSid", CALL), ("From", "+15551234567"), ("To", "+15550001111"), ("Direction", "inbound")];
    let token = call_token(&webhook(&server, "/twilio/voice", &form).await.text().await.unwrap());
    let mut caller = Caller::new(Stream::begin(server.addr(), CALL, Some(&token)).await);
    let greeting = server.app().config.greeting.clone();
    let first = format!("{PHONE_CONSENT} {greeting}");
    let first_ms = SCRIPT.length_ms(&first);
    caller.take_until("the first words are there", |caller| caller.heard_ms + TOLERANCE_MS >= first_ms).await;
    soon("the first words are heard, and saved", async || {
        stored(&server).await.conversation_history.first().is_some_and(|item| item.content == first)
    })
    .await;

    let answered_ms = caller.heard_ms + SCRIPT.length_ms(SCRIPT.answer);
    caller.say(&speech()).await;
    caller.wait_until("the answer is there", |caller| caller.heard_ms + TOLERANCE_MS >= answered_ms).await;
    let expected = [("assistant", first.as_str()), ("user", SCRIPT.said), ("assistant", SCRIPT.answer)];
    soon("the turn is saved", async || history(&stored(&server).await) == expected).await;
    let doc = stored(&server).await;
    assert_eq!((doc.user_id.as_str(), doc.channel.as_str()), ("phone:+15551234567", "phone"));
    assert_eq!(doc.context["phone_number"], "+15551234567");
    assert_eq!((&doc.context["recording_announced"], &doc.context["recording_enabled"]), (&true.into(), &true.into()));
    assert_eq!(doc.context["call_sid"], CALL);

    caller.stream.stop().await;
    assert_eq!(caller.stream.closed().await, 1000);
    server.metric_becomes("voice_agent_active_sessions", 0.0).await;
    for (series, value) in [
        ("voice_latency_seconds_count{channel=\"phone\"}", 1.0),
        ("voice_turns_total{channel=\"phone\"}", 1.0),
        ("voice_cost_per_call_usd_count{channel=\"phone\"}", 1.0),
        ("voice_session_duration_seconds_count{channel=\"phone\",outcome=\"completed\"}", 1.0),
    ] {
        assert_eq!(server.metric(series).await, value, "{series}");
    }
    assert!(server.metric("voice_connected_milliseconds_total{channel=\"phone\"}").await > 0.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_speaks_over_the_agent_is_heard_and_history_keeps_what_the_marks_said() {
    let script = Script { ms_per_word: 400, ..SCRIPT };
    let server = TestServer::spawning(unsigned, |ground| script.spawner(ground)).await;
    let mut caller = Caller::new(Stream::begin(server.addr(), CALL, None).await);
    caller.take_until("some words are heard", |caller| caller.returned_ms >= 1_000).await;
    caller.returns_marks = false;
    let least_ms = caller.returned_ms;
    caller.say(&speech()).await;
    assert!(caller.clears > 0, "the agent talked on");
    // Nobody heard what had not come, however late this machine is.
    let most_ms = caller.at_clear_ms;
    // All marks came back with the clear, and no word was heard for that. From now on they are true again.
    caller.return_marks().await;
    let answer_ms = script.length_ms(script.answer);
    caller.wait_until("the answer is there", |caller| caller.since_clear_ms + TOLERANCE_MS >= answer_ms).await;
    let words: Vec<&str> = PHONE_CONSENT.split_whitespace().collect();
    soon("the caller's words are saved", async || {
        let doc = stored(&server).await;
        let history = history(&doc);
        history.len() >= 2 && history[1] == ("user", script.said)
    })
    .await;
    let doc = stored(&server).await;
    let heard = history(&doc)[0].1;
    let count = heard.split_whitespace().count() as u64;
    assert!(heard == words[..heard.split_whitespace().count()].join(" "), "{heard}");
    assert!((least_ms / script.ms_per_word..=most_ms / script.ms_per_word).contains(&count), "{least_ms}: {heard}");
    caller.stream.stop().await;
    assert_eq!(caller.stream.closed().await, 1000);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_whose_stream_is_lost_in_mid_speech_goes_on_where_it_was() {
    let script = Script { ms_per_word: 100, ..SCRIPT };
    let server = TestServer::spawning(unsigned, |ground| script.spawner(ground)).await;
    let mut caller = Caller::new(Stream::begin(server.addr(), CALL, None).await);
    let first = format!("{PHONE_CONSENT} {}", server.app().config.greeting);
    caller.take_until("a second is heard", |caller| caller.returned_ms >= 1_000).await;
    let heard_ms = caller.heard_ms;
    drop(caller);
    server.metric_becomes("voice_connections", 0.0).await;

    let mut caller = Caller::new(Stream::begin(server.addr(), CALL, None).await);
    let first_ms = script.length_ms(&first);
    // What was sent and not heard before the loss is said again; nothing is left out.
    caller.take_until("the rest is there", |caller| heard_ms + caller.heard_ms + TOLERANCE_MS >= first_ms).await;
    soon("all of it is heard", async || history(&stored(&server).await) == [("assistant", first.as_str())]).await;
    assert!(caller.heard_ms < first_ms, "not from the beginning");
    assert_eq!(server.app().sessions.count(), 1);
}
