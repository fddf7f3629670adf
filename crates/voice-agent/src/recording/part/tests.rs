//! A part in memory, without a call around it.

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
        Taped::Event { now_ms, event: ClientEvent::Transcript { utterance_id, text: text.to_owned(), r#final: true } }
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
        assert!(!piece.chars().any(char::is_numeric) && !piece.contains("one") && !piece.contains("four"), "{piece}");
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
