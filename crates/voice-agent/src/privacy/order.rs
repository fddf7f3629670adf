//! What an erasure asks of the other instances on the store: each does it where its memory and its disk are, and says so.

use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::certificate::Statement;
use super::files::Whose;
use super::{Desk, PrivacyError};
use crate::store::{ErasureAnswers, ErasureOrder, StoreError};
use crate::vault::Pseudonym;

/// So long it is waited for the instances: each looks every second, and waits for what it is just writing.
const ANSWERED: Duration = Duration::from_secs(10);
/// How often it is looked whether they have answered.
const LOOK: Duration = Duration::from_millis(200);

impl Desk {
    /// Has every instance forget this person, whose key is destroyed, and waits for those that live. What they have not done is left. Where nobody
    /// shares the store there is nobody to ask.
    pub(super) async fn forget_elsewhere(&self, whose: &Whose, statement: &mut Statement) -> Result<(), PrivacyError> {
        let Some(orders) = self.store.erasure_orders() else { return Ok(()) };
        let order = ErasureOrder { owner: whose.owner.to_string(), sessions: whose.sessions.clone() };
        let number = orders.put(&order).await?;
        let end = Instant::now() + ANSWERED;
        let ErasureAnswers { silent, left } = loop {
            let answers = orders.answers(number).await?;
            if answers.silent.is_empty() || Instant::now() >= end {
                break answers;
            }
            sleep(LOOK).await;
        };
        if !silent.is_empty() {
            let names = silent.into_iter().collect::<Vec<_>>().join(", ");
            let (answers, voices) = (self.config.cost.answer_cache_s, self.config.cost.voice_cache_s);
            statement.left.push(format!(
                "these instances have not said that they forgot this person: {names}. They may keep answers for {answers} s and speech for {voices} s \
                 in their memory, and on their disks logs of inputs and recordings that wait for their storage, which nobody can read any more; \
                 ask again"
            ));
        }
        statement.left.extend(left.into_iter().map(|(instance, what)| format!("at {instance}: {what}")));
        Ok(())
    }

    /// Does here what an erasure asks. What cannot be done here is said.
    ///
    /// # Errors
    /// [`PrivacyError`]: it is to be tried again.
    pub async fn obey(&self, order: &ErasureOrder) -> Result<Vec<String>, PrivacyError> {
        let unread = |_| StoreError::Corrupt("whom an erasure is about".to_owned());
        let owner: Pseudonym = order.owner.parse().map_err(unread)?;
        self.end_here(|live| order.sessions.contains(live.id.as_str())).await?;
        for user in self.vault.sealing_users() {
            if self.vault.pseudonym(&user).await? == owner {
                self.await_sealed(&user).await?;
            }
        }
        if let Some(app) = &self.app {
            app.answer_cache.clear();
            app.voice_cache.clear();
        }
        // Whoever is there again has another key, and an order may be an old one. What is sealed here under a key that was made while the erasure
        // went on goes with the rest: nothing that began before the key was destroyed is being sealed any more.
        let fate = self.vault.fate(owner).await?;
        self.recorder.forget_waiting(owner, fate).await?;
        let mut here = Statement::begin(order.owner.clone(), self.clock.now());
        let whose = Whose { owner, sessions: order.sessions.clone(), fate: Some(fate) };
        self.delete_input_logs(&whose, &mut here).await?;
        Ok(here.left)
    }
}
