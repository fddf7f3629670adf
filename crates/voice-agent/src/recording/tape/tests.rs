//! The tape in thousands of simulated calls, against what their callers allowed.

use voice_core::consent::{Consent, ConsentDecision};
use voice_core::log::{Entry, Header};
use voice_core::session::Session;
use voice_core::{Input, Output};
use voice_sim::{Killing, log_seed};

use proptest::collection::vec;
use proptest::prelude::*;

use super::super::transcript::Transcript;
use super::*;

/// Calls.
const SEEDS: u64 = 400;
/// Most frames of a pause that are tried: a caller may be silent for minutes.
const MOST_FRAMES: u64 = 50;
/// No speech of the simulator's is longer, in milliseconds.
const MOST_SENT_MS: u64 = 600_000;

/// What came of the calls together.
#[derive(Debug, Default)]
struct Seen {
    taped: u64,
    refused: u64,
    agent: u64,
    words: u64,
    stops: u64,
}

/// A call whose every frame is offered to a tape.
struct Rehearsal {
    tape: Tape,
    taped: mpsc::Receiver<Taped>,
    /// What was decided about recording, and what the caller said of it, as anybody who listens would have it.
    allowed: bool,
    seen: Seen,
}

impl Rehearsal {
    fn new(allowed: bool) -> Self {
        let (sink, taped) = mpsc::channel(QUEUE);
        let (user, session) = (UserId::new("ana"), "s".to_owned());
        let call = Call { user, session, fence: 1, format: AudioFormat::Pcm24k, began: Instant::now() };
        let tape = Tape { sink: Some(sink), ..Tape::new(None, call) };
        Self { tape, taped, allowed, seen: Seen::default() }
    }

    /// Whatever was taped just now was allowed.
    fn look(&mut self, now_ms: u64, what: &str) -> u64 {
        let mut count = 0;
        while let Ok(one) = self.taped.try_recv() {
            assert!(self.allowed, "{what} at {now_ms} ms, without leave: {one:?}");
            count += 1;
            self.seen.agent += u64::from(matches!(one, Taped::Agent { .. }));
        }
        self.seen.taped += count;
        self.seen.refused += u64::from(count == 0);
        count
    }

    /// One process of the call.
    fn run(&mut self, header: Header, entries: Vec<Entry>) {
        let mut session = header.begin().unwrap();
        let mut last_ms = 0;
        for Entry { at_ms, input, .. } in entries {
            for n in 0..((at_ms.saturating_sub(last_ms)) / 20).min(MOST_FRAMES) {
                let now_ms = last_ms + 20 * n;
                self.tape.caller(session.recording_permit(), now_ms, &[1; 320]);
                self.look(now_ms, "the caller");
            }
            last_ms = at_ms;
            if let Input::PlayoutPosition { speech, played_ms, .. } = &input {
                // As the driver does: what was never sent was not played, whatever is said.
                let played_ms = (*played_ms).min(MOST_SENT_MS);
                self.tape.agent(session.recording_permit(), at_ms, *speech, played_ms, |from, to| {
                    vec![0; (to - from) as usize]
                });
                self.look(at_ms, "the agent");
            }
            if let Input::Consent { recording } = &input {
                self.allowed = *recording;
            }
            let had_permit = session.recording_permit().is_some();
            session.handle_input(at_ms, input);
            self.settle(&session, at_ms, had_permit);
            let outputs: Vec<Output> = std::iter::from_fn(|| session.poll_output()).collect();
            for output in &outputs {
                if let Output::Consent { decision, .. } = output {
                    self.seen.stops += u64::from(self.allowed && *decision == ConsentDecision::Stopped);
                    self.allowed = matches!(decision, ConsentDecision::Agreed | ConsentDecision::Announced);
                }
            }
            if outputs.iter().any(asks_to_stop) {
                self.allowed = false;
            }
            for output in &outputs {
                if let Output::Client { event } = output {
                    self.tape.event(session.recording_permit(), at_ms, event);
                    self.look(at_ms, "words");
                }
            }
        }
    }

    /// As the driver does after each input.
    fn settle(&mut self, session: &Session, at_ms: u64, had_permit: bool) {
        let permit = session.recording_permit();
        self.tape.heed(permit, session.last_utterance());
        for (reply, heard) in session.heard() {
            self.tape.words(permit.filter(|_| had_permit), at_ms, reply, &heard);
            if had_permit && permit.is_some() {
                self.seen.words += self.look(at_ms, "what was heard");
            } else {
                assert_eq!(self.look(at_ms, "what was heard"), 0);
            }
        }
    }
}

/// Whether the caller is known to have asked for an end of the recording, in a sentence of its own.
fn asks_to_stop(output: &Output) -> bool {
    let Output::Client { event: ClientEvent::Transcript { text, .. } | ClientEvent::UserText { text } } = output else {
        return false;
    };
    text.split(['.', '!', '?']).any(|sentence| {
        let words = sentence.trim().to_lowercase();
        matches!(words.as_str(), "stop recording" | "please stop recording")
    })
}

#[test]
fn in_no_simulated_call_is_anything_taped_without_leave_or_after_its_end() {
    let mut all = Seen::default();
    for seed in 0..SEEDS {
        let lives = log_seed(seed, Killing::ByChance).unwrap_or_else(|failure| panic!("{failure}"));
        for (header, entries) in lives {
            let allowed = header.restored.as_ref().is_some_and(|from| from.snapshot.consent.recording_enabled);
            let mut call = Rehearsal::new(allowed);
            call.run(header, entries);
            all.taped += call.seen.taped;
            all.refused += call.seen.refused;
            all.agent += call.seen.agent;
            all.words += call.seen.words;
            all.stops += call.seen.stops;
        }
    }
    assert!(
        all.taped > 10_000 && all.refused > 10_000 && all.agent > 100 && all.words > 100 && all.stops > 3,
        "{all:?}"
    );
}

/// What happens in a call, as far as the transcript is concerned.
#[derive(Debug, Clone, Copy)]
enum Happens {
    /// The caller agrees, or has it stopped.
    Consent(bool),
    /// The caller begins to speak.
    Begins,
    /// The caller says another word.
    Says,
    /// What was said is understood; more may follow.
    Understood,
    /// The agent begins another reply.
    Answers,
    /// The caller hears so many more of its words.
    Hears(usize),
}

fn happens() -> impl Strategy<Value = Happens> {
    prop_oneof![
        1 => any::<bool>().prop_map(Happens::Consent),
        1 => Just(Happens::Begins),
        4 => Just(Happens::Says),
        2 => Just(Happens::Understood),
        1 => Just(Happens::Answers),
        4 => (0..4_usize).prop_map(Happens::Hears),
    ]
}

/// A call whose every word is one of its kind.
struct Talk {
    tape: Tape,
    taped: mpsc::Receiver<Taped>,
    transcript: Transcript,
    consent: Consent,
    words: usize,
    /// Of this utterance, and whether each was said with leave.
    utterance: (u64, Vec<String>),
    reply: (u64, Vec<String>),
    /// Words that no transcript may have, and the agent's that it must have.
    forbidden: Vec<String>,
    due: Vec<String>,
}

impl Talk {
    fn new() -> Self {
        let Rehearsal { tape, taped, .. } = Rehearsal::new(false);
        let (transcript, consent) = (Transcript::default(), Consent::default());
        let (forbidden, due) = (Vec::new(), Vec::new());
        Self { tape, taped, transcript, consent, words: 0, utterance: (0, vec![]), reply: (0, vec![]), forbidden, due }
    }

    fn word(&mut self) -> String {
        self.words += 1;
        let word = format!("w{}", self.words);
        if self.consent.permit().is_none() {
            self.forbidden.push(word.clone());
        }
        word
    }

    fn take(&mut self, now_ms: u64, what: Happens) {
        let had_permit = self.consent.permit().is_some();
        let mut event = None;
        match what {
            Happens::Consent(agreed) => drop(self.consent.set(agreed)),
            Happens::Begins => self.utterance = (self.utterance.0 + 1, Vec::new()),
            Happens::Says if self.utterance.0 > 0 => {
                let word = self.word();
                self.utterance.1.push(word);
            }
            Happens::Understood if self.utterance.0 > 0 => {
                let (utterance_id, text) = (UtteranceId(self.utterance.0), self.utterance.1.join(" "));
                event = Some(ClientEvent::Transcript { utterance_id, text, r#final: true });
            }
            Happens::Answers => self.reply = (self.reply.0 + 1, Vec::new()),
            Happens::Hears(count) if self.reply.0 > 0 => {
                for _ in 0..count {
                    let word = self.word();
                    self.due.extend(had_permit.then(|| word.clone()));
                    self.reply.1.push(word);
                }
            }
            _ => {}
        }
        let permit = self.consent.permit();
        self.tape.heed(permit, UtteranceId(self.utterance.0));
        self.tape.words(permit.filter(|_| had_permit), now_ms, ReplyId(self.reply.0), &self.reply.1.join(" "));
        if let Some(event) = event {
            self.tape.event(permit, now_ms, &event);
        }
        while let Ok(one) = self.taped.try_recv() {
            match one {
                Taped::Event { now_ms, event } => self.transcript.take(now_ms, &event),
                Taped::Words { now_ms, reply, text } => self.transcript.heard(now_ms, reply, text),
                _ => {}
            }
        }
    }

    /// The transcript's words.
    fn written(&mut self) -> Vec<String> {
        let lines = self.transcript.release(u64::MAX);
        lines.iter().flat_map(|line| line.text.split_whitespace().map(str::to_owned).collect::<Vec<_>>()).collect()
    }
}

proptest! {
    #[test]
    fn no_transcript_has_a_word_that_was_said_or_heard_without_leave(all in vec(happens(), 0..60)) {
        let mut talk = Talk::new();
        let mut written = Vec::new();
        for (now_ms, what) in all.into_iter().enumerate() {
            talk.take(now_ms as u64, what);
            if now_ms % 20 == 0 {
                written.extend(talk.written());
            }
        }
        written.extend(talk.written());
        prop_assert!(!talk.forbidden.iter().any(|word| written.contains(word)), "{:?} in {written:?}", talk.forbidden);
        prop_assert!(talk.due.iter().all(|word| written.contains(word)), "{:?} not in {written:?}", talk.due);
    }
}

#[test]
fn a_key_that_a_full_queue_did_not_take_is_told_before_anything_else() {
    let mut consent = Consent::default();
    consent.set(true);
    let (sink, mut taped) = mpsc::channel(2);
    let (user, session) = (UserId::new("ana"), "s".to_owned());
    let call = Call { user, session, fence: 1, format: AudioFormat::Pcm24k, began: Instant::now() };
    let mut tape = Tape { sink: Some(sink), ..Tape::new(None, call) };
    let frame = |tape: &mut Tape, now_ms| tape.caller(consent.permit(), now_ms, &[1; 320]);
    frame(&mut tape, 20);
    frame(&mut tape, 40);
    tape.key(50);
    frame(&mut tape, 60);
    assert_eq!(tape.frames_lost, 1);
    let mut next = || taped.try_recv().unwrap();
    assert!(matches!((next(), next()), (Taped::Caller { now_ms: 20, .. }, Taped::Caller { now_ms: 40, .. })));
    frame(&mut tape, 80);
    assert!(matches!((next(), next()), (Taped::Key { now_ms: 50 }, Taped::Caller { now_ms: 80, .. })));
    frame(&mut tape, 100);
    assert!(matches!(next(), Taped::Caller { now_ms: 100, .. }), "once");
}
