//! Everything that can go wrong.

use futures_util::future::join;
use tokio::net::TcpListener;
use voice_core::provider::{ProviderErrorKind as Kind, ProviderFailure};

use super::server::{Server, within};
use super::wire::refusals;
use super::{ElevenLabsConfig, ElevenLabsTts, ask, config, hear, voice};
use crate::config::Secret;
use crate::tts::{SetupError, Tts as _};

#[tokio::test]
async fn a_refusal_has_its_kind() {
    let mut server = Server::start().await;
    let voice = voice(&server.url);
    for (status, body, kind) in refusals() {
        let refusing = async { server.next().await.refuse(status, "retry-after: 2\r\n", &body).await };
        let (heard, ()) = within(join(hear(ask(&voice, 1, "Hello.")), refusing)).await;
        let failure = heard.end.unwrap_err();
        assert_eq!((failure.kind.as_str(), failure.retry_after_ms), (kind.as_str(), Some(2_000)), "{status} {body}");
    }
}

#[tokio::test]
async fn an_answer_of_another_type_is_no_audio() {
    let mut server = Server::start().await;
    let voice = voice(&server.url);
    for content_type in ["text/html", "application/octet-stream"] {
        let answering = async {
            let mut asked = server.next().await;
            asked.begin(content_type).await;
            asked.raw(b"hello").await;
            asked.end().await;
        };
        let (heard, ()) = within(join(hear(ask(&voice, 1, "Hello.")), answering)).await;
        assert_eq!(heard.end, Err(Kind::Protocol.into()), "{content_type}");
    }
    // An error that says that all is well.
    let answering = async {
        let mut asked = server.next().await;
        asked.begin("application/json").await;
        asked.raw(br#"{"detail":{"status":"quota_exceeded","message":""}}"#).await;
        asked.end().await;
    };
    let (heard, ()) = within(join(hear(ask(&voice, 1, "Hello.")), answering)).await;
    assert_eq!(heard.end, Err(Kind::Quota.into()));
}

#[tokio::test]
async fn an_answer_that_breaks_off_is_heard_so_far_and_lost() {
    let mut server = Server::start().await;
    let voice = voice(&server.url);
    let answering = async {
        let mut asked = server.next().await;
        asked.begin("application/json").await;
        asked.piece(&[7; 960], &[('O', 0.01), ('n', 0.015), ('e', 0.02), (' ', 0.02)]).await;
    };
    let (heard, ()) = within(join(hear(ask(&voice, 1, "One two three.")), answering)).await;
    assert_eq!((heard.audio.len(), heard.words), (960, vec![vec![(3, 20)]]));
    assert_eq!(heard.end, Err(Kind::Disconnected.into()));
}

#[tokio::test]
async fn an_answer_that_stands_still_is_stalled() {
    let mut server = Server::start().await;
    let voice = ElevenLabsTts::new(ElevenLabsConfig { gap_timeout_ms: 20, ..config(&server.url) }).unwrap();
    let answering = async {
        let mut asked = server.next().await;
        asked.begin("application/json").await;
        asked
    };
    let (heard, _asked) = within(join(hear(ask(&voice, 1, "Hello.")), answering)).await;
    assert_eq!(heard.end, Err(Kind::Stalled.into()));
}

#[tokio::test]
async fn an_answer_that_does_not_begin_times_out() {
    let server = Server::start().await;
    let voice = ElevenLabsTts::new(ElevenLabsConfig { answer_timeout_ms: 20, ..config(&server.url) }).unwrap();
    assert_eq!(hear(ask(&voice, 1, "Hello.")).await.end, Err(Kind::Timeout.into()));
}

#[tokio::test]
async fn a_request_whose_connection_is_closed_is_not_sent_again() {
    let mut server = Server::start().await;
    let voice = voice(&server.url);
    // On a new connection, and on one that was kept.
    for kept in [false, true] {
        if kept {
            let answering = async {
                let mut asked = server.next().await;
                asked.begin("application/json").await;
                asked.piece(&[7; 960], &[]).await;
                asked.end().await;
            };
            let (heard, ()) = within(join(hear(ask(&voice, 1, "Hello.")), answering)).await;
            assert_eq!((heard.audio.len(), heard.end), (960, Ok(vec![])));
        }
        let closing = async { drop(server.next().await) };
        let (heard, ()) = within(join(hear(ask(&voice, 1, "Hello.")), closing)).await;
        assert_eq!(heard.end, Err(Kind::Disconnected.into()), "kept: {kept}");
        // The next that the server is asked is the next sentence.
        let refusing = async {
            let asked = server.next().await;
            assert!(asked.body["text"].as_str().is_some_and(|text| text.starts_with("Next")), "{:?}", asked.body);
            asked.refuse(401, "", "{}").await;
        };
        let (heard, ()) = within(join(hear(ask(&voice, 2, "Next.")), refusing)).await;
        assert_eq!(heard.end, Err(Kind::Auth.into()));
    }
}

#[tokio::test]
async fn who_does_not_know_timestamps_is_asked_without_them() {
    let mut server = Server::start().await;
    let voice = voice(&server.url);
    let plain = async |server: &mut Server| {
        let mut asked = server.next().await;
        assert!(asked.path.contains("/stream?output_format=pcm_24000"), "{}", asked.path);
        asked.begin("audio/pcm").await;
        asked.raw(&[7; 961]).await;
        asked.raw(&[7; 959]).await;
        asked.end().await;
    };
    let answering = async {
        server.next().await.refuse(404, "", r#"{"detail":"Not Found"}"#).await;
        plain(&mut server).await;
        // It was remembered.
        plain(&mut server).await;
    };
    let hearing = async { (hear(ask(&voice, 1, "Hello.")).await, hear(ask(&voice, 1, "Again.")).await) };
    let ((first, second), ()) = within(join(hearing, answering)).await;
    for heard in [first, second] {
        assert_eq!((heard.audio, heard.words, heard.end), (vec![7; 1_920], vec![], Ok(vec![])));
    }
}

#[tokio::test]
async fn a_voice_that_is_not_there_is_not_asked_for_in_another_way() {
    let mut server = Server::start().await;
    let voice = voice(&server.url);
    let body = r#"{"detail":{"status":"voice_not_found","message":"…"}}"#;
    let refusing = async { server.next().await.refuse(404, "", body).await };
    let (heard, ()) = within(join(hear(ask(&voice, 1, "Hello.")), refusing)).await;
    assert_eq!(heard.end, Err(Kind::BadRequest.into()));
    // Neither way is known: what the first said counts.
    let refusing = async {
        server.next().await.refuse(404, "", "").await;
        server.next().await.refuse(500, "", "").await;
    };
    let (heard, ()) = within(join(hear(ask(&voice, 1, "Hello.")), refusing)).await;
    assert_eq!(heard.end, Err(Kind::BadRequest.into()));
}

#[tokio::test]
async fn an_address_where_nobody_answers_is_told_at_once() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let voice = voice(&url);
    assert_eq!(hear(ask(&voice, 1, "Hello.")).await.end, Err(Kind::Disconnected.into()));
    assert_eq!(within(voice.probe()).await, Err(ProviderFailure::from(Kind::Disconnected)));
}

#[tokio::test]
async fn settings_that_cannot_work_are_refused() {
    assert_eq!(ElevenLabsTts::new(ElevenLabsConfig::new(Secret::new(" "))).err(), Some(SetupError::ApiKey));
    let base = ElevenLabsConfig { base_url: "ftp://host".to_owned(), ..config("") };
    assert!(matches!(ElevenLabsTts::new(base).err(), Some(SetupError::BaseUrl(_))));
}

#[tokio::test]
async fn nothing_shows_the_key() {
    let config = config("http://127.0.0.1:1/v1");
    let shown = format!("{config:?} {:?}", ElevenLabsTts::new(config.clone()).unwrap());
    assert!(!shown.contains("sk-test"), "{shown}");
    assert!(shown.contains("/v1/text-to-speech/") && !shown.contains("/v1/v1/"), "{shown}");
}
