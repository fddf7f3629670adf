//! The playout: plays what it may in virtual real time, and knows what the caller really heard.

use voice_core::Input;
use voice_core::ids::{ReplyId, RungId, SpeechId};
use voice_core::input::WordTiming;

use crate::line::{Chunk, Line, State, TOLERANCE_MS};
use crate::page_link::PageLink;
use crate::queue::Event;
use crate::world::{Checked, World, violated};

/// A page says so often how far it is, in milliseconds.
const REPORT_EVERY_MS: u64 = 100;

/// The caller's loudspeaker.
#[derive(Debug)]
pub(crate) struct Device {
    pub(crate) lines: Vec<Line>,
    /// How its position reports come.
    pub(crate) link: PageLink,
    played_until_ms: u64,
    waking: bool,
    /// The leg that it plays on.
    leg: u64,
    life: u32,
    /// Something could be heard since the last look.
    pub(crate) sounded: bool,
    /// The speech that went on last, and the milliseconds of it that are played again.
    repeats: Option<(SpeechId, u64)>,
}

impl Device {
    pub(crate) const fn new(link: PageLink) -> Self {
        Self {
            lines: Vec::new(),
            link,
            played_until_ms: 0,
            waking: false,
            leg: 0,
            life: 0,
            sounded: false,
            repeats: None,
        }
    }

    pub(crate) fn power_off(&mut self) {
        self.waking = false;
        self.life += 1;
        for line in &mut self.lines {
            line.state = State::Dead;
            line.settled = true;
            for chunk in &mut line.chunks {
                chunk.must = false;
            }
        }
    }

    /// Whether a speech waits for the caller.
    pub(crate) fn is_paused(&self) -> bool {
        self.lines.last().is_some_and(|line| line.state == State::Live && line.paused)
    }

    pub(crate) fn line(&mut self, speech: SpeechId) -> Option<&mut Line> {
        self.lines.iter_mut().rev().find(|line| line.id == speech && line.state != State::Dead)
    }

    fn line_or_new(&mut self, speech: SpeechId, reply: ReplyId) -> &mut Line {
        let at = match self.lines.iter().rposition(|line| line.id == speech && line.state != State::Dead) {
            Some(at) => at,
            None => {
                self.lines.push(Line {
                    id: speech,
                    reply,
                    chunks: Vec::new(),
                    state: State::Live,
                    life: self.life,
                    through: None,
                    paused: false,
                    pos_ms: 0,
                    most_ms: 0,
                    sent_ms: 0,
                    first_out: false,
                    text_mode: false,
                    settled: false,
                });
                self.lines.len() - 1
            }
        };
        &mut self.lines[at]
    }

    /// The synthesis of a chunk is asked for, of one voice or another.
    pub(crate) fn add_chunk(&mut self, speech: SpeechId, reply: ReplyId, index: u32, rung: RungId, text: &str) {
        let line = self.line_or_new(speech, reply);
        // The words that an ended chunk had no audio for come again in the next.
        if let Some(ended) = line.chunks.iter_mut().rev().find(|chunk| !chunk.dropped)
            && ended.ended
            && let Some(kept) = ended.text.strip_suffix(text)
        {
            let words = kept.split_whitespace().count();
            ended.words.truncate(words);
            ended.ends.truncate(words);
        }
        if let Some(chunk) = line.chunks.iter_mut().find(|chunk| chunk.index == index && !chunk.shown) {
            // It may be asked once more, after another was asked instead.
            chunk.stopped.retain(|voice| *voice != rung);
            return;
        }
        // Made again: its words may stand on the page already. Whole words: another's beginning may read the same.
        let space = |rest: &str, at: usize| rest.as_bytes().get(at).is_none_or(u8::is_ascii_whitespace);
        let begins = |of: &str| of.strip_prefix(text).is_some_and(|rest| space(rest, 0));
        let ends = |of: &str| of.strip_suffix(text).is_some_and(|rest| space(rest, rest.len().wrapping_sub(1)));
        let part = |of: &str| begins(of) || ends(of);
        let before = |chunk: &Chunk| chunk.captioned && (chunk.dropped || chunk.ended) && part(&chunk.text);
        let captioned = line.chunks.iter().any(before);
        line.chunks.push(Chunk { captioned, ..Chunk::new(index, text, 0) });
    }

    /// Where the words of a chunk end, as a provider tells it.
    pub(crate) fn word_timings(&mut self, speech: SpeechId, index: u32, total_ms: u64) -> Vec<WordTiming> {
        let Some(line) = self.line(speech) else { return Vec::new() };
        let Some(chunk) = line.chunks.iter().find(|chunk| chunk.index == index) else { return Vec::new() };
        // Its texts are ASCII: a character is a byte.
        let timing = |end: &u64| WordTiming { byte_end: *end as usize, end_ms: end * total_ms / chunk.chars };
        if chunk.text.is_ascii() { chunk.ends.iter().map(timing).collect() } else { Vec::new() }
    }

    /// Whether more audio of this chunk would be played.
    pub(crate) fn wants(&mut self, speech: SpeechId, index: u32, rung: RungId) -> bool {
        self.line(speech).is_some_and(|line| {
            let wanted = |chunk: &Chunk| {
                let its_voice = chunk.voice.is_none_or(|voice| voice == rung) && !chunk.stopped.contains(&rung);
                chunk.index == index && its_voice && !chunk.shown && !chunk.dropped && !chunk.ended
            };
            line.state == State::Live && line.chunks.iter().any(wanted)
        })
    }

    /// Takes a voice's audio so far, and how long all of it will be, in milliseconds: the first voice that is heard at all has
    /// the chunk for itself.
    pub(crate) fn take_audio(
        &mut self,
        speech: SpeechId,
        index: u32,
        rung: RungId,
        (audio_ms, total_ms): (u64, u64),
        done: bool,
    ) {
        if !self.wants(speech, index, rung) {
            return;
        }
        if let Some(line) = self.line(speech)
            && let Some(chunk) =
                line.chunks.iter_mut().find(|chunk| chunk.index == index && !chunk.dropped && !chunk.shown)
        {
            chunk.silent |= done && audio_ms == 0;
            if audio_ms > 0 {
                chunk.voice = Some(rung);
                chunk.total_ms = total_ms;
                chunk.done |= done;
            }
            chunk.audio_ms = chunk.audio_ms.max(audio_ms);
        }
    }

    /// This voice is not to speak this chunk any more.
    pub(crate) fn stop_voice(&mut self, speech: SpeechId, index: u32, rung: RungId) {
        let line = self.line(speech);
        if let Some(chunk) = line.and_then(|line| line.chunks.iter_mut().find(|chunk| chunk.index == index)) {
            chunk.stopped.push(rung);
        }
    }

    /// No more audio of this chunk is wanted: it ends with what is there.
    pub(crate) fn end_chunk(&mut self, speech: SpeechId, index: u32) {
        if let Some(line) = self.line(speech)
            && let Some(chunk) = line.chunks.iter_mut().find(|chunk| chunk.index == index && !chunk.shown)
        {
            chunk.done |= chunk.silent && chunk.audio_ms == 0;
            chunk.ended = !chunk.done;
        }
    }

    /// Drops these chunks. Says whether one of them was heard.
    pub(crate) fn drop_chunks(&mut self, speech: SpeechId, from: u32) -> bool {
        let Some(line) = self.line(speech) else { return false };
        let mut heard = false;
        for chunk in line.chunks.iter_mut().filter(|chunk| chunk.index >= from && !chunk.shown) {
            chunk.dropped = true;
            heard |= chunk.heard_ms > 0;
        }
        if let Some(through) = line.through {
            line.through = if from == 0 { None } else { Some(through.min(from - 1)) };
        }
        heard
    }

    /// Words were shown. Without a voice they count as heard.
    pub(crate) fn caption(&mut self, speech: SpeechId, reply: ReplyId, text: &str, voice: bool) {
        let line = self.line_or_new(speech, reply);
        let known = line.chunks.iter_mut().find(|chunk| !chunk.dropped && !chunk.captioned && chunk.reads(text));
        let spoken = known.is_some();
        match known {
            Some(chunk) => chunk.captioned = true,
            None => {
                let index = line.chunks.last().map_or(0, |chunk| chunk.index);
                let mut chunk = Chunk::new(index, text, 0);
                (chunk.captioned, chunk.shown, chunk.done) = (true, true, true);
                line.chunks.push(chunk);
            }
        }
        line.text_mode |= !voice || !spoken;
        self.sounded |= !voice;
    }

    /// A leg without a voice is told the whole caption, also what was to be made once more and was not.
    pub(crate) fn told_again(&mut self, reply: ReplyId) {
        for line in self.lines.iter_mut().filter(|line| line.reply == reply && line.text_mode && !line.settled) {
            // What ended before its first word was out was not made: the same words stand behind it, to be made once more.
            let is_made = |chunk: &&Chunk| !chunk.dropped && !chunk.words.is_empty();
            let made: Vec<String> = line.chunks.iter().filter(is_made).map(|chunk| chunk.text.clone()).collect();
            for chunk in line.chunks.iter_mut().filter(|chunk| chunk.captioned && !made.contains(&chunk.text)) {
                chunk.dropped = false;
            }
        }
    }

    /// The caller reads from now on.
    pub(crate) fn read_on(&mut self) {
        for line in self.lines.iter_mut().rev().take(2).filter(|line| !line.settled) {
            line.text_mode |= !matches!(line.state, State::Dead | State::Finished);
        }
    }
}

impl World {
    fn hears(&self) -> bool {
        self.session.is_some() && self.caller.leg.is_some_and(|(_, voice)| voice)
    }

    /// Plays up to now.
    pub(crate) fn device_plays(&mut self) -> Checked {
        let by_ms = self.now_ms - self.device.played_until_ms;
        self.device.played_until_ms = self.now_ms;
        if by_ms == 0 || !self.hears() {
            return Ok(());
        }
        let mut sounding: Option<SpeechId> = None;
        for line in self.device.lines.iter_mut().filter(|line| line.state == State::Live && !line.paused) {
            let left_ms = line.available_ms().saturating_sub(line.pos_ms);
            if left_ms < by_ms && !line.is_whole() {
                self.device.link.runs_dry(self.now_ms);
            }
            let by_ms = by_ms.min(left_ms);
            if by_ms == 0 {
                continue;
            }
            line.plays(by_ms);
            self.device.sounded = true;
            if let Some(other) = sounding.replace(line.id)
                && !self.profile.chaos
            {
                return violated("never two voices", format!("speech {other} and speech {} at once", line.id));
            }
        }
        if let Some(speech) = sounding
            && self.check.caller_speaks
            && !self.profile.chaos
        {
            return violated("silent while the caller speaks", format!("speech {speech} was heard over the caller"));
        }
        self.check_captions()
    }

    /// Whatever can be heard from now on begins to be.
    pub(crate) fn device_begins(&mut self) {
        if !self.hears() {
            return;
        }
        let mut wake_ms: Option<u64> = None;
        let mut first = None;
        for line in self.device.lines.iter_mut().rev().take(4) {
            let left_ms = line.available_ms().saturating_sub(line.pos_ms);
            if line.state != State::Live || line.paused || left_ms == 0 {
                continue;
            }
            if !std::mem::replace(&mut line.first_out, true) {
                first = Some(line.id);
            }
            wake_ms = Some(left_ms.min(REPORT_EVERY_MS));
        }
        if let Some(speech) = first {
            self.later(0, Event::Give(Input::FirstAudioOut { speech }));
        }
        if let Some(wake_ms) = wake_ms
            && !self.device.waking
        {
            self.device.waking = true;
            self.later(wake_ms, Event::Device);
        }
    }

    /// Reports how far it is.
    pub(crate) fn device_wakes(&mut self) -> Checked {
        self.device.waking = false;
        self.report_positions(None);
        Ok(())
    }

    /// Says how far each speech is that has moved; of one that was cleared, in any case.
    fn report_positions(&mut self, cleared: Option<SpeechId>) {
        if self.device.link.is_silent(self.now_ms) || !self.hears() {
            return;
        }
        let leg = self.device.leg;
        if self.caller.leg.is_none_or(|(now, _)| now != leg) {
            return;
        }
        let delay_ms = self.device.link.delay_ms(self.now_ms, &mut self.dice);
        let mut reports = Vec::new();
        for line in self.device.lines.iter_mut().rev().take(4) {
            if line.state == State::Live && (line.pos_ms > line.sent_ms || cleared == Some(line.id)) {
                line.sent_ms = line.pos_ms;
                reports.push((line.id, line.pos_ms));
            }
        }
        for (speech, played_ms) in reports {
            self.later(delay_ms, Event::Position { speech, played_ms, leg });
        }
    }

    /// A report arrives: what it covers has to be in history from now on.
    pub(crate) fn position_arrives(&mut self, speech: SpeechId, played_ms: u64, leg: u64) -> Checked {
        // Another leg's reports are not for this one: its playout began again elsewhere.
        if self.caller.leg.is_none_or(|(now, _)| now != leg) {
            return Ok(());
        }
        if let Some(line) = self.device.line(speech).filter(|line| line.state == State::Live) {
            let mut start_ms = 0;
            for chunk in line.chunks.iter_mut().filter(|chunk| !chunk.dropped) {
                start_ms += chunk.audio_ms;
                if !chunk.done || chunk.ended || start_ms > played_ms {
                    break;
                }
                chunk.must |= chunk.heard_ms >= chunk.audio_ms && chunk.audio_ms > 0;
            }
        }
        self.feed(Input::PlayoutPosition { speech, played_ms, reported: true })
    }

    fn on_this_leg(&mut self) {
        if let Some((leg, _)) = self.caller.leg {
            self.device.leg = leg;
        }
    }

    /// The session lets be heard up to this chunk.
    pub(crate) fn play(&mut self, speech: SpeechId, through: u32) -> Checked {
        self.on_this_leg();
        let Some(line) = self.device.line(speech).filter(|line| line.state == State::Live) else {
            return self.strange("plays what it asked for", format!("Play of speech {speech}, which is gone"));
        };
        line.through = Some(line.through.unwrap_or_default().max(through));
        if !line.chunks.iter().any(|chunk| chunk.index == through && !chunk.dropped && !chunk.shown) {
            return self.strange("plays what it asked for", format!("Play through chunk {through}, which is gone"));
        }
        Ok(())
    }

    pub(crate) fn pause(&mut self, speech: SpeechId) {
        if let Some(line) = self.device.line(speech) {
            line.paused = true;
        }
        self.device.repeats = None;
        self.report_positions(Some(speech));
    }

    pub(crate) fn resume(&mut self, speech: SpeechId, from_ms: u64) -> Checked {
        self.on_this_leg();
        let Some(line) = self.device.line(speech).filter(|line| line.state == State::Live) else {
            return Ok(());
        };
        let pos_ms = line.most_ms;
        let repeated_ms = line.pos_ms.saturating_sub(from_ms);
        line.paused = false;
        line.pos_ms = from_ms.min(pos_ms);
        line.sent_ms = line.pos_ms;
        self.device.repeats = Some((speech, repeated_ms));
        if from_ms > pos_ms + TOLERANCE_MS {
            let text = format!("speech {speech} goes on at {from_ms} ms, only {pos_ms} ms were heard");
            return self.strange("goes on where it stopped", text);
        }
        Ok(())
    }

    /// A hush is over that nothing came of: hardly anything of the speech is heard twice for it.
    pub(crate) fn check_hush(&mut self, speech: SpeechId, held_ms: u64) -> Checked {
        let repeats = self.device.repeats.take().filter(|(resumed, _)| *resumed == speech);
        let most_ms = self.device.link.most_repeated_ms(self.now_ms);
        match repeats {
            Some((_, repeated_ms)) if repeated_ms > most_ms => {
                let text =
                    format!("{repeated_ms} ms of speech {speech} after {held_ms} ms of silence, at most {most_ms}");
                self.strange("a hush repeats hardly anything", text)
            }
            _ => Ok(()),
        }
    }

    pub(crate) fn drop_speech(&mut self, speech: SpeechId) {
        if let Some(line) = self.device.line(speech)
            && line.state == State::Live
        {
            line.state = State::Dropped;
            let through = line.through;
            // What could not be heard yet goes on as another speech, if it goes on.
            for chunk in
                line.chunks.iter_mut().filter(|chunk| !chunk.captioned && through.is_none_or(|last| chunk.index > last))
            {
                chunk.dropped = true;
            }
        }
    }

    pub(crate) fn finish_speech(&mut self, speech: SpeechId) -> Checked {
        let Some(line) = self.device.line(speech) else { return Ok(()) };
        line.state = State::Finished;
        // What is played once more after a pause was heard before.
        let left_ms = line.available_ms().saturating_sub(line.most_ms);
        if left_ms > TOLERANCE_MS && !line.text_mode {
            let text = format!("speech {speech} was finished with {left_ms} ms unheard");
            return self.strange("a speech is heard to its end", text);
        }
        Ok(())
    }

    /// A violation, except in chaos, where nothing can be expected.
    pub(crate) fn strange(&self, check: &'static str, text: String) -> Checked {
        if self.profile.chaos { Ok(()) } else { violated(check, text) }
    }
}
