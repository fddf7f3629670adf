//! Who wants no text messages. Whoever said STOP is written to again after START and not before, an erasure in between included: it leaves the
//! refusal under the person's pseudonym.

use std::sync::Arc;

use crate::consent::nameless;
use crate::store::{Store, StoreError, UserId};
use crate::vault::{Vault, VaultError};

/// The refusals.
#[derive(Clone)]
pub struct OptOuts {
    store: Arc<dyn Store>,
    /// None where instances share a store without sharing a master key: there nobody can be erased either.
    vault: Option<Arc<Vault>>,
}

impl std::fmt::Debug for OptOuts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("OptOuts").field("has_vault", &self.vault.is_some()).finish_non_exhaustive()
    }
}

impl OptOuts {
    /// Those of this store.
    pub fn new(store: Arc<dyn Store>, vault: Option<Arc<Vault>>) -> Self {
        Self { store, vault }
    }

    /// Whether the user wants none.
    ///
    /// # Errors
    /// As the store's; also when the pseudonym cannot be had.
    pub async fn has(&self, user: &UserId) -> Result<bool, StoreError> {
        if self.store.is_opted_out(user.clone()).await? {
            return Ok(true);
        }
        match self.pseudonym(user).await? {
            Some(pseudonym) => self.store.is_opted_out(pseudonym).await,
            None => Ok(false),
        }
    }

    /// The user wants none from now on.
    ///
    /// # Errors
    /// As the store's.
    pub async fn add(&self, user: &UserId) -> Result<(), StoreError> {
        self.store.set_opted_out(user.clone(), true).await
    }

    /// The user wants them again.
    ///
    /// # Errors
    /// As [`OptOuts::has`].
    pub async fn take_back(&self, user: &UserId) -> Result<(), StoreError> {
        if let Some(pseudonym) = self.pseudonym(user).await? {
            self.store.set_opted_out(pseudonym, false).await?;
        }
        self.store.set_opted_out(user.clone(), false).await
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

    async fn pseudonym(&self, user: &UserId) -> Result<Option<UserId>, StoreError> {
        let Some(vault) = &self.vault else { return Ok(None) };
        let pseudonym = vault.pseudonym(user).await.map_err(|error| match error {
            VaultError::Store(error) => error,
            error => StoreError::Unavailable(error.to_string()),
        })?;
        Ok(Some(nameless(&pseudonym.to_string())))
    }
}
