//! Answers, cut anywhere.

use bytes::Bytes;
use proptest::prelude::*;
use voice_core::provider::{ProviderErrorKind as Kind, ProviderFailure};

use super::super::reader::{Body, Reader};
use super::ends;
use super::server::piece;
use crate::audio::format::AudioFormat;
use crate::tts::TtsEvent;

/// Audio, what was said of words meanwhile, and the end.
type Read = (Vec<u8>, Vec<Vec<(usize, u64)>>, Result<Vec<(usize, u64)>, ProviderFailure>);

fn read(body: Body, text: &str, pieces: &[&[u8]]) -> Read {
    let mut reader = Reader::new(body, text, AudioFormat::Pcm24k);
    let mut events = Vec::new();
    let mut result = Ok(());
    for piece in pieces {
        if result.is_ok() {
            result = reader.push(Bytes::copy_from_slice(piece), &mut events);
        }
    }
    let result = result.and_then(|()| reader.finish(&mut events));
    let (mut audio, mut words, mut end) = (Vec::new(), Vec::new(), None);
    for event in events {
        assert!(end.is_none(), "{event:?} follows the end");
        match event {
            TtsEvent::Audio(piece) => audio.extend_from_slice(&piece),
            TtsEvent::Words(so_far) => words.push(ends(&so_far)),
            TtsEvent::Done { words } => end = Some(ends(&words)),
        }
    }
    (audio, words, result.map(|()| end.expect("an end")))
}

fn answer() -> Vec<u8> {
    let lines = [
        piece(&[1; 4_801], &[('N', 0.05), ('o', 0.1), ('t', 0.12), (' ', 0.13), ('3', 0.2), (':', 0.22)]),
        piece(&[2; 4_799], &[('3', 0.25), ('0', 0.3), (',', 0.31), (' ', 0.32), ('d', 0.33), ('o', 0.34), ('n', 0.35)]),
        piece(&[3; 4_800], &[('’', 0.36), ('t', 0.4), ('.', 0.41)]),
    ];
    lines.map(|line| format!("{line}\n")).concat().into_bytes()
}

#[test]
fn words_are_timed_as_soon_as_they_have_ended() {
    let (audio, words, end) = read(Body::Lines, "Not 3:30, don’t.", &[&answer()]);
    assert_eq!(audio.len(), 14_400);
    assert_eq!(words, [vec![(3, 120)], vec![(3, 120), (9, 310)], vec![(3, 120), (9, 310), (18, 410)]]);
    assert_eq!(end, Ok(vec![(3, 120), (9, 300), (18, 300)]), "no word ends after the audio");
}

#[test]
fn times_of_a_piece_are_counted_from_it() {
    let line = |letters: &str| {
        let chars: Vec<String> = letters.chars().map(String::from).collect();
        let starts: Vec<u64> = (0..chars.len() as u64).map(|at| at * 10).collect();
        let audio = base64::Engine::encode(&base64::engine::general_purpose::STANDARD, [0; 4_800]);
        let durations = vec![10; chars.len()];
        let alignment = serde_json::json!({"chars": chars, "charStartTimesMs": starts, "charDurationsMs": durations});
        format!("{}\n", serde_json::json!({"audio": audio, "alignment": alignment}))
    };
    let (_, _, end) = read(Body::Lines, "one two", &[line("one ").as_bytes(), line("two").as_bytes()]);
    assert_eq!(end, Ok(vec![(3, 30), (7, 130)]));
}

#[test]
fn pieces_of_what_a_text_was_read_as_wait_for_their_words() {
    let normal = |letters: &str, from: f64| {
        let times: Vec<(char, f64)> =
            letters.chars().enumerate().map(|(at, letter)| (letter, from + at as f64 / 100.0)).collect();
        let mut line = piece(&[0; 4_800], &times);
        line["normalized_alignment"] = line["alignment"].take();
        format!("{line}\n").into_bytes()
    };
    // "for" is a piece of "forty", and not the text's "for".
    let (_, words, end) = read(Body::Lines, "40 for me", &[&normal("for", 0.01), &normal("ty for me", 0.1)]);
    assert_eq!(words, [vec![(2, 110), (6, 150)]]);
    assert_eq!(end, Ok(vec![(2, 110), (6, 150), (9, 180)]));
}

#[test]
fn plain_audio_is_passed_on_without_words() {
    assert_eq!(read(Body::Audio, "Hi.", &[&[1, 2, 3], &[4]]), (vec![1, 2, 3, 4], vec![], Ok(vec![])));
}

#[test]
fn what_is_no_whole_answer_is_a_failure() {
    let protocol = Err(Kind::Protocol.into());
    assert_eq!(read(Body::Lines, "Hi.", &[]).2, protocol);
    assert_eq!(read(Body::Audio, "Hi.", &[&[1, 2, 3]]), (vec![1, 2], vec![], protocol.clone()));
    assert_eq!(read(Body::Lines, "Hi.", &[b"<html>\n"]).2, protocol);
    assert_eq!(read(Body::Audio, "Hi.", &[&[1, 2], b"ID3\x04\0\0"]), (vec![1, 2], vec![], protocol.clone()));
    // Broken off in the middle of a line: what came before is heard.
    let cut = [answer(), b"{\"audio_base64\":\"AA".to_vec()].concat();
    let (audio, words, end) = read(Body::Lines, "Not 3:30, don’t.", &[&cut]);
    assert_eq!((audio.len(), words.len(), end), (14_400, 3, protocol.clone()));
    // A line without end.
    let endless = vec![b' '; 1024 * 1024];
    assert_eq!(read(Body::Lines, "Hi.", &[&endless[..]; 9]).2, protocol);
    let failed = [answer(), b"{\"detail\":{\"code\":\"quota_exceeded\"}}\n".to_vec()].concat();
    assert_eq!(read(Body::Lines, "Hi.", &[&failed]).2, Err(Kind::Quota.into()));
}

#[test]
fn the_last_line_needs_no_end() {
    let whole = answer();
    let without = &whole[..whole.len() - 1];
    assert_eq!(read(Body::Lines, "Not.", &[without]), read(Body::Lines, "Not.", &[&whole]));
}

#[test]
fn only_what_claims_to_be_audio_is_taken_as_it_is() {
    for content_type in ["audio/mpeg", " Audio/PCM;rate=24000"] {
        assert_eq!(Body::of(content_type), Body::Audio, "{content_type}");
    }
    for content_type in
        ["", "application/json", "application/x-ndjson", "text/event-stream", "application/octet-stream"]
    {
        assert_eq!(Body::of(content_type), Body::Lines, "{content_type}");
    }
}

proptest! {
    #[test]
    fn any_split_is_read_the_same(cuts in prop::collection::vec(1usize..4_000, 1..60)) {
        let whole = answer();
        let (mut left, mut pieces) = (&whole[..], Vec::new());
        for cut in cuts {
            let (piece, after) = left.split_at(cut.min(left.len()));
            pieces.push(piece);
            left = after;
        }
        pieces.push(left);
        let text = "Not 3:30, don’t.";
        prop_assert_eq!(read(Body::Lines, text, &pieces), read(Body::Lines, text, &[&whole]));
    }
}
