//! Callers by browser: a task, a shared screen, a kill in mid-call, a provider that fails in a call.

use std::pin::pin;
use std::sync::atomic::Ordering;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};
use voice_caller::browser::{Call, CallError, Session};

use super::criterion::{Evidence, Halt};
use super::deployment::Deployment;
use super::order;
use super::prometheus::Prometheus;
use super::web::Web;

/// A page with a known issue on it: `web/e2e/pages/issue.html`.
const SCREEN: &[u8] = include_bytes!("../../../tests/fixtures/screen/issue.webp");
/// What a task of that page says, whoever reads it.
const ON_SCREEN: &str = "refund";
/// What a session says that an unplanned loss interrupted.
const BACK: &str = "I'm back. We were discussing your task list. Where were we?";
/// The close code of a session that was handed over.
const HANDED_OVER: u16 = 4_007;
/// Longest wait for the connection to be lost, once the command has ended.
const UNTIL_LOST: Duration = Duration::from_secs(90);
/// Longest wait to be connected again: a pod may have to start.
const UNTIL_BACK: Duration = Duration::from_secs(180);
/// As the page waits before it comes back.
const BACKOFF_MS: [u64; 6] = [250, 500, 1_000, 2_000, 4_000, 5_000];
/// Longest wait for a counter to be scraped.
const UNTIL_SCRAPED: Duration = Duration::from_secs(120);

/// Browser channel: a task by voice.
pub(super) async fn browser(of: &Deployment, evidence: &mut Evidence) -> Result<(), Halt> {
    let talk = async |call: &mut Call, evidence: &mut Evidence| {
        add_task(of, call, "buy bread", evidence).await?;
        let document = call.session.document().await?;
        let cost = &document["context"]["cost"];
        let usd = |name: &str| cost[name].as_f64().unwrap_or_default();
        evidence.note(format!(
            "cost of the session: ${:.5}, ${:.4} a minute",
            usd("total_usd"),
            usd("cost_per_minute_usd")
        ));
        Ok(())
    };
    in_call(of, "browser", evidence, talk).await
}

/// Calls, talks, takes away what tasks came of it, and hangs up, whatever came of the talk.
async fn in_call(
    of: &Deployment,
    who: &str,
    evidence: &mut Evidence,
    talk: impl AsyncFnOnce(&mut Call, &mut Evidence) -> Result<()>,
) -> Result<(), Halt> {
    let mut call = of.call(who).await?;
    let talked = talk(&mut call, evidence).await;
    if let Err(error) = clear(&call.session).await {
        evidence.note(format!("what was put on the list could not be taken away: {error:#}"));
    }
    call.hang_up().await;
    Ok(talked?)
}

/// The list was empty before the call.
async fn clear(session: &Session) -> Result<()> {
    for (id, _) in session.tasks().await? {
        session.delete_task(&id).await?;
    }
    Ok(())
}

/// Says that this is to be done, and looks whether it is on the list.
async fn add_task(of: &Deployment, call: &mut Call, title: &str, evidence: &mut Evidence) -> Result<()> {
    let before = call.session.tasks().await?;
    ask(of, call, &format!("Add a task to {title}."), evidence).await?;
    let after = call.session.tasks().await?;
    let new = new_titles(&before, &after);
    evidence.note(format!("tasks before {}, after {}: new {new:?}", before.len(), after.len()));
    let found = new.iter().any(|new| new.to_lowercase().contains(title));
    evidence.check(found, format!("no task {title:?} is on the list"));
    Ok(())
}

fn new_titles(before: &[(String, String)], after: &[(String, String)]) -> Vec<String> {
    let is_new = |id: &str| !before.iter().any(|(known, _)| known == id);
    after.iter().filter(|(id, _)| is_new(id)).map(|(_, title)| title.clone()).collect()
}

/// Says a sentence, and tells what was understood, answered and heard.
async fn ask(of: &Deployment, call: &mut Call, sentence: &str, evidence: &mut Evidence) -> Result<()> {
    let speech = of.speaker.say(sentence).await?;
    let answered = call.say(&speech, of.args.patience()).await;
    let heard = &call.heard;
    let felt = heard.felt_ms.map_or_else(|| "never".to_owned(), |ms| format!("after {ms} ms"));
    evidence.note(format!(
        "session {}: understood {:?}, answered {:?}, heard {felt}, {} ms of sound",
        call.session.id,
        heard.transcript(),
        heard.caption(),
        heard.loud_ms()
    ));
    if let Some(turn) = &heard.turn {
        evidence.note(format!("the server's latency {} ms: {}", turn["latency_ms"], turn["stages"]));
    }
    ensure!(answered?, "{sentence:?} was not answered within {} s", of.args.patience().as_secs());
    evidence.check(heard.loud_ms() > 0, format!("nothing was heard in answer to {sentence:?}"));
    evidence.check(heard.fell_back.is_none(), "voice failed, and the caller was asked to type");
    Ok(())
}

/// Screen share: a picture with known contents, and a task from it.
pub(super) async fn screen(of: &Deployment, evidence: &mut Evidence) -> Result<(), Halt> {
    in_call(of, "screen", evidence, async |call, evidence| look(of, call, evidence).await).await
}

async fn look(of: &Deployment, call: &mut Call, evidence: &mut Evidence) -> Result<()> {
    call.until(of.args.patience(), |call| call.ready.is_some()).await?;
    let screens = call.ready.as_ref().is_some_and(|ready| ready["screens"] == true);
    ensure!(screens, "the server looks at no screens (`screen.enabled`)");
    let before = call.session.tasks().await?;
    call.share(SCREEN.to_vec()).await?;
    ask(of, call, "Create a task from this.", evidence).await?;
    evidence.check(call.heard.events.iter().any(|event| event == "look"), "the agent did not look");
    // A model that sees may say a word before it has made the task.
    let deadline = Instant::now() + of.args.patience();
    let mut new: Vec<String> = Vec::new();
    while new.is_empty() && Instant::now() < deadline {
        call.until(Duration::from_millis(500), |_| false).await?;
        new = new_titles(&before, &call.session.tasks().await?);
    }
    evidence.note(format!("a picture of {} bytes was shared; new tasks: {new:?}", SCREEN.len()));
    let found = new.iter().any(|title| title.to_lowercase().contains(ON_SCREEN));
    evidence.check(found, format!("no task from what is on the screen ({ON_SCREEN:?})"));
    let channel = call.session.document().await?["channel"].clone();
    evidence.check(channel == "screen_share", format!("the session's channel is {channel}"));
    Ok(())
}

/// Session persistence: an instance is killed in mid-call; the caller comes back, and nothing is forgotten.
pub(super) async fn persistence(of: &Deployment, evidence: &mut Evidence) -> Result<(), Halt> {
    let Some(command) = &of.args.kill_command else {
        return Err(Halt::NotRun("--kill-command does not say how an instance is killed".to_owned()));
    };
    in_call(of, "persistence", evidence, async |call, evidence| survives(of, command, call, evidence).await).await
}

async fn survives(of: &Deployment, command: &str, call: &mut Call, evidence: &mut Evidence) -> Result<()> {
    add_task(of, call, "read the report", evidence).await?;
    let before = call.session.document().await?;
    let id = call.session.id.clone();
    let variables = [("VOICE_SESSION_ID", id.as_str()), ("VOICE_URL", of.args.url.as_str())];
    let killing = order::run("--kill-command", command, &variables);
    let (_, (code, at)) = tokio::try_join!(killing, until_lost(call))?;
    let code_said = code.map_or_else(|| "without a word".to_owned(), |code| format!("with {code}"));
    come_back(call, code, at, evidence).await.with_context(|| format!("lost {code_said}"))?;
    evidence.note(format!("the connection was lost {code_said}"));
    if code == Some(HANDED_OVER) {
        handed_over(of.rehearsal().is_empty(), evidence);
    } else {
        let heard_out = call.hear_out(of.args.patience()).await.map_err(anyhow::Error::from)?;
        evidence.check(heard_out, "what the agent said to a caller who came back was not heard to its end");
        let said = call.heard.caption();
        evidence.note(format!("the agent said {said:?} when the caller was back"));
        evidence.check(said.contains(BACK), format!("the caller did not hear {BACK:?}"));
    }
    remembers(of, call, &before, evidence).await
}

/// Nothing is said about a call that was handed over. That is a test of the drain, and enough for a rehearsal only: what a full run
/// vouches for is a loss that nobody planned.
fn handed_over(is_full: bool, evidence: &mut Evidence) {
    evidence.note("the call was handed over, not lost: a test of the drain");
    evidence.check(
        !is_full,
        "--kill-command let the instance hand the call over: a full run wants a loss that nobody planned (`--force --grace-period=0`, or `kill -9`)",
    );
}

/// Stays on the line until it is lost: the close code, and when.
async fn until_lost(call: &mut Call) -> Result<(Option<u16>, Instant)> {
    match call.until(UNTIL_LOST, |_| false).await {
        Err(CallError::Lost(code)) => Ok((code, Instant::now())),
        Err(error) => Err(error.into()),
        Ok(_) => anyhow::bail!(
            "the connection was not lost within {} s: the command killed nothing of this call's",
            UNTIL_LOST.as_secs()
        ),
    }
}

/// Connects again, as the page does.
async fn come_back(call: &mut Call, code: Option<u16>, lost: Instant, evidence: &mut Evidence) -> Result<()> {
    let mut tries = 0;
    loop {
        if tries > 0 || code != Some(HANDED_OVER) {
            sleep(Duration::from_millis(BACKOFF_MS[tries.min(BACKOFF_MS.len() - 1)])).await;
        }
        tries += 1;
        call.heard = voice_caller::heard::Heard::default();
        let failed = match call.reconnect().await {
            Ok(()) => match call.until(Duration::from_secs(10), |call| call.ready.is_some()).await {
                Ok(true) => break,
                Ok(false) => "no `ready`".to_owned(),
                Err(error) => error.to_string(),
            },
            Err(error) => format!("{error:#}"),
        };
        ensure!(lost.elapsed() < UNTIL_BACK, "not connected again within {} s: {failed}", UNTIL_BACK.as_secs());
    }
    let resumed = call.ready.as_ref().is_some_and(|ready| ready["resumed"] == true);
    evidence
        .note(format!("connected again after {} ms, at try {tries}, resumed: {resumed}", lost.elapsed().as_millis()));
    evidence.check(resumed, "another session began instead of the one that was lost");
    Ok(())
}

/// The history from before is the beginning of the history now, and the task is on the list that the agent reads out.
async fn remembers(of: &Deployment, call: &mut Call, before: &Value, evidence: &mut Evidence) -> Result<()> {
    let items = |document: &Value| document["conversation_history"].as_array().cloned().unwrap_or_default();
    let before = items(before);
    ask(of, call, "What are my tasks?", evidence).await?;
    let told = call.heard.caption().to_lowercase();
    evidence.check(told.contains("report"), "the agent does not name the task from before");
    let after = items(&call.session.document().await?);
    evidence.note(format!("history: {} items before, {} after", before.len(), after.len()));
    evidence.check(!before.is_empty() && after.starts_with(&before), "the history from before is not there any more");
    Ok(())
}

/// Failover tested: Deepgram fails in a call, Whisper takes over.
pub(super) async fn failover(of: &Deployment, evidence: &mut Evidence) -> Result<(), Halt> {
    let prometheus = of.prometheus()?;
    if of.args.rehearsal_control.is_none() && of.args.fail_command.is_none() {
        return Err(Halt::NotRun(
            "neither --fail-command nor --rehearsal-control says how Deepgram is made to fail".to_owned(),
        ));
    }
    let talk = async |call: &mut Call, evidence: &mut Evidence| {
        evidence.note(format!("Deepgram fails from {:.0} on", jiff::Timestamp::now()));
        of.ailing.store(true, Ordering::Relaxed);
        // A provider may be made to fail by a rollout, which takes its time, and moves the call.
        let (failing, lost) = attended(call, fail(of)).await;
        failing?;
        if let Some((code, at)) = lost {
            come_back(call, code, at, evidence).await?;
        }
        whisper_takes_over(of, call, &prometheus, evidence).await
    };
    let taken_over = in_call(of, "failover", evidence, talk).await;
    // Whatever came of it: the provider is to be well again.
    heal(of).await?;
    taken_over
}

/// Does something while the caller stays on the line; when that was lost, how and when.
async fn attended<T>(call: &mut Call, doing: impl Future<Output = T>) -> (T, Option<(Option<u16>, Instant)>) {
    let mut doing = pin!(doing);
    let lost = async {
        loop {
            match call.until(UNTIL_LOST, |_| false).await {
                Err(CallError::Lost(code)) => return (code, Instant::now()),
                Err(_) => return (None, Instant::now()),
                Ok(_) => {}
            }
        }
    };
    tokio::select! {
        done = &mut doing => (done, None),
        lost = lost => (doing.await, Some(lost)),
    }
}

/// A call is answered while Deepgram fails, and the counters say by whose help.
async fn whisper_takes_over(
    of: &Deployment,
    call: &mut Call,
    prometheus: &Prometheus,
    evidence: &mut Evidence,
) -> Result<()> {
    let count = async || {
        let moved = prometheus.number("sum(voice_stt_failovers_total{from=\"deepgram\",to=\"whisper\"})").await?;
        let whisper = prometheus.number("sum(voice_stt_duration_seconds_count{provider=\"whisper\"})").await?;
        Ok::<_, anyhow::Error>((moved.unwrap_or(0.0), whisper.unwrap_or(0.0)))
    };
    // A rollout begins its counters anew: they are read once the provider fails.
    let before = count().await?;
    let added = add_task(of, call, "send the invoice", evidence).await;
    if added.as_ref().is_err_and(|error| matches!(error.downcast_ref(), Some(CallError::Lost(_)))) {
        // The rollout's last step.
        come_back(call, Some(HANDED_OVER), Instant::now(), evidence).await?;
        add_task(of, call, "send the invoice", evidence).await?;
    } else {
        added?;
    }
    let end = Instant::now() + UNTIL_SCRAPED;
    let mut after = before;
    while (after.0 <= before.0 || after.1 <= before.1) && Instant::now() < end {
        call.until(Duration::from_secs(1), |_| false).await?;
        after = count().await?;
    }
    evidence.note(format!(
        "voice_stt_failovers_total{{from=\"deepgram\",to=\"whisper\"}} {} → {}; transcripts of Whisper {} → {}",
        before.0, after.0, before.1, after.1
    ));
    evidence.check(after.0 > before.0, "voice_stt_failovers_total did not grow");
    evidence.check(after.1 > before.1, "Whisper transcribed nothing");
    Ok(())
}

/// Makes Deepgram fail.
async fn fail(of: &Deployment) -> Result<()> {
    if let Some(control) = &of.args.rehearsal_control {
        let fault = json!({"provider": "deepgram", "fault": "500", "at": "start"});
        return Web::new(&of.client, control).post("/control/fault", &fault).await.context("the rehearsal servers");
    }
    let Some(command) = &of.args.fail_command else { return Ok(()) };
    order::run("--fail-command", command, &[("VOICE_URL", &of.args.url)]).await.map(drop)
}

/// Makes it well again, unless it is.
pub(super) async fn heal(of: &Deployment) -> Result<()> {
    if of.ailing.load(Ordering::Relaxed) {
        make_well(of).await?;
        of.ailing.store(false, Ordering::Relaxed);
    }
    Ok(())
}

async fn make_well(of: &Deployment) -> Result<()> {
    if let Some(control) = &of.args.rehearsal_control {
        let path = "/control/fault?provider=deepgram";
        return Web::new(&of.client, control).delete(path).await.context("the rehearsal servers");
    }
    let Some(command) = &of.args.heal_command else { return Ok(()) };
    order::run("--heal-command", command, &[("VOICE_URL", &of.args.url)]).await.map(drop)
}

#[cfg(test)]
mod tests {
    use super::super::criterion::{Criterion, Status};
    use super::*;

    #[test]
    fn a_hand_over_is_no_loss_in_a_full_run() {
        let of = |is_full| {
            let mut evidence = Evidence::default();
            handed_over(is_full, &mut evidence);
            evidence.finding(Criterion::Persistence, Ok(()), 0.0)
        };
        let (full, rehearsed) = (of(true), of(false));
        assert_eq!((full.status, rehearsed.status), (Status::Failed, Status::Passed));
        assert!(full.reasons[0].contains("--kill-command") && rehearsed.evidence[0].contains("handed over"));
    }
}
