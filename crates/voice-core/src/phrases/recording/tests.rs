use super::*;

#[test]
fn stop_recording_is_heard_in_many_forms() {
    for text in [
        "Stop recording.",
        "stop recording",
        "Please, stop the recording!",
        "Could you stop recording this call, please?",
        "No, wait. Stop recording now.",
        "I want you to turn off recording",
        "Don't record this.",
        "I'd like you to stop recording, please",
        "don't record me",
        "I don't want to be recorded",
        "no more recording",
        "quit recording",
        "end the recording",
        "pause recording",
        "stop recoding",
        "Turn the recording off please",
        "I no longer want to be recorded",
        "I would rather not be recorded",
        "please do not record our conversation",
        "stop taping me",
        "Okay, no recording",
        "hey, uh, stop, um, recording",
        "stop, recording",
        "stop... recording",
        "Stop the, erm, recording.",
        "please don't, uh, record me",
        "are you recording this? please don't",
        "Are you recording? I don't want that.",
        "I withdraw my consent",
        "I withdraw consent.",
        "I revoke consent",
        "I'd like to revoke my permission, please",
        "I take back my consent",
        "I do not consent to being recorded",
        "I no longer consent",
        "I changed my mind about recording",
        "I've changed my mind about the recording",
        "opt out of recording",
        "I want to opt out of being recorded",
        "forget the recording",
        "please delete the recording",
        "remove this recording",
        "stop the record in",
        "stop re-cording",
        "stop the tape",
        "turn the tape off",
        "stop saving my voice",
        "don't keep my voice",
    ] {
        assert!(is_stop_recording(text), "{text}");
        assert!(asks_to_stop_recording(text), "{text}");
    }
}

#[test]
fn it_is_heard_as_a_wish_a_duty_or_a_question_too() {
    for text in [
        "Stop the call recording.",
        "Turn off call recording please",
        "I don't want this call recorded",
        "I don't want this call to be recorded.",
        "I need you to stop recording",
        "You need to stop recording",
        "You must stop recording now",
        "Please make it stop recording",
        "Is it possible to stop recording?",
        "Is there a way to stop recording",
        "Do you mind not recording this?",
        "Would you mind stopping the recording?",
        "You have to stop recording me",
        "You must not record this",
        "I need the recording to stop",
        "I don't need this call recorded",
        "I'd like to have the recording stopped",
        "Can I have this call recording turned off, please?",
        "Are you able to stop recording?",
        "How do I stop recording?",
        "What do I have to do to stop recording?",
        "What if I don't want to be recorded?",
        "Please note that I don't want to be recorded",
        "Make sure you don't record this",
        "Put a stop to this recording",
        "You don't have my permission to record me",
        "I have the right not to be recorded",
        "The recording must stop",
        "Stop recording everything I say",
        "Stop recording this phone call",
        "Do stop recording, please",
        "You're recording this? Please don't.",
        "Isn't it possible to stop recording?",
        "I'm not comfortable being recorded",
    ] {
        assert!(is_stop_recording(text), "{text}");
        assert!(asks_to_stop_recording(text), "{text}");
    }
}

#[test]
fn a_title_that_holds_the_phrase_is_no_request() {
    for text in [
        "Add a task to stop recording the show",
        "Remind me to stop recording podcasts",
        "remind me to stop recording",
        "What did we stop recording?",
        "Add buy tape, record the show and call Bob",
        "are you recording me?",
        "is this call being recorded?",
        "I need to stop recording at five",
        "rename it to stop recording",
        "unstop recording",
        "add record the podcast",
        "remind me to stop, um, recording podcasts",
        "remind me to stop re-cording podcasts",
        "Add bus stop, recording studio and milk",
        "remind me to delete the recording",
        "delete the recording studio task",
        "I have to delete the recording",
        "don't forget the recording",
        "delete recording",
        "remind me to withdraw my consent",
        "I consent to recording",
        "I give my consent",
        "opt in to recording",
        "add buy the tape",
        "save my voice notes",
        "add stop saving my voice",
        "are you recording this? I don't mind",
        "did you stop recording?",
        "call the studio to stop recording",
        "I want to call Bob to stop recording",
        "I need to stop recording",
        "you don't need to stop recording",
        "there's no need to stop recording",
        "note to stop recording",
        "make a task to stop recording",
        "add make it stop recording",
        "remind me that you need to stop recording",
        "remember to stop recording",
        "I don't have the recording",
        "I need the recording",
        "no I need the recording",
        "delete the call recording task",
        "is there a way to record this?",
        "is there no way to record this?",
        "do you mind recording this?",
        "how did you stop recording?",
        "turn on the recording",
        "switch the recording on, please",
        "are you recording or not?",
        "the recording is off",
        "",
    ] {
        assert!(!asks_to_stop_recording(text), "{text}");
        assert!(!is_stop_recording(text), "{text}");
    }
}

#[test]
fn an_objection_for_good_is_told_from_one_to_this_recording() {
    for text in [
        "Don't record me again",
        "do not record me again, please",
        "never record me",
        "Please never record my calls.",
        "stop recording my calls",
        "don't ever record me",
        "do not record me in the future",
        "I opt out of recording",
        "I want to opt out of being recorded",
        "Add milk. Don't record me again.",
        "no more recordings of my calls",
        "I need you to never record me again",
        "You must never record my calls",
    ] {
        assert!(opts_out(text) && asks_to_stop_recording(text), "{text}");
    }
    for text in [
        "stop recording",
        "stop recording again",
        "don't record this",
        "I never record podcasts",
        "remind me to never record again",
        "did you ever record me?",
        "add never record again",
        "I have never been recorded",
        "record me again",
        "",
    ] {
        assert!(!opts_out(text), "{text}");
    }
}

#[test]
fn one_clause_of_several_is_enough() {
    for (text, rest) in [
        ("Add milk. Stop recording.", "Add milk."),
        ("Stop recording! What is on my list?", "What is on my list?"),
        ("please stop recording and add buy milk", "add buy milk"),
        ("I don't want to be recorded, and then delete the dentist", "delete the dentist"),
        ("add buy milk and stop recording", "add buy milk"),
        ("Add buy milk, and stop, um, recording", "Add buy milk"),
        ("Add buy milk, I withdraw my consent", "Add buy milk"),
        ("are you recording this? Please don't. What's on my list?", "What's on my list?"),
        ("Stop recording or I'll hang up", "I'll hang up"),
        ("I need you to stop recording, and add milk", "add milk"),
        ("Stop the call recording and call Bob", "call Bob"),
        ("Stop recording, please. Call John tomorrow, at five.", "Call John tomorrow, at five."),
    ] {
        assert!(asks_to_stop_recording(text) && !is_stop_recording(text), "{text}");
        assert_eq!(without_stop_recording(text), rest, "{text}");
    }
    assert!(!asks_to_stop_recording("Add milk. Remind me to stop recording podcasts."));
    assert_eq!(without_stop_recording("stop recording please"), "");
}
