//! Changes of tasks by other processes, and objections that they were told of: each is told on a channel, and whoever is connected hears it.

use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt as _;
use tokio_util::sync::CancellationToken;

use super::key;
use super::link::Link;
use crate::store::UserId;
use crate::store::watch::TaskNews;

/// How long after a failure the next attempt is made.
const AGAIN: Duration = Duration::from_secs(1);

/// What stands in the place of a revision where somebody objects to recordings. Versions that do not know it leave such a message alone.
const OBJECTION: &str = "objection";

/// What is told of an objection.
pub(super) fn objection(teller: &str, user: &UserId) -> String {
    serde_json::json!([teller, user, OBJECTION]).to_string()
}

/// Listens until it is cancelled, and tells what others than `own` change. Whenever something may have been missed, everybody is told to
/// read afresh.
pub(super) async fn listen(link: Arc<Link>, news: TaskNews, own: String, cancelled: CancellationToken) {
    // Before the first attempt nobody can have missed anything.
    let (mut missed, mut failed) = (false, false);
    loop {
        let heard = tokio::select! {
            () = cancelled.cancelled() => return,
            heard = hear(&link, &news, &own, missed) => heard,
        };
        if let Err(error) = &heard
            && !failed
        {
            tracing::warn!(%error, "other instances' changes of tasks, and objections told to them, are not heard of for now");
        }
        (missed, failed) = (true, heard.is_err());
        tokio::select! {
            () = cancelled.cancelled() => return,
            () = tokio::time::sleep(AGAIN) => {}
        }
    }
}

/// Until the connection ends.
async fn hear(link: &Link, news: &TaskNews, own: &str, missed: bool) -> Result<(), redis::RedisError> {
    let mut subscription = link.client().await?.get_async_pubsub().await?;
    subscription.subscribe(key::NEWS).await?;
    if missed {
        news.tell_missed();
    }
    let mut messages = subscription.on_message();
    while let Some(message) = messages.next().await {
        let parsed = serde_json::from_slice::<[String; 3]>(message.get_payload_bytes());
        let Ok([teller, user, rev]) = parsed else {
            tracing::warn!("something that is no change of tasks came over Redis' channel for them");
            continue;
        };
        if teller == own {
            continue;
        }
        let user = UserId::new(user);
        if rev == OBJECTION {
            news.tell_objection(&user);
        } else if let Ok(rev) = rev.parse() {
            news.tell(&user, rev);
        }
    }
    Ok(())
}
