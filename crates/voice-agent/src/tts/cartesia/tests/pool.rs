//! How many sockets there are, and when.

use std::sync::Arc;

use futures_util::StreamExt as _;
use serde_json::json;
use voice_core::provider::ProviderErrorKind;

use super::server::{Peer, Server, refusing, response, within};
use super::{CartesiaConfig, CartesiaTts, SpeechKey, Stream, ask, config, failure, hear, pcm, voice};
use crate::tts::Tts as _;

/// Speaks what was asked for to its end.
async fn finish(peer: &mut Peer, stream: Stream) -> String {
    let (context, text) = peer.chunk().await;
    peer.audio(&context, 1, &pcm(1, 20)).await;
    peer.flush_done(&context, 1).await;
    assert_eq!(hear(stream).await.audio, pcm(1, 20));
    text
}

#[tokio::test]
async fn the_socket_is_warm_before_anybody_speaks_and_stays_it() {
    let mut server = Server::start().await;
    let voice = voice(&server);
    let mut peer = server.peer().await;
    for speech in 0..4 {
        finish(&mut peer, ask(&voice, speech, "Hello.")).await;
        voice.end_speech(SpeechKey(speech));
        assert_eq!(peer.next().await["continue"], json!(false));
    }
    assert!(!server.has_peer(), "one connection for all of it");
}

#[tokio::test]
async fn whoever_comes_before_the_socket_is_open_waits_for_it() {
    let mut server = Server::start().await;
    let voice = voice(&server);
    // Nothing has run yet but this.
    let stream = ask(&voice, 1, "Early.");
    let forgotten = ask(&voice, 2, "Too early.");
    drop(forgotten);
    let last = ask(&voice, 3, "The last words.");
    voice.end_speech(SpeechKey(3));
    let mut peer = server.peer().await;
    assert_eq!(finish(&mut peer, stream).await, "Early. ");
    assert_eq!(peer.chunk().await.1, "The last words. ");
    assert_eq!(peer.next().await["continue"], json!(false));
    drop(last);
}

#[tokio::test]
async fn a_second_socket_opens_when_the_first_is_full() {
    let mut server = Server::start().await;
    let limits = CartesiaConfig { contexts_per_socket: 2, max_sockets: 2, ..config(&server.url) };
    let voice = CartesiaTts::new(limits).unwrap();
    let mut first = server.peer().await;
    let one = ask(&voice, 1, "One.");
    let (context, _) = first.chunk().await;
    assert!(!server.has_peer());
    let _two = ask(&voice, 2, "Two.");
    first.chunk().await;
    let mut second = server.peer().await;
    // The client may not know yet that it is open; then the first takes more than its share.
    let three = loop {
        let three = ask(&voice, 3, "Three.");
        if peer_has_it(&mut second, &mut first).await {
            break three;
        }
        drop(three);
        assert_eq!(first.next().await["cancel"], json!(true));
    };
    let _four = ask(&voice, 4, "Four.");
    second.chunk().await;
    // All is full: no more is taken than was agreed.
    assert_eq!(failure(ask(&voice, 5, "Five.")).await, ProviderErrorKind::Unavailable.into());
    // A speech stays where it began.
    first.audio(&context, 1, &pcm(1, 20)).await;
    first.flush_done(&context, 1).await;
    hear(one).await.end.unwrap();
    let _stream = ask(&voice, 1, "And on.");
    assert_eq!(first.chunk().await, (context, "And on. ".to_owned()));
    assert!(!server.has_peer());
    drop(three);
}

/// Which of two sockets was given what was asked for.
async fn peer_has_it(peer: &mut Peer, other: &mut Peer) -> bool {
    tokio::select! {
        _ = peer.chunk() => true,
        _ = other.chunk() => false,
    }
}

#[tokio::test]
async fn a_socket_that_idles_is_replaced_before_anybody_notices() {
    let mut server = Server::start().await;
    let voice = CartesiaTts::new(CartesiaConfig { max_idle_ms: 5, ..config(&server.url) }).unwrap();
    let mut old = server.peer().await;
    let _fresh = server.peer().await;
    // Only now the old one is closed, in order.
    assert_eq!(old.try_next().await, None);
    drop(voice);
}

#[tokio::test]
async fn after_failures_it_pauses_and_a_probe_ends_the_pause() {
    let (url, mut asked) = refusing(response(503, "", "")).await;
    let patient = CartesiaConfig { backoff_ms: 600_000, max_backoff_ms: 600_000, ..config(&url) };
    let voice = CartesiaTts::new(patient).unwrap();
    assert_eq!(failure(ask(&voice, 1, "Hello.")).await, ProviderErrorKind::Unavailable.into());
    within(asked.recv()).await.unwrap();
    // In the pause nobody is asked, and nobody waits.
    for _ in 0..3 {
        assert_eq!(failure(ask(&voice, 1, "Hello.")).await, ProviderErrorKind::Unavailable.into());
    }
    assert!(asked.is_empty());
    assert_eq!(within(voice.probe()).await, Err(ProviderErrorKind::Unavailable.into()));
    within(asked.recv()).await.unwrap();
}

#[tokio::test]
async fn what_the_provider_says_of_coming_back_is_kept_to_even_by_a_probe() {
    let (url, mut asked) = refusing(response(429, "retry-after: 30\r\n", "")).await;
    let voice = CartesiaTts::new(config(&url)).unwrap();
    assert_eq!(failure(ask(&voice, 1, "Hello.")).await.kind, ProviderErrorKind::RateLimited);
    within(asked.recv()).await.unwrap();
    assert_eq!(within(voice.probe()).await.unwrap_err().retry_after_ms, Some(30_000));
    assert!(asked.is_empty());
}

#[tokio::test]
async fn it_comes_back_by_itself() {
    let mut server = Server::start().await;
    let voice = voice(&server);
    // Three die young, one after the other.
    for _ in 0..3 {
        drop(server.peer().await);
    }
    let mut peer = server.peer().await;
    // In the pauses between it is refused.
    let heard = loop {
        let mut stream = ask(&voice, 1, "Hello.");
        tokio::select! {
            (context, _) = peer.chunk() => {
                peer.audio(&context, 1, &pcm(1, 20)).await;
                peer.flush_done(&context, 1).await;
                break hear(stream).await;
            }
            refused = stream.next() => assert_eq!(refused, Some(Err(ProviderErrorKind::Disconnected.into()))),
        }
        tokio::task::yield_now().await;
    };
    assert_eq!(heard.audio, pcm(1, 20));
}

#[tokio::test]
async fn a_probe_speaks_the_least_and_ends_its_context() {
    let mut server = Server::start().await;
    let voice = voice(&server);
    let mut peer = server.peer().await;
    let probe = tokio::spawn(voice.probe());
    let (context, text) = peer.chunk().await;
    assert_eq!((text.as_str(), &peer.next().await["continue"]), ("Yes. ", &json!(false)));
    peer.audio(&context, 1, &[0xff; 160]).await;
    peer.flush_done(&context, 1).await;
    assert_eq!(within(probe).await.unwrap(), Ok(Some(voice_core::cost::Quantity::AudioMs(20))));

    let probe = tokio::spawn(voice.probe());
    let (context, _) = peer.chunk().await;
    peer.next().await;
    peer.done(&context).await;
    assert_eq!(within(probe).await.unwrap(), Err(ProviderErrorKind::Protocol.into()));
}

#[tokio::test]
async fn dropping_the_voice_closes_its_sockets_after_the_last_word() {
    let mut server = Server::start().await;
    let voice = Arc::new(voice(&server));
    let mut peer = server.peer().await;
    let stream = ask(&voice, 1, "Goodbye.");
    voice.end_speech(SpeechKey(1));
    let (context, _) = peer.chunk().await;
    peer.next().await;
    drop(voice);
    peer.audio(&context, 1, &pcm(1, 20)).await;
    peer.flush_done(&context, 1).await;
    assert_eq!(hear(stream).await.audio, pcm(1, 20));
    assert_eq!(peer.try_next().await, None);
    assert!(!server.has_peer());
}
