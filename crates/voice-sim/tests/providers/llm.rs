//! Chat completions and models.

use serde_json::{Value, json};
use voice_sim::provider::{End, Latency, Provider, Rule, Script, Service, Step};

use crate::client::{self, chat, content, http, read_events};

fn request(text: &str) -> Value {
    let title = json!({"type": "object", "properties": {"title": {"type": "string"}}, "required": ["title"]});
    let tool = |name: &str| json!({"type": "function", "function": {"name": name, "parameters": title}});
    json!({
        "model": "gpt-4o-mini", "stream": true, "stream_options": {"include_usage": true},
        "messages": [{"role": "user", "content": text}], "tools": [tool("add_task"), tool("complete_task")],
    })
}

/// The calls that a stream's deltas make up.
fn calls(events: &[String]) -> Vec<(String, String, String)> {
    let mut calls: Vec<(String, String, String)> = Vec::new();
    for event in events.iter().filter_map(|event| serde_json::from_str::<Value>(event).ok()) {
        for call in event["choices"][0]["delta"]["tool_calls"].as_array().into_iter().flatten() {
            let text = |pointer: &str| call.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned();
            if call.get("id").is_some() {
                calls.push((text("/id"), text("/function/name"), String::new()));
            }
            calls.last_mut().expect("an id comes first").2 += &text("/function/arguments");
        }
    }
    calls
}

#[tokio::test]
async fn a_tool_is_called_token_by_token_and_its_answer_is_told() {
    let servers = client::start(Script::default()).await;
    let client = http();
    let first = request("Add a task to buy milk.");
    let response = chat(&servers, &client, &first).await.expect("an answer");
    assert_eq!(response.headers()["content-type"], "text/event-stream; charset=utf-8");
    assert!(response.headers().contains_key("x-request-id"));
    let (events, whole) = read_events(response).await;
    assert!(whole && events.last().is_some_and(|last| last == "[DONE]"), "{events:?}");
    let [(id, name, arguments)] = &calls(&events)[..] else { panic!("{events:?}") };
    assert_eq!((name.as_str(), arguments.as_str()), ("add_task", r#"{"title":"buy milk"}"#));
    let chunks: Vec<Value> = events.iter().filter_map(|event| serde_json::from_str(event).ok()).collect();
    let [.., finish, usage] = &chunks[..] else { panic!("{chunks:?}") };
    assert_eq!(finish["choices"][0]["finish_reason"], "tool_calls");
    assert!(
        chunks[..chunks.len() - 1].iter().all(|chunk| chunk["usage"].is_null() && chunk["obfuscation"].is_string())
    );
    // The call and its 20 characters of arguments, four in a token.
    assert_eq!((&usage["choices"], &usage["usage"]["completion_tokens"]), (&json!([]), &json!(6)));
    assert!(usage["usage"]["prompt_tokens"].as_u64().is_some_and(|tokens| tokens > 50));

    let mut second = first.clone();
    let function = json!({"name": name, "arguments": arguments});
    let messages = second["messages"].as_array_mut().expect("messages");
    messages.push(json!({"role": "assistant", "content": null, "tool_calls": [{"id": id, "type": "function", "function": function}]}));
    messages.push(json!({"role": "tool", "tool_call_id": id, "content": "{\"status\":\"ok\"}"}));
    let (events, _) = read_events(chat(&servers, &client, &second).await.expect("an answer")).await;
    assert_eq!(content(&events), "Added buy milk.");

    let entries = servers.journal().chat_requests();
    assert_eq!((entries.len(), servers.journal().count(Service::Chat, "tool_call")), (2, 1));
    assert!(entries.iter().all(|entry| entry.end == Some(End::Done) && entry.model.as_deref() == Some("gpt-4o-mini")));
    assert_eq!(servers.journal().connections(Provider::OpenAi), 1, "the connection is kept");
    assert_eq!(entries[1].request["messages"][2]["tool_call_id"], json!(id));
}

#[tokio::test]
async fn the_test_s_rules_come_first() {
    let rules = [
        Rule::user("(?i)buy (?P<what>.+)")
            .says("One moment.")
            .calls("add_task", &json!({"title": "${what}!", "tags": ["$1"]}))
            .times(1),
        Rule::user("(?i)buy").says("You said that before."),
        Rule::tool("add_task: .*exists").says("It is there."),
        Rule::user(".").model("gpt-4o").says("I am the other model."),
    ];
    let servers = client::start(rules.into_iter().fold(Script::default(), Script::rule)).await;
    let client = http();
    let mut request = request("Buy milk");
    let (events, _) = read_events(chat(&servers, &client, &request).await.expect("an answer")).await;
    assert_eq!(content(&events), "One moment.");
    assert_eq!(calls(&events)[0].2, r#"{"tags":["milk"],"title":"milk!"}"#);
    let (events, _) = read_events(chat(&servers, &client, &request).await.expect("an answer")).await;
    assert_eq!(content(&events), "You said that before.");
    request["model"] = json!("gpt-4o");
    request["messages"] = json!([{"role": "user", "content": "hello"}]);
    let (events, _) = read_events(chat(&servers, &client, &request).await.expect("an answer")).await;
    assert_eq!(content(&events), "I am the other model.");
    assert_eq!(servers.journal().doubled_chat_requests().into_values().collect::<Vec<_>>(), [2]);
}

#[tokio::test]
async fn a_rule_for_a_tool_that_is_not_offered_is_a_warning() {
    let rule = Rule::user(".").calls("fly", &json!({})).says("No.");
    let servers = client::start(Script::default().rule(rule)).await;
    let (events, _) = read_events(chat(&servers, &http(), &request("hi")).await.expect("an answer")).await;
    assert_eq!((content(&events).as_str(), calls(&events).len()), ("No.", 0));
    assert_eq!(servers.journal().warnings().len(), 1);
}

#[tokio::test]
async fn limits_cut_and_whole_answers_are_whole() {
    let rule = Rule::user(".").says("Twelve chars and more");
    let servers = client::start(Script::default().rule(rule)).await;
    let client = http();
    let mut short = request("hi");
    short["max_completion_tokens"] = json!(3);
    let (events, _) = read_events(chat(&servers, &client, &short).await.expect("an answer")).await;
    assert_eq!(content(&events), "Twelve chars");
    assert!(events.iter().any(|event| event.contains(r#""finish_reason":"length""#)));
    let whole = json!({"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "hi"}]});
    let body: Value = chat(&servers, &client, &whole).await.expect("an answer").json().await.expect("JSON");
    assert_eq!(body["choices"][0]["message"]["content"], "Twelve chars and more");
    assert_eq!(
        (&body["choices"][0]["finish_reason"], &body["usage"]["completion_tokens"]),
        (&json!("stop"), &json!(6))
    );
}

#[tokio::test]
async fn refusals_have_the_service_s_shape() {
    let servers = client::start(Script::default()).await;
    let url = format!("{}/chat/completions", servers.base_url(Provider::OpenAi));
    for key in ["wrong", ""] {
        let response = http().post(&url).bearer_auth(key).json(&request("hi")).send().await.expect("an answer");
        assert_eq!(response.status(), 401);
        assert_eq!(response.json::<Value>().await.expect("JSON")["error"]["code"], "invalid_api_key");
    }
    let mut bad = request("hi");
    bad["tools"] = json!([]);
    let response = chat(&servers, &http(), &bad).await.expect("an answer");
    assert_eq!(response.status(), 400);
    let mut retired = request("hi");
    retired["model"] = json!("gpt-3.5-turbo");
    let response = chat(&servers, &http(), &retired).await.expect("an answer");
    assert_eq!(
        (response.status().as_u16(), response.json::<Value>().await.expect("JSON")["error"]["code"].clone()),
        (404, json!("model_not_found"))
    );
    let response = http().post(&url).bearer_auth(&servers.keys().openai).body("{}").send().await.expect("an answer");
    assert_eq!(response.status(), 400, "no content type");
}

#[tokio::test]
async fn a_client_that_goes_is_seen_to_go() {
    let rule = Rule::user(".").says(&"word ".repeat(200));
    let script = Script::default().rule(rule);
    let servers = client::start(script).await;
    servers.set_latency(Step::Token, Latency::fixed(50));
    let mut response = chat(&servers, &http(), &request("hi")).await.expect("an answer");
    for _ in 0..3 {
        response.chunk().await.expect("a chunk");
    }
    drop(response);
    let gone = |journal: &voice_sim::provider::Journal| journal.chat_requests()[0].end == Some(End::ClientGone);
    servers.wait(client::LONG, gone).await.expect("the client is gone");
    assert!(servers.journal().chat_requests()[0].sent.useful < 100);
}

#[tokio::test]
async fn models_are_listed() {
    let servers = client::start(Script::default().serve_model("gpt-3.5-turbo")).await;
    let base = servers.base_url(Provider::OpenAi);
    let get = |path: &str| http().get(format!("{base}{path}")).bearer_auth(&servers.keys().openai).send();
    let list: Value = get("/models").await.expect("an answer").json().await.expect("JSON");
    let ids: Vec<&str> =
        list["data"].as_array().expect("a list").iter().filter_map(|model| model["id"].as_str()).collect();
    assert!(ids.contains(&"gpt-4o-mini") && ids.contains(&"gpt-3.5-turbo"), "{ids:?}");
    assert_eq!(get("/models/gpt-4o").await.expect("an answer").status(), 200);
    assert_eq!(get("/models/gpt-2").await.expect("an answer").status(), 404);
    assert_eq!(servers.journal().of(Service::Models).len(), 3);
}
