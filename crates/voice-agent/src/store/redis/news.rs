//! Changes of tasks by other processes, and objections that they were told of: each is told on a channel, and whoever is connected hears it.

use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt as _;
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

use super::key;
use super::link::Link;
use crate::store::UserId;
use crate::store::watch::TaskNews;

/// So often the connection is asked whether anybody is there: a host that vanished says nothing, as one where nothing happens does.
pub(super) const PROBE: Duration = Duration::from_secs(10);
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
pub(super) async fn listen(
    link: Arc<Link>,
    (news, own): (TaskNews, String),
    probe: Duration,
    cancelled: CancellationToken,
) {
    // Before the first attempt nobody can have missed anything.
    let (mut missed, mut failed) = (false, false);
    loop {
        let heard = tokio::select! {
            () = cancelled.cancelled() => return,
            heard = hear(&link, (&news, &own), probe, missed) => heard,
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

/// Until the connection ends, or nobody answers on it any more.
async fn hear(
    link: &Link,
    (news, own): (&TaskNews, &str),
    probe: Duration,
    missed: bool,
) -> Result<(), redis::RedisError> {
    let subscribe = async {
        let (mut sink, messages) = link.client().await?.get_async_pubsub().await?.split();
        sink.subscribe(key::NEWS).await?;
        Ok::<_, redis::RedisError>((sink, messages))
    };
    let (mut sink, mut messages) = in_time(link, subscribe).await?;
    if missed {
        news.tell_missed();
    }
    let mut probes = tokio::time::interval(probe);
    probes.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            message = messages.next() => match message {
                Some(message) => take(&message, news, own),
                None => return Ok(()),
            },
            // What is told meanwhile waits in the stream.
            _ = probes.tick() => drop(in_time(link, sink.ping::<redis::Value>()).await?),
        }
    }
}

/// What is answered within the deadline of every request.
async fn in_time<T>(
    link: &Link,
    answer: impl Future<Output = Result<T, redis::RedisError>>,
) -> Result<T, redis::RedisError> {
    let late = |_| std::io::Error::new(std::io::ErrorKind::TimedOut, "nobody answers on it").into();
    tokio::time::timeout(link.deadline(), answer).await.map_err(late).flatten()
}

fn take(message: &redis::Msg, news: &TaskNews, own: &str) {
    let parsed = serde_json::from_slice::<[String; 3]>(message.get_payload_bytes());
    let Ok([teller, user, rev]) = parsed else {
        tracing::warn!("something that is no change of tasks came over Redis' channel for them");
        return;
    };
    if teller == own {
        return;
    }
    let user = UserId::new(user);
    if rev == OBJECTION {
        news.tell_objection(&user);
    } else if let Ok(rev) = rev.parse() {
        news.tell(&user, rev);
    }
}
