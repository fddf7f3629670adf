//! What is kept of one person. Several scripts: there may be thousands of sessions, and Redis serves nobody else while one runs.

use super::link::Link;
use super::{key, key_pair, ms, reply, script, stored};
use crate::store::{ERASED_TTL, Erased, LogHead, SessionId, StoreError, StoredSession, UserId};

/// The person's sessions, oldest first.
pub(super) async fn sessions(link: &Link, user: &UserId) -> Result<Vec<StoredSession>, StoreError> {
    let mut found = Vec::new();
    for id in link.run(script::ALL_SESSIONS.key(key::SESSIONS)).await?.texts()? {
        let reply = link.run(key_pair(&script::LOAD, &SessionId::new(id))).await?;
        if reply.word != "ok" {
            continue;
        }
        let session = stored(reply)?;
        if session.doc.user_id == *user {
            found.push(session);
        }
    }
    found.sort_unstable_by_key(|session| session.fence);
    Ok(found)
}

/// Forgets all of it.
pub(super) async fn erase(link: &Link, user: &UserId) -> Result<Erased, StoreError> {
    let mut sessions = Vec::new();
    for session in self::sessions(link, user).await? {
        let id = session.doc.session_id;
        let mut script = key_pair(&script::ERASE_SESSION, &id);
        script.key(key::intents(&id)).key(key::handover(&id)).key(key::SESSIONS).arg(id.as_str()).arg(ms(ERASED_TTL));
        link.run(script).await?;
        sessions.push(id);
    }
    let mut script = script::ERASE.key(key::tasks(user));
    script.key(key::undo(user)).key(key::opt_out(user)).key(key::consents(user));
    let mut reply = link.run(script).await?;
    let (tasks, undo) = (reply.number()?, reply.number()?);
    let (opt_outs, consents) = (reply.number()?, reply.number()?);
    Ok(Erased { sessions, tasks, undo, consents, opt_outs })
}

/// How far every log is.
pub(super) async fn log_heads(link: &Link) -> Result<Vec<(String, LogHead)>, StoreError> {
    let texts = link.run(script::LOG_HEADS.key(key::ACCESS_LOGS)).await?.texts()?;
    let one = |[name, head]: &[String; 2]| {
        let (lines, rest) = head.split_once(' ').ok_or_else(|| StoreError::Corrupt("a log's head".to_owned()))?;
        // Earlier versions did not say where.
        let (hash, place) = rest.split_once(' ').unwrap_or((rest, ""));
        let (hash, place) = (hash.to_owned(), place.to_owned());
        Ok((name.clone(), LogHead { lines: reply::number(lines)?, hash, place }))
    };
    let mut heads = texts.as_chunks::<2>().0.iter().map(one).collect::<Result<Vec<_>, StoreError>>()?;
    heads.sort_unstable_by(|one, other| one.0.cmp(&other.0));
    Ok(heads)
}
