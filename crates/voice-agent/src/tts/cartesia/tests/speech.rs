//! Speaking: contexts, words, formats, cancelling.

use std::collections::HashSet;

use futures_util::StreamExt as _;
use serde_json::json;
use voice_core::provider::ProviderErrorKind;

use super::server::{Peer, Server, name, within};
use super::{CartesiaTts, Heard, SpeechKey, TtsEvent, TtsRequest, ask, config, failure, hear, pcm, request, voice};
use crate::audio::format::AudioFormat;
use crate::tts::Tts as _;

#[tokio::test]
async fn two_chunks_of_a_speech_are_spoken_in_one_context() {
    let mut server = Server::start().await;
    let voice = voice(&server);
    let mut peer = server.peer().await;

    let stream = ask(&voice, 7, "You have three tasks.");
    let (context, text) = peer.chunk().await;
    assert_eq!(text, "You have three tasks. ");
    peer.words(&context, &[("You", 0.1), ("have", 0.25)]).await;
    peer.audio(&context, 1, &pcm(1, 300)).await;
    peer.words(&context, &[("three", 0.5), ("tasks.", 0.9)]).await;
    peer.audio(&context, 1, &pcm(2, 700)).await;
    peer.flush_done(&context, 1).await;
    let so_far = vec![(3, 100), (8, 250)];
    let all = vec![(3, 100), (8, 250), (14, 500), (21, 900)];
    let audio = [pcm(1, 300), pcm(2, 700)].concat();
    assert_eq!(hear(stream).await, Heard { audio, words: vec![so_far, all.clone()], end: Ok(all) });

    let stream = ask(&voice, 7, "The first is milk.");
    let (same, text) = peer.chunk().await;
    assert_eq!((same, text.as_str()), (context.clone(), "The first is milk. "));
    // Of the chunk before, and late: neither its audio nor its words are of this one.
    peer.audio(&context, 2, &pcm(3, 400)).await;
    peer.audio(&context, 1, &pcm(9, 100)).await;
    peer.words(&context, &[("tasks.", 0.95), ("The", 1.2), ("first", 1.4), ("is", 1.5)]).await;
    peer.flush_done(&context, 2).await;
    let heard = hear(stream).await;
    assert_eq!(heard.audio, pcm(3, 400));
    assert_eq!(heard.words, [[(3, 200), (9, 400), (12, 500)]]);
    // The provider said nothing of the last word, and its times ran ahead: the audio is what counts.
    assert_eq!(heard.end, Ok(vec![(3, 200), (9, 400), (12, 400), (18, 400)]));

    voice.end_speech(SpeechKey(7));
    let end = peer.next().await;
    assert_eq!(
        (&end["context_id"], &end["continue"], &end["transcript"]),
        (&json!(context), &json!(false), &json!(""))
    );
    assert!(!server.has_peer(), "one socket carries it all");
}

#[tokio::test]
async fn the_handshake_has_the_version_and_the_key_in_headers_alone() {
    let mut server = Server::start().await;
    let _voice = voice(&server);
    let peer = server.peer().await;
    assert_eq!(peer.path, "/tts/websocket");
    assert_eq!(peer.header("authorization"), Some("Bearer sk-test"));
    assert_eq!(peer.header("cartesia-version"), Some("2026-03-01"));
}

#[tokio::test]
async fn the_last_chunk_may_be_ended_before_it_is_spoken() {
    let mut server = Server::start().await;
    let voice = voice(&server);
    let mut peer = server.peer().await;
    let stream = ask(&voice, 1, "Goodbye.");
    voice.end_speech(SpeechKey(1));
    let (context, _) = peer.chunk().await;
    assert_eq!(peer.next().await["continue"], json!(false));
    peer.audio(&context, 1, &pcm(1, 100)).await;
    // A server may leave the flush out when the context is over.
    peer.done(&context).await;
    assert_eq!(hear(stream).await.end, Ok(Vec::new()));
    // Nothing of an ended context is used again.
    let _stream = ask(&voice, 1, "Still here.");
    assert_ne!(peer.chunk().await.0, context);
}

#[tokio::test]
async fn dropping_a_stream_cancels_it_and_what_is_late_is_dropped() {
    let mut server = Server::start().await;
    let voice = voice(&server);
    let mut peer = server.peer().await;
    let mut stream = ask(&voice, 1, "This is going to be interrupted.");
    let (context, _) = peer.chunk().await;
    peer.audio(&context, 1, &pcm(1, 100)).await;
    assert_eq!(within(stream.next()).await, Some(Ok(TtsEvent::Audio(pcm(1, 100).into()))));
    drop(stream);
    assert_eq!(peer.next().await, json!({"context_id": context, "cancel": true}));

    let stream = ask(&voice, 1, "Go on.");
    let (next, _) = peer.chunk().await;
    assert_ne!(next, context);
    peer.audio(&context, 1, &pcm(9, 500)).await;
    peer.words(&context, &[("interrupted.", 2.0)]).await;
    peer.audio(&next, 1, &pcm(2, 100)).await;
    peer.flush_done(&context, 1).await;
    peer.done(&context).await;
    peer.say(json!({"type": "error", "context_id": context, "status_code": 400, "done": true, "title": "late"})).await;
    peer.flush_done(&next, 1).await;
    assert_eq!(hear(stream).await, Heard { audio: pcm(2, 100), words: vec![], end: Ok(vec![]) });
}

#[tokio::test]
async fn a_stream_that_was_dropped_after_its_end_is_not_cancelled() {
    let mut server = Server::start().await;
    let voice = voice(&server);
    let mut peer = server.peer().await;
    let stream = ask(&voice, 1, "One.");
    let (context, _) = peer.chunk().await;
    peer.audio(&context, 1, &pcm(1, 20)).await;
    peer.flush_done(&context, 1).await;
    hear(stream).await.end.unwrap();
    let _stream = ask(&voice, 1, "Two.");
    assert_eq!(peer.chunk().await, (context, "Two. ".to_owned()));
}

#[tokio::test]
async fn an_old_context_is_not_spoken_in_again() {
    let mut server = Server::start().await;
    let voice = CartesiaTts::new(super::CartesiaConfig { keep_context_ms: 0, ..config(&server.url) }).unwrap();
    let mut peer = server.peer().await;
    let mut contexts = HashSet::new();
    for text in ["One.", "Two.", "Three."] {
        let stream = ask(&voice, 1, text);
        let (context, _) = peer.chunk().await;
        peer.audio(&context, 1, &pcm(1, 20)).await;
        peer.words(&context, &[(text, 0.02)]).await;
        peer.flush_done(&context, 1).await;
        // Times are of the context that is new.
        assert_eq!(hear(stream).await.end, Ok(vec![(text.len(), 20)]));
        contexts.insert(context);
    }
    assert_eq!(contexts.len(), 3);
    // What is over is not ended.
    voice.end_speech(SpeechKey(1));
    let _stream = ask(&voice, 2, "Four.");
    assert_eq!(peer.chunk().await.1, "Four. ");
}

#[tokio::test]
async fn a_context_that_was_over_too_early_is_begun_anew() {
    let refused = |context: &str| json!({"type": "error", "context_id": context, "status_code": 400, "done": true});
    let done = |context: &str| json!({"type": "done", "context_id": context, "status_code": 200, "done": true});
    for over in [refused as fn(&str) -> serde_json::Value, done] {
        let mut server = Server::start().await;
        let voice = voice(&server);
        let mut peer = server.peer().await;
        let stream = ask(&voice, 1, "One.");
        let (context, _) = peer.chunk().await;
        peer.audio(&context, 1, &pcm(1, 20)).await;
        peer.flush_done(&context, 1).await;
        hear(stream).await.end.unwrap();

        let stream = ask(&voice, 1, "Two.");
        voice.end_speech(SpeechKey(1));
        assert_eq!(peer.chunk().await.0, context);
        assert_eq!(peer.next().await["continue"], json!(false));
        peer.say(over(&context)).await;
        let (anew, text) = peer.chunk().await;
        assert_eq!((anew != context, text.as_str()), (true, "Two. "));
        // That nothing follows was not forgotten.
        assert_eq!(peer.next().await["continue"], json!(false));
        // Once is enough.
        peer.say(refused(&anew)).await;
        assert_eq!(failure(stream).await, ProviderErrorKind::BadRequest.into());
    }
}

#[tokio::test]
async fn each_format_is_asked_for_and_passed_on_as_it_is() {
    let mut server = Server::start().await;
    let voice = voice(&server);
    let mut peer = server.peer().await;
    let formats = [
        (AudioFormat::Mulaw8k, "pcm_mulaw", 8_000),
        (AudioFormat::Pcm16k, "pcm_s16le", 16_000),
        (AudioFormat::Pcm24k, "pcm_s16le", 24_000),
    ];
    for (format, encoding, rate) in formats {
        // The same speech in another format is another context.
        let stream = voice.synthesize(TtsRequest { format, ..request(1, "Hello.") });
        let mut asked = peer.next().await;
        while asked.get("cancel").is_some() {
            asked = peer.next().await;
        }
        let wanted = json!({"container": "raw", "encoding": encoding, "sample_rate": rate});
        assert_eq!(asked["output_format"], wanted);
        let flush = peer.next().await;
        assert_eq!(flush["output_format"], wanted);
        let context = name(&asked);
        let audio: Vec<u8> = (0..=255).collect();
        // Cut inside of samples.
        peer.audio(&context, 1, &audio[..101]).await;
        peer.audio(&context, 1, &audio[101..102]).await;
        peer.audio(&context, 1, &audio[102..]).await;
        peer.words(&context, &[("Hello.", 0.016)]).await;
        peer.flush_done(&context, 1).await;
        let heard = hear(stream).await;
        assert_eq!(heard.audio, audio);
        assert_eq!(heard.end, Ok(vec![(6, 16.min(256 / format.bytes_per_ms() as u64))]));
    }
}

#[tokio::test]
async fn what_cannot_be_spoken_is_not_sent() {
    let mut server = Server::start().await;
    let voice = voice(&server);
    let mut peer = server.peer().await;
    for text in ["", " ", "…", " — \n"] {
        assert_eq!(hear(ask(&voice, 1, text)).await, Heard { audio: vec![], words: vec![], end: Ok(vec![]) });
    }
    let _stream = ask(&voice, 1, " 7 ");
    assert_eq!(peer.chunk().await.1, "7 ");
}

#[tokio::test]
async fn many_speeches_at_once_do_not_mix() {
    const SPEECHES: u8 = 40;
    let mut server = Server::start().await;
    let voice = CartesiaTts::new(super::CartesiaConfig { contexts_per_socket: 100, ..config(&server.url) }).unwrap();
    let mut peer = server.peer().await;
    let streams: Vec<_> =
        (0..SPEECHES).map(|speech| ask(&voice, speech.into(), &format!("Number {speech}."))).collect();
    let hearing: Vec<_> = streams.into_iter().map(|stream| tokio::spawn(hear(stream))).collect();
    let mut contexts = Vec::new();
    for _ in 0..SPEECHES {
        let (context, text) = peer.chunk().await;
        let speech: u8 = text.trim_start_matches("Number ").trim_end_matches(". ").parse().unwrap();
        contexts.push((context, speech));
    }
    for round in 0..3 {
        for (context, speech) in &contexts {
            peer.audio(context, 1, &pcm(*speech, 10 + round)).await;
        }
    }
    for (context, speech) in contexts.iter().rev() {
        peer.words(context, &[("number", 0.01), (&speech.to_string(), 0.03)]).await;
        peer.flush_done(context, 1).await;
    }
    for (speech, heard) in (0..SPEECHES).zip(hearing) {
        let heard = within(heard).await.unwrap();
        assert_eq!(heard.audio, pcm(speech, 33), "{speech}");
        let digits = speech.to_string().len();
        assert_eq!(heard.end, Ok(vec![(6, 10), (8 + digits, 30)]), "{speech}");
    }
    assert!(!server.has_peer());
}

/// Speaks a sentence to its end, which shows that the socket is well.
async fn speaks(voice: &CartesiaTts, peer: &mut Peer) {
    let stream = ask(voice, 1_000, "Well.");
    let (context, _) = peer.chunk().await;
    peer.audio(&context, 1, &pcm(5, 20)).await;
    peer.flush_done(&context, 1).await;
    assert_eq!(hear(stream).await.audio, pcm(5, 20));
}

#[tokio::test]
async fn who_does_not_listen_holds_nobody_up_and_is_cut_off_at_last() {
    let mut server = Server::start().await;
    let voice = voice(&server);
    let mut peer = server.peer().await;
    let slow = ask(&voice, 1, "Nobody reads this.");
    let (context, _) = peer.chunk().await;
    // 3 MiB wait, and the others are served.
    let megabyte = vec![7; 1024 * 1024];
    for _ in 0..3 {
        peer.audio(&context, 1, &megabyte).await;
    }
    speaks(&voice, &mut peer).await;
    for _ in 0..2 {
        peer.audio(&context, 1, &megabyte).await;
    }
    assert_eq!(peer.next().await, json!({"context_id": context, "cancel": true}));
    let heard = hear(slow).await;
    assert_eq!((heard.audio.len(), heard.end), (4 * megabyte.len(), Err(ProviderErrorKind::Unusable.into())));
    assert!(!server.has_peer());
}

#[tokio::test]
async fn what_is_unknown_is_ignored() {
    let mut server = Server::start().await;
    let voice = voice(&server);
    let mut peer = server.peer().await;
    let stream = ask(&voice, 1, "Hello.");
    let (context, _) = peer.chunk().await;
    peer.say(json!({"type": "weather", "context_id": context})).await;
    peer.say(json!({"type": "phoneme_timestamps", "context_id": context, "phoneme_timestamps": {"phonemes": ["h"]}}))
        .await;
    peer.say(json!({"type": "chunk", "data": "AAAA"})).await;
    peer.say(json!({"type": "done", "context_id": "somebody else's"})).await;
    let binary = tokio_tungstenite::tungstenite::Message::binary(vec![1, 2, 3]);
    futures_util::SinkExt::send(&mut peer.socket, binary).await.unwrap();
    peer.audio(&context, 1, &pcm(1, 20)).await;
    peer.flush_done(&context, 1).await;
    assert_eq!(hear(stream).await, Heard { audio: pcm(1, 20), words: vec![], end: Ok(vec![]) });
}
