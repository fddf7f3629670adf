//! Answers.

use super::*;

/// What a stream comes to: its events, and how it failed.
type Outcome = (Vec<LlmEvent>, Option<ProviderFailure>);

/// Decodes a stream, cut into pieces of this size, to its end.
fn decode(stream: &str, piece: usize) -> Outcome {
    let (mut sse, mut decoder) = (SseDecoder::default(), AnswerDecoder::new(400));
    let mut data = Vec::new();
    for bytes in stream.as_bytes().chunks(piece) {
        sse.handle_bytes(bytes, &mut data).unwrap();
    }
    sse.handle_end(&mut data).unwrap();
    let failed = data.iter().try_for_each(|data| decoder.handle_data(data)).and_then(|()| decoder.handle_end());
    (std::iter::from_fn(|| decoder.poll_event()).collect(), failed.err())
}

fn outcome(stream: &str) -> Outcome {
    let whole = decode(stream, usize::MAX);
    assert_eq!(decode(stream, 1), whole, "byte by byte");
    whole
}

/// The events of a stream that does not fail.
fn events(stream: &str) -> Vec<LlmEvent> {
    let (events, failure) = outcome(stream);
    assert_eq!(failure, None, "{events:?}");
    events
}

fn failed(kind: ProviderErrorKind) -> Outcome {
    (Vec::new(), Some(kind.into()))
}

fn text(text: &str) -> LlmEvent {
    LlmEvent::Text(text.to_owned())
}

fn call(name: &str, arguments: Value) -> LlmEvent {
    let Value::Object(arguments) = arguments else { panic!("{arguments}") };
    LlmEvent::ToolCall { name: name.to_owned(), arguments }
}

fn done(input_tokens: u64, cached_tokens: u64, output_tokens: u64) -> LlmEvent {
    LlmEvent::Done { input_tokens, cached_tokens, output_tokens }
}

/// A stream of these choices' deltas, a `finish_reason` and the end.
fn stream(deltas: &[Value], finish_reason: &str) -> String {
    let delta = |delta: &Value| json!({"choices": [{"index": 0, "delta": delta, "finish_reason": null}]});
    let last = json!({"choices": [{"index": 0, "delta": {}, "finish_reason": finish_reason}]});
    let usage = json!({"choices": [], "usage": {"prompt_tokens": 9, "completion_tokens": 3}});
    let lines = deltas.iter().map(delta).chain([last, usage]).map(|chunk| format!("data: {chunk}\n\n"));
    lines.collect::<String>() + "data: [DONE]\n\n"
}

/// What a stream with these pieces of tool calls comes to.
fn calls(pieces: &[Value]) -> Vec<LlmEvent> {
    let deltas: Vec<Value> = pieces.iter().map(|piece| json!({"tool_calls": [piece]})).collect();
    let mut events = events(&stream(&deltas, "tool_calls"));
    assert_eq!(events.pop(), Some(done(9, 0, 3)));
    events
}

#[test]
fn text_comes_as_it_is_written() {
    let expected = vec![text("Hel"), text("lo."), done(50, 0, 9)];
    assert_eq!(events(include_str!("../../fixtures/text.sse")), expected);
    let without_space = include_str!("../../fixtures/text.sse").replace("data: ", "data:");
    assert_eq!(events(&without_space), expected);
    let crlf = include_str!("../../fixtures/text.sse").replace('\n', "\r\n");
    assert_eq!(events(&crlf), expected);
}

#[test]
fn a_tool_call_comes_when_it_is_whole() {
    let expected = vec![call("lookup", json!({"q": "milk"})), done(50, 32, 9)];
    assert_eq!(events(include_str!("../../fixtures/tool_call.sse")), expected);
}

#[test]
fn what_is_to_be_said_after_a_call_comes_while_it_is_written() {
    let begun = json!({"index": 0, "id": "a", "function": {"name": "add_task", "arguments": ""}});
    let pieces = |arguments: &[&str]| -> Vec<Value> {
        let more = arguments.iter().map(|text| json!({"index": 0, "function": {"arguments": text}}));
        std::iter::once(begun.clone()).chain(more).collect()
    };
    let whole = call("add_task", json!({"due": 7, "say": "Added \"Milk\" \u{1F95B}.", "title": "Milk"}));
    let words = LlmEvent::WordsAhead("Added \"Milk\" \u{1F95B}.".to_owned());
    let split =
        ["{\"due\": 7", ", \"say\": \"Added \\\"Milk\\", "\" \\ud83e", "\\udd5b.\"", ", \"title\": \"Mi", "lk\"}"];
    let deltas: Vec<Value> = pieces(&split).iter().map(|piece| json!({"tool_calls": [piece]})).collect();
    assert_eq!(events(&stream(&deltas, "tool_calls")), [words, whole.clone(), done(9, 0, 3)]);
    // With the last piece of the call they come in it; what is no string of its own is none.
    assert_eq!(calls(&pieces(&[&split.concat()])), [whole]);
    for arguments in [
        ["{\"say\": 7, \"title\": ", "\"Milk\"}"],
        ["{\"title\": {\"say\": \"Added.\"}, \"due\": ", "1}"],
        ["{\"title\": \"say\", \"due\": \"Added.\"", ", \"on\": 1}"],
        ["{\"title\": \"Milk\", \"sa", "y\": \"Added.\"}"],
    ] {
        let events = calls(&pieces(&arguments));
        assert!(matches!(events[..], [LlmEvent::ToolCall { .. }]), "{events:?}");
    }
    // Only the tool that was offered room for them has any: which task others name, their answer tells.
    let [of_another, rest] = ["{\"say\": \"Done.\", ", "\"title\": \"milk\"}"];
    let other =
        |arguments: &str| json!({"index": 0, "id": "a", "function": {"name": "complete_task", "arguments": arguments}});
    let more = json!({"index": 0, "function": {"arguments": rest}});
    assert_eq!(calls(&[other(of_another), more]), [call("complete_task", json!({"title": "milk"}))]);
    // Of a second call there are none: it may be told of with the first one's.
    let second = [
        json!({"index": 0, "id": "a", "function": {"name": "undo", "arguments": "{}"}}),
        json!({"index": 1, "id": "b", "function": {"name": "add_task", "arguments": "{\"say\": \"Added.\", "}}),
        json!({"index": 1, "function": {"arguments": "\"title\": \"Milk\"}"}}),
    ];
    assert!(calls(&second).iter().all(|event| matches!(event, LlmEvent::ToolCall { .. })));
}

#[test]
fn several_calls_come_in_order_each_as_soon_as_it_is_whole() {
    let stream = include_str!("../../fixtures/two_calls.sse");
    let first = call("add_task", json!({"title": "Buy milk"}));
    let second = call("add_task", json!({"title": "Call John", "due": "2026-11-27"}));
    assert_eq!(events(stream), [text("Okay. "), first.clone(), second.clone(), done(80, 0, 44)]);
    // The first is there when the second has only begun.
    let (until, _) = stream.split_once("\\\"due\\\"").unwrap();
    let (early, failure) = decode(until.rsplit_once("data:").unwrap().0, usize::MAX);
    assert_eq!(early, [text("Okay. "), first]);
    assert_eq!(failure, Some(ProviderErrorKind::Disconnected.into()));
}

#[test]
fn an_index_may_be_missing_or_always_0_or_begin_at_1() {
    let expected = [call("undo", json!({})), call("add_task", json!({"title": "Buy milk"}))];
    for (first, second) in
        [(json!(null), json!(null)), (json!(0), json!(0)), (json!(1), json!(2)), (json!(7), json!(3))]
    {
        let pieces = [
            json!({"index": first, "id": "a", "function": {"name": "undo", "arguments": "{}"}}),
            json!({"index": second, "id": "b", "function": {"name": "add_task", "arguments": ""}}),
            json!({"index": second, "function": {"arguments": "{\"title\":"}}),
            json!({"index": second, "function": {"arguments": "\"Buy milk\"}"}}),
        ];
        assert_eq!(calls(&pieces), expected, "{first} {second}");
    }
}

#[test]
fn several_whole_calls_may_come_in_one_event() {
    let expected = [call("add_task", json!({"title": "a"})), call("add_task", json!({"title": "b"})), done(31, 0, 22)];
    assert_eq!(events(include_str!("../../fixtures/ollama_calls.sse")), expected);
    // Nor need they have ids.
    let whole = |title: &str| json!({"index": 0, "function": {"name": "add_task", "arguments": json!({"title": title}).to_string()}});
    assert_eq!(calls(&[whole("a"), whole("b")]), expected[..2]);
    // Or all the same one.
    let mut same = [whole("a"), whole("b")];
    same.iter_mut().for_each(|call| call["id"] = json!("call_0"));
    assert_eq!(calls(&same), expected[..2]);
}

#[test]
fn what_later_pieces_leave_out_or_repeat_is_kept() {
    let expected = [call("add_task", json!({"title": "Buy milk"}))];
    let later = [
        json!({"index": 0, "id": "", "type": "function", "function": {"name": "", "arguments": "{\"title\":"}}),
        json!({"index": 0, "id": null, "function": {"name": null, "arguments": "{\"title\":"}}),
        json!({"index": 0, "id": "a", "function": {"name": "add_task", "arguments": "{\"title\":"}}),
        json!({"function": {"arguments": "{\"title\":"}}),
    ];
    for piece in later {
        let first = json!({"index": 0, "id": "a", "function": {"name": "add_task", "arguments": ""}});
        let mut first_without_index = first.clone();
        if piece.get("index").is_none() {
            first_without_index.as_object_mut().unwrap().remove("index");
        }
        let mut last = piece.clone();
        last["function"]["arguments"] = json!("\"Buy milk\"}");
        assert_eq!(calls(&[first_without_index, piece.clone(), last]), expected, "{piece}");
    }
    // A last piece that repeats the name and adds nothing is no other call.
    let whole =
        json!({"index": 0, "id": "a", "function": {"name": "add_task", "arguments": "{\"title\":\"Buy milk\"}"}});
    let repeated = json!({"index": 0, "id": "a", "function": {"name": "add_task", "arguments": ""}});
    assert_eq!(calls(&[whole, repeated]), expected);
}

#[test]
fn no_arguments_are_an_empty_object() {
    for arguments in [json!(""), json!(" "), json!("{}"), json!("null"), json!(null), json!({})] {
        let piece = json!({"index": 0, "id": "a", "function": {"name": "undo", "arguments": arguments}});
        assert_eq!(calls(&[piece]), [call("undo", json!({}))], "{arguments}");
    }
    assert_eq!(calls(&[json!({"index": 0, "function": {"name": "undo"}})]), [call("undo", json!({}))]);
    // Calls without arguments that are announced before they come.
    let pieces = [
        json!({"index": 0, "id": "a", "function": {"name": "undo", "arguments": ""}}),
        json!({"index": 1, "id": "b", "function": {"name": "add_task", "arguments": ""}}),
        json!({"index": 1, "function": {"arguments": "{\"title\":\"x\"}"}}),
        json!({"index": 0, "function": {"arguments": "{}"}}),
    ];
    assert_eq!(calls(&pieces), [call("undo", json!({})), call("add_task", json!({"title": "x"}))]);
}

#[test]
fn arguments_may_be_an_object() {
    let piece = json!({"index": 0, "id": "a", "function": {"name": "add_task", "arguments": {"title": "x"}}});
    assert_eq!(calls(&[piece]), [call("add_task", json!({"title": "x"}))]);
}

#[test]
fn a_place_that_is_never_filled_is_no_call() {
    let blank = json!({"index": 0, "id": "", "function": {"name": "", "arguments": ""}});
    let call_at_1 = json!({"index": 1, "id": "a", "function": {"name": "undo", "arguments": "{}"}});
    assert_eq!(calls(&[blank, call_at_1]), [call("undo", json!({}))]);
}

#[test]
fn calls_count_whatever_the_reason_says() {
    let piece = json!({"index": 0, "id": "a", "function": {"name": "undo", "arguments": "{}"}});
    let deltas = [json!({"tool_calls": [piece]})];
    for reason in ["stop", "tool_calls", "function_call", "something_new"] {
        assert_eq!(events(&stream(&deltas, reason)), [call("undo", json!({})), done(9, 0, 3)], "{reason}");
    }
}

#[test]
fn half_a_call_is_none() {
    let unusable = failed(ProviderErrorKind::Unusable);
    assert_eq!(outcome(include_str!("../../fixtures/length_in_call.sse")), unusable);
    // Even if what came of it looks whole.
    let whole = json!({"index": 0, "id": "a", "function": {"name": "set_due", "arguments": "{\"due\":null}"}});
    assert_eq!(outcome(&stream(&[json!({"tool_calls": [whole]})], "length")), unusable);
    for arguments in ["{\"title\":\"Bu", "[]", "\"x\"", "7", "{} {}", "{}}"] {
        let piece = json!({"index": 0, "id": "a", "function": {"name": "add_task", "arguments": arguments}});
        assert_eq!(outcome(&stream(&[json!({"tool_calls": [piece]})], "tool_calls")), unusable, "{arguments}");
    }
    let nameless = json!({"index": 0, "id": "a", "function": {"arguments": "{}"}});
    assert_eq!(outcome(&stream(&[json!({"tool_calls": [nameless]})], "tool_calls")), unusable);
}

#[test]
fn more_of_a_call_that_was_given_out_is_a_failure() {
    let pieces = [
        json!({"tool_calls": [{"index": 0, "id": "a", "function": {"name": "add_task", "arguments": "{\"title\":\"x\"}"}}]}),
        json!({"tool_calls": [{"index": 1, "id": "b", "function": {"name": "undo", "arguments": "{}"}}]}),
        json!({"tool_calls": [{"index": 0, "function": {"arguments": ",\"due\":null}"}}]}),
    ];
    let expected = (vec![call("add_task", json!({"title": "x"}))], Some(ProviderErrorKind::Unusable.into()));
    assert_eq!(outcome(&stream(&pieces, "tool_calls")), expected);
}

#[test]
fn calls_are_bounded() {
    let unusable = Some(ProviderErrorKind::Unusable.into());
    let begun = |index: usize| json!({"index": index, "id": format!("c{index}"), "function": {"name": "undo"}});
    let many: Vec<Value> = (0..65).map(|index| json!({"tool_calls": [begun(index)]})).collect();
    assert_eq!(decode(&stream(&many, "tool_calls"), usize::MAX).1, unusable);
    assert_eq!(calls(&(0..64).map(begun).collect::<Vec<_>>()).len(), 64);
    let piece = json!({"tool_calls": [{"index": 0, "function": {"name": "x", "arguments": " ".repeat(1_024)}}]});
    assert_eq!(decode(&stream(&vec![piece; 65], "tool_calls"), usize::MAX).1, unusable);
}

#[test]
fn events_without_a_choice_or_a_delta_are_passed_over() {
    let expected = [text("Hi."), done(20, 0, 2)];
    assert_eq!(events(include_str!("../../fixtures/empty_choices.sse")), expected);
    assert_eq!(events(include_str!("../../fixtures/azure_filter.sse")), expected);
}

#[test]
fn of_usage_that_grows_the_last_counts() {
    assert_eq!(
        events(include_str!("../../fixtures/cumulative_usage.sse")),
        [text("One"), text(" two."), done(20, 4, 5)]
    );
}

#[test]
fn usage_that_is_not_told_is_estimated() {
    let told = events(include_str!("../../fixtures/no_usage.sse"));
    // 400 characters were asked, 10 were said.
    assert_eq!(told, [text("Hello you."), done(100, 0, 3)]);
}

#[test]
fn thoughts_are_not_spoken() {
    assert_eq!(events(include_str!("../../fixtures/think.sse")), [text("It is"), text(" done."), done(9, 0, 30)]);
    let only_thoughts = stream(&[json!({"content": "<think>Hm."})], "stop");
    assert_eq!(outcome(&only_thoughts), failed(ProviderErrorKind::Protocol));
    let reasoning = stream(&[json!({"reasoning_content": "Hm."}), json!({"content": "Yes."})], "stop");
    assert_eq!(events(&reasoning), [text("Yes."), done(9, 0, 3)]);
    // What looked like a tag is spoken before what comes behind it.
    let piece = json!({"index": 0, "id": "a", "function": {"name": "undo", "arguments": "{}"}});
    let before_a_call = stream(&[json!({"content": "1 <"}), json!({"tool_calls": [piece]})], "tool_calls");
    assert_eq!(events(&before_a_call), [text("1 "), text("<"), call("undo", json!({})), done(9, 0, 3)]);
}

#[test]
fn a_refusal_is_spoken() {
    assert_eq!(events(include_str!("../../fixtures/refusal.sse")), [text("I can't"), text(" do that."), done(9, 0, 6)]);
}

#[test]
fn content_may_be_a_list_of_parts() {
    let parts = json!({"content": [{"type": "thinking", "thinking": []}, {"type": "text", "text": "Hi."}]});
    assert_eq!(events(&stream(&[parts], "stop")), [text("Hi."), done(9, 0, 3)]);
    assert_eq!(outcome(&stream(&[json!({"content": 7})], "stop")), failed(ProviderErrorKind::Protocol));
}

#[test]
fn an_error_in_the_stream_is_the_providers_failure() {
    let rate_limited = ProviderFailure { kind: ProviderErrorKind::RateLimited, retry_after_ms: Some(1_574) };
    assert_eq!(outcome(include_str!("../../fixtures/error.sse")), (vec![text("Hel")], Some(rate_limited)));
    let null = "data: {\"error\":null,\"choices\":[{\"delta\":{\"content\":\"Hi.\"},\"finish_reason\":\"stop\"}]}\n\n";
    assert_eq!(events(null), [text("Hi."), done(100, 0, 1)]);
}

#[test]
fn a_stream_that_breaks_off_is_disconnected() {
    let (whole, _) = include_str!("../../fixtures/text.sse").split_once("\"finish_reason\":\"stop\"").unwrap();
    let (events, failure) = decode(whole.rsplit_once("data:").unwrap().0, usize::MAX);
    assert_eq!(events, [text("Hel"), text("lo.")]);
    assert_eq!(failure, Some(ProviderErrorKind::Disconnected.into()));
    assert_eq!(outcome(""), failed(ProviderErrorKind::Disconnected));
    assert_eq!(outcome(": keep-alive\n\n"), failed(ProviderErrorKind::Disconnected));
}

#[test]
fn either_end_will_do() {
    // A reason without `[DONE]`, and `[DONE]` without a reason.
    let reason = "data: {\"choices\":[{\"delta\":{\"content\":\"Hi.\"},\"finish_reason\":\"stop\"}]}\n\n";
    assert_eq!(events(reason), [text("Hi."), done(100, 0, 1)]);
    let done_only =
        "data: {\"choices\":[{\"delta\":{\"content\":\"Hi.\"},\"finish_reason\":\"\"}]}\n\ndata: [DONE]\n\n";
    assert_eq!(events(done_only), [text("Hi."), done(100, 0, 1)]);
    // Nothing follows the end.
    assert_eq!(events(&format!("{done_only}data: nonsense\n\n")), [text("Hi."), done(100, 0, 1)]);
}

#[test]
fn an_answer_without_words_and_calls_is_a_failure() {
    let protocol = failed(ProviderErrorKind::Protocol);
    assert_eq!(outcome("data: [DONE]\n\n"), protocol);
    assert_eq!(outcome(&stream(&[], "stop")), protocol);
    assert_eq!(outcome(&stream(&[json!({"role": "assistant", "content": ""})], "stop")), protocol);
    for withheld in ["content_filter", "length"] {
        assert_eq!(outcome(&stream(&[], withheld)), failed(ProviderErrorKind::Unusable), "{withheld}");
    }
    let spaces = outcome(&stream(&[json!({"content": " \n"})], "stop"));
    assert_eq!(spaces, (vec![text(" \n")], Some(ProviderErrorKind::Protocol.into())));
}

#[test]
fn text_that_was_too_long_is_text() {
    assert_eq!(events(&stream(&[json!({"content": "One two"})], "length")), [text("One two"), done(9, 0, 3)]);
}

#[test]
fn what_is_not_the_protocol_is_a_failure() {
    for data in ["{", "<html>", "7", "\"x\"", r#"{"choices":7}"#, r#"{"choices":[{"delta":{"tool_calls":{}}}]}"#] {
        assert_eq!(outcome(&format!("data: {data}\n\n")), failed(ProviderErrorKind::Protocol), "{data}");
    }
}

#[test]
fn unknown_fields_and_choices_are_passed_over() {
    let other_choice = "data: {\"choices\":[{\"index\":1,\"delta\":{\"content\":\"No.\"}}],\"new\":{}}\n\n";
    let known = stream(&[json!({"content": "Yes.", "audio": null, "new": [1]})], "stop");
    assert_eq!(events(&format!("{other_choice}{known}")), [text("Yes."), done(9, 0, 3)]);
}

proptest! {
    #[test]
    fn arbitrary_events_never_panic(lines in prop::collection::vec("(\\[DONE\\]|\\{\"choices\":.{0,40}|.{0,40})", 0..8)) {
        let stream: String = lines.iter().map(|line| format!("data: {line}\n\n")).collect();
        let (events, failure) = decode(&stream, usize::MAX);
        let has_ended = matches!(events.last(), Some(LlmEvent::Done { .. }));
        prop_assert_eq!(has_ended, failure.is_none());
    }

    #[test]
    fn however_arguments_are_cut_the_call_is_the_same(
        title in "\\PC{0,20}",
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..5),
    ) {
        let arguments: Vec<char> = json!({"title": title}).to_string().chars().collect();
        let mut at: Vec<usize> = cuts.iter().map(|cut| cut.index(arguments.len())).collect();
        at.extend([0, arguments.len()]);
        at.sort_unstable();
        let mut pieces = vec![json!({"index": 0, "id": "a", "function": {"name": "add_task", "arguments": ""}})];
        pieces.extend(at.windows(2).map(|pair| {
            let piece: String = arguments[pair[0]..pair[1]].iter().collect();
            json!({"index": 0, "function": {"arguments": piece}})
        }));
        prop_assert_eq!(calls(&pieces), vec![call("add_task", json!({"title": title}))]);
    }
}
