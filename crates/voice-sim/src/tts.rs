//! The synthesis: how its audio comes, slowly, late, never, or again and again.

use std::collections::{BTreeMap, VecDeque};

use voice_core::Input;
use voice_core::ids::{ReplyId, RungId, SpeechId};
use voice_core::input::WordTiming;

use crate::queue::Event;
use crate::stray::any_failure;
use crate::world::{Checked, World};

#[derive(Debug, Clone, Copy)]
enum Step {
    Audio(u64),
    Done(u64),
    Fail,
    /// So much audio, again after so many milliseconds, with so much more.
    Again(u64, u64, u64),
}

#[derive(Debug)]
struct Script {
    reply: ReplyId,
    steps: VecDeque<(u64, Step)>,
    words: Vec<WordTiming>,
    total_ms: u64,
    /// It says where words end while it speaks, and whole words only.
    timed: bool,
    late: bool,
}

/// The chunks that are being made.
#[derive(Debug, Default)]
pub(crate) struct Tts {
    scripts: BTreeMap<(u64, u32, RungId), Script>,
}

impl World {
    /// A chunk is to be made.
    pub(crate) fn synthesize(&mut self, speech: SpeechId, reply: ReplyId, chunk: u32, rung: RungId, text: &str) {
        let faults = self.profile.faults;
        let chars = text.chars().count() as u64;
        // Never slower than the core's own estimate, so that its guess about a half-made chunk errs on the safe side.
        let total_ms = if self.dice.chance(10) { 0 } else { chars * self.dice.between(30, 65) };
        self.device.add_chunk(speech, reply, chunk, rung, text);
        let mut steps = VecDeque::new();
        let parts = self.dice.between(1, 5);
        let mut delay_ms = self.delay(15, 350);
        for part in 1..parts {
            steps.push_back((delay_ms, Step::Audio(total_ms * part / parts)));
            delay_ms = self.delay(1, total_ms / parts / 3 + 1);
        }
        steps.push_back((delay_ms, Step::Done(total_ms)));
        let at = self.dice.below(steps.len() as u64) as usize;
        if self.dice.chance(faults.tts_fail) {
            steps.truncate(at);
            steps.push_back((delay_ms, Step::Fail));
        }
        if self.dice.chance(faults.tts_hang) && at < steps.len() {
            if self.dice.chance(400) {
                steps.truncate(at);
            } else {
                steps[at].0 += self.dice.between(500, 9_000);
            }
        }
        if self.dice.chance(faults.tts_dribble) {
            let so_far_ms = total_ms * at as u64 / parts;
            steps.truncate(at);
            steps.push_back((delay_ms, Step::Again(so_far_ms, self.dice.between(50, 2_500), self.dice.below(2))));
        }
        let words = if self.dice.chance(500) { self.device.word_timings(speech, chunk, total_ms) } else { Vec::new() };
        let first_ms = steps.front().map(|(delay_ms, _)| *delay_ms);
        let script = Script { reply, steps, words, total_ms, timed: self.dice.chance(500), late: false };
        self.tts.scripts.insert((speech.0, chunk, rung), script);
        if let Some(first_ms) = first_ms {
            self.later(first_ms, Event::Tts { speech: speech.0, chunk, rung });
        }
    }

    /// The next step of a chunk's script.
    pub(crate) fn tts_goes_on(&mut self, speech: u64, chunk: u32, rung: RungId) -> Checked {
        let alive = self.device.wants(SpeechId(speech), chunk, rung);
        let late = !alive && self.dice.chance(self.profile.faults.tts_late);
        let Some(script) = self.tts.scripts.get_mut(&(speech, chunk, rung)) else { return Ok(()) };
        script.late |= late;
        if !alive && !script.late {
            self.tts.scripts.remove(&(speech, chunk, rung));
            return Ok(());
        }
        let Some((_, step)) = script.steps.pop_front() else { return Ok(()) };
        if let Step::Again(audio_ms, every_ms, more_ms) = step
            && alive
        {
            script.steps.push_front((every_ms, Step::Again(audio_ms + more_ms, every_ms, more_ms)));
        }
        if let Some((delay_ms, _)) = script.steps.front() {
            let at_ms = self.now_ms + delay_ms;
            self.queue.put(at_ms, Some(self.life), Event::Tts { speech, chunk, rung });
        }
        let (reply, total_ms) = (script.reply, script.total_ms);
        let speech = SpeechId(speech);
        match step {
            Step::Audio(audio_ms) | Step::Again(audio_ms, ..) => {
                let (audio_ms, words) = script.whole_words(audio_ms);
                self.device.take_audio(speech, chunk, rung, (audio_ms, total_ms), false);
                self.feed(Input::TtsAudio { speech, chunk, rung, audio_ms, words })
            }
            Step::Done(audio_ms) => {
                let words = std::mem::take(&mut script.words);
                self.device.take_audio(speech, chunk, rung, (audio_ms, total_ms), true);
                self.use_tts(reply, audio_ms);
                self.feed(Input::TtsDone { speech, chunk, rung, audio_ms, words })
            }
            Step::Fail => {
                let failure = any_failure(&mut self.dice);
                self.feed(Input::TtsFailed { speech, chunk, rung, failure })
            }
        }
    }

    /// This voice is not wanted any more for a chunk; what is on its way may come all the same.
    pub(crate) fn stop_synthesis(&mut self, speech: SpeechId, chunk: u32, rung: RungId) {
        self.device.stop_voice(speech, chunk, rung);
        if !self.dice.chance(self.profile.faults.tts_late) {
            self.tts.scripts.remove(&(speech.0, chunk, rung));
        }
    }
}

impl Script {
    /// What is let out of so much audio: whole words only, if it is known where they end.
    fn whole_words(&self, audio_ms: u64) -> (u64, Vec<WordTiming>) {
        if !self.timed || self.words.is_empty() {
            return (audio_ms, Vec::new());
        }
        let words: Vec<WordTiming> = self.words.iter().take_while(|word| word.end_ms <= audio_ms).copied().collect();
        (words.last().map_or(0, |word| word.end_ms), words)
    }
}
