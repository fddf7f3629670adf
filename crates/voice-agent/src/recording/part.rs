//! One part of a recording while it is made: from the first frame that the caller allowed to the last.
//!
//! A task takes what the session's driver tapes, and puts it in its place in time; once a second what has settled is encoded, and what was
//! held back long enough is sealed and written, on a thread that may wait for the disk.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::mpsc;
use tokio::time::{Instant, MissedTickBehavior, interval};
use voice_core::ids::ReplyId;
use voice_core::output::ClientEvent;

use super::hold::{Blanks, Hold};
use super::mix::{Mix, SETTLE_MS, Side};
use super::name::{Kind, Name};
use super::packet::{Coder, Pages};
use super::spool::{Spool, SpoolError, Writing};
use super::transcript::{Line, Transcript, Who};
use super::{Recorder, card};
use crate::audio::format::AudioFormat;
use crate::audio::frame::{FRAME_MS, RATE_16K, decode_pcm16le};
use crate::audio::mulaw;
use crate::config::Recording;
use crate::redact::{card_in_progress, redact, without_digits};
use crate::store::{SessionId, UserId};
use crate::vault::{UserKey, VaultError};

/// How often what has settled is encoded.
const WORK: Duration = Duration::from_secs(1);
/// Digits that are being told are blanked from so long before the caller was noticed to speak, in milliseconds…
const BEFORE_SPEECH_MS: u64 = 700;
/// …to so long after the last that was understood.
const AFTER_DIGITS_MS: u64 = 4_000;
/// A letter that the agent says takes about so long, in milliseconds.
const MS_PER_CHAR: u64 = 75;
/// A card's digits that are told in several turns: after so long without one, in milliseconds, it is not told any more.
const BETWEEN_DIGITS_MS: u64 = 20_000;
/// What was said in a turn is looked through for a card's digits up to so many bytes.
const MOST_SAID: usize = 2_000;

/// What is taped.
#[derive(Debug)]
pub(super) enum Taped {
    /// 20 ms of the caller, which came now.
    Caller { now_ms: u64, frame: Box<[i16; 320]> },
    /// Audio of the agent that was played up to now.
    Agent { now_ms: u64, audio: Vec<u8> },
    /// A key was pressed.
    Key { now_ms: u64 },
    /// These words of a reply were heard.
    Words { now_ms: u64, reply: ReplyId, text: String },
    /// Something was said, or is being said.
    Event { now_ms: u64, event: ClientEvent },
}

/// What a part is of.
#[derive(Debug, Clone)]
pub(super) struct About {
    pub(super) user: UserId,
    pub(super) session: String,
    pub(super) fence: u64,
    pub(super) format: AudioFormat,
    /// When the session's milliseconds began to count.
    pub(super) began: Instant,
    /// When this part begins, in milliseconds of the session, and by the clock.
    pub(super) from_ms: u64,
    pub(super) start: Timestamp,
}

/// Why a part broke off.
#[derive(Debug, thiserror::Error)]
pub(super) enum PartError {
    #[error(transparent)]
    Spool(#[from] SpoolError),
    #[error("the codec: {0}")]
    Codec(#[from] opus::Error),
    #[error("the thread that writes is gone")]
    Thread,
}

impl PartError {
    /// The metric's word.
    pub(super) const fn reason(&self) -> &'static str {
        match self {
            Self::Spool(SpoolError::Disk(_)) => "disk",
            Self::Spool(SpoolError::Vault(_)) => "key",
            Self::Codec(_) | Self::Thread => "codec",
        }
    }
}

impl From<VaultError> for PartError {
    fn from(error: VaultError) -> Self {
        Self::Spool(error.into())
    }
}

impl From<std::io::Error> for PartError {
    fn from(error: std::io::Error) -> Self {
        Self::Spool(error.into())
    }
}

/// Makes a part out of what comes, until the sender is gone. Bytes that were written.
pub(super) async fn make(
    recorder: Arc<Recorder>,
    spool: Arc<Spool>,
    about: About,
    mut taped: mpsc::Receiver<Taped>,
) -> Result<u64, PartError> {
    let key = recorder.vault.key_for(&about.user, &SessionId::new(about.session.clone())).await?;
    let began = about.began;
    let now_ms = move || u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
    let mut part = Box::new(Part::new(&recorder.settings, spool, about, key)?);
    let mut ticks = interval(WORK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            one = taped.recv() => match one {
                Some(one) => part.take(one),
                None => break,
            },
            _ = ticks.tick() => {
                // None only if the recorder closed it, which it never does.
                let _writer = recorder.writers.acquire().await.ok();
                part = off_thread(part, move |part| part.work(now_ms())).await?;
            }
        }
    }
    let lost_ms = part.mix.take_lost_ms();
    let _writer = recorder.writers.acquire().await.ok();
    let bytes = tokio::task::spawn_blocking(move || part.finish()).await.map_err(|_| PartError::Thread)??;
    recorder.lost_frames(lost_ms / FRAME_MS);
    Ok(bytes)
}

async fn off_thread(
    mut part: Box<Part>,
    work: impl FnOnce(&mut Part) -> Result<(), PartError> + Send + 'static,
) -> Result<Box<Part>, PartError> {
    let done = tokio::task::spawn_blocking(move || work(&mut part).map(|()| part)).await;
    done.map_err(|_| PartError::Thread)?
}

/// A part's state.
struct Part {
    spool: Arc<Spool>,
    key: UserKey,
    name: Name,
    format: AudioFormat,
    from_ms: u64,
    delay_ms: u64,
    mix: Mix,
    coder: Coder,
    pages: Pages,
    hold: Hold,
    blanks: Blanks,
    transcript: Transcript,
    /// What the caller has said in this turn, for a card's digits, and since when.
    said: String,
    said_from_ms: Option<u64>,
    said_last_ms: u64,
    sound: Option<Writing>,
    words: Option<Writing>,
}

impl Part {
    fn new(settings: &Recording, spool: Arc<Spool>, about: About, key: UserKey) -> Result<Self, PartError> {
        let About { session, fence, format, from_ms, start, .. } = about;
        let rates_hz = [RATE_16K, format.sample_rate_hz()];
        let coder = Coder::new(rates_hz, settings.bitrate)?;
        let pages = Pages::new(&coder, RATE_16K)?;
        let samples_per_ms = rates_hz.map(|rate_hz| (rate_hz / 1_000) as usize);
        Ok(Self {
            spool,
            name: Name::new(key.owner(), &session, start, fence, Kind::Sound),
            key,
            format,
            from_ms,
            delay_ms: settings.delay_ms,
            mix: Mix::new(from_ms, samples_per_ms),
            coder,
            pages,
            hold: Hold::default(),
            blanks: Blanks::new(settings.key_pause_ms),
            transcript: Transcript::default(),
            said: String::new(),
            said_from_ms: None,
            said_last_ms: 0,
            sound: None,
            words: None,
        })
    }

    fn take(&mut self, one: Taped) {
        match one {
            Taped::Caller { now_ms, frame } => {
                self.mix.put(Side::Caller, now_ms, now_ms.saturating_sub(FRAME_MS), &frame[..]);
            }
            Taped::Agent { now_ms, audio } => {
                let samples = self.decode(&audio);
                let duration_ms = (audio.len() / self.format.bytes_per_ms()) as u64;
                self.mix.put(Side::Agent, now_ms, now_ms.saturating_sub(duration_ms), &samples);
            }
            Taped::Key { now_ms } => self.blanks.key(now_ms),
            Taped::Words { now_ms, reply, text } => self.transcript.heard(now_ms, reply, text),
            Taped::Event { now_ms, event } => {
                self.look_for_digits(now_ms, &event);
                self.transcript.take(now_ms, &event);
            }
        }
    }

    fn decode(&self, audio: &[u8]) -> Vec<i16> {
        match self.format {
            AudioFormat::Mulaw8k => audio.iter().map(|code| mulaw::decode(*code)).collect(),
            AudioFormat::Pcm16k | AudioFormat::Pcm24k => decode_pcm16le(audio).unwrap_or_default(),
        }
    }

    /// A card's digits are not kept, whoever says them.
    fn look_for_digits(&mut self, now_ms: u64, event: &ClientEvent) {
        match event {
            ClientEvent::UserSpeaking { speaking: true } => {
                self.said_from_ms.get_or_insert(now_ms);
            }
            ClientEvent::Transcript { text, r#final, .. } => {
                let so_far = format!("{} {text}", self.said);
                if card::is_told(&so_far) {
                    let from_ms = self.said_from_ms.unwrap_or(now_ms).saturating_sub(BEFORE_SPEECH_MS);
                    self.blanks.add(from_ms, now_ms + AFTER_DIGITS_MS);
                }
                if *r#final && so_far.len() <= MOST_SAID {
                    (self.said, self.said_last_ms) = (so_far, now_ms);
                }
            }
            ClientEvent::AgentText { text, .. } => {
                // "Go on", says the agent, and the digits go on.
                if !card_in_progress(&self.said) || now_ms > self.said_last_ms + BETWEEN_DIGITS_MS {
                    self.said.clear();
                    self.said_from_ms = None;
                }
                if card::is_told(text) {
                    let sounds_ms = text.chars().count() as u64 * MS_PER_CHAR + AFTER_DIGITS_MS;
                    self.blanks.add(now_ms, now_ms + sounds_ms);
                }
            }
            _ => {}
        }
    }

    /// Encodes what has settled, and writes what was held back long enough.
    fn work(&mut self, now_ms: u64) -> Result<(), PartError> {
        while let Some(frame) = self.mix.take(now_ms) {
            self.hold.push(self.coder.encode(&frame)?);
        }
        let Some(until_ms) = now_ms.checked_sub(SETTLE_MS + self.delay_ms) else { return Ok(()) };
        let packets = self.hold.release(until_ms, &self.blanks, &self.coder);
        self.pages.add(&packets, false)?;
        if !packets.is_empty() {
            self.write_sound()?;
        }
        let lines = self.transcript.release(now_ms.saturating_sub(self.delay_ms));
        self.write_words(&lines)?;
        self.blanks.forget_before(until_ms);
        Ok(())
    }

    /// Writes the rest, and ends the files.
    fn finish(mut self: Box<Self>) -> Result<u64, PartError> {
        while let Some(frame) = self.mix.take_last() {
            self.hold.push(self.coder.encode(&frame)?);
        }
        let packets = self.hold.release(u64::MAX, &self.blanks, &self.coder);
        self.pages.add(&packets, true)?;
        if !packets.is_empty() {
            self.write_sound()?;
        }
        let lines = self.transcript.release(u64::MAX);
        self.write_words(&lines)?;
        let mut bytes = 0;
        for writing in [self.sound.take(), self.words.take()].into_iter().flatten() {
            bytes += writing.finish()?;
        }
        Ok(bytes)
    }

    fn write_sound(&mut self) -> Result<(), PartError> {
        let bytes = self.pages.take();
        let writing = match self.sound.take() {
            Some(writing) => writing,
            None => self.spool.create(&self.name, &self.key)?,
        };
        Ok(self.sound.insert(writing).append(&bytes)?)
    }

    /// The words of a line as they may be kept: where a card is told, in however many utterances, without any digit of the caller's.
    fn clean(&self, line: &Line) -> String {
        let text = redact(&line.text);
        if line.who == Who::Caller && self.blanks.meet(line.at_ms, line.until_ms) {
            return without_digits(&text);
        }
        text.into_owned()
    }

    fn write_words(&mut self, lines: &[Line]) -> Result<(), PartError> {
        if lines.is_empty() {
            return Ok(());
        }
        let mut bytes = Vec::new();
        for line in lines {
            let text = self.clean(line);
            let at_ms = line.at_ms.saturating_sub(self.from_ms);
            serde_json::to_writer(&mut bytes, &Line { at_ms, text, ..line.clone() }).map_err(std::io::Error::from)?;
            bytes.push(b'\n');
        }
        let writing = match self.words.take() {
            Some(writing) => writing,
            None => self.spool.create(&self.name.with_kind(Kind::Words), &self.key)?,
        };
        Ok(self.words.insert(writing).append(&bytes)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recording::decode;
    use crate::vault::{End, Key, Pseudonym, open};

    struct Case {
        folder: tempfile::TempDir,
        key: UserKey,
        part: Box<Part>,
    }

    impl Case {
        fn new(delay_ms: u64) -> Self {
            let folder = tempfile::tempdir().unwrap();
            let spool = Arc::new(Spool::open(folder.path(), "one").unwrap());
            let key = UserKey::new(Pseudonym::from_bytes([1; 16]), Key::random().unwrap());
            let about = About {
                user: UserId::new("ana"),
                session: "s".to_owned(),
                fence: 1,
                format: AudioFormat::Pcm24k,
                began: Instant::now(),
                from_ms: 0,
                start: Timestamp::UNIX_EPOCH,
            };
            let settings = Recording { delay_ms, ..Recording::default() };
            let part = Box::new(Part::new(&settings, spool, about, key.clone()).unwrap());
            Self { folder, key, part }
        }

        /// The caller speaks until then.
        fn speaks(&mut self, from_ms: u64, to_ms: u64) {
            let tone = |n: usize| ((n as f32 * 0.12).sin() * 9_000.0) as i16;
            let frame = Box::new(std::array::from_fn(tone));
            for now_ms in (from_ms + 20..=to_ms).step_by(20) {
                self.part.take(Taped::Caller { now_ms, frame: frame.clone() });
                if now_ms % 1_000 == 0 {
                    self.part.work(now_ms).unwrap();
                }
            }
        }

        fn files(&self) -> Vec<std::path::PathBuf> {
            let mut files = crate::recording::spool::files(self.folder.path()).unwrap();
            files.retain(|path| !path.ends_with("lock"));
            files
        }

        fn written(&self) -> u64 {
            self.files().iter().map(|path| std::fs::metadata(path).unwrap().len()).sum()
        }

        /// The caller's side of what is on the disk once the part is complete.
        fn caller(self) -> Vec<i16> {
            let Self { folder, key, part } = self;
            part.finish().unwrap();
            let files = crate::recording::spool::files(folder.path()).unwrap();
            let sound = files.iter().find(|path| path.to_string_lossy().ends_with(".ogg.sealed")).unwrap();
            let opened = open(&std::fs::read(sound).unwrap(), &key).unwrap();
            assert_eq!(opened.end, End::Whole);
            let [caller, _] = decode(&opened.text).unwrap();
            caller
        }
    }

    fn is_loud(side: &[i16], from_ms: usize, to_ms: usize) -> bool {
        let part = &side[from_ms * 16..to_ms * 16];
        part.iter().map(|s| f64::from(*s).powi(2)).sum::<f64>() / part.len() as f64 > 1e6
    }

    #[test]
    fn it_is_written_while_the_call_goes_on_and_no_sooner_than_it_may_be() {
        let mut case = Case::new(3_000);
        case.speaks(0, 3_000);
        assert_eq!(case.files(), Vec::<std::path::PathBuf>::new());
        case.speaks(3_000, 6_000);
        let early = case.written();
        case.speaks(6_000, 10_000);
        assert!(early > 0 && case.written() > early + 5_000, "{early} {}", case.written());
        let caller = case.caller();
        assert!((9_900..=10_100).contains(&(caller.len() / 16)), "{}", caller.len() / 16);
        assert!(is_loud(&caller, 100, 9_900));
    }

    #[test]
    fn a_card_that_is_told_is_not_kept_from_where_the_caller_began_to_speak() {
        let mut case = Case::new(10_000);
        case.speaks(0, 3_000);
        let event = |now_ms, event| Taped::Event { now_ms, event };
        case.part.take(event(3_000, ClientEvent::UserSpeaking { speaking: true }));
        case.speaks(3_000, 9_000);
        let text = "4111 1111 1111 1111".to_owned();
        let utterance_id = voice_core::ids::UtteranceId(1);
        case.part.take(event(9_000, ClientEvent::Transcript { utterance_id, text, r#final: true }));
        case.speaks(9_000, 16_000);
        let caller = case.caller();
        assert!(is_loud(&caller, 100, 2_000) && is_loud(&caller, 14_000, 15_000));
        assert!((3..13).all(|second| !is_loud(&caller, second * 1_000, second * 1_000 + 900)));
    }

    #[test]
    fn a_card_that_is_told_in_pieces_leaves_no_digit_in_the_words() {
        let mut case = Case::new(10_000);
        let said = |now_ms, id, text: &str| {
            let utterance_id = voice_core::ids::UtteranceId(id);
            Taped::Event {
                now_ms,
                event: ClientEvent::Transcript { utterance_id, text: text.to_owned(), r#final: true },
            }
        };
        let speaks = |now_ms| Taped::Event { now_ms, event: ClientEvent::UserSpeaking { speaking: true } };
        let agent = |now_ms| Taped::Event {
            now_ms,
            event: ClientEvent::AgentText {
                reply_id: ReplyId(1),
                speech_id: voice_core::ids::SpeechId(1),
                text: "Go on.".to_owned(),
            },
        };
        let call = [
            said(1_000, 1, "add two tasks"),
            agent(2_000),
            speaks(10_000),
            said(11_000, 2, "my card number is four one one one"),
            agent(11_500),
            speaks(12_000),
            said(13_000, 3, "one one 11"),
            said(15_000, 4, "1111"),
            agent(15_500),
            speaks(16_000),
            said(17_000, 5, "one one one one thanks"),
            agent(18_000),
            speaks(60_000),
            said(61_000, 6, "call me at two"),
        ];
        call.into_iter().for_each(|one| case.part.take(one));
        let mut words = Vec::new();
        for line in case.part.transcript.release(u64::MAX) {
            words.push(case.part.clean(&line));
        }
        assert_eq!(words[0], "add two tasks");
        for piece in &words[1..5] {
            assert!(
                !piece.chars().any(char::is_numeric) && !piece.contains("one") && !piece.contains("four"),
                "{piece}"
            );
        }
        assert_eq!(words[5], "call me at two");
    }

    #[test]
    fn a_full_disk_is_an_error_and_leaves_what_was_written() {
        let mut case = Case::new(0);
        case.speaks(0, 3_000);
        let before = case.written();
        assert!(before > 0);
        // The file was opened for reading only: it takes nothing more.
        let path = case.files().remove(0);
        case.part.sound = case.part.sound.take().map(|writing| writing.refusing(&path));
        for now_ms in (3_020..=6_000).step_by(20) {
            case.part.take(Taped::Caller { now_ms, frame: Box::new([5_000; 320]) });
        }
        let error = case.part.work(6_000).unwrap_err();
        assert_eq!((error.reason(), case.written()), ("disk", before));
    }
}
