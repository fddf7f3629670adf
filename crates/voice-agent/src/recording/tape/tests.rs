//! The tape in thousands of simulated calls, against what their callers allowed.

use voice_core::consent::ConsentDecision;
use voice_core::log::{Entry, Header};
use voice_core::{Input, Output};
use voice_sim::{Killing, log_seed};

use super::*;

/// Calls.
const SEEDS: u64 = 400;
/// Most frames of a pause that are tried: a caller may be silent for minutes.
const MOST_FRAMES: u64 = 50;

/// What came of the calls together.
#[derive(Debug, Default)]
struct Seen {
    taped: u64,
    refused: u64,
    agent: u64,
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
    fn look(&mut self, now_ms: u64, what: &str) {
        let mut count = 0;
        while let Ok(one) = self.taped.try_recv() {
            assert!(self.allowed, "{what} at {now_ms} ms, without leave: {one:?}");
            count += 1;
            self.seen.agent += u64::from(matches!(one, Taped::Agent { .. }));
        }
        self.seen.taped += count;
        self.seen.refused += u64::from(count == 0);
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
            if let Input::PlayoutPosition { speech, played_ms } = &input {
                self.tape.agent(session.recording_permit(), at_ms, *speech, *played_ms, |from, to| {
                    vec![0; (to - from) as usize]
                });
                self.look(at_ms, "the agent");
            }
            if let Input::Consent { recording } = &input {
                self.allowed = *recording;
            }
            session.handle_input(at_ms, input);
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
            if session.recording_permit().is_none() {
                self.tape.stop();
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
            all.stops += call.seen.stops;
        }
    }
    assert!(all.taped > 10_000 && all.refused > 10_000 && all.agent > 100 && all.stops > 3, "{all:?}");
}
