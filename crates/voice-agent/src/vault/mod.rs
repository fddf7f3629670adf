//! Keys, and what is sealed under them.
//!
//! Three layers: each sealed file has a data key of its own, which its header carries wrapped by its **user's key**; that lies in the
//! store, wrapped by the **master key**, which is nowhere but in this process (and where it was configured). Destroying a user's key makes
//! all of that user's files unreadable, wherever copies of them are.
//!
//! Files and stored keys name people by [`Pseudonym`]s only: a MAC of the user's id under a secret that lies in the store like a key, so that
//! a new master key changes none of them.

mod key;
mod kms;
mod master;
mod open;
mod seal;
mod sealing;

use std::sync::Arc;

use aws_lc_rs::hmac;
use tokio::sync::OnceCell;

use crate::store::{SessionId, Store, StoreError, UserId};

pub use key::{Key, KeyId, Pseudonym, UserKey};
pub use kms::{Kms, KmsFuture, LocalKms, NoKms};
pub use master::{MASTER_KEY_FILE, MasterKeyError, load as load_master};
pub(crate) use master::{check_list as check_masters, parse as parse_master};
pub use open::{End, Opened, Opener, open};
pub use seal::{Header, MAX_CHUNK_BYTES, MAX_HEADER_BYTES, SealError, Sealer};
pub use sealing::Sealing;

use sealing::Sealings;

/// Under which name the secret of the pseudonyms lies in the store: no pseudonym is called so.
const PSEUDONYMS: &str = "pseudonyms";

/// Why there is no key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum VaultError {
    /// The store did not give it, or take it.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// It is wrapped by a master key that nobody here has.
    #[error("a key is wrapped by the master key {0}, which is not here: RECORDING_MASTER_KEYS_OLD takes earlier ones")]
    UnknownMaster(KeyId),
    /// What the store has is no wrapped key, or not this one.
    #[error("the stored key {0} is damaged, or was put under another's name")]
    Damaged(String),
    /// The key service did not answer, or refused.
    #[error("the key service: {0}")]
    Kms(String),
    /// The user was erased, and the session was theirs before: nothing more of it is kept.
    #[error("the session's user was erased")]
    Erased,
    /// A sealed file cannot grow any more: it has 2^32 chunks, or the machine has no memory for its cipher.
    #[error("nothing more can be sealed in this file")]
    Full,
    /// The operating system gave no randomness.
    #[error("no randomness: {0}")]
    Random(#[from] getrandom::Error),
}

/// What a rotation did.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Rotated {
    /// Keys that are wrapped by the present master key now, and were by an earlier one.
    pub rewrapped: usize,
    /// Keys that were already.
    pub unchanged: usize,
    /// Keys whose master key is not here, or that are damaged: they stay as they are.
    pub unreadable: usize,
}

/// What became of a user's key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// None was ever destroyed.
    Kept,
    /// It was destroyed, and there is no other: what was sealed for this user nobody can read.
    Destroyed,
    /// It was destroyed, and this is the one that the user got afterwards.
    Replaced(KeyId),
}

impl Fate {
    /// Whether nobody can read any more what is sealed under this key of the user's.
    pub fn is_lost(self, key: KeyId) -> bool {
        match self {
            Self::Kept => false,
            Self::Destroyed => true,
            Self::Replaced(present) => key != present,
        }
    }
}

/// Everybody's keys.
pub struct Vault {
    store: Arc<dyn Store>,
    kms: Arc<dyn Kms>,
    pseudonyms: OnceCell<hmac::Key>,
    sealings: Arc<Sealings>,
}

impl std::fmt::Debug for Vault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Vault").finish_non_exhaustive()
    }
}

impl Vault {
    /// A vault whose keys lie in `store`, wrapped by `kms`.
    pub fn new(store: Arc<dyn Store>, kms: Arc<dyn Kms>) -> Self {
        Self { store, kms, pseudonyms: OnceCell::new(), sealings: Arc::default() }
    }

    /// What stands for the user in files' names and in logs.
    ///
    /// # Errors
    /// [`VaultError`], when the pseudonyms' secret cannot be had.
    pub async fn pseudonym(&self, user: &UserId) -> Result<Pseudonym, VaultError> {
        let secret = self.pseudonyms.get_or_try_init(async || {
            let secret = self.find_or_make(PSEUDONYMS).await?;
            Ok::<_, VaultError>(hmac::Key::new(hmac::HMAC_SHA256, secret.bytes()))
        });
        Ok(Pseudonym::of(&hmac::sign(secret.await?, user.as_str().as_bytes())))
    }

    /// The user's key; it is made, if there is none.
    ///
    /// # Errors
    /// [`VaultError`].
    pub async fn user_key(&self, user: &UserId) -> Result<UserKey, VaultError> {
        let owner = self.pseudonym(user).await?;
        let key = self.find_or_make(&owner.to_string()).await?;
        Ok(UserKey::new(owner, key))
    }

    /// The user's key for what is kept of this session. A session that was there before its user was erased gets none: what it has still to
    /// write would outlive the erasure under a key that was made after it.
    ///
    /// # Errors
    /// [`VaultError`].
    pub async fn key_for(&self, user: &UserId, session: &SessionId) -> Result<UserKey, VaultError> {
        let key = self.user_key(user).await?;
        if self.was_destroyed(key.owner()).await? {
            // An erasure ends the sessions before it destroys the key: one that goes on began after it.
            let stored = self.store.load_session(session.clone()).await?;
            stored.filter(|stored| !stored.ended).ok_or(VaultError::Erased)?;
        }
        Ok(key)
    }

    /// Something of this user is about to be sealed, until the guard goes.
    pub fn sealing(&self, user: &UserId) -> Sealing {
        self.sealings.begin(user)
    }

    /// Waits until nothing of this user is being sealed here.
    pub async fn sealed(&self, user: &UserId) {
        self.sealings.ended(user).await;
    }

    /// Of whom something is being sealed here.
    pub fn sealing_users(&self) -> Vec<UserId> {
        self.sealings.users()
    }

    /// The user's key, if there is one.
    ///
    /// # Errors
    /// [`VaultError`].
    pub async fn find_user_key(&self, user: &UserId) -> Result<Option<UserKey>, VaultError> {
        self.key_of(self.pseudonym(user).await?).await
    }

    /// The key of the user whom a sealed file names, if it was not destroyed.
    ///
    /// # Errors
    /// [`VaultError`].
    pub async fn key_of(&self, owner: Pseudonym) -> Result<Option<UserKey>, VaultError> {
        Ok(self.find(&owner.to_string()).await?.map(|key| UserKey::new(owner, key)))
    }

    /// Destroys the user's key, and with it whatever is sealed under it. Whether there was one; where there was none it is remembered all the same
    /// that whatever comes later is another.
    ///
    /// # Errors
    /// [`VaultError`].
    pub async fn destroy_user_key(&self, user: &UserId) -> Result<bool, VaultError> {
        let owner = self.pseudonym(user).await?;
        Ok(self.store.delete_key(owner.to_string()).await?)
    }

    /// Whether this user was ever erased: a key was destroyed, or there was none.
    ///
    /// # Errors
    /// [`VaultError::Store`].
    pub async fn was_destroyed(&self, owner: Pseudonym) -> Result<bool, VaultError> {
        Ok(self.store.was_destroyed(owner.to_string()).await?)
    }

    /// What became of the key of the user whom a sealed file names.
    ///
    /// # Errors
    /// [`VaultError`]; without the master key also for one that was replaced.
    pub async fn fate(&self, owner: Pseudonym) -> Result<Fate, VaultError> {
        if !self.was_destroyed(owner).await? {
            return Ok(Fate::Kept);
        }
        Ok(self.key_of(owner).await?.map_or(Fate::Destroyed, |key| Fate::Replaced(key.id())))
    }

    /// Wraps all keys by the present master key. Can be repeated, and be done by several instances at once.
    ///
    /// # Errors
    /// [`VaultError`] of the store and the key service; what was done until then stays done.
    pub async fn rotate(&self) -> Result<Rotated, VaultError> {
        let (mut rotated, mut after) = (Rotated::default(), None);
        loop {
            let page = self.store.keys(after).await?;
            for (name, wrapped) in page.keys {
                if self.kms.is_current(&wrapped) {
                    rotated.unchanged += 1;
                    continue;
                }
                match self.kms.unwrap(&name, &wrapped).await {
                    Ok(key) => {
                        let anew = self.kms.wrap(&name, &key).await?;
                        // Not replaced: it was destroyed meanwhile, or another instance was quicker.
                        rotated.rewrapped += usize::from(self.store.replace_key(name, wrapped, anew).await?);
                    }
                    Err(VaultError::UnknownMaster(_) | VaultError::Damaged(_)) => rotated.unreadable += 1,
                    Err(error) => return Err(error),
                }
            }
            let Some(next) = page.next else { return Ok(rotated) };
            after = Some(next);
        }
    }

    async fn find(&self, name: &str) -> Result<Option<Key>, VaultError> {
        match self.store.key(name.to_owned()).await? {
            Some(wrapped) => self.kms.unwrap(name, &wrapped).await.map(Some),
            None => Ok(None),
        }
    }

    async fn find_or_make(&self, name: &str) -> Result<Key, VaultError> {
        if let Some(key) = self.find(name).await? {
            return Ok(key);
        }
        let key = Key::random()?;
        let wrapped = self.kms.wrap(name, &key).await?;
        if self.store.put_key(name.to_owned(), wrapped).await? {
            return Ok(key);
        }
        // Another instance was quicker: its key is the one.
        self.find(name).await?.ok_or_else(|| VaultError::Damaged(name.to_owned()))
    }
}

#[cfg(test)]
mod tests;
