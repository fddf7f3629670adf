//! Speaking: requests, words, connections, cancelling.

use futures_util::StreamExt as _;
use voice_core::provider::ProviderErrorKind as Kind;

use super::server::{Server, within};
use super::{
    ElevenLabsConfig, ElevenLabsTts, Heard, SpeechKey, TtsEvent, TtsRequest, ask, config, hear, request, voice,
};
use crate::audio::format::AudioFormat;
use crate::served::Served;
use crate::tts::Tts as _;

/// Audio of so many milliseconds at 24 kHz.
fn pcm(byte: u8, ms: usize) -> Vec<u8> {
    vec![byte; 48 * ms]
}

#[tokio::test]
async fn a_sentence_is_asked_for_and_heard_as_it_comes() {
    let mut server = Server::start().await;
    let voice = voice(&server.url);
    let mut stream = ask(&voice, 1, "Hi, Bob.");
    let answering = async {
        let mut asked = server.next().await;
        assert_eq!(
            asked.path,
            "/v1/text-to-speech/exavitqu4vr4xnsdxmal/stream/with-timestamps?output_format=pcm_24000"
        );
        assert!(asked.head.contains("\r\nxi-api-key: sk-test\r\n"), "{}", asked.head);
        assert_eq!((&asked.body["text"], asked.body.get("previous_text")), (&"Hi, Bob.".into(), None));
        asked.begin("application/json").await;
        asked.piece(&pcm(1, 100), &[('H', 0.05), ('i', 0.08), (',', 0.09)]).await;
        asked
    };
    // What is there is heard before the answer is complete.
    let (first, mut asked) = within(futures_util::future::join(stream.next(), answering)).await;
    assert_eq!(first, Some(Ok(TtsEvent::Audio(pcm(1, 100).into()))));
    asked.piece(&pcm(2, 100), &[(' ', 0.1), ('B', 0.12), ('o', 0.15), ('b', 0.18), ('.', 0.19)]).await;
    asked.end().await;
    let heard = hear(stream).await;
    assert_eq!((heard.audio, heard.words), (pcm(2, 100), vec![vec![(3, 90)], vec![(3, 90), (8, 190)]]));
    assert_eq!(heard.end, Ok(vec![(3, 90), (8, 190)]));
}

/// Answers the next request with a little audio, and says on which connection it came and what was asked for.
async fn answer(server: &mut Server) -> (usize, serde_json::Value) {
    let mut asked = server.next().await;
    let (connection, body) = (asked.connection, asked.body.clone());
    asked.begin("application/json").await;
    asked.piece(&pcm(1, 20), &[]).await;
    asked.end().await;
    (connection, body)
}

#[tokio::test]
async fn the_sentences_of_a_speech_are_spoken_in_one_breath() {
    let mut server = Server::start().await;
    let voice = voice(&server.url);
    let mut previous = Vec::new();
    for (speech, text) in [(1, "One."), (1, " Two. "), (2, "Other."), (1, "Three.")] {
        let (heard, (_, body)) =
            within(futures_util::future::join(hear(ask(&voice, speech, text)), answer(&mut server))).await;
        assert_eq!(heard, Heard { audio: pcm(1, 20), words: vec![], end: Ok(vec![]) });
        assert_eq!(body["text"], text.trim());
        previous.push(body["previous_text"].as_str().unwrap_or_default().to_owned());
    }
    assert_eq!(previous, ["", "One.", "", "One. Two."]);
    voice.end_speech(SpeechKey(1));
    let (_, (_, body)) = within(futures_util::future::join(hear(ask(&voice, 1, "Anew.")), answer(&mut server))).await;
    assert_eq!(body.get("previous_text"), None);
}

#[tokio::test]
async fn one_connection_is_open_before_anybody_speaks_and_serves_them_all() {
    let mut server = Server::start().await;
    let voice = voice(&server.url);
    assert_eq!(server.warmed().await, 0);
    for speech in 0..4 {
        // The client may not have put the connection back yet; from then on there is no other.
        let (heard, (connection, _)) =
            within(futures_util::future::join(hear(ask(&voice, speech, "Hello.")), answer(&mut server))).await;
        heard.end.unwrap();
        assert!(connection <= 1, "{connection}");
    }
}

#[tokio::test]
async fn an_interruption_closes_the_connection_and_opens_another_in_advance() {
    let mut server = Server::start().await;
    let voice = voice(&server.url);
    server.warmed().await;
    let mut stream = ask(&voice, 1, "This is going to be interrupted.");
    let answering = async {
        let mut asked = server.next().await;
        asked.begin("application/json").await;
        asked.piece(&pcm(1, 100), &[]).await;
        asked
    };
    let (_, asked) = within(futures_util::future::join(stream.next(), answering)).await;
    drop(stream);
    let lost = asked.connection;
    asked.until_closed().await;
    assert_ne!(server.warmed().await, lost);
    // What was not spoken to its end was not spoken before.
    let (heard, (_, body)) =
        within(futures_util::future::join(hear(ask(&voice, 1, "Go on.")), answer(&mut server))).await;
    heard.end.unwrap();
    assert_eq!(body.get("previous_text"), None);
}

#[tokio::test]
async fn an_interruption_before_the_answer_begins_is_made_good_as_well() {
    let mut server = Server::start().await;
    let voice = voice(&server.url);
    server.warmed().await;
    let mut stream = ask(&voice, 1, "This is not going to be heard.");
    let asked = tokio::select! {
        event = stream.next() => panic!("{event:?}"),
        asked = server.next() => asked,
    };
    drop(stream);
    let lost = asked.connection;
    asked.until_closed().await;
    assert_ne!(server.warmed().await, lost);
}

#[tokio::test]
async fn an_unused_connection_is_used_now_and_then() {
    let mut server = Server::start().await;
    let _voice = ElevenLabsTts::new(ElevenLabsConfig { keep_warm_ms: 5, ..config(&server.url) }).unwrap();
    for _ in 0..3 {
        server.warmed().await;
    }
}

#[tokio::test]
async fn each_format_is_asked_for_and_passed_on_as_it_is() {
    let mut server = Server::start().await;
    let voice = voice(&server.url);
    for (format, name) in [(AudioFormat::Mulaw8k, "ulaw_8000"), (AudioFormat::Pcm16k, "pcm_16000")] {
        let audio: Vec<u8> = (0..=255).collect();
        let stream = voice.synthesize(TtsRequest { format, ..request(1, "Hello.") });
        let answering = async {
            let mut asked = server.next().await;
            assert!(asked.path.ends_with(&format!("?output_format={name}")), "{}", asked.path);
            asked.begin("application/x-ndjson").await;
            asked.piece(&audio[..7], &[]).await;
            asked.piece(&audio[7..], &[]).await;
            asked.end().await;
        };
        let (heard, ()) = within(futures_util::future::join(hear(stream), answering)).await;
        assert_eq!((heard.audio, heard.end), (audio.clone(), Ok(vec![])));
    }
}

#[tokio::test]
async fn many_at_once_do_not_mix_and_nobody_waits_for_who_does_not_listen() {
    let mut server = Server::start().await;
    let voice = voice(&server.url);
    // Its answer never ends, and nobody reads it.
    let mut slow = ask(&voice, 100, "Nobody reads this.");
    let answering = async {
        let mut asked = server.next().await;
        asked.begin("application/json").await;
        asked.piece(&pcm(9, 20), &[]).await;
        asked
    };
    let (_, mut endless) = within(futures_util::future::join(slow.next(), answering)).await;
    let flood = tokio::spawn(async move {
        let line = format!("{}\n", super::server::piece(&pcm(9, 1_000), &[]));
        while endless.raw(line.as_bytes()).await {}
    });
    let hearing: Vec<_> = (0..8u8)
        .map(|speech| (speech, tokio::spawn(hear(ask(&voice, speech.into(), &format!("Number {speech}."))))))
        .collect();
    for _ in 0..8 {
        let mut asked = server.next().await;
        let text = asked.body["text"].as_str().unwrap().to_owned();
        let speech: u8 = text.trim_start_matches("Number ").trim_end_matches('.').parse().unwrap();
        tokio::spawn(async move {
            asked.begin("application/json").await;
            for _ in 0..3 {
                asked.piece(&pcm(speech, 10), &[]).await;
            }
            asked.end().await;
        });
    }
    for (speech, heard) in hearing {
        assert_eq!(within(heard).await.unwrap().audio, pcm(speech, 30));
    }
    assert!(!flood.is_finished(), "the flood stands still: the connection takes no more");
    drop(slow);
    within(flood).await.unwrap();
}

#[tokio::test]
async fn what_cannot_be_spoken_is_not_sent() {
    let mut server = Server::start().await;
    let voice = voice(&server.url);
    for text in ["", "…", " — "] {
        assert_eq!(hear(ask(&voice, 1, text)).await, Heard { audio: vec![], words: vec![], end: Ok(vec![]) });
    }
    let (_, (_, body)) = within(futures_util::future::join(hear(ask(&voice, 1, "7")), answer(&mut server))).await;
    assert_eq!(body["text"], "7");
}

#[tokio::test]
async fn a_probe_speaks_the_least() {
    let mut server = Server::start().await;
    let voice = voice(&server.url);
    let answering = async {
        let mut asked = server.next().await;
        assert_eq!((&asked.body["text"], asked.path.ends_with("ulaw_8000")), (&"Yes.".into(), true));
        asked.begin("application/json").await;
        asked.piece(&[0xff; 160], &[]).await;
        asked.end().await;
    };
    let (probed, ()) = within(futures_util::future::join(voice.probe(), answering)).await;
    assert_eq!(probed, Ok(Some(voice_core::cost::Quantity::AudioMs(20))));
    let refusing = async { server.next().await.refuse(503, "", "").await };
    let (probed, ()) = within(futures_util::future::join(voice.probe(), refusing)).await;
    assert_eq!(probed, Err(Kind::Unavailable.into()));
    assert_eq!(voice.served().await, Ok(Served::Unknown));
}
