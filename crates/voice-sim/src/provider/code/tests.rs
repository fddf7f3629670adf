use proptest::prelude::*;

use super::super::{LEAD_MS, say, synthesize};
use super::*;
use crate::provider::pcm::Encoding;

fn codes(text: &str) -> Vec<Code> {
    Vocabulary::codes(text)
}

fn numbers(words: &[HeardWord]) -> Vec<Code> {
    words.iter().map(|word| word.code).collect()
}

fn silence(ms: usize, rate: u32) -> Vec<i16> {
    vec![0; ms * rate as usize / 1_000]
}

/// White noise of this peak.
fn noise(length: usize, peak: i32, seed: u64) -> Vec<i16> {
    let mut dice = crate::dice::Dice::new(seed);
    (0..length).map(|_| (dice.between(0, 2 * peak as u64) as i32 - peak) as i16).collect()
}

fn mix(a: &[i16], b: &[i16]) -> Vec<i16> {
    let length = a.len().max(b.len());
    let at = |pcm: &[i16], n: usize| pcm.get(n).copied().unwrap_or_default();
    (0..length).map(|n| at(a, n).saturating_add(at(b, n))).collect()
}

const TEXT: &str = "Add a task: buy milk, milk and bread by Friday!";

#[test]
fn what_is_said_is_heard_at_every_rate() {
    for rate in [8_000, 16_000, 22_050, 24_000, 44_100, 48_000] {
        let audio = [silence(233, rate), say(TEXT, rate), silence(300, rate)].concat();
        let heard = decode_words(&audio, rate);
        assert_eq!(spoken(&heard, Voice::Caller), "add a task buy milk milk and bread by friday", "{rate}: {heard:?}");
        for (n, word) in heard.iter().enumerate() {
            assert!(word.start_ms.abs_diff(233 + LEAD_MS + 150 * n as u64) <= 6, "{rate}: {word:?}");
            assert!(word.duration_ms.abs_diff(120) <= 8, "{rate}: {word:?}");
        }
    }
}

#[test]
fn it_survives_the_telephone_and_noise() {
    let audio = [silence(100, 8_000), say(TEXT, 8_000), silence(100, 8_000)].concat();
    let telephone = Encoding::Mulaw.decode(&Encoding::Mulaw.encode(&audio)).expect("one byte a sample");
    let noisy = mix(&telephone, &noise(telephone.len(), 1_000, 7));
    for audio in [telephone, noisy] {
        let heard = decode_words(&audio, 8_000);
        assert_eq!(spoken(&heard, Voice::Caller), "add a task buy milk milk and bread by friday", "{heard:?}");
    }
}

#[test]
fn the_pieces_in_which_audio_comes_do_not_matter() {
    let audio = [silence(50, 16_000), say(TEXT, 16_000)].concat();
    let whole = decode_words(&audio, 16_000);
    for size in [11, 320, 5_000] {
        let mut ear = Ear::new(16_000);
        let mut heard = Vec::new();
        for piece in audio.chunks(size) {
            ear.handle_audio(piece);
            heard.extend(ear.take_words(&Vocabulary::default()));
        }
        heard.extend(ear.finish(&Vocabulary::default()));
        assert_eq!(heard, whole, "in pieces of {size}");
    }
}

#[test]
fn who_said_it_shows() {
    let cartesia = synthesize(&codes("hello how can I help"), Voice::Cartesia, 24_000);
    let elevenlabs = synthesize(&codes("you today"), Voice::ElevenLabs, 24_000);
    let heard = decode_words(&[cartesia, elevenlabs].concat(), 24_000);
    assert_eq!(spoken(&heard, Voice::Cartesia), "hello how can i help");
    assert_eq!(spoken(&heard, Voice::ElevenLabs), "you today");
    assert_eq!(heard.len(), 7);
    assert!(heard.iter().all(|word| word.duration_ms.abs_diff(270) <= 8), "{heard:?}");
}

#[test]
fn a_cut_word_says_so_and_a_doubled_piece_shows() {
    let audio = synthesize(&codes("one two three"), Voice::Cartesia, 16_000);
    let at = |ms: usize| ms * 16;
    // Cut in the middle of the second word; a hole of 60 ms in the first; the third begins twice.
    let cut = &audio[..at(320 + 150)];
    assert_eq!(spoken(&decode_words(cut, 16_000), Voice::Cartesia), "one two-");
    let mut holed = audio.clone();
    holed[at(100)..at(160)].fill(0);
    let heard = decode_words(&holed, 16_000);
    assert_eq!(spoken(&heard, Voice::Cartesia), "one- one- two three", "{heard:?}");
    let doubled = [&audio[..at(640 + 200)], &audio[at(640)..]].concat();
    let heard = decode_words(&doubled, 16_000);
    assert_eq!(spoken(&heard, Voice::Cartesia), "one two three- three", "{heard:?}");
    // A frame of 20 ms that is lost.
    let lost = [&audio[..at(100)], &audio[at(120)..]].concat();
    let heard = decode_words(&lost, 16_000);
    assert_eq!(spoken(&heard, Voice::Cartesia), "one- two three", "{heard:?}");
}

#[test]
fn two_voices_at_once_are_no_words_but_an_overlap() {
    let first = synthesize(&codes("hello how can I help"), Voice::Cartesia, 16_000);
    let second = [silence(640, 16_000), synthesize(&codes("I will add that"), Voice::ElevenLabs, 16_000)].concat();
    let both = mix(&first, &second);
    let found = overlaps(&both, 16_000);
    assert!(found.len() >= 2 && found[0].start_ms.abs_diff(650) < 30, "{found:?}");
    let heard = decode_words(&both, 16_000);
    assert_eq!(spoken(&heard[..2], Voice::Cartesia), "hello how");
    assert_eq!(overlaps(&[first, second].concat(), 16_000), []);
}

#[test]
fn silence_noise_and_a_murmur_say_nothing() {
    let rate = 16_000;
    let hum: Vec<i16> = (0..32_000).map(|n| ((n as f64 * 0.4).sin() * 9_000.0) as i16).collect();
    for audio in [silence(1_000, rate), noise(32_000, 3_000, 1), noise(32_000, 40, 2), hum, Vec::new()] {
        assert_eq!(decode_words(&audio, rate), []);
        assert_eq!(overlaps(&audio, rate), []);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// Any codes, any voice, anywhere in the windows' grid, over noise and through µ-law.
    #[test]
    fn any_codes_come_back(
        digits in proptest::collection::vec(0..Code::COUNT, 1..12),
        voice in 0usize..4, lead in 0usize..400, seed in any::<u64>(),
    ) {
        let said: Vec<Code> = digits.iter().map(|number| Code::new(*number)).collect();
        let mut audio = vec![0; lead];
        audio.extend(synthesize(&said, Voice::ALL[voice], 8_000));
        let noisy = mix(&audio, &noise(audio.len(), 1_500, seed));
        let heard = decode_words(&Encoding::Mulaw.decode(&Encoding::Mulaw.encode(&noisy)).unwrap(), 8_000);
        prop_assert_eq!(numbers(&heard), said);
        prop_assert!(heard.iter().all(|word| word.voice == Voice::ALL[voice] && !word.cut));
    }

    /// Wherever audio is cut, the words before the cut are whole, and the one in it says that it is not.
    #[test]
    fn wherever_it_is_cut_the_words_before_are_whole(cut_ms in 1usize..1_590) {
        let said = codes("one two three four five");
        let audio = synthesize(&said, Voice::Cartesia, 16_000);
        let heard = decode_words(&audio[..cut_ms * 16], 16_000);
        let (whole, inside) = (cut_ms / 320, cut_ms % 320);
        prop_assert_eq!(numbers(&heard[..whole.min(heard.len())]), &said[..whole]);
        prop_assert!(heard[..whole].iter().all(|word| !word.cut));
        match heard.get(whole) {
            // Between 245 and 265 ms a word may be taken for whole or for cut.
            Some(word) if (245..265).contains(&inside) => prop_assert_eq!(word.code, said[whole]),
            Some(word) => prop_assert_eq!((word.code, word.cut), (said[whole], inside < 265), "{:?}", heard),
            None => prop_assert!(inside < 25, "{} ms of a word are heard", inside),
        }
    }
}
