//! Requests.

use super::*;

fn request(items: Vec<ChatItem>) -> LlmRequest {
    let zone = TimeZone::get("Europe/Berlin").unwrap();
    LlmRequest {
        agent: TASK_AGENT.to_owned(),
        instructions: "Be kind.".to_owned(),
        chat: ChatContext { items },
        tools: Vec::new(),
        now: date(2026, 11, 25).at(14, 30, 0, 0).to_zoned_datetime(zone).unwrap(),
        titles: vec!["Buy milk".to_owned()],
        brief: false,
        seen: None,
    }
}

fn user(text: &str) -> ChatItem {
    ChatItem::User { text: text.to_owned() }
}

fn said(text: &str) -> ChatItem {
    ChatItem::Assistant { text: text.to_owned(), interrupted: false }
}

fn call(id: u64, name: &str, arguments: Value) -> ChatItem {
    let Value::Object(arguments) = arguments else { panic!("{arguments}") };
    ChatItem::ToolCall(ToolCall { id: ToolCallId(id), name: name.to_owned(), arguments })
}

fn output(id: u64, result: Value) -> ChatItem {
    ChatItem::ToolOutput(ToolOutput { id: ToolCallId(id), name: "x".to_owned(), result, is_error: false })
}

fn messages_with(config: &OpenAiConfig, items: Vec<ChatItem>) -> Vec<Value> {
    let Value::Array(messages) = encode(config, &request(items))["messages"].take() else { panic!("no messages") };
    messages
}

/// The conversation's messages: without the prompt, which stands first, and the scene, which stands before the last turn.
fn conversation(items: Vec<ChatItem>) -> Vec<Value> {
    let scene = prompt::scene(&request(Vec::new()));
    let mut messages = messages_with(&OpenAiConfig::default(), items);
    assert_eq!(messages.remove(0)["content"], prompt::system(TASK_AGENT, "Be kind."));
    let before = messages.len();
    messages.retain(|message| message["content"] != scene.as_str());
    assert_eq!(messages.len() + 1, before, "one scene");
    messages
}

fn called(id: u64, name: &str, arguments: &str) -> Value {
    json!({"id": format!("call_{id}"), "type": "function", "function": {"name": name, "arguments": arguments}})
}

fn answered(id: u64, content: &str) -> Value {
    json!({"role": "tool", "tool_call_id": format!("call_{id}"), "content": content})
}

#[test]
fn a_request_as_it_is_documented() {
    let config = OpenAiConfig { temperature: Some(0.5), max_tokens: 300, ..OpenAiConfig::default() };
    let mut request = request(vec![said("Hello!"), user("hi")]);
    request.tools = tools::specs_for(TASK_AGENT).into_iter().filter(|spec| spec.name == "undo").collect();
    let mut body = encode(&config, &request);
    let prompts = [prompt::system(TASK_AGENT, "Be kind."), prompt::scene(&request)];
    assert_eq!(body["messages"][0]["content"], prompts[0].as_str());
    assert_eq!(body["messages"][2]["content"], prompts[1].as_str());
    let function = &mut body["tools"][0]["function"];
    assert_eq!(function["description"], request.tools[0].description);
    assert_eq!(function["parameters"], request.tools[0].parameters);
    function["description"] = json!("the description");
    function["parameters"] = json!("the parameters");
    body["messages"][0]["content"] = json!("the prompt");
    body["messages"][2]["content"] = json!("the scene");
    let expected: Value = serde_json::from_str(include_str!("../../fixtures/request.json")).unwrap();
    assert_eq!(body, expected);
}

#[test]
fn what_a_server_may_refuse_can_be_left_out() {
    let body = encode(&OpenAiConfig::default(), &request(vec![user("hi")]));
    for field in ["tools", "parallel_tool_calls", "temperature", "max_tokens"] {
        assert_eq!(body.get(field), None, "{field}");
    }
    let config = OpenAiConfig {
        max_tokens_field: MaxTokensField::MaxTokens,
        include_usage: false,
        system_first_only: true,
        ..OpenAiConfig::default()
    };
    let handed = ChatItem::Handoff { from: TASK_AGENT.to_owned(), to: REVIEW_AGENT.to_owned() };
    let body = encode(&config, &request(vec![user("hi"), handed, user("well")]));
    assert_eq!(body["max_tokens"], 600);
    assert_eq!(body.get("max_completion_tokens"), None);
    assert_eq!(body.get("stream_options"), None);
    let messages = body["messages"].as_array().unwrap();
    let roles: Vec<&Value> = messages.iter().map(|message| &message["role"]).collect();
    assert_eq!(roles, ["system", "user", "user"]);
    let system = messages[0]["content"].as_str().unwrap();
    assert!(system.starts_with("Be kind.\n") && system.contains("It is Wednesday, 25 November 2026"), "{system}");
}

#[test]
fn a_short_answer_has_fewer_tokens() {
    let body = encode(&OpenAiConfig::default(), &LlmRequest { brief: true, ..request(vec![user("hi")]) });
    assert_eq!(body["max_completion_tokens"], 200);
    assert!(body["messages"][1]["content"].as_str().unwrap().contains("one sentence"));
}

#[test]
fn what_stays_the_same_comes_first() {
    let first = request(vec![user("one"), said("Yes."), user("two")]);
    let mut second = request(vec![user("one"), said("Yes."), user("two"), said("No."), user("three")]);
    second.now = first.now.checked_add(jiff::Span::new().minutes(1)).unwrap();
    second.titles.push("Call John".to_owned());
    let [first, second] = [first, second].map(|request| encode(&OpenAiConfig::default(), &request)["messages"].take());
    let same = |at: usize| first[at] == second[at];
    assert!(same(0) && same(1) && same(2));
    // The scene, and the turn after it.
    assert!(!same(3));
    assert_eq!(first[3]["role"], "system");
    assert_eq!(first[4], json!({"role": "user", "content": "two"}));
}

#[test]
fn a_round_is_one_message_and_one_for_each_output() {
    let items = vec![
        user("add milk and call john"),
        said("Sure."),
        call(1, "add_task", json!({"title": "Milk"})),
        call(2, "add_task", json!({"title": "Call John"})),
        output(2, json!({"status": "added"})),
        output(1, json!({"status": "exists"})),
        call(3, "list_tasks", json!({})),
        output(3, json!({"status": "ok", "total": 2})),
        said("Done."),
    ];
    let expected = [
        json!({"role": "user", "content": "add milk and call john"}),
        json!({"role": "assistant", "content": "Sure.", "tool_calls": [
            called(1, "add_task", "{\"title\":\"Milk\"}"), called(2, "add_task", "{\"title\":\"Call John\"}"),
        ]}),
        answered(1, "{\"status\":\"exists\"}"),
        answered(2, "{\"status\":\"added\"}"),
        json!({"role": "assistant", "content": null, "tool_calls": [called(3, "list_tasks", "{}")]}),
        answered(3, "{\"status\":\"ok\",\"total\":2}"),
        json!({"role": "assistant", "content": "Done."}),
    ];
    assert_eq!(conversation(items), expected);
}

#[test]
fn a_call_or_an_output_without_the_other_is_left_out() {
    let items = vec![
        output(9, json!({"status": "lost"})),
        user("one"),
        call(1, "undo", json!({})),
        call(2, "list_tasks", json!({})),
        output(2, json!({"status": "ok"})),
        call(3, "undo", json!({})),
        user("two"),
        output(3, json!({"status": "too late"})),
        output(4, json!({"status": "lost"})),
    ];
    let expected = [
        json!({"role": "user", "content": "one"}),
        json!({"role": "assistant", "content": null, "tool_calls": [called(2, "list_tasks", "{}")]}),
        answered(2, "{\"status\":\"ok\"}"),
        json!({"role": "user", "content": "two"}),
    ];
    assert_eq!(conversation(items), expected);
}

#[test]
fn words_that_were_cut_off_end_in_a_mark_and_none_are_no_message() {
    let items = vec![
        ChatItem::Assistant { text: "You have two tasks: ".to_owned(), interrupted: true },
        ChatItem::Assistant { text: " ".to_owned(), interrupted: true },
        user("  "),
        user("stop"),
    ];
    let expected =
        [json!({"role": "assistant", "content": "You have two tasks:…"}), json!({"role": "user", "content": "stop"})];
    assert_eq!(conversation(items), expected);
}

#[test]
fn a_hand_off_stands_behind_its_call() {
    let items = vec![
        user("let us go through them"),
        call(1, "transfer_to_agent", json!({"agent": REVIEW_AGENT})),
        output(1, json!({"status": "ok", "agent": REVIEW_AGENT})),
        ChatItem::Handoff { from: TASK_AGENT.to_owned(), to: REVIEW_AGENT.to_owned() },
    ];
    let messages = conversation(items);
    let roles: Vec<&Value> = messages.iter().map(|message| &message["role"]).collect();
    assert_eq!(roles, ["user", "assistant", "tool", "system"]);
    assert_eq!(messages[3]["content"], "TaskAgent has handed the call to ReviewAgent, who goes on with the caller.");
}

#[test]
fn a_name_that_was_made_up_can_be_sent_back() {
    let items = vec![user("x"), call(1, "tasks.add é!", json!({})), output(1, json!({"status": "failed"}))];
    assert_eq!(conversation(items)[1]["tool_calls"][0]["function"]["name"], "tasks_add___");
    let long = vec![user("x"), call(1, &"a".repeat(99), json!({})), output(1, json!({}))];
    assert_eq!(conversation(long)[1]["tool_calls"][0]["function"]["name"], "a".repeat(64));
    let empty = vec![user("x"), call(1, "", json!({})), output(1, json!({}))];
    assert_eq!(conversation(empty)[1]["tool_calls"][0]["function"]["name"], "_");
}

#[test]
fn of_a_long_conversation_the_last_turns_are_sent() {
    let turn = |n: u64| vec![user(&format!("turn {n}")), call(n, "undo", json!({})), output(n, json!({"n": n}))];
    let items: Vec<ChatItem> = (1..=9).flat_map(turn).collect();
    let all = conversation(items.clone());
    let (_, last) = all.split_at(all.len() - 9);
    let room: usize = last.iter().map(|message| message.to_string().len()).sum();
    for (max_context_chars, turns) in [(room, 3), (room - 1, 2), (0, 1)] {
        let config = OpenAiConfig { max_context_chars, ..OpenAiConfig::default() };
        let messages = messages_with(&config, items.clone());
        assert_eq!(messages.len(), 2 + 3 * turns, "{max_context_chars}");
        // No call without its output, no output without its call.
        assert_eq!(messages[if turns == 1 { 2 } else { 1 }]["content"], format!("turn {}", 10 - turns));
    }
}

#[test]
fn a_call_that_nobody_spoke_in_yet_can_be_sent() {
    assert_eq!(conversation(Vec::new()), Vec::<Value>::new());
    assert_eq!(conversation(vec![said("Hello!")]), [json!({"role": "assistant", "content": "Hello!"})]);
}

#[test]
fn the_smallest_request_asks_for_one_token() {
    let expected = json!({
        "model": "gpt-4o-mini", "max_completion_tokens": 1, "messages": [{"role": "user", "content": "Hi"}],
    });
    assert_eq!(encode_probe(&OpenAiConfig::default()), expected);
}

fn item() -> impl Strategy<Value = ChatItem> {
    let id = 0..6_u64;
    prop_oneof![
        "[a-z]{0,5}".prop_map(|text| user(&text)),
        "[a-z]{0,5}".prop_map(|text| said(&text)),
        id.clone().prop_map(|id| call(id, "undo", json!({}))),
        id.prop_map(|id| output(id, json!({"status": "ok"}))),
        Just(ChatItem::Handoff { from: TASK_AGENT.to_owned(), to: REVIEW_AGENT.to_owned() }),
    ]
}

proptest! {
    /// What a provider refuses a conversation for.
    #[test]
    fn every_call_has_its_output_right_behind_it(items in prop::collection::vec(item(), 0..30)) {
        let mut awaited: Vec<Value> = Vec::new();
        for message in messages_with(&OpenAiConfig::default(), items) {
            if message["role"] == "tool" {
                prop_assert!(!awaited.is_empty());
                prop_assert_eq!(&message["tool_call_id"], &awaited.remove(0));
                continue;
            }
            prop_assert!(awaited.is_empty(), "{message} stands before {awaited:?}");
            let calls = message.get("tool_calls").and_then(Value::as_array);
            awaited = calls.into_iter().flatten().map(|call| call["id"].clone()).collect();
            prop_assert!(message["content"].as_str().is_some_and(|text| !text.is_empty()) || !awaited.is_empty());
        }
        prop_assert!(awaited.is_empty());
    }
}
