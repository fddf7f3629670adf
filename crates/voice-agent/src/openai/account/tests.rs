use std::time::Duration;

use tokio::net::{TcpSocket, TcpStream};

use super::super::testing::{KEY, TestServer};
use super::*;

#[tokio::test]
async fn every_request_says_who_asks() {
    let mut server = TestServer::start().await;
    let config = AccountConfig {
        base_url: format!("{}/", server.config().base_url),
        organization: Some("org-1".to_owned()),
        project: Some("proj-1".to_owned()),
        ..server.config()
    };
    let account = Account::new(&config).unwrap();
    let asking = tokio::spawn(async move { account.served("team/model:1 x").await });
    let asked = server.asked().await;
    assert_eq!((asked.method.as_str(), asked.path.as_str()), ("GET", "/v1/models/team%2Fmodel:1%20x"));
    assert_eq!(asked.header("authorization"), Some("Bearer sk-test-1234"));
    assert_eq!(asked.header("openai-organization"), Some("org-1"));
    assert_eq!(asked.header("openai-project"), Some("proj-1"));
    assert_eq!(asked.header("user-agent"), Some(concat!("voice-agent/", env!("CARGO_PKG_VERSION"))));
    asked.answer(200, "application/json", r#"{"id":"team/model:1 x","object":"model"}"#);
    assert_eq!(asking.await.unwrap(), Ok(Served::Yes));
}

#[tokio::test]
async fn a_server_that_needs_no_key_is_sent_none() {
    let mut server = TestServer::start().await;
    let account = Account::new(&AccountConfig { api_key: None, ..server.config() }).unwrap();
    let asking = tokio::spawn(async move { account.served("llama").await });
    let asked = server.asked().await;
    assert_eq!(asked.header("authorization"), None);
    asked.answer(200, "application/json", "{}");
    assert_eq!(asking.await.unwrap(), Ok(Served::Yes));
}

#[test]
fn settings_that_cannot_be_used_are_refused_and_not_quoted() {
    let base_urls = ["", "api.openai.com/v1", "ftp://secret/v1", "mailto:secret", "http://"];
    for base_url in base_urls {
        let config = AccountConfig { base_url: base_url.to_owned(), ..AccountConfig::default() };
        assert_eq!(Account::new(&config).unwrap_err(), AccountError::BaseUrl, "{base_url}");
    }
    let config = AccountConfig { api_key: Some(Secret::new("secret\n")), ..AccountConfig::default() };
    let error = Account::new(&config).unwrap_err();
    assert_eq!(error, AccountError::Header("API key"));
    assert!(!format!("{error} {error:?} {config:?}").contains("secret"));
    let account = Account::new(&AccountConfig { api_key: Some(Secret::new(KEY)), ..AccountConfig::default() }).unwrap();
    assert!(!format!("{account:?}").contains(KEY));
}

/// What `served` makes of these answers, in turn.
async fn served(answers: &[(u16, &str)]) -> Result<Served, ProviderFailure> {
    let mut server = TestServer::start().await;
    let account = server.account();
    let asking = tokio::spawn(async move { account.served("gone").await });
    for (at, (status, body)) in answers.iter().enumerate() {
        let asked = server.asked().await;
        assert_eq!(asked.path, ["/v1/models/gone", "/v1/models"][at]);
        asked.answer(*status, "application/json", (*body).to_owned());
    }
    asking.await.unwrap()
}

#[tokio::test]
async fn a_model_that_is_gone_is_known_to_be() {
    let not_found = include_str!("../fixtures/model_not_found.json");
    assert_eq!(served(&[(404, not_found)]).await, Ok(Served::No));
    assert_eq!(served(&[(403, not_found)]).await, Ok(Served::No));
    // A server that knows no single models is asked for all of them.
    let unknown = r#"{"detail":"Not Found"}"#;
    assert_eq!(served(&[(404, unknown), (200, r#"{"data":[{"id":"a"},{"id":"gone"}]}"#)]).await, Ok(Served::Yes));
    assert_eq!(served(&[(404, unknown), (200, r#"{"data":[{"id":"a"}]}"#)]).await, Ok(Served::No));
    assert_eq!(served(&[(405, ""), (404, unknown)]).await, Ok(Served::Unknown));
    assert_eq!(served(&[(404, ""), (200, "<html>")]).await, Ok(Served::Unknown));
    // A key may be allowed to use models and not to look at them: a probe will tell.
    assert_eq!(served(&[(401, "")]).await, Ok(Served::Unknown));
    assert_eq!(served(&[(403, include_str!("../fixtures/missing_scope.json"))]).await, Ok(Served::Unknown));
    assert_eq!(served(&[(503, "")]).await, Err(ProviderErrorKind::Unavailable.into()));
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    assert_eq!(served(&[(307, "")]).await, Err(ProviderErrorKind::Protocol.into()));
}

#[tokio::test]
async fn a_refusals_body_is_not_read_without_end() {
    let mut server = TestServer::start().await;
    let account = server.account();
    let asking = tokio::spawn(async move { account.send(account.request(Method::GET, &["x"])).await.err() });
    let endless = futures_util::stream::repeat_with(|| Ok::<_, std::io::Error>(Bytes::from_static(&[b' '; 4_096])));
    server.asked().await.answer(429, "application/json", axum::body::Body::from_stream(endless));
    assert_eq!(asking.await.unwrap(), Some(ProviderErrorKind::RateLimited.into()));
}

#[tokio::test]
async fn nobody_there_is_unavailable() {
    // A port that was free a moment ago.
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let config = AccountConfig { base_url: format!("http://{free}/v1"), ..AccountConfig::default() };
    let account = Account::new(&config).unwrap();
    assert_eq!(account.served("m").await, Err(ProviderErrorKind::Unavailable.into()));
}

#[tokio::test]
async fn a_connection_that_does_not_come_is_given_up() {
    // A listener that never accepts, with its queue full: the next handshake gets no answer.
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let listener = socket.listen(1).unwrap();
    let address = listener.local_addr().unwrap();
    let mut queued = Vec::new();
    while let Ok(Ok(one)) = tokio::time::timeout(Duration::from_millis(100), TcpStream::connect(address)).await {
        queued.push(one);
    }
    let config =
        AccountConfig { base_url: format!("http://{address}"), connect_timeout_ms: 50, ..AccountConfig::default() };
    let account = Account::new(&config).unwrap();
    assert_eq!(account.served("m").await, Err(ProviderErrorKind::Timeout.into()));
}

#[tokio::test]
async fn a_turn_finds_a_connection_open_even_after_one_was_given_up() {
    let mut server = TestServer::start().await;
    let account = Account::new(&AccountConfig { warm_connections: 2, ..server.config() }).unwrap();
    let round = tokio::spawn({
        let account = Arc::clone(&account);
        async move { account.warm().await }
    });
    // Both at once, so that each has a connection of its own.
    let asked = [server.asked().await, server.asked().await];
    asked.into_iter().for_each(|asked| asked.answer(200, "application/json", ""));
    round.await.unwrap();
    assert_eq!(server.accepted(), 2);

    let asking = tokio::spawn({
        let account = Arc::clone(&account);
        async move { account.send(account.request(Method::POST, &["x"])).await.is_ok() }
    });
    let given_up = server.asked().await;
    assert_eq!(server.accepted(), 2, "no handshake");
    asking.abort();
    given_up.abandoned().await;
    // One is lost, and it is known.
    account.connections.is_short().await;
    let keeping = tokio::spawn(account.keep_warm());
    let asked = [server.asked().await, server.asked().await];
    assert_eq!(server.accepted(), 3, "one is left, one is new");
    asked.into_iter().for_each(|asked| asked.answer(200, "application/json", ""));
    keeping.abort();
}

#[tokio::test]
async fn warming_ends_with_the_account() {
    let mut server = TestServer::start().await;
    let config = AccountConfig { warm_connections: 1, warm_every_ms: 0, ..server.config() };
    let account = Arc::into_inner(Account::new(&config).unwrap()).unwrap();
    let account = Arc::new(Account { warm_gap: Duration::ZERO, ..account });
    let keeping = tokio::spawn(account.keep_warm());
    for _ in 0..3 {
        let asked = server.asked().await;
        assert_eq!((asked.method.as_str(), asked.path.as_str()), ("HEAD", "/v1/models"));
        assert_eq!(asked.header("authorization"), Some("Bearer sk-test-1234"));
        // Whatever the answer is, the connection is there.
        asked.answer(405, "text/plain", "");
    }
    assert_eq!(server.accepted(), 1);
    drop(account);
    // A round that is under way comes to its end.
    server.answer_all(405);
    keeping.await.unwrap();
}

#[tokio::test]
async fn where_nothing_is_to_be_kept_warm_nobody_is_asked() {
    let server = TestServer::start().await;
    server.account().keep_warm().await;
    assert_eq!(server.accepted(), 0);
}
