//! Nothing of somebody any more.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::timeout;
use voice_core::consent::{ConsentDecision, ConsentHow};
use voice_core::input::HangUp;

use super::certificate::{Certificate, Statement};
use super::files::Whose;
use super::{Desk, PrivacyError, files, secret};
use crate::consent::{Decisions, nameless};
use crate::sessions::{Live, SessionError};
use crate::sms::OptOuts;
use crate::store::{Channel, ConsentRecord, Erased, Scrubbed, SessionId, StoreError, UserId};
use crate::vault::Pseudonym;

/// How long a session of this person may take to end, and what is written of it to be on the disk.
const GOODBYE: Duration = Duration::from_secs(5);
/// So often the embedded store is asked to write its file anew, each time for as long as a request may take.
const SCRUBS: u32 = 6;

impl Desk {
    /// Erases this person: the sessions that are going on end first, the key is destroyed before anything that is sealed under it is
    /// deleted, and everything else follows. Can be repeated, and what was done by then stays done.
    ///
    /// # Errors
    /// [`PrivacyError`]: the erasure is not complete then, and is to be asked for again.
    pub async fn erase(&self, user: &UserId) -> Result<Certificate, PrivacyError> {
        let owner = self.vault.pseudonym(user).await?;
        let mut statement = Statement::begin(owner.to_string(), self.clock.now());
        // First: an erasure that breaks off must not lose them.
        self.keep_wishes(user, &mut statement).await?;
        let whose = Whose { owner, sessions: self.end_sessions(user).await?, fate: None };
        self.await_sealed(user).await?;
        let was_destroyed = self.vault.was_destroyed(owner).await?;
        statement.key_destroyed = self.vault.destroy_user_key(user).await? || was_destroyed;
        // Before this nobody could say which key it will be: a session may make one until then. Who has obeyed puts nothing anywhere any more; what
        // they have put there by then is found below.
        self.forget_elsewhere(&whose, &mut statement).await?;
        // A session that began here while the key was still there.
        self.await_sealed(user).await?;
        count(&mut statement, "recordings", self.recorder.delete_of(owner).await?);
        self.tell_waiting(owner, &mut statement).await?;
        self.delete_input_logs(&whose, &mut statement).await?;
        self.erase_in_store(user, &mut statement).await?;
        self.forget_in_memory(user);
        self.scrub(&mut statement).await?;
        statement.done = self.clock.now();
        let key = secret::certificate_key(&self.vault).await?;
        Ok(Certificate::sign(statement, &key)?)
    }

    /// What this person refused outlives the rest, without a name: that they are not to be recorded, or written to, is what they want remembered
    /// of them.
    async fn keep_wishes(&self, user: &UserId, statement: &mut Statement) -> Result<(), PrivacyError> {
        let pseudonym = nameless(&statement.subject);
        let hers = Decisions::of(self.store.as_ref(), user).await?;
        let before = Decisions::of(self.store.as_ref(), &pseudonym).await?;
        let is_kept = before.opted_out();
        // A yes that came since an earlier erasure goes with this one; the refusal before it is there still.
        if is_kept || hers.and(before).opted_out() {
            if !is_kept {
                self.store.add_consent(pseudonym, self.objection()).await?;
            }
            statement.kept.push("under the pseudonym alone: that this person is not to be recorded".to_owned());
        }
        self.opt_outs().outlive(user).await?;
        Ok(())
    }

    /// The server's own, which know of a STOP that waits for the store.
    pub(super) fn opt_outs(&self) -> OptOuts {
        match &self.app {
            Some(app) => app.texter.opt_outs().clone(),
            None => OptOuts::new(Arc::clone(&self.store), Some(Arc::clone(&self.vault))),
        }
    }

    /// The objection that outlives the person's data.
    fn objection(&self) -> ConsentRecord {
        let at = self.clock.now();
        ConsentRecord {
            id: format!("erased-{}", at.as_microsecond()),
            at,
            session_id: SessionId::new(""),
            channel: Channel::Browser,
            policy_version: self.config.consent.policy_version.clone(),
            wording: String::new(),
            decision: ConsentDecision::OptedOut,
            how: ConsentHow::Page,
        }
    }

    /// What was taped and logged in the sessions that ended is on the disk.
    pub(super) async fn await_sealed(&self, user: &UserId) -> Result<(), PrivacyError> {
        timeout(GOODBYE, self.vault.sealed(user)).await.map_err(|_| {
            let why = "a recording or a log of this person is still being written; ask again".to_owned();
            StoreError::Unavailable(why).into()
        })
    }

    /// Recordings that wait where this process cannot delete them.
    async fn tell_waiting(&self, owner: Pseudonym, statement: &mut Statement) -> Result<(), PrivacyError> {
        let waiting = self.recorder.waiting_elsewhere(owner).await?;
        if waiting > 0 {
            statement.left.push(format!(
                "{waiting} files of recordings, which nobody can read any more, wait on this disk in the folder of another process: it deletes \
                 them when it looks there next; ask again then"
            ));
        }
        Ok(())
    }

    /// Ends what is going on, and says which sessions there are. What another instance has of them it lets go of when it is asked to forget.
    async fn end_sessions(&self, user: &UserId) -> Result<BTreeSet<String>, PrivacyError> {
        let mut all = self.end_here(|live| live.user == *user).await?;
        for stored in self.store.sessions_of(user.clone()).await? {
            all.insert(stored.doc.session_id.as_str().to_owned());
            match self.store.end_session(stored.doc.session_id, None).await {
                Ok(()) | Err(StoreError::Ended(_) | StoreError::NotFound(_)) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(all)
    }

    /// Ends these of the sessions that this process has. Which they were.
    pub(super) async fn end_here(&self, is_theirs: impl Fn(&Live) -> bool) -> Result<BTreeSet<String>, PrivacyError> {
        let mut all = BTreeSet::new();
        let Some(app) = &self.app else { return Ok(all) };
        for live in app.sessions.list().into_iter().filter(is_theirs).collect::<Vec<_>>() {
            all.insert(live.id.as_str().to_owned());
            match app.sessions.end(&live.id, HangUp::Operator).await {
                Ok(()) | Err(SessionError::Unknown) => {}
                Err(SessionError::Store(error)) => return Err(error.into()),
                Err(error) => tracing::warn!(session = %live.id, %error, "a session could not be ended"),
            }
            if timeout(GOODBYE, live.handle.ended()).await.is_err() {
                let why = "a session of this person did not end in time; ask again".to_owned();
                return Err(StoreError::Unavailable(why).into());
            }
        }
        Ok(all)
    }

    pub(super) async fn delete_input_logs(&self, whose: &Whose, statement: &mut Statement) -> Result<(), PrivacyError> {
        let (folder, whose) = (self.config.input_log.dir.clone(), whose.clone());
        let deleting = tokio::task::spawn_blocking(move || {
            let found = files::input_logs(&folder, &whose)?;
            found.theirs.iter().try_for_each(|path| files::delete(path)).map(|()| found)
        });
        let files::Found { theirs, unknown } = deleting.await??;
        count(statement, "input_logs", theirs.len() as u64);
        if unknown > 0 {
            statement.left.push(format!(
                "whose {unknown} logs of inputs are cannot be read: let the server read them, and ask again"
            ));
        }
        Ok(())
    }

    /// Twice: what a session that was just ending put there after the first time goes with the second. A STOP that came while the erasure went on
    /// outlives it like one from before.
    async fn erase_in_store(&self, user: &UserId, statement: &mut Statement) -> Result<(), PrivacyError> {
        let (all, mut has_stopped) = (self.opt_outs(), false);
        for _ in 0..2 {
            let (erased, stopped) = all.erased(user).await?;
            has_stopped |= stopped;
            let Erased { sessions, tasks, undo, consents, opt_outs } = erased;
            count(statement, "sessions", sessions.len() as u64);
            for (what, many) in
                [("tasks", tasks), ("undo_steps", undo), ("consents", consents), ("text_opt_outs", opt_outs)]
            {
                count(statement, what, many);
            }
        }
        if has_stopped {
            statement.kept.push("under the pseudonym alone: that this person wants no text messages".to_owned());
        }
        Ok(())
    }

    fn forget_in_memory(&self, user: &UserId) {
        if let Some(app) = &self.app {
            app.answer_cache.forget(user);
            // It is not known whose words a voice said.
            app.voice_cache.clear();
        }
    }

    async fn scrub(&self, statement: &mut Statement) -> Result<(), PrivacyError> {
        for _ in 0..SCRUBS {
            match self.store.scrub().await {
                Ok(Scrubbed::Replicas(count)) => {
                    statement.store_scrubbed = true;
                    statement.left.push(format!(
                        "the files of {count} replicas of the store are their own, and have it until they are written anew: run BGREWRITEAOF \
                         and BGSAVE on each"
                    ));
                }
                Ok(scrubbed) => statement.store_scrubbed = scrubbed == Scrubbed::Clean,
                // It takes longer than a request may, and goes on; another one waits behind it.
                Err(StoreError::Timeout(_)) => {}
                Err(error) => return Err(error.into()),
            }
            if statement.store_scrubbed || self.is_shared() {
                break;
            }
        }
        if !statement.store_scrubbed {
            let what = "the store's files are still being written anew, or cannot be by us: docs/privacy.md says how";
            statement.left.push(what.to_owned());
        }
        Ok(())
    }
}

fn count(statement: &mut Statement, what: &str, many: u64) {
    *statement.erased.entry(what.to_owned()).or_default() += many;
}
