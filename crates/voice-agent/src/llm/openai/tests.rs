//! The client against a server on this machine.

use futures_util::future;
use jiff::tz::TimeZone;
use serde_json::json;
use voice_core::agents::TASK_AGENT;
use voice_core::chat::{ChatContext, ChatItem, ToolCall, ToolOutput};
use voice_core::cost::Quantity;
use voice_core::ids::ToolCallId;

use super::*;
use crate::openai::AccountConfig;
use crate::openai::testing::{Asked, TestServer};
use crate::screen::Seen;
use crate::screen::picture::Picture;
use crate::screen::picture::tests::webp;
use crate::tools::LOOK_AT_SCREEN;

const SSE: &str = "text/event-stream; charset=utf-8";
const STOP: &str = "data: {\"choices\":[{\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n";
const DONE: &str = "data: [DONE]\n\n";

type Events = BoxStream<'static, Result<LlmEvent, ProviderFailure>>;

async fn start() -> (TestServer, OpenAiLlm) {
    let server = TestServer::start().await;
    let llm = OpenAiLlm::new(server.account(), OpenAiConfig::default());
    (server, llm)
}

fn request() -> LlmRequest {
    LlmRequest {
        agent: TASK_AGENT.to_owned(),
        instructions: "Be kind.".to_owned(),
        chat: ChatContext { items: vec![ChatItem::User { text: "hello".to_owned() }] },
        tools: crate::tools::specs_for(TASK_AGENT),
        now: jiff::Timestamp::UNIX_EPOCH.to_zoned_datetime(TimeZone::UTC),
        titles: Vec::new(),
        brief: false,
        seen: None,
    }
}

fn said(text: &str) -> String {
    format!("data: {}\n\n", json!({"choices": [{"delta": {"content": text}}]}))
}

fn text(text: &str) -> Option<Result<LlmEvent, ProviderFailure>> {
    Some(Ok(LlmEvent::Text(text.to_owned())))
}

/// Asks, and lets the request reach the server. The events that follow that of its being taken.
async fn ask(server: &mut TestServer, llm: &OpenAiLlm) -> (Events, Asked) {
    let (events, asked) = ask_all(server, llm).await;
    (events.filter(|event| future::ready(*event != Ok(LlmEvent::Begun))).boxed(), asked)
}

async fn ask_all(server: &mut TestServer, llm: &OpenAiLlm) -> (Events, Asked) {
    let mut events = llm.stream(request());
    // Somebody has to listen for it to be sent, and nothing comes before it is answered.
    let asked = tokio::select! {
        asked = server.asked() => asked,
        event = events.next() => panic!("{event:?} before there is an answer"),
    };
    (events, asked)
}

async fn collect(events: Events) -> Vec<Result<LlmEvent, ProviderFailure>> {
    events.collect().await
}

#[tokio::test]
async fn it_asks_as_it_is_documented_and_nothing_before_somebody_listens() {
    let (mut server, llm) = start().await;
    drop(llm.stream(request()));
    let (events, asked) = ask(&mut server, &llm).await;
    assert_eq!((asked.method.as_str(), asked.path.as_str()), ("POST", "/v1/chat/completions"));
    assert_eq!(asked.header("authorization"), Some("Bearer sk-test-1234"));
    assert_eq!(asked.header("content-type"), Some("application/json"));
    assert_eq!(asked.json(), wire::encode(&OpenAiConfig::default(), &request()));
    asked.answer(200, SSE, include_str!("fixtures/text.sse"));
    let done = LlmEvent::Done { input_tokens: 50, cached_tokens: 0, output_tokens: 9 };
    let expected = [LlmEvent::Text("Hel".to_owned()), LlmEvent::Text("lo.".to_owned()), done];
    assert_eq!(collect(events).await, expected.map(Ok));
    assert_eq!((llm.provider(), llm.model()), ("openai", "gpt-4o-mini"));
}

#[tokio::test]
async fn a_picture_is_sent_in_the_detail_that_is_set_and_counted_where_the_server_does_not_count() {
    let mut counted = Vec::new();
    for (looks, word) in
        [(None, None), (Some(ScreenDetail::Low), Some("low")), (Some(ScreenDetail::High), Some("high"))]
    {
        let mut server = TestServer::start().await;
        let llm = OpenAiLlm::new(server.account(), OpenAiConfig { looks, ..OpenAiConfig::default() });
        let picture = Picture::new(webp(&image::RgbImage::new(1_280, 720))).unwrap();
        let look = ToolCall { id: ToolCallId(1), name: LOOK_AT_SCREEN.to_owned(), arguments: serde_json::Map::new() };
        let output =
            ToolOutput { id: look.id, name: look.name.clone(), result: json!({"status": "ok"}), is_error: false };
        let mut request = LlmRequest { seen: Some(Arc::new(Seen::new(picture, None))), ..request() };
        request.chat.items.extend([ChatItem::ToolCall(look), ChatItem::ToolOutput(output)]);
        let events = tokio::spawn(collect(llm.stream(request)));
        let asked = server.asked().await;
        let messages = asked.json()["messages"].clone();
        let parts = messages.as_array().unwrap().iter().filter_map(|message| message["content"].as_array()).flatten();
        let detail = parts.filter_map(|part| part["image_url"]["detail"].as_str().map(str::to_owned)).next();
        assert_eq!(detail.as_deref(), word);
        asked.answer(200, SSE, include_str!("fixtures/no_usage.sse"));
        match events.await.unwrap().last() {
            Some(Ok(LlmEvent::Done { input_tokens, .. })) => counted.push(*input_tokens),
            other => panic!("{other:?}"),
        }
    }
    let [read, low, high] = counted[..] else { panic!("{counted:?}") };
    // What was read in the picture is told in about as many words as that there is a picture.
    assert!((2_833 - 200..2_833 + 200).contains(&(low - read)), "{counted:?}");
    assert_eq!(high - low, 6 * 5_667, "{counted:?}");
}

#[tokio::test]
async fn words_come_piece_by_piece() {
    let (mut server, llm) = start().await;
    let (mut events, asked) = ask(&mut server, &llm).await;
    let answer = asked.stream(SSE);
    for word in ["One", " two", " three."] {
        // The next word is written when the one before was heard.
        answer.send(&said(word)).await;
        assert_eq!(events.next().await, text(word));
    }
    // Half an event is none.
    let last = said(" Four.");
    let (first_half, second_half) = last.split_at(30);
    answer.send(first_half).await;
    answer.send(second_half).await;
    assert_eq!(events.next().await, text(" Four."));
    answer.send(STOP).await;
    answer.send(DONE).await;
    assert!(matches!(events.next().await, Some(Ok(LlmEvent::Done { .. }))));
    assert_eq!(events.next().await, None);
}

#[tokio::test]
async fn whoever_drops_the_stream_closes_the_connection() {
    let (mut server, llm) = start().await;
    let (mut events, asked) = ask(&mut server, &llm).await;
    let answer = asked.stream(SSE);
    answer.send(&said("One")).await;
    assert_eq!(events.next().await, text("One"));
    drop(events);
    answer.abandoned().await;
}

#[tokio::test]
async fn a_server_that_hangs_is_left() {
    let (mut server, llm) = start().await;
    let (events, asked) = ask(&mut server, &llm).await;
    drop(events);
    asked.abandoned().await;
}

#[tokio::test]
async fn answers_share_a_connection() {
    let (mut server, llm) = start().await;
    let refusal = include_str!("../../openai/fixtures/rate_limit_exceeded.json");
    for _ in 0..3 {
        let (events, asked) = ask(&mut server, &llm).await;
        asked.answer(200, SSE, include_str!("fixtures/text.sse"));
        assert!(matches!(collect(events).await.last(), Some(Ok(LlmEvent::Done { .. }))));
        let (events, asked) = ask(&mut server, &llm).await;
        asked.answer(429, "application/json", refusal);
        assert_eq!(collect(events).await.len(), 1);
    }
    assert_eq!(server.accepted(), 1);
}

#[tokio::test]
async fn the_end_of_the_connection_is_not_waited_for() {
    let (mut server, llm) = start().await;
    let (mut events, asked) = ask(&mut server, &llm).await;
    let answer = asked.stream(SSE);
    answer.send(&(said("Hi.") + STOP + DONE)).await;
    assert_eq!(events.next().await, text("Hi."));
    // It is all there, though the server has not said so of the connection.
    assert!(matches!(events.next().await, Some(Ok(LlmEvent::Done { .. }))));
    drop(events);
    drop(answer);
    // Read to its end by and by, it serves again.
    let served = tokio::spawn(async move { llm.served().await });
    server.asked().await.answer(200, "application/json", "{}");
    assert_eq!(served.await.unwrap(), Ok(Served::Yes));
}

#[tokio::test]
async fn what_was_used_is_not_waited_for_without_end() {
    let (mut server, llm) = start().await;
    let (mut events, asked) = ask(&mut server, &llm).await;
    let answer = asked.stream(SSE);
    answer.send(&(said("Hi.") + STOP)).await;
    assert_eq!(events.next().await, text("Hi."));
    // From here on nothing happens but that time passes.
    tokio::time::pause();
    let done = events.next().await;
    assert!(matches!(done, Some(Ok(LlmEvent::Done { output_tokens: 1, .. }))), "{done:?}");
    assert_eq!(events.next().await, None);
    drop(answer);
}

#[tokio::test]
async fn a_server_that_cuts_is_disconnected() {
    let (mut server, llm) = start().await;
    let (mut events, asked) = ask(&mut server, &llm).await;
    let answer = asked.stream(SSE);
    answer.send(&said("One")).await;
    assert_eq!(events.next().await, text("One"));
    answer.cut().await;
    assert_eq!(events.next().await, Some(Err(ProviderErrorKind::Disconnected.into())));
    assert_eq!(events.next().await, None);

    // In order, but too early.
    let (events, asked) = ask(&mut server, &llm).await;
    asked.answer(200, SSE, said("One"));
    let expected = [Ok(LlmEvent::Text("One".to_owned())), Err(ProviderErrorKind::Disconnected.into())];
    assert_eq!(collect(events).await, expected);

    // Once all was said it does not matter.
    let (mut events, asked) = ask(&mut server, &llm).await;
    let answer = asked.stream(SSE);
    answer.send(&(said("One") + STOP)).await;
    assert_eq!(events.next().await, text("One"));
    answer.cut().await;
    assert!(matches!(events.next().await, Some(Ok(LlmEvent::Done { .. }))));
}

#[tokio::test]
async fn what_came_before_a_failure_is_given_out() {
    let (mut server, llm) = start().await;
    let (events, asked) = ask(&mut server, &llm).await;
    asked.answer(200, SSE, include_str!("fixtures/error.sse"));
    let failure = ProviderFailure { kind: ProviderErrorKind::RateLimited, retry_after_ms: Some(1_574) };
    assert_eq!(collect(events).await, [Ok(LlmEvent::Text("Hel".to_owned())), Err(failure)]);
}

#[tokio::test]
async fn a_request_that_was_taken_is_told_of_before_its_first_word_and_one_that_is_refused_is_not() {
    let (mut server, llm) = start().await;
    let (mut events, asked) = ask_all(&mut server, &llm).await;
    let answer = asked.stream(SSE);
    answer.send(": a comment, and no word\n\n").await;
    assert_eq!(events.next().await, Some(Ok(LlmEvent::Begun)));
    answer.cut().await;
    assert_eq!(collect(events).await, [Err(ProviderErrorKind::Disconnected.into())]);
    let (events, asked) = ask_all(&mut server, &llm).await;
    asked.answer(500, "application/json", "{}");
    assert_eq!(collect(events).await, [Err(ProviderErrorKind::Unavailable.into())]);
}

#[tokio::test]
async fn what_an_answer_used_that_comes_to_nothing_is_told() {
    let (mut server, llm) = start().await;
    let usage = json!({"choices": [], "usage": {"prompt_tokens": 900, "completion_tokens": 7}});
    let used = Ok(LlmEvent::Used(Quantity::Tokens { input: 900, cached: 0, output: 7 }));
    // Without a word, though it came to its end.
    let (events, asked) = ask(&mut server, &llm).await;
    asked.answer(200, SSE, format!("{STOP}data: {usage}\n\n{DONE}"));
    assert_eq!(collect(events).await, [used.clone(), Err(ProviderErrorKind::Protocol.into())]);
    // In the midst of one, from a server that counts along.
    let (events, asked) = ask(&mut server, &llm).await;
    asked.answer(200, SSE, format!("{}data: {usage}\n\n", said("One")));
    let said_one = Ok(LlmEvent::Text("One".to_owned()));
    assert_eq!(collect(events).await, [said_one, used, Err(ProviderErrorKind::Disconnected.into())]);
}

#[tokio::test]
async fn only_a_stream_of_events_is_an_answer() {
    let (mut server, llm) = start().await;
    let whole = json!({"choices": [{"message": {"role": "assistant", "content": "Hi."}}]}).to_string();
    for (content_type, body) in [("application/json", whole.as_str()), ("text/html", "<html>"), ("text/plain", DONE)] {
        let (events, asked) = ask(&mut server, &llm).await;
        asked.answer(200, content_type, body.to_owned());
        assert_eq!(collect(events).await, [Err(ProviderErrorKind::Protocol.into())], "{content_type}");
    }
    let (events, asked) = ask(&mut server, &llm).await;
    asked.answer(200, "Text/Event-Stream", format!("data: {}\n\n", "x".repeat(sse::MAX_EVENT_BYTES)));
    assert_eq!(collect(events).await, [Err(ProviderErrorKind::Protocol.into())]);
}

#[tokio::test]
async fn every_refusal_has_its_kind() {
    use ProviderErrorKind::{Auth, BadRequest, NotServed, Quota, RateLimited, Unavailable};
    let (mut server, llm) = start().await;
    let hour = Some(3_600_000);
    let cases: [(u16, &str, ProviderErrorKind, Option<u64>); 8] = [
        (400, include_str!("../../openai/fixtures/context_length_exceeded.json"), BadRequest, None),
        (401, include_str!("../../openai/fixtures/invalid_api_key.json"), Auth, None),
        (403, include_str!("../../openai/fixtures/unsupported_country.json"), NotServed, hour),
        (404, include_str!("../../openai/fixtures/model_not_found.json"), NotServed, hour),
        (429, include_str!("../../openai/fixtures/rate_limit_exceeded.json"), RateLimited, Some(1_574)),
        (429, include_str!("../../openai/fixtures/insufficient_quota.json"), Quota, None),
        (429, include_str!("../../openai/fixtures/request_too_large.json"), BadRequest, None),
        (503, "<html>upstream</html>", Unavailable, None),
    ];
    for (status, body, kind, retry_after_ms) in cases {
        let (events, asked) = ask(&mut server, &llm).await;
        asked.answer(status, "application/json", body);
        assert_eq!(collect(events).await, [Err(ProviderFailure { kind, retry_after_ms })], "{status} {body}");
    }
    let (events, asked) = ask(&mut server, &llm).await;
    asked.answer_with(429, &[("retry-after-ms", "250"), ("x-request-id", "req_1")], "");
    let limited = ProviderFailure { kind: RateLimited, retry_after_ms: Some(250) };
    assert_eq!(collect(events).await, [Err(limited)]);
}

#[tokio::test]
async fn nobody_there_is_unavailable() {
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let config = AccountConfig { base_url: format!("http://{free}/v1"), ..AccountConfig::default() };
    let llm = OpenAiLlm::new(Account::new(&config).unwrap(), OpenAiConfig::default());
    assert_eq!(collect(llm.stream(request())).await, [Err(ProviderErrorKind::Unavailable.into())]);
}

/// What a probe makes of an answer.
async fn probe(status: u16, body: &'static str) -> Probed {
    let (mut server, llm) = start().await;
    let probing = tokio::spawn(llm.probe());
    let asked = server.asked().await;
    assert_eq!((asked.method.as_str(), asked.path.as_str()), ("POST", "/v1/chat/completions"));
    assert_eq!(asked.json(), wire::encode_probe(&OpenAiConfig::default()));
    asked.answer(status, "application/json", body);
    probing.await.unwrap()
}

#[tokio::test]
async fn a_probe_shows_that_it_answers() {
    let cut = r#"{"choices":[{"message":{"role":"assistant","content":"He"},"finish_reason":"length"}]}"#;
    assert_eq!(probe(200, cut).await, Ok(None));
    let used = r#"{"choices":[],"usage":{"prompt_tokens":8,"completion_tokens":1}}"#;
    assert_eq!(probe(200, used).await, Ok(Some(Quantity::Tokens { input: 8, cached: 0, output: 1 })));
    // A model that thinks first is through with its one token before it comes to say anything.
    let limit = r#"{"error":{"message":"Could not finish the message because max_tokens or model output limit was reached.","type":"invalid_request_error"}}"#;
    assert_eq!(probe(400, limit).await, Ok(None));
    for not_an_answer in ["{}", "<html>", ""] {
        assert_eq!(probe(200, not_an_answer).await, Err(ProviderErrorKind::Protocol.into()));
    }
    assert_eq!(probe(401, "").await, Err(ProviderErrorKind::Auth.into()));
    assert_eq!(probe(500, "").await, Err(ProviderErrorKind::Unavailable.into()));
}

#[tokio::test]
async fn a_model_that_is_gone_is_known_to_be() {
    let (mut server, llm) = start().await;
    let served = tokio::spawn(llm.served());
    let asked = server.asked().await;
    assert_eq!((asked.method.as_str(), asked.path.as_str()), ("GET", "/v1/models/gpt-4o-mini"));
    asked.answer(404, "application/json", include_str!("../../openai/fixtures/model_not_found.json"));
    assert_eq!(served.await.unwrap(), Ok(Served::No));
}
