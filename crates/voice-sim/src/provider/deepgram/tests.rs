use proptest::prelude::*;

use super::super::query::parse;
use super::*;
use crate::provider::code::{Code, Voice, say, synthesize};
use crate::provider::journal::Journal;
use crate::provider::script::Script;

const RATE: usize = 16;

/// A stream, and all that it has said.
struct Line {
    stream: Stream,
    journal: Journal,
    record: Record,
    out: Outbox,
    now_ms: u64,
    said: Vec<(u64, Frame)>,
}

fn line(more: &str) -> Line {
    let text = format!("model=nova-3&encoding=linear16&sample_rate=16000{more}");
    let query: Vec<(String, String)> = text
        .split('&')
        .filter_map(|pair| pair.split_once('='))
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
    let shared = Arc::new(Shared::new(Script::default()).expect("a script"));
    let (journal, record) = Record::of(Service::Deepgram);
    let stream = Stream::new(shared, parse(&query).expect("a good query"), "r1".to_owned(), 0);
    Line { stream, journal, record, out: Outbox::default(), now_ms: 0, said: Vec::new() }
}

impl Line {
    /// Sends audio as it comes from a microphone: 20 ms at a time.
    fn hear(&mut self, pcm: &[i16]) {
        for frame in pcm.chunks(20 * RATE) {
            self.now_ms += frame.len() as u64 / RATE as u64;
            self.binary(&frame.iter().flat_map(|sample| sample.to_le_bytes()).collect::<Vec<u8>>());
        }
    }

    fn silence(&mut self, ms: usize) {
        self.hear(&vec![0; ms * RATE]);
    }

    fn binary(&mut self, bytes: &[u8]) {
        self.stream.handle(Incoming::Binary(bytes), self.now_ms, &self.record, &mut self.out);
        self.collect();
    }

    fn text(&mut self, text: &str) {
        self.stream.handle(Incoming::Text(text), self.now_ms, &self.record, &mut self.out);
        self.collect();
    }

    fn wait(&mut self, ms: u64) {
        self.now_ms += ms;
        self.stream.poll(self.now_ms, &self.record, &mut self.out);
        self.collect();
    }

    fn collect(&mut self) {
        self.said.extend(self.out.take_all());
    }

    fn messages(&self) -> Vec<&Value> {
        let json = self.said.iter().filter_map(|(_, frame)| match &frame.body {
            Body::Json(value) => Some(value),
            Body::Close(..) => None,
        });
        json.collect()
    }

    fn of(&self, kind: &str) -> Vec<&Value> {
        self.messages().into_iter().filter(|message| message["type"] == kind).collect()
    }

    fn finals(&self) -> Vec<&str> {
        let finals = self.of("Results").into_iter().filter(|results| results["is_final"] == true);
        finals.filter_map(|results| results["channel"]["alternatives"][0]["transcript"].as_str()).collect()
    }

    fn closed(&self) -> Option<(u16, &str)> {
        self.said.iter().find_map(|(_, frame)| match &frame.body {
            Body::Close(code, reason) => Some((*code, reason.as_str())),
            Body::Json(_) => None,
        })
    }
}

#[test]
fn finalize_says_what_was_heard_within_the_latency() {
    let mut line = line("&endpointing=false");
    line.hear(&say("add a task buy milk", 16_000));
    line.text(r#"{"type":"Finalize"}"#);
    let [results] = line.of("Results")[..] else { panic!("{:?}", line.said) };
    assert_eq!(line.finals(), ["add a task buy milk"]);
    assert_eq!((&results["from_finalize"], &results["speech_final"]), (&json!(true), &json!(false)));
    // 16 ms for the last 20 ms of audio, and the STT's 100 ms.
    let due_ms = line.said.last().expect("a message").0;
    assert!((line.now_ms + 100..=line.now_ms + 117).contains(&due_ms), "{due_ms} at {}", line.now_ms);
    let words = &results["channel"]["alternatives"][0]["words"];
    assert!((words[1]["start"].as_f64().unwrap() - 0.21).abs() < 0.01, "{words}");
    assert_eq!(line.journal.of(Service::Deepgram)[0].heard.len(), 5);
}

#[test]
fn interims_grow_and_silence_ends_the_utterance() {
    let mut line = line("&interim_results=true&endpointing=300&vad_events=true&utterance_end_ms=1000&punctuate=true");
    line.silence(500);
    line.hear(&say("add a task buy milk and bread by friday please", 16_000));
    line.silence(1_600);
    let results = line.of("Results");
    let text = |results: &&Value| results["channel"]["alternatives"][0]["transcript"].as_str().unwrap().to_owned();
    let interims: Vec<String> = results.iter().filter(|r| r["is_final"] == false).map(text).collect();
    assert!(interims.len() >= 4, "{interims:?}");
    assert!(interims.windows(2).all(|pair| pair[1].starts_with(&pair[0])), "{interims:?}");
    assert_eq!(line.finals(), ["Add a task buy milk and bread by friday please."]);
    assert_eq!(results.last().unwrap()["speech_final"], true);
    let started = line.of("SpeechStarted");
    assert!(started.len() == 1 && (started[0]["timestamp"].as_f64().unwrap() - 0.5).abs() < 0.1, "{started:?}");
    let ends = line.of("UtteranceEnd");
    assert!(ends.len() == 1 && (ends[0]["last_word_end"].as_f64().unwrap() - 2.03).abs() < 0.02, "{ends:?}");
}

#[test]
fn a_long_utterance_is_frozen_in_segments() {
    let mut line = line("&endpointing=300");
    let text = "one two three four five six seven eight nine ten".repeat(4).replace("tenone", "ten one");
    line.hear(&say(&text, 16_000));
    line.silence(600);
    let finals = line.finals();
    assert!(finals.len() >= 2, "{finals:?}");
    assert_eq!(finals.join(" "), text);
    let speech_finals = line.of("Results").iter().filter(|results| results["speech_final"] == true).count();
    assert_eq!(speech_finals, 1);
}

#[test]
fn finalize_may_be_empty_or_unanswered() {
    let mut line = line("&endpointing=100");
    line.silence(60);
    line.text(r#"{"type":"Finalize"}"#);
    assert_eq!(line.said, []);
    line.hear(&say("hello", 16_000));
    line.silence(400);
    assert_eq!(line.finals(), ["hello"]);
    line.text(r#"{"type":"Finalize"}"#);
    assert_eq!(line.finals(), ["hello", ""]);
    assert_eq!(line.of("Results")[1]["from_finalize"], true);
    line.text(r#"{"type":"Finalize"}"#);
    assert_eq!(line.of("Results").len(), 2);
    assert_eq!(line.journal.count(Service::Deepgram, "finalize_unanswered"), 2);
}

#[test]
fn a_word_that_finalize_cuts_is_not_heard_twice() {
    for cut_ms in (0..360).step_by(20) {
        let mut line = line("&endpointing=false");
        let audio = say("one two", 16_000);
        let (first, second) = audio.split_at(cut_ms * RATE);
        line.hear(first);
        line.text(r#"{"type":"Finalize"}"#);
        line.hear(second);
        line.silence(200);
        line.text(r#"{"type":"Finalize"}"#);
        let finals = line.finals().join(" ");
        assert_eq!(finals.trim(), "one two", "cut at {cut_ms}");
    }
}

#[test]
fn lost_and_doubled_audio_show() {
    let audio = say("one two three", 16_000);
    let hear = |pcm: &[i16]| {
        let mut line = line("&endpointing=false");
        line.hear(pcm);
        line.text(r#"{"type":"Finalize"}"#);
        line.finals().join(" ")
    };
    let (second, third) = (210 * RATE, 360 * RATE);
    assert_eq!(hear(&[&audio[..second], &audio[second + 90 * RATE..]].concat()), "one three");
    assert_eq!(hear(&[&audio[..third], &audio[second..]].concat()), "one two two three");
}

#[test]
fn an_echo_of_the_agent_is_heard_too() {
    let mut line = line("&endpointing=false");
    line.hear(&synthesize(&[Code::new(3), Code::new(5)], Voice::Cartesia, 16_000));
    line.text(r#"{"type":"Finalize"}"#);
    assert_eq!(line.finals(), ["actually added"]);
}

#[test]
fn silence_on_the_line_closes_it() {
    let mut without_audio = line("");
    for _ in 0..4 {
        without_audio.wait(2_000);
        without_audio.text(r#"{"type":"KeepAlive"}"#);
    }
    without_audio.wait(2_000);
    assert_eq!(without_audio.closed(), Some((1011, "NET-0001")));

    let mut kept = line("");
    kept.silence(20);
    for _ in 0..20 {
        kept.wait(5_000);
        kept.text(r#"{"type":"KeepAlive"}"#);
    }
    assert_eq!(kept.closed(), None);
    kept.wait(9_999);
    assert_eq!(kept.closed(), None);
    kept.wait(1);
    assert_eq!(kept.closed(), Some((1011, "NET-0001")));
}

#[test]
fn what_is_no_audio_closes_the_stream() {
    let mut empty = line("&endpointing=false");
    empty.hear(&say("hello", 16_000));
    empty.binary(&[]);
    assert_eq!((empty.finals(), empty.of("Metadata").len(), empty.closed()), (vec!["hello"], 1, Some((1000, ""))));
    for bytes in [&b"{\"type\":\"KeepAlive\"} "[..], b"odd"] {
        let mut line = line("");
        line.binary(bytes);
        assert_eq!(line.closed(), Some((1008, "DATA-0000")));
        assert_eq!(line.journal.warnings().len(), 1);
    }
    for text in ["KeepAlive", "{}", r#"{"type":"Keepalive"}"#] {
        let mut line = line("");
        line.text(text);
        assert_eq!((line.of("Error").len(), line.closed()), (1, Some((1008, "DATA-0000"))), "{text}");
    }
}

#[test]
fn close_stream_says_the_rest_and_how_long_it_was() {
    let mut line = line("&endpointing=false");
    line.hear(&say("good morning", 16_000));
    line.text(r#"{"type":"CloseStream"}"#);
    assert_eq!(line.finals(), ["good morning"]);
    assert_eq!(line.of("Metadata")[0]["duration"], json!(0.36));
    assert_eq!(line.closed(), Some((1000, "")));
    line.text(r#"{"type":"Finalize"}"#);
    assert_eq!(line.finals().len(), 1, "nothing after the end");
}

#[test]
fn a_backlog_is_worked_off_at_a_quarter_more_than_real_time() {
    let mut line = line("&endpointing=false");
    let audio = [vec![0; 4_640 * RATE], say("hello again", 16_000)].concat();
    let bytes: Vec<u8> = audio.iter().flat_map(|sample| sample.to_le_bytes()).collect();
    line.binary(&bytes);
    line.text(r#"{"type":"Finalize"}"#);
    assert_eq!(line.finals(), ["hello again"]);
    // Five seconds of audio take four.
    assert_eq!(line.said[0].0, 4_000 + 100);
}

#[test]
fn configure_is_answered() {
    let mut nova = line("");
    nova.text(r#"{"type":"Configure","keyterms":["a b"]}"#);
    nova.text(&json!({"type": "Configure", "keyterms": vec!["a "; 501]}).to_string());
    assert_eq!(nova.of("ConfigureSuccess").len(), 1);
    assert_eq!(nova.of("ConfigureFailure")[0]["code"], "CONFIGURE_KEYTERM_LIMIT_EXCEEDED");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]

    /// The pieces in which audio comes do not change what is understood.
    #[test]
    fn any_pieces_are_understood_alike(sizes in proptest::collection::vec(1usize..4_000, 1..20)) {
        let audio = [say("call the dentist tomorrow", 16_000), vec![0; 200 * RATE]].concat();
        let mut line = line("&endpointing=false&interim_results=true");
        let (mut rest, mut sizes) = (&audio[..], sizes.iter().cycle());
        while !rest.is_empty() {
            let size = sizes.next().map_or(1, |size| (*size).min(rest.len()));
            line.hear(&rest[..size]);
            rest = &rest[size..];
        }
        line.text(r#"{"type":"Finalize"}"#);
        prop_assert_eq!(line.finals(), ["call the dentist tomorrow"]);
    }

    /// Whatever comes, each message has its time, and after the close there is none.
    #[test]
    fn whatever_comes_times_only_grow(messages in proptest::collection::vec((any::<bool>(), ".{0,40}", 0u64..3_000), 0..20)) {
        let mut line = line("&interim_results=true&vad_events=true");
        for (is_text, content, wait_ms) in messages {
            line.wait(wait_ms);
            if is_text { line.text(&content) } else { line.binary(content.as_bytes()) }
        }
        prop_assert!(line.said.windows(2).all(|pair| pair[0].0 <= pair[1].0));
        let closes = line.said.iter().position(|(_, frame)| matches!(frame.body, Body::Close(..)));
        prop_assert!(closes.is_none_or(|place| place + 1 == line.said.len()));
    }
}
