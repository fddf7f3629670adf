//! Audio to words.

use std::collections::VecDeque;
use std::f64::consts::TAU;

use serde::Serialize;

use super::tone::{Code, DIGITS, TONES, Voice, groups, tone_hz};
use super::words::Vocabulary;

/// The window in which tones are told apart.
const WINDOW_MS: u64 = 40;
/// From a window to the next.
const HOP_MS: u64 = 10;
/// A tone stands out when its power is so many times that of the next in its group.
const CONTRAST: f64 = 6.0;
/// Amplitudes below this (of full scale) are silence.
const SILENCE: f64 = 0.002;
/// Two voices are heard at once when the weaker one's tone has this share of the stronger one's power.
const SECOND_VOICE: f64 = 0.1;
/// A word begins and ends where it has this share of its level: there, half a window is inside.
const EDGE: f64 = 0.5;
/// Windows before the one in which a word was first known, that are looked at again for its beginning.
const LOOK_BACK: usize = 4;
/// After a word's end the same tones are another piece of it from this share of its level on.
const AGAIN: f64 = 0.3;
/// What a word's swelling and fading take from its length.
const RAMP_MS: f64 = 6.0;
/// Pieces of words shorter than this are not told.
const SHORTEST_MS: f64 = 15.0;
/// A word is cut when so much of it is missing.
const CUT_MS: u64 = 15;
/// The longest word, in windows: what sounds on is another one.
const LONGEST: usize = 2_000;
/// Overlaps that are told.
const MOST_OVERLAPS: usize = 1_000;
/// Shorter overlaps are the seam between two voices.
const SEAM_MS: u64 = 60;

/// A word that was heard.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct HeardWord {
    /// Its number.
    pub code: Code,
    /// The word itself, in lower case, if the vocabulary has it.
    pub word: Option<String>,
    /// Whose it was.
    pub voice: Voice,
    /// Where it began, in ms of the audio; right to 5 ms or so.
    pub start_ms: u64,
    /// How long it sounded, in ms.
    pub duration_ms: u64,
    /// Something of it is missing: it sounded for less than its voice's words do, by 15 ms or more.
    pub cut: bool,
}

/// A stretch in which two voices sounded at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Overlap {
    /// Where it began, in ms of the audio.
    pub start_ms: u64,
    /// How long it was, in ms.
    pub duration_ms: u64,
}

/// The words in a recording (mono), with the vocabulary that every test has.
pub fn decode_words(pcm: &[i16], rate: u32) -> Vec<HeardWord> {
    let mut ear = Ear::new(rate);
    ear.handle_audio(pcm);
    ear.finish(&Vocabulary::default())
}

/// Where in a recording two voices sounded at once.
pub fn overlaps(pcm: &[i16], rate: u32) -> Vec<Overlap> {
    let mut ear = Ear::new(rate);
    ear.handle_audio(pcm);
    ear.close();
    ear.overlaps
}

/// What a voice said, as a text; a cut word has a dash behind it, one that is not known is `#` and its number.
pub fn spoken(words: &[HeardWord], voice: Voice) -> String {
    let written: Vec<String> = words
        .iter()
        .filter(|word| word.voice == voice)
        .map(|word| {
            let text = word.word.clone().unwrap_or_else(|| format!("#{}", word.code.number()));
            if word.cut { format!("{text}-") } else { text }
        })
        .collect();
    written.join(" ")
}

/// What one window holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Chord {
    Nothing,
    Word(Voice, Code),
    TwoVoices,
}

/// A piece of a word.
#[derive(Debug, Clone, Copy)]
struct Piece {
    voice: Voice,
    code: Code,
    start_ms: f64,
    end_ms: f64,
}

/// The same chord, window after window.
#[derive(Debug, Clone)]
struct Run {
    voice: Voice,
    code: Code,
    /// The windows so far and their levels.
    levels: Vec<(f64, f64)>,
    peak: f64,
    /// The level has fallen below the edge: what follows is another piece, if it rises again.
    ended: bool,
}

/// One window: its middle in ms, and the amplitude of every tone.
#[derive(Debug, Clone, Copy)]
struct Window {
    at_ms: f64,
    amplitudes: [f64; TONES],
}

impl Window {
    /// The level of a chord: that of its weakest tone, so that another word with some of the same tones is not taken for it.
    fn level(&self, voice: Voice, code: Code) -> f64 {
        code.tones(voice).into_iter().map(|tone| self.amplitudes[tone]).fold(f64::MAX, f64::min)
    }
}

/// An ear for audio that comes bit by bit.
#[derive(Debug, Clone)]
pub struct Ear {
    rate: u32,
    window: Vec<f64>,
    /// 2·cos of each tone's step, for Goertzel's recurrence.
    steps: [f64; TONES],
    /// Samples that are not in a whole window yet; the first window is half before the audio.
    rest: Vec<i16>,
    /// The middle of the next window, in samples.
    position: u64,
    recent: VecDeque<Window>,
    run: Option<Run>,
    pieces: Vec<Piece>,
    overlaps: Vec<Overlap>,
    /// Since when two voices are heard.
    two_since_ms: Option<u64>,
}

impl Ear {
    /// An ear for mono audio of this rate in Hz (8,000 or more).
    pub fn new(rate: u32) -> Self {
        let length = samples(WINDOW_MS, rate);
        let window = (0..length).map(|n| 0.5 - 0.5 * (TAU * (n as f64 + 0.5) / length as f64).cos()).collect();
        let steps = std::array::from_fn(|tone| 2.0 * (TAU * tone_hz(tone) / f64::from(rate)).cos());
        Self {
            rate,
            steps,
            rest: vec![0; length / 2],
            window,
            position: 0,
            recent: VecDeque::new(),
            run: None,
            pieces: Vec::new(),
            overlaps: Vec::new(),
            two_since_ms: None,
        }
    }

    /// Takes the next samples.
    pub fn handle_audio(&mut self, pcm: &[i16]) {
        self.rest.extend_from_slice(pcm);
        let hop = samples(HOP_MS, self.rate).max(1);
        let mut begun = 0;
        while self.rest.len() >= begun + self.window.len() && !self.window.is_empty() {
            let at_ms = 1_000.0 * (self.position + begun as u64) as f64 / f64::from(self.rate);
            let window = self.listen(at_ms, &self.rest[begun..begun + self.window.len()]);
            self.handle_window(window);
            begun += hop;
        }
        self.rest.drain(..begun);
        self.position += begun as u64;
    }

    /// The words that have ended, and are no longer kept here.
    pub fn take_words(&mut self, vocabulary: &Vocabulary) -> Vec<HeardWord> {
        self.pieces.drain(..).map(|piece| heard(piece, vocabulary)).collect()
    }

    /// Whether a word sounds right now.
    pub fn is_in_word(&self) -> bool {
        self.run.as_ref().is_some_and(|run| !run.ended)
    }

    /// Ends the audio here: all words that are left, the last one perhaps cut.
    pub fn finish(&mut self, vocabulary: &Vocabulary) -> Vec<HeardWord> {
        self.close();
        self.take_words(vocabulary)
    }

    fn close(&mut self) {
        // Silence, so that a word's last windows are seen.
        self.handle_audio(&vec![0; samples(WINDOW_MS + HOP_MS, self.rate)]);
        self.end_run();
        let now_ms = self.position * 1_000 / u64::from(self.rate);
        self.end_overlap(now_ms);
    }

    fn listen(&self, at_ms: f64, audio: &[i16]) -> Window {
        let scale = 2.0 / self.window.iter().sum::<f64>();
        let windowed: Vec<f64> =
            audio.iter().zip(&self.window).map(|(sample, weight)| f64::from(*sample) / 32_768.0 * weight).collect();
        Window { at_ms, amplitudes: goertzel(&windowed, &self.steps).map(|power| power.sqrt() * scale) }
    }

    fn handle_window(&mut self, window: Window) {
        let whole_ms = round(window.at_ms);
        let chord = chord(&groups().map(|group| Group::of(window.amplitudes[group].iter().map(|a| a * a))));
        match chord {
            Chord::TwoVoices => {
                self.end_run();
                self.two_since_ms.get_or_insert(whole_ms);
            }
            // Noise may hide a tone for a moment. What counts then is whether the word's own tones go on.
            Chord::Nothing => {
                self.end_overlap(whole_ms);
                if self.is_in_word() {
                    self.go_on(&window);
                } else {
                    self.run = None;
                }
            }
            Chord::Word(voice, code) => {
                self.end_overlap(whole_ms);
                if self.run.as_ref().is_some_and(|run| (run.voice, run.code) != (voice, code)) {
                    self.end_run();
                }
                if self.run.is_none() {
                    let levels = rise(self.recent.iter().map(|before| (before.at_ms, before.level(voice, code))));
                    self.run = Some(Run { voice, code, levels, peak: 0.0, ended: false });
                }
                self.go_on(&window);
            }
        }
        self.recent.push_back(window);
        if self.recent.len() > LOOK_BACK {
            self.recent.pop_front();
        }
    }

    fn go_on(&mut self, window: &Window) {
        let Some(run) = &mut self.run else { return };
        self.pieces.extend(run.handle_level(window.at_ms, window.level(run.voice, run.code)));
    }

    fn end_run(&mut self) {
        if let Some(piece) = self.run.take().and_then(|mut run| run.end()) {
            self.pieces.push(piece);
        }
    }

    fn end_overlap(&mut self, now_ms: u64) {
        if let Some(start_ms) = self.two_since_ms.take() {
            let duration_ms = now_ms.saturating_sub(start_ms);
            if duration_ms >= SEAM_MS && self.overlaps.len() < MOST_OVERLAPS {
                self.overlaps.push(Overlap { start_ms, duration_ms });
            }
        }
    }
}

impl Run {
    /// One more window; the piece of a word that ended with it.
    fn handle_level(&mut self, at_ms: f64, level: f64) -> Option<Piece> {
        if self.ended {
            let lowest = self.levels.last().map_or(f64::MAX, |(_, level)| *level);
            if level < (lowest * 1.5).max(AGAIN * self.peak) {
                self.levels = vec![(at_ms, level.min(lowest))];
                return None;
            }
            (self.ended, self.peak) = (false, 0.0);
        }
        self.levels.push((at_ms, level));
        self.peak = self.peak.max(level);
        if level >= EDGE * self.peak && self.levels.len() < LONGEST {
            return None;
        }
        let piece = self.end();
        self.levels = vec![(at_ms, level)];
        self.ended = true;
        piece
    }

    /// The piece so far.
    fn end(&mut self) -> Option<Piece> {
        let levels = std::mem::take(&mut self.levels);
        let edge = EDGE * self.peak;
        if self.ended || self.peak == 0.0 {
            return None;
        }
        let first = levels.iter().position(|(_, level)| *level >= edge)?;
        let last = levels.iter().rposition(|(_, level)| *level >= edge)?;
        let hop = HOP_MS as f64;
        // Where the level crosses the edge between two windows; beyond the run it counts as nothing.
        let before = first.checked_sub(1).map_or((levels[first].0 - hop, 0.0), |before| levels[before]);
        let after = levels.get(last + 1).copied().unwrap_or((levels[last].0 + hop, 0.0));
        let start_ms = crossing(before, levels[first], edge) - RAMP_MS / 2.0;
        let end_ms = crossing(after, levels[last], edge) + RAMP_MS / 2.0;
        let (voice, code) = (self.voice, self.code);
        (end_ms - start_ms >= SHORTEST_MS).then_some(Piece { voice, code, start_ms, end_ms })
    }
}

/// Levels from the lowest of them on: before it, the same word may have ended.
fn rise(levels: impl Iterator<Item = (f64, f64)>) -> Vec<(f64, f64)> {
    levels.fold(Vec::new(), |mut rising, (at_ms, level)| {
        if rising.iter().all(|(_, other)| level <= *other) {
            rising.clear();
        }
        rising.push((at_ms, level));
        rising
    })
}

/// Where the level is `edge`, between a window below it and one above.
fn crossing(below: (f64, f64), above: (f64, f64), edge: f64) -> f64 {
    let share = (edge - below.1) / (above.1 - below.1).max(f64::MIN_POSITIVE);
    below.0 + (above.0 - below.0) * share.clamp(0.0, 1.0)
}

/// One group of tones in a window: the place of the strongest, and the three highest powers.
#[derive(Debug, Clone, Copy, Default)]
struct Group {
    place: usize,
    powers: [f64; 3],
}

impl Group {
    fn of(powers: impl Iterator<Item = f64>) -> Self {
        powers.enumerate().fold(Self::default(), |group, (place, power)| {
            let [first, second, third] = group.powers;
            match power {
                _ if power > first => Self { place, powers: [power, first, second] },
                _ if power > second => Self { powers: [first, power, second], ..group },
                _ => Self { powers: [first, second, third.max(power)], ..group },
            }
        })
    }

    /// One tone stands out.
    fn is_one(&self) -> bool {
        self.powers[0] > CONTRAST * self.powers[1]
    }

    /// One or two do.
    fn is_one_or_two(&self) -> bool {
        self.powers[0] > CONTRAST * self.powers[2]
    }
}

/// What the groups of a window say.
fn chord(groups: &[Group; 1 + DIGITS]) -> Chord {
    let is_loud = |power: f64| power.sqrt() >= SILENCE;
    if !groups.iter().all(|group| is_loud(group.powers[0])) {
        return Chord::Nothing;
    }
    let [strongest, second, _] = groups[0].powers;
    if second > SECOND_VOICE * strongest && groups.iter().all(Group::is_one_or_two) {
        return Chord::TwoVoices;
    }
    if !groups.iter().all(Group::is_one) {
        return Chord::Nothing;
    }
    let code = Code::of_digits(std::array::from_fn(|digit| groups[digit + 1].place));
    Chord::Word(Voice::ALL[groups[0].place], code)
}

/// The power of each tone in a windowed signal. All tones go on together, which the compiler makes vectors of.
fn goertzel(windowed: &[f64], steps: &[f64; TONES]) -> [f64; TONES] {
    let (mut last, mut before) = ([0.0; TONES], [0.0; TONES]);
    for sample in windowed {
        for ((last, before), step) in last.iter_mut().zip(&mut before).zip(steps) {
            let now = sample + step * *last - *before;
            (*before, *last) = (*last, now);
        }
    }
    std::array::from_fn(|tone| {
        let (last, before) = (last[tone], before[tone]);
        (last * last + before * before - steps[tone] * last * before).max(0.0)
    })
}

fn heard(piece: Piece, vocabulary: &Vocabulary) -> HeardWord {
    let Piece { voice, code, start_ms, end_ms } = piece;
    let duration_ms = round(end_ms - start_ms);
    let word = vocabulary.word(code).map(str::to_owned);
    let cut = duration_ms + CUT_MS <= voice.word_ms();
    HeardWord { code, word, voice, start_ms: round(start_ms), duration_ms, cut }
}

fn samples(ms: u64, rate: u32) -> usize {
    usize::try_from(ms * u64::from(rate) / 1_000).unwrap_or_default()
}

fn round(ms: f64) -> u64 {
    ms.round().max(0.0) as u64
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
