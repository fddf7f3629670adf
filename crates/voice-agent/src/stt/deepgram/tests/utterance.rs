use super::super::wire::Word;
use super::*;

const WAIT_MS: u64 = 250;

#[path = "utterance_properties.rs"]
mod properties;

fn id(number: u64) -> UtteranceId {
    UtteranceId(number)
}

fn hearing() -> Hearing {
    let mut hearing = Hearing::new(WAIT_MS);
    hearing.begin(id(1));
    hearing
}

fn interim(utterance: u64, text: &str) -> Option<LineEvent> {
    Some(LineEvent::Interim { utterance: id(utterance), text: text.into() })
}

fn last(utterance: u64, revision: u32, text: &str) -> Option<LineEvent> {
    last_but(utterance, revision, text, 0)
}

/// Without words of so many milliseconds at the end of the speech.
fn last_but(utterance: u64, revision: u32, text: &str, gap_ms: u64) -> Option<LineEvent> {
    Some(LineEvent::Final { utterance: id(utterance), revision, text: text.into(), gap_ms })
}

/// Results with no words' times, as a final segment.
fn segment(start_ms: u64, end_ms: u64, text: &str) -> Results {
    Results { start_ms, end_ms, is_final: true, transcript: text.into(), ..Results::default() }
}

fn guess(start_ms: u64, end_ms: u64, text: &str) -> Results {
    Results { is_final: false, ..segment(start_ms, end_ms, text) }
}

fn answer(start_ms: u64, end_ms: u64, text: &str) -> Results {
    Results { from_finalize: true, ..segment(start_ms, end_ms, text) }
}

/// Asks for the final text, and lets `Finalize` leave at once.
fn finish(hearing: &mut Hearing, revision: u32, now_ms: u64) {
    assert_eq!(hearing.finish(revision, 0, now_ms), Finished::Ask);
    assert!(hearing.finalize_left(hearing.given_ms, now_ms));
}

#[test]
fn a_segment_changes_until_it_is_final_and_the_next_one_follows_it() {
    let mut hearing = hearing();
    hearing.given(2_000);
    assert_eq!(hearing.results(&guess(0, 500, "at a"), 500), interim(1, "at a"));
    assert_eq!(hearing.results(&guess(0, 900, "Add a task"), 900), interim(1, "Add a task"));
    assert_eq!(hearing.results(&segment(0, 1_100, "Add a task"), 1_100), interim(1, "Add a task"));
    assert_eq!(hearing.results(&guess(1_100, 1_500, " to buy "), 1_500), interim(1, "Add a task to buy"));
    finish(&mut hearing, 1, 2_000);
    assert_eq!(hearing.results(&answer(1_100, 2_000, "to buy milk."), 2_100), last(1, 1, "Add a task to buy milk."));
    assert_eq!(hearing.due_ms(), None);
}

#[test]
fn what_is_heard_of_silence_is_told_too() {
    let mut hearing = hearing();
    hearing.given(2_000);
    assert_eq!(hearing.results(&guess(0, 1_000, ""), 1_000), interim(1, ""));
    finish(&mut hearing, 1, 2_000);
    assert_eq!(hearing.results(&answer(0, 2_000, ""), 2_100), last(1, 1, ""));
}

#[test]
fn all_that_was_final_already_is_told_at_once() {
    let mut hearing = hearing();
    hearing.given(1_500);
    assert_eq!(hearing.results(&segment(0, 1_450, "Yes."), 1_500), interim(1, "Yes."));
    let event = last(1, 1, "Yes.").unwrap();
    assert_eq!(hearing.finish(1, 0, 1_500), Finished::Final(event));
    // And again, when nothing has come since.
    assert_eq!(hearing.finish(2, 0, 1_600), Finished::Final(last(1, 2, "Yes.").unwrap()));
}

#[test]
fn of_the_silence_at_the_end_nothing_is_waited_for() {
    let mut hearing = hearing();
    hearing.given(2_000);
    hearing.results(&segment(0, 1_900, "Yes."), 1_980);
    // Speech until 1,860 ms: the final text that came of itself has it all.
    assert_eq!(hearing.finish(1, 140, 2_000), Finished::Final(last(1, 1, "Yes.").unwrap()));

    let mut hearing = self::hearing();
    hearing.given(2_000);
    hearing.results(&segment(0, 1_850, "Yes."), 1_930);
    assert_eq!(hearing.finish(1, 140, 2_000), Finished::Ask, "10 ms of speech are missing");
    // The final text was on its way.
    assert_eq!(hearing.results(&segment(1_850, 1_900, "please"), 2_010), last(1, 1, "Yes. please"));

    let mut hearing = self::hearing();
    hearing.given(2_000);
    assert_eq!(hearing.finish(1, 2_000, 2_000), Finished::Ask, "nothing was heard yet");
}

#[test]
fn audio_that_is_not_final_is_waited_for() {
    let mut hearing = hearing();
    hearing.given(1_500);
    hearing.results(&segment(0, 1_300, "Yes."), 1_400);
    finish(&mut hearing, 1, 1_500);
    // A late final without the mark will do as well.
    assert_eq!(hearing.results(&segment(1_300, 1_500, "please"), 1_600), last(1, 1, "Yes. please"));
}

#[test]
fn an_answer_may_be_empty_because_the_final_had_come() {
    let mut hearing = hearing();
    hearing.given(2_000);
    hearing.results(&segment(0, 1_500, "Yes."), 1_600);
    finish(&mut hearing, 1, 2_000);
    assert_eq!(hearing.results(&answer(1_500, 1_500, ""), 2_050), last_but(1, 1, "Yes.", 500));
}

#[test]
fn speech_that_nothing_was_understood_of_is_told_behind_words() {
    let mut hearing = hearing();
    hearing.given(3_000);
    hearing.results(&segment(0, 1_200, "Add a task"), 1_300);
    hearing.results(&segment(1_200, 2_400, " "), 2_500);
    // Of the last 300 ms nobody spoke.
    assert_eq!(hearing.finish(1, 300, 3_000), Finished::Ask);
    assert_eq!(hearing.results(&answer(2_400, 3_000, ""), 3_100), last_but(1, 1, "Add a task", 1_500));
    // Once there are words again, what was without them before was a pause.
    hearing.given(4_000);
    finish(&mut hearing, 2, 4_000);
    assert_eq!(hearing.results(&answer(3_000, 4_000, "to buy milk"), 4_100), last(1, 2, "Add a task to buy milk"));
    // A connection that goes on with it counts from its own beginning.
    assert_eq!(hearing.lost(), None);
    hearing.given(900);
    finish(&mut hearing, 3, 5_000);
    assert_eq!(hearing.results(&answer(0, 900, ""), 5_100), last_but(1, 3, "Add a task to buy milk", 900));
}

#[test]
fn no_answer_is_waited_for_only_so_long() {
    let mut hearing = hearing();
    hearing.given(2_000);
    hearing.results(&segment(0, 1_500, "Yes."), 1_600);
    assert_eq!(hearing.finish(1, 0, 2_000), Finished::Ask);
    // It waits in our own queue.
    assert_eq!(hearing.due_ms(), None);
    assert!(hearing.finalize_left(2_000, 2_100));
    assert_eq!(hearing.due_ms(), Some(2_350));
    // An interim without words: it is listening.
    assert_eq!(hearing.results(&guess(1_500, 1_800, ""), 2_200), interim(1, "Yes."));
    assert_eq!((hearing.due_ms(), hearing.poll(2_449)), (Some(2_450), None));
    assert_eq!(hearing.poll(2_450), last_but(1, 1, "Yes.", 500));
    assert_eq!((hearing.due_ms(), hearing.poll(9_000)), (None, None));
    // Whatever it answers now is for a revision to come.
    hearing.given(3_000);
    assert_eq!(hearing.results(&answer(1_500, 2_000, "Please."), 2_600), interim(1, "Yes. Please."));
    finish(&mut hearing, 2, 3_000);
    assert_eq!(hearing.results(&answer(2_000, 3_000, "Now."), 3_100), last(1, 2, "Yes. Please. Now."));
}

#[test]
fn words_that_are_not_final_are_not_taken_for_it() {
    let mut hearing = hearing();
    hearing.given(2_000);
    hearing.results(&segment(0, 1_000, "Add"), 1_000);
    hearing.results(&guess(1_000, 1_900, "milk"), 1_900);
    finish(&mut hearing, 1, 2_000);
    assert_eq!((hearing.due_ms(), hearing.poll(60_000)), (None, None));
    assert!(hearing.is_overdue(3_000) && !hearing.is_overdue(2_999));
}

#[test]
fn a_server_that_is_behind_is_given_the_time_that_it_needs() {
    let mut hearing = hearing();
    hearing.given(4_000);
    hearing.results(&segment(0, 1_000, "Add"), 1_100);
    finish(&mut hearing, 1, 4_000);
    // 3 s are not spoken of: two more than usual.
    assert_eq!(hearing.due_ms(), Some(4_000 + 250 + 2_000));
    assert_eq!(hearing.results(&segment(1_000, 2_500, "milk"), 4_500), interim(1, "Add milk"));
    assert_eq!(hearing.due_ms(), Some(4_500 + 250 + 500));
}

#[test]
fn that_nothing_was_said_is_no_guess() {
    let mut silent = hearing();
    silent.given(2_000);
    finish(&mut silent, 1, 2_000);
    // Nothing came at all: whoever waits for it decides.
    assert_eq!((silent.due_ms(), silent.poll(60_000)), (None, None));
    let mut hearing = hearing();
    hearing.given(2_000);
    hearing.results(&guess(0, 1_200, ""), 1_300);
    finish(&mut hearing, 1, 2_000);
    assert_eq!(hearing.due_ms(), Some(2_000 + 250 + 800));
    assert_eq!(hearing.poll(3_050), last(1, 1, ""));
}

#[test]
fn an_utterance_without_audio_says_nothing() {
    let mut hearing = hearing();
    assert_eq!(hearing.finish(1, 0, 0), Finished::Final(last(1, 1, "").unwrap()));
}

#[test]
fn an_utterance_goes_on_after_its_final_text() {
    let mut hearing = hearing();
    hearing.given(1_000);
    finish(&mut hearing, 1, 1_000);
    assert_eq!(hearing.results(&answer(0, 1_000, "Add milk"), 1_100), last(1, 1, "Add milk"));
    assert!(!hearing.is_under_way());
    hearing.given(2_000);
    assert!(hearing.is_under_way());
    assert_eq!(hearing.results(&guess(1_000, 1_500, "and"), 1_500), interim(1, "Add milk and"));
    finish(&mut hearing, 2, 2_000);
    assert_eq!(hearing.results(&answer(1_000, 2_000, "and honey"), 2_100), last(1, 2, "Add milk and honey"));
}

#[test]
fn an_utterance_goes_on_before_its_final_text() {
    let mut hearing = hearing();
    hearing.given(1_000);
    finish(&mut hearing, 1, 1_000);
    hearing.given(2_000);
    finish(&mut hearing, 2, 2_000);
    // The first answer is not the second one's, though it would do for the first revision.
    assert_eq!(hearing.results(&answer(0, 1_000, "Add milk"), 2_050), interim(1, "Add milk"));
    assert_eq!(hearing.results(&answer(1_000, 2_000, "and honey"), 2_100), last(1, 2, "Add milk and honey"));
    // Once more, and the first is not answered at all.
    hearing.given(3_000);
    finish(&mut hearing, 3, 3_000);
    hearing.given(4_000);
    finish(&mut hearing, 4, 4_000);
    let all = "Add milk and honey and bread and";
    assert_eq!(hearing.results(&answer(2_000, 3_900, "and bread and"), 4_100), last(1, 4, all));
    assert!(hearing.unanswered.is_empty());
}

#[test]
fn a_final_text_comes_while_the_caller_goes_on() {
    let mut hearing = hearing();
    hearing.given(1_000);
    finish(&mut hearing, 1, 1_000);
    hearing.given(1_400);
    assert_eq!(hearing.results(&answer(0, 1_000, "Add milk"), 1_400), last(1, 1, "Add milk"));
    assert!(hearing.is_under_way());
}

#[test]
fn the_same_place_is_asked_about_once() {
    let mut hearing = hearing();
    hearing.given(1_000);
    finish(&mut hearing, 1, 1_000);
    assert_eq!(hearing.finish(2, 0, 1_100), Finished::Wait);
    assert_eq!(hearing.results(&answer(0, 1_000, "Yes"), 1_200), last(1, 2, "Yes"));
}

#[test]
fn late_results_of_a_forgotten_utterance_are_not_the_next_ones() {
    let mut hearing = hearing();
    hearing.given(1_000);
    hearing.results(&guess(0, 800, "old"), 800);
    // Its rest is to be no part of the next segment.
    assert!(hearing.forget(1_000));
    hearing.begin(id(2));
    hearing.given(1_500);
    assert_eq!(hearing.results(&guess(0, 1_000, "old words"), 1_500), None);
    finish(&mut hearing, 1, 1_500);
    assert_eq!(hearing.results(&answer(0, 1_000, "Old words."), 1_550), None);
    assert_eq!(hearing.results(&guess(1_000, 1_300, "new"), 1_600), interim(2, "new"));
    assert_eq!(hearing.results(&answer(1_000, 1_500, "New."), 1_700), last(2, 1, "New."));
}

#[test]
fn the_answer_that_a_forgotten_utterance_waited_for_is_not_the_next_ones() {
    let mut hearing = hearing();
    hearing.given(1_000);
    finish(&mut hearing, 1, 1_000);
    // It is asked already.
    assert!(!hearing.forget(1_000));
    hearing.begin(id(2));
    hearing.given(2_000);
    finish(&mut hearing, 1, 2_000);
    assert_eq!(hearing.results(&answer(900, 1_000, "old"), 2_050), None);
    assert_eq!(hearing.results(&answer(1_000, 2_000, "new"), 2_100), last(2, 1, "new"));
}

#[test]
fn a_segment_over_the_boundary_is_cut_by_its_words() {
    let forgotten = || {
        let mut hearing = hearing();
        hearing.given(1_000);
        hearing.forget(1_000);
        hearing.begin(id(2));
        hearing.given(3_000);
        hearing
    };
    let word = |text: &str, start_ms| Word { text: text.into(), start_ms };
    let words = vec![word("old", 200), word("words,", 700), word("new", 1_100), word("ones.", 1_600)];
    let mut hearing = forgotten();
    let over = Results { words, ..guess(0, 2_000, "old words, new ones.") };
    assert_eq!(hearing.results(&over, 0), interim(2, "new ones."));
    assert_eq!(hearing.results(&Results { is_final: true, ..over }, 0), interim(2, "new ones."));
    assert_eq!(hearing.results(&segment(2_000, 2_500, "And more."), 0), interim(2, "new ones. And more."));
    // Without the words' times it is whose most of it is.
    assert_eq!(forgotten().results(&guess(0, 1_900, "old words, new"), 0), None);
    assert_eq!(forgotten().results(&guess(500, 3_000, "new ones"), 0), interim(2, "new ones"));
}

#[test]
fn when_nothing_can_be_late_nothing_is_left_out() {
    let mut hearing = hearing();
    hearing.given(1_000);
    finish(&mut hearing, 1, 1_000);
    hearing.results(&answer(0, 1_000, "old"), 1_100);
    assert!(!hearing.forget(1_000));
    hearing.begin(id(2));
    hearing.given(2_000);
    // Whatever it says of its times.
    assert_eq!(hearing.results(&segment(0, 500, "new"), 2_000), interim(2, "new"));
}

#[test]
fn audio_that_never_left_is_not_asked_about() {
    let mut hearing = hearing();
    hearing.given(1_000);
    assert_eq!(hearing.finish(1, 0, 0), Finished::Ask);
    // 200 ms had left, and the question had not.
    assert!(hearing.forget(200));
    assert_eq!(hearing.unanswered, [200]);
    hearing.begin(id(2));
    assert_eq!(hearing.current.as_ref().unwrap().from_ms, 200);
}

#[test]
fn a_lost_connection_breaks_off_what_is_under_way() {
    let mut hearing = hearing();
    hearing.given(500);
    assert_eq!(hearing.lost(), Some(id(1)));
    assert_eq!((hearing.current(), hearing.lost()), (None, None));
}

#[test]
fn a_lost_connection_takes_nothing_from_what_is_settled() {
    let mut hearing = hearing();
    hearing.given(1_000);
    finish(&mut hearing, 1, 1_000);
    hearing.results(&answer(0, 1_000, "Add milk"), 1_100);
    assert_eq!((hearing.lost(), hearing.current()), (None, Some(id(1))));
    // On the next connection time begins anew.
    hearing.given(800);
    assert_eq!(hearing.results(&guess(0, 700, "and"), 2_000), interim(1, "Add milk and"));
    finish(&mut hearing, 2, 2_100);
    assert_eq!(hearing.results(&answer(0, 800, "and honey"), 2_200), last(1, 2, "Add milk and honey"));
}

#[test]
fn what_nobody_waits_for_says_nothing() {
    let mut hearing = Hearing::new(WAIT_MS);
    assert_eq!(hearing.finish(1, 0, 0), Finished::Wait);
    assert_eq!(hearing.results(&answer(0, 1_000, "hm"), 0), None);
    assert_eq!((hearing.poll(1_000), hearing.due_ms(), hearing.is_overdue(9_000)), (None, None, false));
    assert!(!hearing.finalize_left(0, 0) && !hearing.is_under_way());
}

#[test]
fn an_endless_text_is_bounded() {
    let mut hearing = hearing();
    hearing.given(u64::MAX / 2);
    for n in 0..100 {
        hearing.results(&segment(n * 1_000, (n + 1) * 1_000, &"word ".repeat(200)), n);
    }
    let Some(LineEvent::Interim { text, .. }) = hearing.results(&guess(0, u64::MAX / 2, "more"), 0) else { panic!() };
    assert!(text.len() <= 2 * MAX_TEXT_BYTES && text.starts_with("word word"), "{}", text.len());
}
