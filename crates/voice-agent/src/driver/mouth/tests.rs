use super::*;

const SPEECH: SpeechId = SpeechId(1);
const FIRST: RungId = RungId(0);
const SECOND: RungId = RungId(1);

fn nobody() -> AbortHandle {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.spawn(std::future::pending::<()>()).abort_handle()
}

/// The next text is begun by whoever was asked.
fn begin(mouth: &mut Mouth, timed: bool) -> (u32, RungId) {
    let (_, chunk, rung, _) = mouth.next_text().unwrap();
    mouth.begin_synthesis(chunk, rung, timed, nobody());
    (chunk, rung)
}

fn word(byte_end: usize, end_ms: u64) -> WordTiming {
    WordTiming { byte_end, end_ms }
}

fn mouth(chunks: &[(u32, usize)]) -> Mouth {
    let mut mouth = Mouth::new(AudioFormat::Pcm24k);
    for (index, samples) in chunks {
        mouth.add_text(SPEECH, ReplyId(1), *index, FIRST, "words".to_owned());
        let (chunk, rung) = begin(&mut mouth, false);
        mouth.add_audio(SPEECH, chunk, rung, &vec![7; 2 * *samples]).unwrap();
        mouth.end_audio(SPEECH, chunk, rung).unwrap();
    }
    mouth
}

fn bytes(out: &[Outbound]) -> usize {
    out.iter().map(|one| if let Outbound::Audio(bytes) = one { bytes.len() } else { 0 }).sum()
}

#[test]
fn nothing_leaves_before_it_may_be_heard() {
    let mut mouth = mouth(&[(0, 24_000)]);
    let mut out = Vec::new();
    assert_eq!(mouth.pump(0, &mut out), Pumped::default());
    mouth.play(10, SPEECH, 0, true);
    assert_eq!(mouth.pump(10, &mut out).first, Some(SPEECH));
    assert_eq!(bytes(&out), 20 * 960);
}

#[test]
fn a_second_of_speech_takes_a_second_and_no_frame_is_late() {
    let mut mouth = mouth(&[(0, 20_000), (1, 4_100)]);
    mouth.play(0, SPEECH, 1, true);
    let (mut out, mut late) = (Vec::new(), 0);
    let mut now_ms = 0;
    late += mouth.pump(now_ms, &mut out).late;
    while let Some(next_ms) = mouth.next_pump_ms() {
        assert!(next_ms > now_ms);
        now_ms = next_ms;
        late += mouth.pump(now_ms, &mut out).late;
    }
    assert_eq!((late, bytes(&out), now_ms), (0, 51 * 960, 800));
    assert!(matches!(out.last(), Some(Outbound::SpeechFinished { duration_ms: 1_004, .. })));
}

#[test]
fn a_frame_that_leaves_after_its_time_is_counted() {
    let mut mouth = mouth(&[(0, 48_000)]);
    mouth.play(0, SPEECH, 0, true);
    let mut out = Vec::new();
    mouth.pump(0, &mut out);
    assert_eq!(mouth.pump(430, &mut out).late, 2);
}

#[test]
fn waiting_for_audio_is_not_being_late() {
    let mut mouth = Mouth::new(AudioFormat::Pcm24k);
    mouth.add_text(SPEECH, ReplyId(1), 0, FIRST, "words".to_owned());
    begin(&mut mouth, false);
    mouth.play(0, SPEECH, 0, true);
    mouth.add_audio(SPEECH, 0, FIRST, &[7; 1_920]).unwrap();
    let mut out = Vec::new();
    mouth.pump(0, &mut out);
    assert_eq!(mouth.next_pump_ms(), None);
    mouth.add_audio(SPEECH, 0, FIRST, &[7; 1_920]).unwrap();
    assert_eq!(mouth.pump(900, &mut out).late, 0);
    assert_eq!(bytes(&out), 4 * 960);
}

#[test]
fn a_pause_clears_and_a_resume_goes_on_where_the_caller_was() {
    let mut mouth = mouth(&[(0, 48_000)]);
    mouth.play(0, SPEECH, 0, true);
    let mut out = Vec::new();
    mouth.pump(0, &mut out);
    mouth.pause(SPEECH, &mut out);
    assert!(matches!(out.last(), Some(Outbound::Clear { .. })));
    out.clear();
    mouth.pump(100, &mut out);
    assert!(out.is_empty());
    mouth.resume(500, SPEECH, 120, &mut out);
    mouth.pump(500, &mut out);
    assert!(matches!(out.first(), Some(Outbound::SpeechResumed { from_ms: 120, .. })));
    let mut rest = Vec::new();
    let mut now_ms = 500;
    while let Some(next_ms) = mouth.next_pump_ms() {
        now_ms = now_ms.max(next_ms);
        mouth.pump(now_ms, &mut rest);
    }
    assert_eq!(bytes(&out) + bytes(&rest), (2_000 - 120) / 20 * 960);
}

#[test]
fn dropped_chunks_are_never_heard() {
    let mut mouth = mouth(&[(0, 4_800), (1, 4_800)]);
    mouth.play(0, SPEECH, 0, false);
    let mut out = Vec::new();
    mouth.pump(0, &mut out);
    assert_eq!(bytes(&out), 10 * 960);
    mouth.drop_chunks(SPEECH, 1);
    mouth.play(50, SPEECH, 5, true);
    mouth.pump(50, &mut out);
    assert_eq!(bytes(&out), 10 * 960);
    assert!(matches!(out.last(), Some(Outbound::SpeechFinished { duration_ms: 200, .. })));
}

#[test]
fn a_chunk_that_is_cut_ends_with_what_is_there() {
    let mut mouth = Mouth::new(AudioFormat::Pcm24k);
    mouth.add_text(SPEECH, ReplyId(1), 0, FIRST, "words".to_owned());
    begin(&mut mouth, false);
    mouth.add_audio(SPEECH, 0, FIRST, &[7; 1_920]).unwrap();
    mouth.cut_chunk(SPEECH, 0);
    assert_eq!(mouth.add_audio(SPEECH, 0, FIRST, &[7; 1_920]), None);
    mouth.play(0, SPEECH, 0, true);
    let mut out = Vec::new();
    mouth.pump(0, &mut out);
    assert!(matches!(out.last(), Some(Outbound::SpeechFinished { duration_ms: 40, .. })));
}

#[test]
fn what_was_made_of_a_speech_that_is_stopped_is_told_once() {
    let mut mouth = Mouth::new(AudioFormat::Pcm24k);
    for (chunk, kept) in [(0, true), (1, false)] {
        mouth.add_text(SPEECH, ReplyId(1), chunk, FIRST, "words".to_owned());
        begin(&mut mouth, false);
        mouth.add_audio(SPEECH, chunk, FIRST, &[7; 4_800]).unwrap();
        if kept {
            mouth.cut_chunk(SPEECH, chunk);
        } else {
            mouth.drop_speech(SPEECH, &mut Vec::new());
        }
    }
    let stopped = |wasted| Stopped { reply: ReplyId(1), rung: FIRST, audio_ms: 100, wasted };
    assert_eq!(mouth.take_stopped(), [stopped(false), stopped(true)]);
    assert_eq!(mouth.take_stopped(), []);
}

#[test]
fn a_rival_begins_beside_the_first_voice_and_chunks_wait_for_their_turn() {
    let mut mouth = Mouth::new(AudioFormat::Pcm24k);
    for chunk in 0..2 {
        mouth.add_text(SPEECH, ReplyId(1), chunk, FIRST, "words".to_owned());
    }
    assert_eq!(begin(&mut mouth, false), (0, FIRST));
    assert_eq!(mouth.next_text(), None);
    mouth.add_text(SPEECH, ReplyId(1), 0, SECOND, "words".to_owned());
    assert_eq!(begin(&mut mouth, false), (0, SECOND));
    assert_eq!(mouth.next_text(), None);
    let out = mouth.add_audio(SPEECH, 0, SECOND, &[7; 1_920]).unwrap();
    assert_eq!(out.audio_ms, 40);
    mouth.stop_voice(SPEECH, 0, FIRST);
    mouth.stop_voice(SPEECH, 1, FIRST);
    mouth.add_text(SPEECH, ReplyId(1), 1, SECOND, "words".to_owned());
    assert_eq!(mouth.add_audio(SPEECH, 0, FIRST, &[7; 1_920]), None, "too late");
    assert_eq!(mouth.end_audio(SPEECH, 0, SECOND), Some(40));
    assert_eq!(begin(&mut mouth, false), (1, SECOND));
}

#[test]
fn silence_alone_is_nothing_to_hear_and_before_a_word_it_comes_with_it() {
    let mut mouth = Mouth::new(AudioFormat::Pcm24k);
    mouth.add_text(SPEECH, ReplyId(1), 0, FIRST, "Hello".to_owned());
    begin(&mut mouth, true);
    let nothing = LetOut { audio_ms: 0, words: Vec::new() };
    assert_eq!(mouth.add_audio(SPEECH, 0, FIRST, &[0; 4_800]), Some(nothing.clone()));
    assert_eq!(mouth.add_words(SPEECH, 0, FIRST, vec![word(5, 60)]), Some(nothing));
    mouth.add_text(SPEECH, ReplyId(1), 0, SECOND, "Hello".to_owned());
    begin(&mut mouth, false);
    assert_eq!(mouth.end_audio(SPEECH, 0, FIRST), Some(0), "all of it was silence");
    assert_eq!(mouth.add_audio(SPEECH, 0, SECOND, &[0; 1_920]).map(|out| out.audio_ms), Some(0));
    assert_eq!(mouth.add_audio(SPEECH, 0, SECOND, &[7; 1_920]).map(|out| out.audio_ms), Some(80));
    assert_eq!(mouth.add_audio(SPEECH, 0, SECOND, &[0; 1_920]).map(|out| out.audio_ms), Some(120));
}

#[test]
fn a_voice_that_says_where_words_end_lets_out_whole_words_only() {
    let mut mouth = Mouth::new(AudioFormat::Pcm24k);
    mouth.add_text(SPEECH, ReplyId(1), 0, FIRST, "Hello there".to_owned());
    begin(&mut mouth, true);
    let nothing = LetOut { audio_ms: 0, words: Vec::new() };
    assert_eq!(mouth.add_audio(SPEECH, 0, FIRST, &[7; 4_800]), Some(nothing));
    let hello = LetOut { audio_ms: 60, words: vec![word(5, 60)] };
    assert_eq!(mouth.add_words(SPEECH, 0, FIRST, vec![word(5, 60), word(11, 150)]), Some(hello));
    assert_eq!(mouth.fail_audio(SPEECH, 0, FIRST), Some(100), "what it had made, heard or not");
    mouth.cut_chunk(SPEECH, 0);
    mouth.play(0, SPEECH, 0, true);
    let mut out = Vec::new();
    mouth.pump(0, &mut out);
    assert_eq!(bytes(&out), 3 * 960);
}

#[test]
fn a_chunk_without_a_sound_is_passed_by_only_when_the_session_says_so() {
    let mut mouth = Mouth::new(AudioFormat::Pcm24k);
    mouth.add_text(SPEECH, ReplyId(1), 0, FIRST, "words".to_owned());
    begin(&mut mouth, false);
    assert_eq!(mouth.end_audio(SPEECH, 0, FIRST), Some(0));
    mouth.add_text(SPEECH, ReplyId(1), 1, FIRST, "words".to_owned());
    begin(&mut mouth, false);
    mouth.add_audio(SPEECH, 1, FIRST, &[7; 1_920]).unwrap();
    mouth.play(0, SPEECH, 1, true);
    let mut out = Vec::new();
    mouth.pump(0, &mut out);
    assert_eq!(bytes(&out), 0);
    mouth.cut_chunk(SPEECH, 0);
    mouth.pump(0, &mut out);
    assert_eq!(bytes(&out), 2 * 960);
}

#[test]
fn late_audio_of_another_speech_is_not_taken() {
    let mut mouth = mouth(&[(0, 480)]);
    assert_eq!(mouth.add_audio(SpeechId(9), 0, FIRST, &[1, 0]), None);
    assert_eq!(mouth.add_audio(SPEECH, 0, FIRST, &[1, 0]), None, "a chunk that is complete takes no more");
    mouth.drop_speech(SPEECH, &mut Vec::new());
    assert_eq!(mouth.buffered_bytes(), 0);
}
