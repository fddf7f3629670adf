//! What was answered and spoken before is not paid for again.

use voice_core::provider::Stage;
use voice_sim::drill::Says;
use voice_sim::provider::Service;

use super::super::process::{Home, eventually};
use super::lane::{Lane, SETTINGS};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_same_question_is_answered_and_spoken_from_memory() {
    let settings = SETTINGS.map(|(name, value)| (name, if name == "COST_VOICE_CACHE_S" { "300" } else { value }));
    let home = Home::with(settings).await;
    let lane = Lane::start(&home, "again").await;
    // The model that is not served any more is probed now and then.
    let asked = || {
        let entries = lane.providers.journal().of(Service::Chat);
        entries.into_iter().filter(|entry| entry.model.as_deref() == Some("gpt-4o-mini")).count()
    };
    // With something on the list the answer is cut at its colon while the model goes on: it is spoken in two pieces.
    lane.drill.call(Says::Task, None, "ada").await.unwrap();
    let voice = "voice_spend_nanousd_total{stage=\"tts\",provider=\"cartesia\",wasted=\"false\"}";
    let before = lane.server.metric(voice).await;
    let first = lane.drill.call(Says::List, None, "ada").await.unwrap();
    assert!(first.heard.contains("milk") && first.heard == first.caption, "{first:?}");
    let (models, heard, spoken) = (asked(), first.heard.clone(), lane.server.metric(voice).await);
    assert!(spoken > before, "{spoken}");
    let again = lane.drill.call(Says::List, None, "ada").await.unwrap();
    assert_eq!((again.heard.as_str(), again.caption.as_str()), (heard.as_str(), first.caption.as_str()));
    assert_eq!(asked(), models, "no model was asked");
    assert_eq!(again.voices, first.voices);
    assert_eq!(lane.server.metric(voice).await, spoken, "no voice was paid the second time");
    assert!(again.spent_nanousd < first.spent_nanousd, "{} of {}", again.spent_nanousd, first.spent_nanousd);
    for metric in ["voice_answer_cache_total{result=\"hit\"}", "voice_speech_cache_total{result=\"hit\"}"] {
        assert!(lane.server.metric(metric).await >= 1.0, "{metric}");
    }
    assert!(lane.reasons(Stage::Tts, &again.session).is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_new_task_takes_one_request_where_the_model_says_at_once_what_is_to_be_heard() {
    let mut told = Vec::new();
    for (ahead, requests) in [(true, 1), (false, 2)] {
        let instead = |(name, value)| {
            if name == "COST_VOICE_CACHE_S" { ("OPENAI_SAY_WITH_CALL", "false") } else { (name, value) }
        };
        let settings = if ahead { SETTINGS } else { SETTINGS.map(instead) };
        let home = Home::with(settings).await;
        let mut lane = Lane::start(&home, "ahead").await;
        let outcome = lane.hear(Says::Task).await;
        let entries = lane.providers.journal().of(Service::Chat);
        // The model that is not served any more is probed now and then.
        let asked = entries.iter().filter(|entry| entry.model.as_deref() == Some("gpt-4o-mini"));
        assert_eq!((asked.count(), lane.providers.journal().count(Service::Chat, "tool_call")), (requests, 1));
        let tokens = "voice_spend_nanousd_total{stage=\"llm\",provider=\"openai\",wasted=\"false\"}";
        told.push((outcome.heard, lane.server.metric(tokens).await));
    }
    let [(ahead, ahead_spent), (after, after_spent)] = &told[..] else { panic!("{told:?}") };
    assert!(ahead == after && !ahead.is_empty(), "the caller hears the same: {told:?}");
    assert!(*ahead_spent < 0.6 * after_spent, "{told:?}");
}

/// A ceiling that is not reached by listening (some 130,000 nano-dollars a second), and passed by the first answer (three words of 0.32 s, 128,000
/// each): it is said to its end, and then the goodbye, and the call is over.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_that_has_spent_its_ceiling_is_ended_with_a_word() {
    let home = Home::with(SETTINGS).await;
    let mut lane = Lane::start_with(&home, "ceiling", &[("COST_CALL_NANOUSD", "600000")], |_, value| value).await;
    let outcome = lane.hear(Says::Task).await;
    assert!(outcome.heard.starts_with("added buy milk"), "the answer is heard whole: {outcome:?}");
    eventually("it is closed for its own ceiling", async || {
        lane.server.metric("voice_cost_steps_total{step=\"close\",ceiling=\"call\"}").await == 1.0
    })
    .await;
    let steps = lane.server.logged("the call saves money");
    assert!(steps.iter().any(|line| line["session"] == outcome.session.as_str()), "{steps:?}");
}

/// What a typed conversation costs is bounded in the same way, with a saving step before.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_gets_shorter_answers_before_it_is_closed() {
    let home = Home::with(SETTINGS).await;
    let lane = Lane::start_with(&home, "steps", &[("COST_CALL_NANOUSD", "400000")], |_, value| value).await;
    let ada = lane.server.user("ada").await;
    let steps = async |step: &str| {
        lane.server.metric(&format!("voice_cost_steps_total{{step=\"{step}\",ceiling=\"call\"}}")).await
    };
    let mut replies = Vec::new();
    for number in 1..=20 {
        if steps("close").await > 0.0 {
            break;
        }
        replies.push(lane.server.reply(&ada, &format!("Tell me about cake number {number}")).await);
    }
    assert_eq!(steps("close").await, 1.0, "{replies:?}");
    assert!(replies.len() > 1 && replies.iter().all(|reply| !reply.is_empty()), "{replies:?}");
    assert!(steps("brief").await + steps("cheap").await >= 1.0, "it saved first");
    // Who only types is told with the next answer.
    let last = lane.server.reply(&ada, "Tell me about one more cake").await;
    assert!(last.ends_with("Goodbye."), "{last}");
    lane.server.is_over(&ada).await;
}
