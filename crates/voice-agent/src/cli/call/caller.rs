//! One call: the greeting, the speech in real time, silence, and the answer.

use std::time::Duration;

use anyhow::{Context as _, bail};
use serde_json::json;
use voice_caller::browser::{self, FRAME, Session};
use voice_caller::last_loud;
use voice_core::phrases;

use super::report::CallReport;
use crate::http::check_user_id;

/// What is said, to whom.
#[derive(Debug)]
pub(super) struct Plan {
    url: String,
    speech: Vec<i16>,
    user: Option<String>,
    time_zone: String,
    patience: Duration,
}

impl Plan {
    /// A plan to say this (PCM16 mono at 16 kHz).
    pub(super) fn new(
        url: &str,
        speech: Vec<i16>,
        user: Option<String>,
        time_zone: String,
        patience: Duration,
    ) -> Result<Self, String> {
        if !url.starts_with("http://") && !url.starts_with("https://") {
            return Err(format!("--url {url:?} is not a URL like http://127.0.0.1:8080"));
        }
        if let Some(Err(fault)) = user.as_deref().map(check_user_id) {
            return Err(format!("--user {fault}"));
        }
        if jiff::tz::TimeZone::get(&time_zone).is_err() {
            return Err(format!("--time-zone {time_zone:?} is not the name of an IANA time zone, like Europe/Berlin"));
        }
        if last_loud(speech.chunks(FRAME)).is_none() {
            return Err("there is only silence to say".to_owned());
        }
        Ok(Self { url: url.trim_end_matches('/').to_owned(), speech, user, time_zone, patience })
    }
}

/// Calls once.
pub(super) async fn call(plan: &Plan) -> CallReport {
    let mut call = match begin(plan).await {
        Ok(call) => call,
        Err(error) => return CallReport::failed(format!("{error:#}")),
    };
    let talked = talk(plan, &mut call).await;
    let error = talked.err().map(|error| format!("{error:#}"));
    let report = CallReport::of(call.session.id.clone(), std::mem::take(&mut call.heard), error);
    // The session is only a test's: it should not wait for a caller who does not come back.
    call.hang_up().await;
    report
}

async fn begin(plan: &Plan) -> anyhow::Result<browser::Call> {
    let mut body = json!({"channel": "browser", "time_zone": plan.time_zone});
    if let Some(user) = &plan.user {
        body["user_id"] = json!(user);
    }
    let client = reqwest::Client::builder().timeout(plan.patience).build().context("the HTTP client")?;
    browser::Call::connect(Session::begin(&client, &plan.url, None, &body).await?).await
}

async fn talk(plan: &Plan, call: &mut browser::Call) -> anyhow::Result<()> {
    let waited = |what: &str| format!("waited {} s for the end of {what}", plan.patience.as_secs());
    let greeted = call.session.greeting.is_empty() || call.hear_out(plan.patience).await?;
    voice_goes_on(call)?;
    if !greeted {
        bail!(waited("the greeting"));
    }
    let answered = call.say(&plan.speech, plan.patience).await?;
    voice_goes_on(call)?;
    if !answered {
        bail!(waited("the answer"));
    }
    // To be asked for the words again is no answer to them, however quick it came.
    let reply = call.heard.reply();
    if [phrases::NOT_HEARD, phrases::NOT_ALL_HEARD].contains(&reply.trim()) {
        bail!("not understood: {reply}");
    }
    Ok(())
}

fn voice_goes_on(call: &browser::Call) -> anyhow::Result<()> {
    match &call.heard.fell_back {
        Some(message) => bail!("voice failed: {message}"),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn silence_is_no_speech_and_a_url_is_one() {
        let plan = |url, speech: &[i16]| {
            Plan::new(url, speech.to_vec(), None, "UTC".to_owned(), Duration::from_secs(1)).map(|plan| plan.url)
        };
        assert_eq!(plan("http://x/", &[5_000; 400]), Ok("http://x".to_owned()));
        assert!(plan("http://x/", &[0; 1_000]).unwrap_err().contains("silence"));
        assert!(plan("ftp://x/", &[5_000; 400]).unwrap_err().contains("not a URL"));
    }
}
