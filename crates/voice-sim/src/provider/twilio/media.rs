//! The far end of a media stream is a caller's ([`voice_caller::media`]); here it plays words that can be read back.

#[cfg(test)]
mod tests {
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;
    use proptest::prelude::*;
    use serde_json::{Value, json};
    use voice_caller::media::MediaStream;

    use crate::provider::code::{Vocabulary, Voice, decode_words, spoken, synthesize};
    use crate::provider::pcm::Encoding;

    fn media(pcm: &[i16]) -> String {
        let payload = STANDARD.encode(Encoding::Mulaw.encode(pcm));
        json!({"event": "media", "streamSid": "MZ1", "media": {"payload": payload}}).to_string()
    }

    fn mark(name: &str) -> String {
        json!({"event": "mark", "streamSid": "MZ1", "mark": {"name": name}}).to_string()
    }

    fn names(back: &[Value]) -> Vec<&str> {
        back.iter().filter_map(|message| message["mark"]["name"].as_str()).collect()
    }

    #[test]
    fn marks_come_back_when_what_is_before_them_was_played() {
        let mut stream = MediaStream::new("MZ1");
        let audio = synthesize(&Vocabulary::codes("hello again"), Voice::Cartesia, 8_000);
        assert_eq!(stream.handle_text(&media(&audio), 100), Ok(Vec::new()));
        assert_eq!(stream.handle_text(&mark("m1"), 100), Ok(Vec::new()));
        assert_eq!(stream.buffered_ms(), 640);
        assert_eq!(names(&stream.play_until(700)), [""; 0]);
        assert_eq!(names(&stream.play_until(800)), ["m1"]);
        // With nothing before it, a mark comes back at once.
        assert_eq!(names(&stream.handle_text(&mark("m2"), 900).expect("a mark")), ["m2"]);
        let heard = decode_words(stream.heard(), 8_000);
        assert_eq!(spoken(&heard, Voice::Cartesia), "hello again");
        assert!(heard[0].start_ms.abs_diff(100) < 10, "{heard:?}");
    }

    #[test]
    fn clear_cuts_what_is_heard_and_returns_all_marks() {
        let mut stream = MediaStream::new("MZ1");
        let audio = synthesize(&Vocabulary::codes("hello again"), Voice::Cartesia, 8_000);
        stream.handle_text(&media(&audio), 0).expect("media");
        stream.handle_text(&mark("m1"), 0).expect("a mark");
        let back = stream.handle_text(r#"{"event":"clear","streamSid":"MZ1"}"#, 400).expect("a clear");
        assert_eq!((names(&back), stream.clears, stream.buffered_ms()), (vec!["m1"], 1, 0));
        stream.play_until(1_000);
        assert_eq!(spoken(&decode_words(stream.heard(), 8_000), Voice::Cartesia), "hello again-");
        assert_eq!(stream.heard().len(), 8_000);
    }

    #[test]
    fn what_twilio_does_not_take_is_an_error() {
        let mut stream = MediaStream::new("MZ1");
        for (text, code) in [
            ("hello", 31_950),
            ("[]", 31_950),
            (r#"{"event":"clear"}"#, 31_951),
            (r#"{"event":"clear","streamSid":"MZ2"}"#, 31_951),
            (r#"{"event":"clear","streamSid":"MZ1","x":1}"#, 31_951),
            (r#"{"event":"stop","streamSid":"MZ1"}"#, 31_951),
            (r#"{"event":"mark","streamSid":"MZ1"}"#, 31_951),
            (r#"{"event":"media","streamSid":"MZ1","media":{"payload":"!"}}"#, 31_951),
            (r#"{"event":"media","streamSid":"MZ1","media":{"payload":""}}"#, 31_951),
            (r#"{"event":"media","streamSid":"MZ1","media":{"payload":"/w==","track":"x"}}"#, 31_951),
            (r#"{"event":"media","streamSid":"MZ1","media":{"payload":"UklGRgAA"}}"#, 31_951),
        ] {
            assert_eq!(stream.handle_text(text, 0).map_err(|error| error.code), Err(code), "{text}");
        }
        assert_eq!(stream.handle_binary().code, 31_950);
        let long = vec![0; 8_000 * 601];
        assert_eq!(stream.handle_text(&media(&long), 0).map_err(|error| error.code), Err(31_931));
    }

    proptest! {
        /// Whatever is sent: what is heard is as long as the time, and each mark comes back once.
        #[test]
        fn any_messages_take_the_time_they_take(steps in proptest::collection::vec((0u8..4, 1usize..400, 0u64..300), 0..40)) {
            let mut stream = MediaStream::new("MZ1");
            let (mut now_ms, mut sent, mut back) = (0, 0, Vec::new());
            for (what, length, wait_ms) in steps {
                let text = match what {
                    0 => mark(&format!("m{sent}")),
                    1 => r#"{"event":"clear","streamSid":"MZ1"}"#.to_owned(),
                    _ => media(&vec![100; length]),
                };
                sent += usize::from(what == 0);
                back.extend(stream.handle_text(&text, now_ms).expect("a good message"));
                now_ms += wait_ms;
                back.extend(stream.play_until(now_ms));
            }
            back.extend(stream.play_until(now_ms + 60_000));
            prop_assert_eq!(stream.heard().len() as u64, (now_ms + 60_000) * 8);
            let expected: Vec<String> = (0..sent).map(|number| format!("m{number}")).collect();
            prop_assert_eq!(names(&back), expected);
        }
    }
}
