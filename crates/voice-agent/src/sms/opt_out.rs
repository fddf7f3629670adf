//! Who wants no text messages. Whoever said STOP is written to again after START and not before, an erasure in between included: it leaves the
//! refusal under the person's pseudonym.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

use crate::consent::nameless;
use crate::store::{Erased, Store, StoreError, UserId};
use crate::vault::{Vault, VaultError};

/// The refusals.
#[derive(Clone)]
pub struct OptOuts {
    store: Arc<dyn Store>,
    /// None where instances share a store without sharing a master key: there nobody can be erased either.
    vault: Option<Arc<Vault>>,
    late: Arc<Late>,
}

/// Refusals that the store has not taken yet: nobody sends them again.
#[derive(Debug, Default)]
struct Late {
    users: Mutex<BTreeSet<UserId>>,
    /// Whoever writes to the store does so alone: the later word counts.
    writing: tokio::sync::Mutex<()>,
}

impl std::fmt::Debug for OptOuts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("OptOuts").field("has_vault", &self.vault.is_some()).finish_non_exhaustive()
    }
}

impl OptOuts {
    /// Those of this store.
    pub fn new(store: Arc<dyn Store>, vault: Option<Arc<Vault>>) -> Self {
        Self { store, vault, late: Arc::default() }
    }

    /// Whether the user wants none.
    ///
    /// # Errors
    /// As the store's; also when the pseudonym cannot be had.
    pub async fn has(&self, user: &UserId) -> Result<bool, StoreError> {
        if self.late().contains(user) {
            return Ok(true);
        }
        if self.store.is_opted_out(user.clone()).await? {
            return Ok(true);
        }
        match self.pseudonym(user).await? {
            Some(pseudonym) => self.store.is_opted_out(pseudonym).await,
            None => Ok(false),
        }
    }

    /// The user wants none from now on. The refusal holds here at once, and while the store is away it is kept here, until [`OptOuts::save_late`] has
    /// written it or this process ends.
    pub async fn stop(&self, user: &UserId) {
        self.late().insert(user.clone());
        let _alone = self.late.writing.lock().await;
        match self.store.set_opted_out(user.clone(), true).await {
            Ok(()) => {
                self.late().remove(user);
            }
            Err(error) => tracing::warn!(%error, "a STOP waits for the store"),
        }
    }

    /// Writes the refusals that wait for the store, as far as it takes them: under the pseudonym, for whoever said it may have been erased meanwhile,
    /// here or by another process, and the name must not come back.
    pub async fn save_late(&self) {
        let waiting: Vec<UserId> = self.late().iter().cloned().collect();
        for user in waiting {
            let _alone = self.late.writing.lock().await;
            if !self.late().contains(&user) {
                // START came meanwhile.
                continue;
            }
            if let Err(error) = self.add_nameless(&user).await {
                tracing::debug!(%error, "a STOP waits for the store still");
                return;
            }
            self.late().remove(&user);
        }
    }

    fn late(&self) -> std::sync::MutexGuard<'_, BTreeSet<UserId>> {
        self.late.users.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Where they are kept.
    pub(super) fn store(&self) -> &Arc<dyn Store> {
        &self.store
    }

    /// The user wants them again.
    ///
    /// # Errors
    /// As [`OptOuts::has`].
    pub async fn take_back(&self, user: &UserId) -> Result<(), StoreError> {
        let _alone = self.late.writing.lock().await;
        if let Some(pseudonym) = self.pseudonym(user).await? {
            self.store.set_opted_out(pseudonym, false).await?;
        }
        self.store.set_opted_out(user.clone(), false).await?;
        self.late().remove(user);
        Ok(())
    }

    /// Keeps a refusal without the name, if there is one: the user is erased next. Whether there is one.
    ///
    /// # Errors
    /// As [`OptOuts::has`].
    pub async fn outlive(&self, user: &UserId) -> Result<bool, StoreError> {
        let has = self.has(user).await?;
        if has && let Some(pseudonym) = self.pseudonym(user).await? {
            self.store.set_opted_out(pseudonym, true).await?;
        }
        Ok(has)
    }

    /// What an erasure takes out of the store, while nobody here writes a refusal; whether the user has refused. One that is there is kept without the
    /// name before the name goes, and one that came to another instance in between, and went with it, right afterwards.
    ///
    /// # Errors
    /// As [`OptOuts::has`], and `erase`'s.
    pub async fn erased(&self, user: &UserId) -> Result<(Erased, bool), StoreError> {
        let _alone = self.late.writing.lock().await;
        let has = self.outlive(user).await?;
        let erased = self.store.erase_user(user.clone()).await?;
        if erased.opt_outs > 0 {
            self.add_nameless(user).await?;
        }
        let has = has || erased.opt_outs > 0;
        Ok((erased, has))
    }

    /// Where there is no vault nobody can be erased, and the name does; so it does where the pseudonyms are broken for good: a refusal must not be lost.
    async fn add_nameless(&self, user: &UserId) -> Result<(), StoreError> {
        let whom = match self.find_pseudonym(user).await {
            Ok(pseudonym) => pseudonym.unwrap_or_else(|| user.clone()),
            Err(error @ (VaultError::UnknownMaster(_) | VaultError::Damaged(_))) => {
                tracing::warn!(%error, "a STOP is kept under the name");
                user.clone()
            }
            Err(error) => return Err(told(error)),
        };
        self.store.set_opted_out(whom, true).await
    }

    async fn pseudonym(&self, user: &UserId) -> Result<Option<UserId>, StoreError> {
        self.find_pseudonym(user).await.map_err(told)
    }

    async fn find_pseudonym(&self, user: &UserId) -> Result<Option<UserId>, VaultError> {
        let Some(vault) = &self.vault else { return Ok(None) };
        Ok(Some(nameless(&vault.pseudonym(user).await?.to_string())))
    }
}

fn told(error: VaultError) -> StoreError {
    match error {
        VaultError::Store(error) => error,
        error => StoreError::Unavailable(error.to_string()),
    }
}
