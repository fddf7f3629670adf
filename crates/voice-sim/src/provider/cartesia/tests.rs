use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use proptest::prelude::*;

use super::*;
use crate::provider::code::{Voice, decode_words, spoken};
use crate::provider::journal::Journal;
use crate::provider::script::Script;

struct Line {
    socket: Socket,
    journal: Journal,
    record: Record,
    out: Outbox,
    now_ms: u64,
    said: Vec<(u64, Frame)>,
}

fn line() -> Line {
    line_of(&Arc::new(Shared::new(Script::default()).expect("a script")))
}

fn line_of(shared: &Arc<Shared>) -> Line {
    let (journal, record) = Record::of(Service::Cartesia);
    let socket = Socket::new(Arc::clone(shared), true, "r1".to_owned(), 0);
    Line { socket, journal, record, out: Outbox::default(), now_ms: 0, said: Vec::new() }
}

fn message(context: &str, transcript: &str, goes_on: bool) -> Value {
    json!({
        "model_id": "sonic-3", "transcript": transcript, "voice": {"mode": "id", "id": "v"}, "context_id": context,
        "output_format": {"container": "raw", "encoding": "pcm_s16le", "sample_rate": 16000}, "continue": goes_on,
        "max_buffer_delay_ms": 0, "add_timestamps": true,
    })
}

impl Line {
    fn send(&mut self, message: &Value) {
        self.socket.handle(Incoming::Text(&message.to_string()), self.now_ms, &self.record, &mut self.out);
        self.run(0);
    }

    fn say(&mut self, context: &str, transcript: &str, goes_on: bool) {
        self.send(&message(context, transcript, goes_on));
    }

    /// Lets time pass, from one thing that is due to the next.
    fn run(&mut self, ms: u64) {
        let until_ms = self.now_ms + ms;
        loop {
            self.socket.poll(self.now_ms, &self.record, &mut self.out);
            self.said.extend(self.out.take_all());
            match self.socket.poll_at_ms() {
                Some(at_ms) if at_ms <= until_ms => self.now_ms = at_ms.max(self.now_ms + 1).min(until_ms.max(at_ms)),
                _ => break,
            }
            if self.now_ms >= until_ms {
                self.socket.poll(self.now_ms, &self.record, &mut self.out);
                self.said.extend(self.out.take_all());
                break;
            }
        }
        self.now_ms = until_ms;
    }

    fn of(&self, context: &str, kind: &str) -> Vec<&Value> {
        let json = self.said.iter().filter_map(|(_, frame)| match &frame.body {
            Body::Json(value) => Some(value),
            Body::Close(..) => None,
        });
        json.filter(|message| message["type"] == kind && message["context_id"] == context).collect()
    }

    fn heard(&self, context: &str) -> String {
        let chunks = self.of(context, "chunk");
        let bytes: Vec<u8> =
            chunks.iter().flat_map(|c| STANDARD.decode(c["data"].as_str().unwrap()).unwrap()).collect();
        spoken(&decode_words(&Encoding::Linear16.decode(&bytes).unwrap(), 16_000), Voice::Cartesia)
    }

    fn first_audio_ms(&self) -> u64 {
        self.said.iter().find(|(_, frame)| frame.useful).expect("audio").0
    }
}

#[test]
fn a_context_is_spoken_word_by_word_and_done() {
    let mut line = line();
    line.say("c1", "Hello there. ", true);
    line.say("c1", "How can I help?", true);
    line.say("c1", "", false);
    line.run(3_000);
    assert_eq!(line.heard("c1"), "hello there how can i help");
    assert_eq!(line.first_audio_ms(), 80);
    let words: Vec<&str> =
        line.of("c1", "timestamps").iter().map(|m| m["word_timestamps"]["words"][0].as_str().unwrap()).collect();
    assert_eq!(words, ["Hello", "there.", "How", "can", "I", "help?"]);
    assert_eq!(line.of("c1", "timestamps")[2]["word_timestamps"]["start"], json!([0.64]));
    assert_eq!(line.of("c1", "done").len(), 1);
    let Some((_, last)) = line.said.last() else { panic!("nothing was said") };
    assert!(matches!(&last.body, Body::Json(value) if value["type"] == "done"));
}

#[test]
fn audio_comes_faster_than_real_time_but_not_at_once() {
    let mut line = line();
    line.say("c1", "one two three four five six seven eight nine ten", false);
    line.run(5_000);
    let times: Vec<u64> = line.said.iter().filter(|(_, frame)| frame.useful).map(|(at_ms, _)| *at_ms).collect();
    let took_ms = times.last().unwrap() - times[0];
    // 3,200 ms of audio at six times real time.
    assert!((450..=560).contains(&took_ms), "{took_ms}");
}

#[test]
fn a_context_that_ended_or_expired_is_never_taken_again() {
    let mut line = line();
    line.say("c1", "Hello.", false);
    line.run(500);
    line.say("c1", "Again.", true);
    assert_eq!(line.of("c1", "error")[0]["status_code"], 400);
    line.say("c2", "Hello.", true);
    line.run(1_000);
    assert_eq!(line.of("c2", "done").len(), 0);
    line.run(500);
    assert_eq!((line.of("c2", "done").len(), line.journal.count(Service::Cartesia, "context_expired")), (1, 1));
    line.say("c2", "Again.", true);
    assert_eq!(line.of("c2", "error").len(), 1);
}

#[test]
fn an_empty_beginning_is_an_error_with_done() {
    for transcript in ["", " ", "…!"] {
        let mut line = line();
        line.say("c1", transcript, true);
        let error = line.of("c1", "error")[0];
        assert_eq!(
            (&error["status_code"], &error["done"], &error["error_code"]),
            (&json!(400), &json!(true), &json!("invalid_request"))
        );
    }
    let mut old = line();
    old.socket.structured = false;
    old.say("c1", "", true);
    assert!(old.of("c1", "error")[0]["error"].is_string() && old.of("c1", "error")[0]["error_code"].is_null());
}

#[test]
fn a_context_keeps_its_settings() {
    let mut line = line();
    line.say("c1", "Hello. ", true);
    let mut other = message("c1", "There.", true);
    other["output_format"]["sample_rate"] = json!(8_000);
    line.send(&other);
    assert_eq!(line.of("c1", "error").len(), 1);
}

#[test]
fn cancel_stops_what_was_not_begun() {
    let mut line = line();
    line.say("c1", "One two three. ", true);
    line.say("c1", "Four five six. ", true);
    line.run(100);
    line.send(&json!({"context_id": "c1", "cancel": true}));
    line.run(2_000);
    // The sentence that was begun goes on: a client has to drop it by its context.
    assert_eq!(line.heard("c1"), "one two three");
    assert_eq!((line.of("c1", "done").len(), line.journal.count(Service::Cartesia, "cancel")), (1, 1));
}

#[test]
fn text_waits_for_more_unless_told_not_to() {
    let mut line = line();
    let mut patient = message("c1", "Hello there. ", true);
    patient["max_buffer_delay_ms"] = json!(500);
    line.send(&patient);
    line.run(2_000);
    assert_eq!(line.first_audio_ms(), 580);
    let mut flushed = message("c2", "Hello there. ", true);
    flushed["max_buffer_delay_ms"] = json!(3_000);
    line.send(&flushed);
    flushed["transcript"] = json!("");
    flushed["flush"] = json!(true);
    line.send(&flushed);
    line.run(300);
    assert_eq!((line.heard("c2").as_str(), line.of("c2", "flush_done").len()), ("hello there", 1));
}

#[test]
fn a_missing_space_is_a_warning() {
    let mut line = line();
    line.say("c1", "Hello", true);
    line.say("c1", "there", true);
    assert_eq!(line.journal.warnings().len(), 1);
}

#[test]
fn contexts_are_limited_over_all_sockets() {
    let mut script = Script::default();
    script.limits.cartesia_contexts = 2;
    let shared = Arc::new(Shared::new(script).expect("a script"));
    let (mut one, mut other) = (line_of(&shared), line_of(&shared));
    one.say("c1", "Hello.", true);
    one.say("c2", "Hello.", true);
    other.say("c3", "Hello.", true);
    assert_eq!(other.of("c3", "error")[0]["error_code"], "concurrency_limited");
    one.run(3_000);
    other.say("c4", "Hello.", true);
    assert_eq!(other.of("c4", "error").len(), 0);
}

#[test]
fn an_idle_socket_is_closed() {
    let mut line = line();
    line.run(299_999);
    assert_eq!(line.said, []);
    line.run(1);
    assert!(matches!(&line.said[0].1.body, Body::Close(1000, _)));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    /// Any order of messages: what is heard of a context is a beginning of what it was sent, and it has one end.
    #[test]
    fn any_messages_are_survived(steps in proptest::collection::vec((0u8..3, 0u8..5, 0u64..700), 1..25)) {
        let mut line = line();
        for (context, what, wait_ms) in steps {
            let context = format!("c{context}");
            match what {
                0 | 1 => line.say(&context, "One two. ", true),
                2 => line.say(&context, "Three. ", false),
                3 => line.send(&json!({"context_id": context, "cancel": true})),
                _ => line.say(&context, "", true),
            }
            line.run(wait_ms);
        }
        line.run(10_000);
        for context in ["c0", "c1", "c2"] {
            let ends = line.of(context, "done").len();
            prop_assert!(ends <= 1, "{} ends of {}", ends, context);
            prop_assert!(line.heard(context).is_empty() || ends == 1 || !line.of(context, "error").is_empty());
        }
        prop_assert!(line.socket.contexts.is_empty());
    }
}
