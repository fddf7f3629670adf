//! The recognisers at work: lines that hear audio as it comes, and those that are given whole stretches of it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use tokio::sync::mpsc;
use voice_core::Input;
use voice_core::failover::EMBEDDED;
use voice_core::ids::{RungId, UtteranceId};
use voice_core::provider::ProviderErrorKind;

use super::channel::caller_format;
use super::heard::{Bill, Heard};
use super::turns::{Piece, Turns};
use super::{Done, Driver, ScoreParts, SttRung, Transcription};
use crate::audio::frame::SAMPLES_PER_MS_16K;
use crate::stt::{LineEvent, Stt, Wanted};

/// Events of a line that may wait for the session's loop. When it is full, the line waits.
const LINE_QUEUE: usize = 32;

/// The session's lines to streaming recognisers, and who is hearing what.
#[derive(Default)]
pub(super) struct Lines {
    open: BTreeMap<RungId, Turns>,
    /// Who hears the utterance that is being said.
    hearing: Option<(UtteranceId, RungId)>,
    /// What they used.
    heard: Heard,
}

impl std::fmt::Debug for Lines {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Lines").field("hearing", &self.hearing).finish_non_exhaustive()
    }
}

impl Driver {
    /// Opens the session's lines, so that no handshake is on a turn's path.
    pub(super) fn open_lines(&mut self) {
        self.close_lines();
        for (at, stt) in self.deps.providers.stt.iter().enumerate() {
            let (SttRung::Streaming(stt), Ok(rung)) = (stt, u8::try_from(at).map(RungId)) else { continue };
            let (events, mut heard) = mpsc::channel(LINE_QUEUE);
            let line = stt.open(caller_format(&self.doc), &self.staging.titles(), events);
            self.lines.open.insert(rung, Turns::new(line, self.deps.core.stt_deadline_ms));
            let done = self.done_sender.clone();
            self.deps.tracker.spawn(async move {
                while let Some(event) = heard.recv().await {
                    if done.send(Done::Line { rung, event }).await.is_err() {
                        return;
                    }
                }
            });
        }
    }

    /// Nobody is there to be heard.
    pub(super) fn close_lines(&mut self) {
        for utterance in self.lines.heard.open() {
            let bill = self.lines.heard.over(utterance);
            self.book_bill(utterance, bill);
        }
        self.lines = Lines::default();
    }

    fn book_bill(&mut self, utterance: UtteranceId, bill: Bill) {
        for (rung, audio_ms, wasted) in bill {
            self.book_hearing(utterance, rung, audio_ms, wasted);
        }
    }

    /// A recogniser has used so much: it is booked once it is known whether that was in vain.
    pub(super) fn note_hearing(&mut self, utterance: UtteranceId, rung: RungId, audio_ms: u64) {
        let bill = self.lines.heard.used(utterance, rung, audio_ms);
        self.book_bill(utterance, bill);
    }

    /// This recogniser's transcript counts.
    pub(super) fn note_heard(&mut self, utterance: UtteranceId, rung: RungId) {
        let bill = self.lines.heard.finished(utterance, rung);
        self.book_bill(utterance, bill);
    }

    fn whole(&self, rung: RungId) -> Option<Arc<dyn Stt>> {
        match self.deps.providers.stt.get(usize::from(rung.0)) {
            Some(SttRung::Whole(stt)) => Some(Arc::clone(stt)),
            _ => None,
        }
    }

    /// An utterance begins, or goes on with another recogniser, which hears it from its beginning.
    pub(super) fn start_utterance(&mut self, utterance: UtteranceId, from_ms: u64, rung: RungId) {
        if self.lines.hearing.is_some_and(|(heard, _)| heard == utterance) {
            self.stop_transcribing(utterance);
            self.lines.heard.goes_on(utterance);
            self.ears.go_on(utterance);
        } else {
            self.ears.start(utterance, from_ms);
        }
        self.lines.hearing = Some((utterance, rung));
        self.give_line(rung, Piece { utterance, finish: None });
    }

    /// The caller goes on: what was asked for the shorter audio is of no use.
    pub(super) fn continue_utterance(&mut self, utterance: UtteranceId) {
        self.stop_transcribing(utterance);
        self.lines.heard.goes_on(utterance);
        self.ears.go_on(utterance);
        for line in self.lines.open.values_mut() {
            line.go_on(utterance);
        }
    }

    /// Gives a line an utterance from its beginning on, now or when it is through with the one before. Says whether there
    /// is such a line.
    fn give_line(&mut self, rung: RungId, piece: Piece) -> bool {
        let now_ms = self.now_ms();
        let Some(line) = self.lines.open.get_mut(&rung) else { return false };
        if line.begin(piece, now_ms) {
            self.hand_over(rung, piece);
        }
        true
    }

    /// A line has begun an utterance: it is given the audio that there is, and asked when it is to be.
    fn hand_over(&mut self, rung: RungId, Piece { utterance, finish }: Piece) {
        if self.lines.hearing == Some((utterance, rung)) {
            self.ears.stream_again(utterance);
            self.send_unstreamed(utterance, rung);
        } else if let Some(audio) = finish.and_then(|(_, until_ms)| self.ears.finish_coded(utterance, until_ms))
            && let Some(line) = self.lines.open.get_mut(&rung)
        {
            line.audio(audio);
        }
        if let Some((revision, until_ms)) = finish {
            self.finish_line(utterance, rung, revision, until_ms);
        }
    }

    fn send_unstreamed(&mut self, utterance: UtteranceId, rung: RungId) {
        if let Some(line) = self.lines.open.get_mut(&rung)
            && let Some(audio) = self.ears.take_unstreamed(utterance)
        {
            line.audio(audio);
        }
    }

    fn finish_line(&mut self, utterance: UtteranceId, rung: RungId, revision: u32, until_ms: u64) {
        let now_ms = self.now_ms();
        let silence_ms = self.ears.silence_ms(utterance, until_ms);
        // What comes until the caller goes on is silence, and would be billed.
        self.ears.pause(utterance);
        if let Some(line) = self.lines.open.get_mut(&rung) {
            line.finish(revision, silence_ms, now_ms);
        }
    }

    /// A line that is through with an utterance begins the next one that waits.
    fn take_turns(&mut self, rung: RungId) {
        let now_ms = self.now_ms();
        if let Some(piece) = self.lines.open.get_mut(&rung).and_then(|line| line.next(now_ms)) {
            self.hand_over(rung, piece);
        }
    }

    /// Sends a streaming recogniser what came since the last time.
    pub(super) fn stream_on(&mut self) {
        let Some((utterance, rung)) = self.lines.hearing else { return };
        self.take_turns(rung);
        if self.lines.open.get(&rung).is_some_and(|line| line.hears(utterance)) {
            self.send_unstreamed(utterance, rung);
        }
    }

    /// The caller paused.
    pub(super) fn finish_utterance(&mut self, utterance: UtteranceId, revision: u32, until_ms: u64, rung: RungId) {
        self.ask_score(utterance, revision);
        let streams = self.lines.hearing == Some((utterance, rung));
        if streams && self.lines.open.get(&rung).is_some_and(|line| line.hears(utterance)) {
            self.send_unstreamed(utterance, rung);
            self.finish_line(utterance, rung, revision, until_ms);
            return;
        }
        self.transcribe(utterance, revision, until_ms, rung);
    }

    /// Gives a recogniser all of the utterance's audio.
    pub(super) fn transcribe(&mut self, utterance: UtteranceId, revision: u32, until_ms: u64, rung: RungId) {
        let failed = |kind: ProviderErrorKind| Input::SttFailed { utterance, revision, rung, failure: kind.into() };
        let Some(pcm) = self.ears.finish(utterance, until_ms) else {
            self.pending.push_back(failed(ProviderErrorKind::Unavailable));
            return;
        };
        if self.lines.hearing.is_some_and(|(heard, by)| by == rung && heard != utterance) && self.is_heard_live(rung) {
            // What is being said goes before.
            self.pending.push_back(failed(ProviderErrorKind::Unusable));
            return;
        }
        if self.give_line(rung, Piece { utterance, finish: Some((revision, until_ms)) }) {
            return;
        }
        let Some(stt) = self.whole(rung) else {
            self.pending.push_back(failed(ProviderErrorKind::Unavailable));
            return;
        };
        let audio_ms = pcm.len() as u64 / SAMPLES_PER_MS_16K;
        let text = stt.transcribe(pcm, Wanted::Final, self.staging.titles());
        let work = async move { Done::Final { utterance, revision, rung, audio_ms, text: text.await } };
        let abort = self.spawn(work);
        self.transcriptions.entry(utterance).or_default().push(Transcription { abort, rung, audio_ms });
    }

    /// Whether the line is in the middle of the utterance that is being said.
    fn is_heard_live(&self, rung: RungId) -> bool {
        let Some((utterance, _)) = self.lines.hearing else { return false };
        self.lines.open.get(&rung).is_some_and(|line| line.hears(utterance) && !line.is_awaited())
    }

    fn ask_score(&mut self, utterance: UtteranceId, revision: u32) {
        self.score = ScoreParts { utterance, revision, ..ScoreParts::default() };
        if let Some(scorer) = &self.deps.providers.scorer {
            let acoustic = scorer.score(self.ears.last_seconds());
            let work = async move { Done::Score { utterance, revision, acoustic: acoustic.await } };
            let abort = self.spawn(work);
            let score = Transcription { abort, rung: RungId(0), audio_ms: 0 };
            self.transcriptions.entry(utterance).or_default().push(score);
        }
    }

    /// Nobody waits for what was asked of this utterance.
    pub(super) fn stop_transcribing(&mut self, utterance: UtteranceId) {
        for Transcription { abort, rung, audio_ms } in self.transcriptions.remove(&utterance).unwrap_or_default() {
            if !abort.is_finished() && audio_ms > 0 {
                self.book_hearing(utterance, rung, audio_ms, true);
            }
            abort.abort();
        }
    }

    /// The utterance is over, understood or not.
    pub(super) fn drop_utterance(&mut self, utterance: UtteranceId) {
        self.stop_transcribing(utterance);
        let bill = self.lines.heard.over(utterance);
        self.book_bill(utterance, bill);
        self.ears.forget(utterance);
        self.lines.hearing.take_if(|(heard, _)| *heard == utterance);
        self.leave_lines(|line| line.forget(utterance));
    }

    /// A recogniser has said what it understood of an utterance: no line need hear the same to its end before it begins another.
    pub(super) fn final_is_known(&mut self, utterance: UtteranceId, revision: u32) {
        self.leave_lines(|line| line.done(utterance, revision));
    }

    fn leave_lines(&mut self, leave: impl Fn(&mut Turns)) {
        let rungs: Vec<RungId> = self.lines.open.keys().copied().collect();
        for rung in rungs {
            if let Some(line) = self.lines.open.get_mut(&rung) {
                leave(line);
            }
            self.take_turns(rung);
        }
    }

    /// While the caller speaks, what is understood so far is asked for now and then, of a recogniser that does not say it.
    pub(super) fn listen_on(&mut self) {
        self.stream_on();
        let Some((_, rung)) = self.lines.hearing else { return };
        let Some(stt) = self.whole(rung).filter(|stt| stt.has_interims()) else { return };
        // A model that answers at once needs no head start.
        let slow = self.labels.chains.llm.first().is_some_and(|rung| rung.provider != EMBEDDED);
        let Some((utterance, pcm)) = self.ears.poll_interim(slow) else { return };
        let audio_ms = pcm.len() as u64 / SAMPLES_PER_MS_16K;
        let text = stt.transcribe(pcm, Wanted::Interim, self.staging.titles());
        let began = Instant::now();
        let work = async move {
            let text = text.await;
            let took_ms = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
            Done::Interim { utterance, rung, audio_ms, text, took_ms }
        };
        let abort = self.spawn(work);
        self.transcriptions.entry(utterance).or_default().push(Transcription { abort, rung, audio_ms });
    }

    /// What a line heard.
    pub(super) fn take_line(&mut self, rung: RungId, event: LineEvent) {
        match event {
            LineEvent::Interim { utterance, text } => {
                if self.lines.hearing == Some((utterance, rung)) {
                    self.pending.push_back(Input::InterimTranscript { utterance, text });
                }
            }
            LineEvent::Final { utterance, revision, text, gap_ms } => {
                if gap_ms > 0 {
                    self.pending.push_back(Input::TranscriptGap { utterance, revision, rung, gap_ms });
                }
                self.give_final(utterance, revision, rung, text);
            }
            LineEvent::Failed { utterance, failure } => {
                if let Some(line) = self.lines.open.get_mut(&rung) {
                    line.failed();
                }
                self.take_turns(rung);
                self.pending.push_back(Input::SttLineFailed { utterance, rung, failure });
            }
            LineEvent::Used { utterance, audio_ms } => self.note_hearing(utterance, rung, audio_ms),
        }
    }
}
