use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use proptest::prelude::*;

use super::*;
use crate::provider::code::{Voice, decode_words, spoken};
use crate::provider::journal::Journal;
use crate::provider::pcm::Encoding;
use crate::provider::script::Script;

struct Line {
    socket: Socket,
    journal: Journal,
    record: Record,
    out: Outbox,
    now_ms: u64,
    said: Vec<(u64, Frame)>,
}

fn line(more: &[(&str, &str)]) -> Line {
    let mut query = vec![("model_id", "eleven_flash_v2_5"), ("output_format", "ulaw_8000")];
    query.extend(more);
    let query: Vec<(String, String)> = query.iter().map(|(a, b)| ((*a).to_owned(), (*b).to_owned())).collect();
    let shared = Arc::new(Shared::new(Script::default()).expect("a script"));
    let (journal, record) = Record::of(Service::ElevenLabs);
    let socket = Socket::new(shared, open(&query).expect("a good query"));
    Line { socket, journal, record, out: Outbox::default(), now_ms: 0, said: Vec::new() }
}

impl Line {
    fn send(&mut self, message: Value) {
        self.socket.handle(Incoming::Text(&message.to_string()), self.now_ms, &self.record, &mut self.out);
        self.run(0);
    }

    fn run(&mut self, ms: u64) {
        let until_ms = self.now_ms + ms;
        while self.now_ms <= until_ms {
            self.socket.poll(self.now_ms, &self.record, &mut self.out);
            self.said.extend(self.out.take_all());
            self.now_ms += 10;
        }
        self.now_ms = until_ms;
    }

    fn messages(&self) -> Vec<&Value> {
        let json = self.said.iter().filter_map(|(_, frame)| match &frame.body {
            Body::Json(value) => Some(value),
            Body::Close(..) => None,
        });
        json.collect()
    }

    fn of(&self, context: &str) -> Vec<&Value> {
        let is_its = |message: &&Value| message["contextId"] == context || message["context_id"] == context;
        self.messages().into_iter().filter(is_its).collect()
    }

    fn heard(&self, context: &str) -> String {
        let audio = self.of(context).into_iter().filter_map(|message| message["audio"].as_str());
        let bytes: Vec<u8> = audio.flat_map(|audio| STANDARD.decode(audio).unwrap()).collect();
        spoken(&decode_words(&Encoding::Mulaw.decode(&bytes).unwrap(), 8_000), Voice::ElevenLabs)
    }

    fn finals(&self, context: &str) -> usize {
        self.of(context).iter().filter(|message| message["isFinal"] == true || message["is_final"] == true).count()
    }

    fn closed(&self) -> Option<u16> {
        self.said.iter().find_map(|(_, frame)| match &frame.body {
            Body::Close(code, _) => Some(*code),
            Body::Json(_) => None,
        })
    }
}

#[test]
fn a_flushed_context_is_spoken_and_final() {
    let mut line = line(&[("sync_alignment", "true")]);
    line.send(json!({"text": " ", "context_id": "c1", "voice_settings": {"stability": 0.5}}));
    line.send(json!({"text": "Hello there ", "context_id": "c1"}));
    line.run(300);
    assert_eq!(line.said, [], "little text waits for more");
    line.send(json!({"context_id": "c1", "flush": true}));
    line.run(79);
    assert_eq!(line.said, []);
    line.run(1_000);
    assert_eq!((line.heard("c1").as_str(), line.finals("c1")), ("hello there", 0));
    line.send(json!({"context_id": "c1", "close_context": true}));
    assert_eq!(line.finals("c1"), 1);
    let first = line.of("c1")[0];
    assert_eq!(first["alignment"]["chars"].as_array().unwrap().len(), 7, "{first}");
    assert_eq!(first["alignment"]["charStartTimesMs"][1], json!(320 / 7));
}

#[test]
fn both_spellings_come() {
    let mut line = line(&[("auto_mode", "true")]);
    line.send(json!({"text": "One two three four five ", "context_id": "c1"}));
    line.run(2_000);
    line.send(json!({"context_id": "c1", "close_context": true}));
    let spellings = |name: &str| line.of("c1").iter().filter(|message| message.get(name).is_some()).count();
    assert_eq!((spellings("contextId"), spellings("context_id")), (2, 2));
    assert_eq!(line.heard("c1"), "one two three four five");
}

#[test]
fn the_schedule_decides_when_text_is_enough() {
    let mut line = line(&[]);
    let config = json!({"chunk_length_schedule": [50]});
    line.send(json!({"text": "Not yet enough, this. ", "context_id": "c1", "generation_config": config}));
    line.run(500);
    assert_eq!(line.said, []);
    line.send(json!({"text": "But with this one it is enough. ", "context_id": "c1"}));
    line.run(3_000);
    assert_eq!(line.heard("c1"), "not yet enough this but with this one it is enough");
}

#[test]
fn what_was_not_flushed_is_lost_with_a_close() {
    let mut line = line(&[("auto_mode", "true")]);
    line.send(json!({"text": "Hello there ", "context_id": "c1"}));
    line.send(json!({"context_id": "c1", "close_context": true}));
    line.run(1_000);
    assert_eq!((line.heard("c1").as_str(), line.finals("c1")), ("", 1));
    line.send(json!({"text": "Hello there ", "context_id": "c2", "flush": true}));
    line.send(json!({"context_id": "c2", "close_context": true}));
    line.run(1_000);
    assert_eq!((line.heard("c2").as_str(), line.finals("c2")), ("hello there", 1));
}

#[test]
fn a_sixth_context_closes_the_socket() {
    let mut line = line(&[]);
    for context in ["c1", "c2", "c3", "c4", "c5"] {
        line.send(json!({"text": " ", "context_id": context}));
    }
    line.send(json!({"context_id": "c1", "close_context": true}));
    line.send(json!({"text": " ", "context_id": "c6"}));
    assert_eq!(line.closed(), None);
    line.send(json!({"text": " ", "context_id": "c7"}));
    assert_eq!(line.closed(), Some(1008));
    assert_eq!(line.messages().last().unwrap()["error"], "max_active_conversations");
}

#[test]
fn an_empty_text_keeps_a_context_alive_and_begins_none() {
    let mut kept = line(&[("inactivity_timeout", "20")]);
    kept.send(json!({"text": " ", "context_id": "c1"}));
    for _ in 0..3 {
        kept.run(15_000);
        kept.send(json!({"text": "", "context_id": "c1"}));
    }
    assert_eq!(kept.finals("c1"), 0);
    kept.run(20_001);
    assert_eq!((kept.finals("c1"), kept.journal.count(Service::ElevenLabs, "inactive")), (1, 1));
    let mut line = line(&[]);
    line.send(json!({"text": "", "context_id": "c1"}));
    assert_eq!(line.closed(), Some(1008));
}

#[test]
fn the_socket_closes_once_no_context_is_open() {
    let mut line = line(&[]);
    line.send(json!({"text": " ", "context_id": "c1"}));
    line.send(json!({"close_socket": true}));
    line.run(1_000);
    assert_eq!(line.closed(), None);
    line.send(json!({"context_id": "c1", "close_context": true}));
    assert_eq!(line.closed(), Some(1000));
}

#[test]
fn what_is_wrong_closes_the_socket_and_what_is_odd_is_a_warning() {
    for message in [
        json!([]),
        json!({"text": 7}),
        json!({"text": "a ", "context_id": 7}),
        json!({"text": "a ", "flush": "yes"}),
        json!({"text": "a ", "voice_settings": {"speed": 9}}),
        json!({"text": "a ", "generation_config": {"chunk_length_schedule": [10]}}),
    ] {
        let mut line = line(&[]);
        line.send(message.clone());
        assert_eq!(line.closed(), Some(1008), "{message}");
    }
    let mut late = line(&[]);
    late.send(json!({"text": "a ", "context_id": "c1"}));
    late.send(json!({"text": "a ", "context_id": "c1", "voice_settings": {}}));
    assert_eq!(late.closed(), Some(1008));
    let mut odd = line(&[("colour", "red")]);
    odd.send(json!({"text": "no space", "context_id": "c1", "tempo": 1}));
    odd.send(json!({"context_id": "c9", "close_context": true}));
    assert_eq!((odd.closed(), odd.journal.warnings().len()), (None, 3));
    assert_eq!(odd.socket.opened.warnings.len(), 1);
}

#[test]
fn queries_are_checked() {
    let opens = |name: &str, value: &str| {
        let query = [("output_format", "pcm_16000"), (name, value)];
        open(&query.map(|(a, b)| (a.to_owned(), b.to_owned()))).is_ok()
    };
    assert!(opens("inactivity_timeout", "180") && opens("auto_mode", "true") && opens("model_id", "eleven_turbo_v2_5"));
    assert!(!opens("inactivity_timeout", "181") && !opens("auto_mode", "1") && !opens("model_id", "eleven_v3"));
    assert!(open(&[]).is_err(), "the usual format is MP3, which is not simulated");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    /// Any order of messages: never more than five contexts, never two ends of one, and all words are whole.
    #[test]
    fn any_messages_are_survived(steps in proptest::collection::vec((0u8..7, 0u8..6, 0u64..400), 1..30)) {
        let mut line = line(&[("auto_mode", "true")]);
        for (context, what, wait_ms) in steps {
            let context = format!("c{context}");
            line.send(match what {
                0 | 1 => json!({"text": "One two three ", "context_id": context}),
                2 => json!({"context_id": context, "flush": true}),
                3 => json!({"context_id": context, "close_context": true}),
                4 => json!({"text": " ", "context_id": context}),
                _ => json!({"text": "four ", "context_id": context, "flush": true, "close_context": true}),
            });
            line.run(wait_ms);
            prop_assert!(line.socket.contexts.len() <= 5);
        }
        line.run(30_000);
        prop_assert!(line.socket.contexts.is_empty() || line.closed().is_some());
        for context in 0..7 {
            let heard = line.heard(&format!("c{context}"));
            prop_assert!(!heard.contains('-'), "{}", heard);
        }
    }
}
