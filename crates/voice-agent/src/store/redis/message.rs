//! Text messages: which came, who answers them, and who wants none; and what else may come only once.

use std::time::Duration;

use jiff::Timestamp;

use super::link::Link;
use super::{key, ms, script};
use crate::store::{Begun, InstanceId, MESSAGE_TTL, StoreError, UserId};

pub(super) async fn set_opted_out(link: &Link, user: &UserId, opted_out: bool) -> Result<(), StoreError> {
    let since = if opted_out { Timestamp::now().as_millisecond().to_string() } else { String::new() };
    let mut script = script::OPT_OUT.key(key::opt_out(user));
    script.arg(since);
    link.run(script).await.map(|_| ())
}

pub(super) async fn note(link: &Link, id: &str, ttl: Duration) -> Result<bool, StoreError> {
    let mut script = script::NOTE.key(key::message(id));
    script.arg(ms(ttl));
    Ok(link.run(script).await?.word == "ok")
}

pub(super) async fn begin(link: &Link, id: &str, by: &InstanceId) -> Result<Begun, StoreError> {
    let mut script = script::BEGIN_MESSAGE.key(key::message(id));
    script.arg(by.as_str()).arg(ms(MESSAGE_TTL)).arg(key::INSTANCE);
    let reply = link.run(script).await?;
    Ok(match reply.word.as_str() {
        "first" => Begun::First,
        "again" => Begun::Again,
        "under_way" => Begun::UnderWay,
        "done" => Begun::Done,
        _ => return Err(reply.refusal(id)),
    })
}

pub(super) async fn end(link: &Link, id: &str) -> Result<(), StoreError> {
    let mut script = script::SET.key(key::message(id));
    script.arg(ms(MESSAGE_TTL));
    link.run(script).await.map(|_| ())
}
