//! Nothing of somebody any more.

use std::collections::BTreeSet;
use std::time::Duration;

use tokio::time::{sleep, timeout};
use voice_core::consent::{ConsentDecision, ConsentHow};
use voice_core::input::HangUp;

use super::certificate::{Certificate, Statement};
use super::files::Whose;
use super::{Desk, PrivacyError, files, secret};
use crate::consent::{Decisions, nameless};
use crate::sessions::SessionError;
use crate::store::{Channel, ConsentRecord, Erased, Scrubbed, SessionId, StoreError, UserId};

/// How long a session of this person may take to end.
const GOODBYE: Duration = Duration::from_secs(5);
/// So often the embedded store is asked to write its file anew, each time for as long as a request may take.
const SCRUBS: u32 = 6;
/// How long it takes at most until another instance notices that a session of its was ended.
const NOTICED: Duration = Duration::from_secs(3);

impl Desk {
    /// Erases this person: the sessions that are going on end first, the key is destroyed before anything that is sealed under it is
    /// deleted, and everything else follows. Can be repeated, and what was done by then stays done.
    ///
    /// # Errors
    /// [`PrivacyError`]: the erasure is not complete then, and is to be asked for again.
    pub async fn erase(&self, user: &UserId) -> Result<Certificate, PrivacyError> {
        let owner = self.vault.pseudonym(user).await?;
        let pseudonym = owner.to_string();
        let mut statement = Statement::begin(pseudonym.clone(), self.clock.now());
        let objects = self.objection(user, &pseudonym).await?;
        let sessions = self.end_sessions(user).await?;
        statement.key_destroyed = self.vault.destroy_user_key(user).await?;
        count(&mut statement, "recordings", self.recorder.delete_of(owner).await?);
        let logs = self.delete_input_logs(Whose { owner, sessions }).await?;
        count(&mut statement, "input_logs", logs);
        self.erase_in_store(user, &mut statement).await?;
        self.forget_in_memory(user, &mut statement);
        if let Some(objection) = objects {
            // Without a name: that this person is not to be recorded is what they want remembered of them.
            self.store.add_consent(nameless(&pseudonym), objection).await?;
        }
        self.scrub(&mut statement).await?;
        statement.done = self.clock.now();
        let key = secret::certificate_key(&self.vault).await?;
        Ok(Certificate::sign(statement, &key)?)
    }

    /// The objection that outlives the person's data, if there is one.
    async fn objection(&self, user: &UserId, pseudonym: &str) -> Result<Option<ConsentRecord>, PrivacyError> {
        let hers = Decisions::of(self.store.as_ref(), user).await?;
        let before = Decisions::of(self.store.as_ref(), &nameless(pseudonym)).await?;
        let at = self.clock.now();
        Ok(hers.and(before).opted_out().then(|| ConsentRecord {
            id: format!("erased-{}", at.as_microsecond()),
            at,
            session_id: SessionId::new(""),
            channel: Channel::Browser,
            policy_version: self.config.consent.policy_version.clone(),
            wording: String::new(),
            decision: ConsentDecision::OptedOut,
            how: ConsentHow::Page,
        }))
    }

    /// Ends what is going on, and says which sessions there are.
    async fn end_sessions(&self, user: &UserId) -> Result<BTreeSet<String>, PrivacyError> {
        let mut all = BTreeSet::new();
        let here = self.app.iter().flat_map(|app| app.sessions.list()).filter(|live| live.user == *user);
        for live in here.collect::<Vec<_>>() {
            all.insert(live.id.as_str().to_owned());
            if let Some(app) = &self.app {
                match app.sessions.end(&live.id, HangUp::Operator).await {
                    Ok(()) | Err(SessionError::Unknown) => {}
                    Err(SessionError::Store(error)) => return Err(error.into()),
                    Err(error) => tracing::warn!(session = %live.id, %error, "a session could not be ended"),
                }
            }
            if timeout(GOODBYE, live.handle.ended()).await.is_err() {
                let why = "a session of this person did not end in time; ask again".to_owned();
                return Err(StoreError::Unavailable(why).into());
            }
        }
        let mut elsewhere = false;
        for stored in self.store.sessions_of(user.clone()).await? {
            elsewhere |= !stored.ended;
            all.insert(stored.doc.session_id.as_str().to_owned());
            match self.store.end_session(stored.doc.session_id, None).await {
                Ok(()) | Err(StoreError::Ended(_) | StoreError::NotFound(_)) => {}
                Err(error) => return Err(error.into()),
            }
        }
        if elsewhere && self.is_shared() {
            // Its owner looks after its sessions every two seconds, and lets go of one that was ended.
            sleep(NOTICED).await;
        }
        Ok(all)
    }

    async fn delete_input_logs(&self, whose: Whose) -> Result<u64, PrivacyError> {
        let folder = self.config.input_log.dir.clone();
        tokio::task::spawn_blocking(move || {
            let logs = files::input_logs(&folder, &whose)?;
            logs.iter().try_for_each(|path| files::delete(path))?;
            Ok(logs.len() as u64)
        })
        .await?
    }

    /// Twice: what a session that was just ending put there after the first time goes with the second.
    async fn erase_in_store(&self, user: &UserId, statement: &mut Statement) -> Result<(), PrivacyError> {
        for _ in 0..2 {
            let Erased { sessions, tasks, undo, consents, opt_outs } = self.store.erase_user(user.clone()).await?;
            count(statement, "sessions", sessions.len() as u64);
            for (what, many) in
                [("tasks", tasks), ("undo_steps", undo), ("consents", consents), ("text_opt_outs", opt_outs)]
            {
                count(statement, what, many);
            }
        }
        Ok(())
    }

    fn forget_in_memory(&self, user: &UserId, statement: &mut Statement) {
        if let Some(app) = &self.app {
            app.answer_cache.forget(user);
            // It is not known whose words a voice said.
            app.voice_cache.clear();
        }
        if self.is_shared() {
            let (answers, voices) = (self.config.cost.answer_cache_s, self.config.cost.voice_cache_s);
            statement.left.push(format!(
                "other instances may keep answers for {answers} s and speech for {voices} s in their memory, and logs of inputs on \
                 their disks; ask each of them, or restart them"
            ));
        }
    }

    async fn scrub(&self, statement: &mut Statement) -> Result<(), PrivacyError> {
        for _ in 0..SCRUBS {
            match self.store.scrub().await {
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
