use std::sync::{Mutex, OnceLock};

use serde::Deserialize;

use super::*;
use crate::model::runtime::default_models_dir;

/// One voice for all tests of the process: loading is most of the work.
fn with_voice<T>(test: impl FnOnce(&mut Hibari) -> T) -> T {
    static VOICE: OnceLock<Mutex<Hibari>> = OnceLock::new();
    let voice = VOICE.get_or_init(|| {
        let runtime = Runtime::load(&default_models_dir()).expect("the runtime");
        Mutex::new(Hibari::load(&runtime).expect("the voice"))
    });
    test(&mut voice.lock().unwrap_or_else(std::sync::PoisonError::into_inner))
}

fn level_db(samples: &[i16]) -> f64 {
    let sum: f64 = samples.iter().map(|sample| (f64::from(*sample) / 32_768.0).powi(2)).sum();
    10.0 * (sum / samples.len() as f64).log10()
}

#[derive(Deserialize)]
struct Case {
    text: String,
    /// What the original says.
    phonemes: Vec<String>,
    /// What we say instead, and why.
    ours: Option<Vec<String>>,
    why: Option<String>,
}

#[test]
fn the_phonemes_are_those_of_the_original() {
    let cases: Vec<Case> =
        serde_json::from_str(include_str!("../../../tests/fixtures/hibari/phonemes.json")).expect("the fixture");
    assert!(cases.len() >= 150);
    let mut wrong = Vec::new();
    for case in &cases {
        assert_eq!(case.ours.is_some(), case.why.is_some(), "{}", case.text);
        let said = with_voice(|voice| voice.phonemes(&case.text)).expect("phonemes");
        let expected = case.ours.as_ref().unwrap_or(&case.phonemes);
        if said != *expected {
            wrong.push(format!("{}\n  ours {said:?}\n  want {expected:?}", case.text));
        }
    }
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), cases.len(), wrong.join("\n"));
}

#[test]
fn a_sentence_is_level_trimmed_and_timed() {
    let text = "I've added 'Review the proposal', due Friday at 3:30 PM.";
    let speech = with_voice(|voice| voice.synthesize(text, 1.0)).expect("speech");
    let level = level_db(&speech.pcm);
    assert!((-22.0..=-18.0).contains(&level), "{level} dBFS");
    assert!(speech.pcm.iter().all(|sample| sample.unsigned_abs() <= 29_204), "a peak above -1 dBFS");
    let loud = |sample: &i16| sample.unsigned_abs() > 330;
    let lead = speech.pcm.iter().position(loud).expect("a sound");
    let tail = speech.pcm.iter().rev().position(loud).expect("a sound");
    assert!(samples_to_ms(lead) <= 40, "{lead} samples of lead");
    assert!((100..=200).contains(&samples_to_ms(tail)), "{tail} samples of tail");

    let written: Vec<&str> = text.split_whitespace().collect();
    assert_eq!(speech.words.len(), written.len());
    for (word, timing) in written.iter().zip(&speech.words) {
        assert!(text[..timing.byte_end].ends_with(word), "{word}: {timing:?}");
    }
    assert!(speech.words.windows(2).all(|pair| pair[0].end_ms < pair[1].end_ms), "{:?}", speech.words);
    let last = speech.words.last().expect("words").end_ms;
    assert!((100..=200).contains(&(speech.duration_ms() - last)), "{last} of {}", speech.duration_ms());
}

#[test]
fn the_same_text_gives_the_same_samples_and_speed_changes_the_length() {
    with_voice(|voice| {
        let once = voice.synthesize("Done and done.", 1.0).expect("speech");
        assert_eq!(once, voice.synthesize("Done and done.", 1.0).expect("speech"));
        let fast = voice.synthesize("Done and done.", 1.6).expect("speech");
        assert!(fast.pcm.len() * 5 < once.pcm.len() * 4, "{} of {}", fast.pcm.len(), once.pcm.len());
        let odd = voice.synthesize("Done and done.", f32::NAN).expect("speech");
        assert_eq!(odd, once);
    });
}

#[test]
fn what_cannot_be_said_is_silence_and_no_error() {
    with_voice(|voice| {
        for text in ["", "   ", "...", "?!", "— \u{2013}", "🎉🎉", "任务完成", "مرحبا", "\u{0}\u{7f}", "[]()"]
        {
            let speech = voice.synthesize(text, 1.0).expect(text);
            assert!(speech.pcm.is_empty(), "{text:?}");
            assert!(speech.words.iter().all(|word| word.end_ms == 0), "{text:?}");
        }
    });
}

#[test]
fn emoji_and_other_scripts_are_passed_over() {
    with_voice(|voice| {
        let plain = voice.phonemes("Task done. Well done.").expect("phonemes");
        assert_eq!(voice.phonemes("Task done 🎉. Well 任务 done.").expect("phonemes"), plain);
        assert_eq!(
            voice.phonemes("Nguye\u{302}\u{303}n").expect("phonemes"),
            voice.phonemes("Nguyen").expect("phonemes")
        );
    });
}

#[test]
fn addresses_are_read_in_words() {
    with_voice(|voice| {
        let same = [
            ("Write to jo.doe@example.com.", "Write to jo dot doe at example dot com."),
            ("See https://www.example.com/docs?x=1 now.", "See example dot com slash docs now."),
            ("Open [the board](https://example.com/b/1) please.", "Open the board please."),
        ];
        for (written, said) in same {
            assert_eq!(
                voice.phonemes(written).expect("phonemes"),
                voice.phonemes(said).expect("phonemes"),
                "{written}"
            );
        }
    });
}

#[test]
fn a_long_text_is_said_whole_with_even_levels() {
    let sentence = "You have three open tasks, and the first of them, which is to call the dentist, is due today, ";
    let text = format!("{}and that is all. Good bye.", sentence.repeat(6));
    let speech = with_voice(|voice| voice.synthesize(&text, 1.0)).expect("speech");
    assert_eq!(speech.words.len(), text.split_whitespace().count());
    assert!(speech.words.windows(2).all(|pair| pair[0].end_ms <= pair[1].end_ms));
    assert!(speech.duration_ms() > 20_000, "{} ms", speech.duration_ms());
    assert!((-22.5..=-17.5).contains(&level_db(&speech.pcm)));
}

#[test]
fn a_word_before_a_pause_ends_before_it() {
    let text = "I've added the report, due Friday. Anything else?";
    let speech = with_voice(|voice| voice.synthesize(text, 1.0)).expect("speech");
    let friday = speech.words.iter().find(|word| text[..word.byte_end].ends_with("Friday.")).expect("the word");
    // The next 100 ms are silent.
    let from = usize::try_from(friday.end_ms * 24).expect("a time");
    assert!(level_db(&speech.pcm[from + 240..from + 2400]) < -45.0, "{:?}", speech.words);
}

proptest::proptest! {
    #![proptest_config(proptest::test_runner::Config {
        cases: 96,
        failure_persistence: None,
        rng_seed: proptest::test_runner::RngSeed::Fixed(1),
        ..proptest::test_runner::Config::default()
    })]

    #[test]
    fn any_text_is_read_without_a_panic(
        text in r#"([\PC]{0,12}|[a-zA-Z'’. ,:;/$£#%@0-9\-]{0,24}|[A-Z.]{2,6}|[0-9,.:/-]{1,9}(st|th|s|am| PM|%|k)? ){0,4}"#
    ) {
        let sentences = with_voice(|voice| voice.phonemes(&text)).expect("phonemes");
        for sentence in sentences {
            proptest::prop_assert!(!sentence.starts_with(' ') && !sentence.ends_with(' '), "{sentence:?}");
            proptest::prop_assert!(!sentence.contains(char::is_numeric), "{sentence:?}");
        }
    }
}

#[test]
fn long_runs_without_a_space_are_read_in_bounded_steps() {
    with_voice(|voice| {
        let said = voice.phonemes(&"a@".repeat(400)).expect("phonemes").concat();
        assert_eq!(said.matches("æt").count(), 400);
        assert!(voice.phonemes(&"(".repeat(2000)).expect("phonemes").is_empty());
    });
}

#[test]
fn a_shared_reader_serves_several_voices() {
    fn is_send<T: Send>() {}
    is_send::<Hibari>();
    let missing = Reader::load(Path::new("/nowhere")).expect_err("there is nothing");
    assert!(matches!(missing, ModelError::Missing(_)), "{missing}");
}
