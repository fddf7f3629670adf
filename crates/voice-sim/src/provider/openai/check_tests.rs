use proptest::prelude::*;

use super::*;

fn good() -> Value {
    json!({
        "model": "gpt-4o-mini", "stream": true, "stream_options": {"include_usage": true},
        "messages": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "hi"}],
        "tools": [{"type": "function", "function": {
            "name": "lookup", "description": "d", "strict": true,
            "parameters": {"type": "object", "properties": {"q": {"type": "string"}}, "required": ["q"], "additionalProperties": false},
        }}],
        "tool_choice": "auto", "parallel_tool_calls": true, "temperature": 0.5, "max_completion_tokens": 300,
    })
}

fn ask(request: &Value) -> Result<Asked, Problem> {
    check(request, &["gpt-4o-mini".to_owned(), "gpt-5.5".to_owned()])
}

fn with(pointer: &str, value: Value) -> Result<Asked, Problem> {
    let mut request = good();
    let (parent, name) = pointer.rsplit_once('/').expect("a pointer");
    match request.pointer_mut(pointer) {
        Some(place) => *place = value,
        None => request.pointer_mut(parent).expect("a place")[name] = value,
    }
    ask(&request)
}

fn without(names: &[&str]) -> Result<Asked, Problem> {
    let mut request = good();
    let object = request.as_object_mut().expect("an object");
    for name in names {
        object.remove(*name);
    }
    ask(&request)
}

#[test]
fn the_documented_request_is_understood() {
    let asked = ask(&good()).expect("a good request");
    assert_eq!(
        (asked.stream, asked.include_usage, asked.obfuscation, asked.most_tokens),
        (true, true, true, Some(300))
    );
    assert_eq!((asked.last, asked.choice), (Last::User("hi".to_owned(), None), Choice::Auto));
    assert_eq!((asked.tools[0].name.as_str(), &asked.tools[0].required[..]), ("lookup", &["q".to_owned()][..]));
    let length = good()["messages"].to_string().len() + good()["tools"].to_string().len();
    assert!(asked.prompt_tokens.abs_diff(length as u64 / 4) <= 1);
}

#[test]
fn what_the_service_refuses_is_refused() {
    for (pointer, value, why) in [
        ("/warmth", json!(1), "Unknown parameter"),
        ("/stream_options/usage", json!(true), "Unknown parameter"),
        ("/temperature", json!(3), "from 0 to 2"),
        ("/temperature", json!("warm"), "expected a number"),
        ("/stream", json!("yes"), "expected a boolean"),
        ("/max_tokens", json!(5), "at the same time"),
        ("/max_completion_tokens", json!(0), "1 or more"),
        ("/n", json!(2), "choice"),
        ("/stop", json!(["a", "b", "c", "d", "e"]), "4 at most"),
        ("/messages", json!([]), "empty array"),
        ("/messages/1/role", json!("caller"), "Supported values"),
        ("/messages/1/content", json!(7), "content"),
        ("/messages/1/colour", json!(1), "Unknown parameter"),
        ("/tools", json!([]), "empty array"),
        ("/tools/0/type", json!("tool"), "function"),
        ("/tools/0/function/name", json!("look up"), "pattern"),
        ("/tools/0/function/parameters/type", json!("string"), "object"),
        ("/tools/0/function/parameters/additionalProperties", json!(true), "additionalProperties"),
        ("/tools/0/function/parameters/required", json!([]), "Missing 'q'"),
        ("/tools/0/function/parameters/required", json!(["q", "r"]), "no property"),
        ("/tool_choice", json!("maybe"), "tool_choice"),
        ("/tool_choice", json!({"type": "function", "function": {"name": "other"}}), "not found"),
    ] {
        let problem = with(pointer, value.clone()).expect_err(pointer);
        assert_eq!(problem.status, 400, "{pointer}");
        assert!(problem.message.contains(why), "{pointer} = {value}: {}", problem.message);
    }
    for (names, why) in [
        (&["tools", "tool_choice"][..], "'parallel_tool_calls' is only allowed when 'tools' are specified"),
        (&["tools", "parallel_tool_calls"], "'tool_choice' is only allowed"),
        (&["stream"], "stream_options"),
        (&["model"], "model"),
        (&["messages"], "messages"),
    ] {
        let problem = without(names).expect_err("something is missing");
        assert!(problem.message.contains(why), "{names:?}: {}", problem.message);
    }
    let problem = with("/model", json!("gpt-3.5-turbo")).expect_err("retired");
    assert_eq!((problem.status, problem.code), (404, Some("model_not_found")));
}

#[test]
fn models_that_think_refuse_what_does_not_go_with_it() {
    let request = |more: Value| {
        let mut request = json!({"model": "gpt-5.5", "messages": [{"role": "user", "content": "hi"}]});
        for (name, value) in more.as_object().expect("an object") {
            request[name] = value.clone();
        }
        ask(&request)
    };
    assert_eq!(request(json!({"max_tokens": 5})).expect_err("old").code, Some("unsupported_parameter"));
    assert_eq!(request(json!({"temperature": 0.2})).expect_err("cold").code, Some("unsupported_value"));
    assert!(request(json!({"temperature": 1, "max_completion_tokens": 5})).is_ok());
}

fn called(ids: &[&str], answered: &[&str], then: Option<Value>) -> Result<Asked, Problem> {
    let calls: Vec<Value> = ids
        .iter()
        .map(|id| json!({"id": id, "type": "function", "function": {"name": "lookup", "arguments": "{\"q\":\"x\"}"}}))
        .collect();
    let mut messages = vec![
        json!({"role": "user", "content": "hi"}),
        json!({"role": "assistant", "content": null, "tool_calls": calls}),
    ];
    messages.extend(answered.iter().map(|id| json!({"role": "tool", "tool_call_id": id, "content": "ok"})));
    messages.extend(then);
    with("/messages", Value::Array(messages))
}

#[test]
fn every_call_needs_its_answer() {
    let asked = called(&["a", "b"], &["b", "a"], None).expect("both are answered");
    let Last::Tools(results) = asked.last else { panic!("the tools come last") };
    assert_eq!(results.iter().map(|result| result.call.id.as_str()).collect::<Vec<_>>(), ["b", "a"]);
    assert_eq!(results[0].call.arguments, json!({"q": "x"}));
    for (ids, answered, then, why) in [
        (&["a", "b"][..], &["a"][..], None, "did not have response messages: b"),
        (&["a"], &[], Some(json!({"role": "user", "content": "and?"})), "did not have response messages: a"),
        (&["a"], &["a", "a"], None, "must be a response"),
        (&["a"], &["c"], None, "must be a response"),
        (&["a", "a"], &["a"], None, "same id"),
        (&[], &[], None, "one or more"),
    ] {
        let problem = called(ids, answered, then).expect_err(why);
        assert!(problem.status == 400 && problem.message.contains(why), "{}", problem.message);
    }
}

#[test]
fn images_are_looked_at() {
    let image = |url: &str, detail: &str| {
        let part = json!({"type": "image_url", "image_url": {"url": url, "detail": detail}});
        with("/messages/1/content", json!([{"type": "text", "text": "What is this?"}, part]))
    };
    let asked = image("data:image/jpeg;base64,/9j/4A==", "low").expect("an image");
    assert_eq!(asked.last, Last::User("What is this?".to_owned(), Some(4)));
    for (url, detail) in [
        ("data:image/bmp;base64,AAAA", "low"),
        ("data:image/png;base64,!", "low"),
        ("data:image/png;base64,AAAA", "tiny"),
        ("x", "low"),
    ] {
        assert!(image(url, detail).is_err(), "{url}");
    }
}

proptest! {
    /// Whatever is in the request, it is answered.
    #[test]
    fn no_json_makes_it_panic(depth in 0usize..6, text in ".{0,20}", number in any::<i64>()) {
        let odd = [json!(null), json!(text), json!(number), json!([text]), json!({"role": text}), json!([{"role": "tool", "content": text}])];
        for pointer in ["/model", "/messages", "/messages/0", "/messages/1/content", "/tools", "/tools/0", "/tools/0/function", "/tools/0/function/parameters", "/tool_choice", "/stop", "/stream_options"] {
            let _any_answer = with(pointer, odd[depth].clone());
        }
    }
}
