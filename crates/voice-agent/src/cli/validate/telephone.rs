//! A caller by telephone: Twilio's side is played against the deployment's webhooks, with its own account's signature.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use voice_caller::loud_ms;
use voice_caller::phone::{Call, RATE};
use voice_caller::twilio::Twilio;

use super::criterion::{Evidence, Halt};
use super::deployment::Deployment;
use crate::http::random_hex;

/// After so much silence the agent's words are over.
const PAUSE: Duration = Duration::from_millis(1_200);
/// What may be done; the first that is not on the caller's list is.
const TITLES: [&str; 4] = ["order flowers", "buy coffee", "send the letter", "clean the kitchen"];
/// What the list is asked with, by text.
const LIST: &str = "What are my tasks?";

/// Phone channel: a call to the number, and a task.
pub(super) async fn phone(of: &Deployment, evidence: &mut Evidence) -> Result<(), Halt> {
    if !of.config.has_phone() {
        let reason = "TWILIO_AUTH_TOKEN is not set: nobody believes that Twilio calls, and no telephone is connected";
        return Err(Halt::NotRun(reason.to_owned()));
    }
    let twilio = twilio(of)?;
    evidence.note(format!("call {} from {}", twilio.call, twilio.caller));
    // Who calls is known by the number: the same caller's texts say what is on the list.
    let before = text(&twilio, LIST).await?.to_lowercase();
    let title = TITLES.iter().find(|title| !before.contains(**title)).context("the caller's list is full of this")?;
    let mut call = Call::dial(twilio.clone()).await?;
    let greeting = call.hear_out(PAUSE, of.args.patience()).await?.context("nothing was heard of a greeting")?;
    evidence.note(format!("announcement and greeting: {} ms", loud_ms(&greeting.pcm, RATE)));
    let speech = of.speaker.say_by_telephone(&format!("Add a task to {title}.")).await?;
    let answer = call.say(&speech, PAUSE, of.args.patience()).await?;
    call.hang_up().await;
    let answer = answer.context("the call was not answered")?;
    let felt = answer.felt_ms.map_or_else(|| "never".to_owned(), |ms| format!("after {ms} ms"));
    evidence.note(format!("answer heard {felt}, {} ms of audio", loud_ms(&answer.pcm, RATE)));
    evidence.check(answer.felt_ms.is_some() && loud_ms(&answer.pcm, RATE) > 0, "no answer was heard");
    let after = text(&twilio, LIST).await?.to_lowercase();
    evidence.note(format!("a text of the same number is answered {after:?}"));
    evidence.check(after.contains(title), format!("no task {title:?} is on the caller's list"));
    // A list that grows with every run would be full one day.
    let deleted = text(&twilio, &format!("Delete {title}")).await?;
    if deleted.ends_with('?') {
        text(&twilio, "Yes").await?;
    }
    let is_gone = !text(&twilio, LIST).await?.to_lowercase().contains(title);
    evidence.note(if is_gone {
        "it was taken away again"
    } else {
        "it is still there: it could not be taken away by text"
    });
    Ok(())
}

fn twilio(of: &Deployment) -> Result<Twilio> {
    let secrets = &of.config.secrets;
    let revealed = |secret: &Option<crate::config::Secret>| secret.as_ref().map(|secret| secret.reveal().to_owned());
    let public_url = if of.config.public_url.is_empty() { &of.args.url } else { &of.config.public_url };
    let caller = match &of.args.phone_caller {
        Some(caller) => caller.clone(),
        // One of the numbers that are nobody's: 555-0100 to 555-0199.
        None => format!("+120255501{:02}", u8::from_str_radix(&of.run[..2], 16)? % 100),
    };
    Ok(Twilio {
        client: of.client.clone(),
        public_url: public_url.trim_end_matches('/').to_owned(),
        reached_at: of.args.url.clone(),
        account: of.config.twilio.account_sid.clone(),
        auth_token: revealed(&secrets.twilio_auth_token).unwrap_or_default(),
        number: of.config.twilio.from_number.clone(),
        call: format!("CA{}", random_hex::<16>()?),
        caller,
    })
}

/// A text message of the caller's, and what is answered.
async fn text(twilio: &Twilio, body: &str) -> Result<String> {
    let sid = format!("SM{}", random_hex::<16>()?);
    let answer = twilio.text(&sid, body).await.context("the texts' webhook")?;
    ensure!(!answer.is_empty(), "a text message was not answered");
    Ok(answer)
}
