//! The recogniser as a whole, with the real model.

use std::path::Path;
use std::sync::{LazyLock, Mutex, PoisonError};

use super::*;
use crate::model::runtime::default_models_dir;

static RECOGNISER: LazyLock<Mutex<Moonshine>> = LazyLock::new(|| {
    let runtime = Runtime::load(&default_models_dir()).expect("the runtime");
    Mutex::new(Moonshine::load(&runtime).expect("the speech model"))
});

fn transcribe(pcm: &[i16], options: &DecodeOptions<'_>) -> Transcription {
    let mut recogniser = RECOGNISER.lock().unwrap_or_else(PoisonError::into_inner);
    recogniser.transcribe(pcm, options).expect("a transcription")
}

fn fixture(name: &str) -> Vec<i16> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/audio").join(name);
    let mut reader = hound::WavReader::open(path).expect("a fixture");
    assert_eq!(reader.spec().sample_rate as usize, SAMPLE_RATE);
    reader.samples::<i16>().collect::<Result<_, _>>().expect("16 bit")
}

fn words(text: &str) -> String {
    text::bare_words(text).join(" ")
}

fn noise(samples: usize, loudness: i64) -> Vec<i16> {
    let mut seed = 1_u32;
    let mut next = || {
        seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        i16::try_from((i64::from(seed >> 16) - 32_768) * loudness / 32_768).expect("in range")
    };
    (0..samples).map(|_| next()).collect()
}

#[test]
fn a_question_is_written_down_greedily_and_by_beams() {
    let (pcm, bias) = (fixture("stt_what_are_my_tasks.wav"), Bias::default());
    for options in [DecodeOptions::partial(&bias), DecodeOptions::final_result(&bias)] {
        let heard = transcribe(&pcm, &options);
        assert_eq!(words(&heard.text), "what are my tasks");
        assert!(heard.confidence > 0.7 && heard.confidence <= 1.0, "{heard:?}");
        assert_eq!(heard.hypotheses[0].text, heard.text);
    }
}

#[test]
fn a_title_is_heard_through_the_telephone() {
    let bias = Bias::new(&["Buy milk".to_owned(), "Call the dentist".to_owned()]);
    let heard = transcribe(&fixture("stt_add_buy_milk_8k.wav"), &DecodeOptions::final_result(&bias));
    assert_eq!(words(&heard.text), "add buy milk to my list");
}

#[test]
fn the_bias_hears_a_command_where_the_model_alone_does_not() {
    let pcm = fixture("stt_undo_the_last_change.wav");
    let (off, bias) = (Bias::off(), Bias::default());
    let heard = transcribe(&pcm, &DecodeOptions::final_result(&bias));
    assert_eq!(words(&heard.text), "undo the last change");
    assert_ne!(words(&transcribe(&pcm, &DecodeOptions::final_result(&off)).text), "undo the last change");
}

#[test]
fn noise_silence_and_clicks_are_no_words() {
    let bias = Bias::default();
    let mut click = vec![0_i16; SAMPLE_RATE];
    click[8_000..8_200].copy_from_slice(&noise(200, 15_000));
    for pcm in [vec![0; 2 * SAMPLE_RATE], noise(2 * SAMPLE_RATE, 60), noise(2 * SAMPLE_RATE, 3_000), click] {
        for options in [DecodeOptions::partial(&bias), DecodeOptions::final_result(&bias)] {
            let heard = transcribe(&pcm, &options);
            assert_eq!((heard.text.as_str(), heard.hypotheses.len()), ("", 0));
        }
    }
}

#[test]
fn very_short_audio_is_empty() {
    let bias = Bias::default();
    for samples in [0, 1, samples_in(MIN_AUDIO_MS) - 1] {
        let heard = transcribe(&noise(samples, 9_000), &DecodeOptions::partial(&bias));
        assert_eq!(heard, Transcription::default());
    }
    let shortest = noise(samples_in(MIN_AUDIO_MS), 9_000);
    transcribe(&shortest, &DecodeOptions::partial(&bias));
}

#[test]
fn long_audio_is_cut_joined_and_truncated() {
    let question = fixture("stt_what_are_my_tasks.wav");
    let mut pcm = question.clone();
    pcm.resize(9 * SAMPLE_RATE, 0);
    pcm.extend(&question);
    pcm.resize(31 * SAMPLE_RATE, 0);
    let bias = Bias::default();
    let heard = transcribe(&pcm, &DecodeOptions::partial(&bias));
    assert_eq!(words(&heard.text), "what are my tasks what are my tasks");
    assert_eq!(heard.truncated_ms, 1_000);
}

#[test]
fn it_does_not_matter_where_in_a_frame_a_command_begins() {
    let bias = Bias::default();
    let pcm = fixture("stt_what_are_my_tasks.wav");
    for phase in [0, 67, 131, 197, 263, 331, 401, 479] {
        let mut shifted = vec![0; phase];
        shifted.extend(&pcm);
        assert_eq!(
            words(&transcribe(&shifted, &DecodeOptions::final_result(&bias)).text),
            "what are my tasks",
            "{phase}"
        );
    }
}
