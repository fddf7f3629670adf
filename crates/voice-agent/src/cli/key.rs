//! A user's key, for commands that open what is sealed, also beside a running server.

use std::sync::Arc;

use anyhow::Context as _;

use crate::config::Config;
use crate::store::{RedisOptions, RedisStore, SqliteStore};
use crate::vault::{Pseudonym, UserKey, Vault, load_master};

/// The key of this user, if it was not destroyed.
pub(super) fn of(config: &Config, owner: Pseudonym) -> anyhow::Result<Option<UserKey>> {
    let kms = load_master(config)?.context("RECORDING_MASTER_KEY is not set: with REDIS_URL it is needed")?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().context("the runtime")?;
    runtime.block_on(async {
        match &config.secrets.redis_url {
            Some(url) => {
                let store = RedisStore::new(url.reveal(), RedisOptions::default())?;
                Ok(Vault::new(Arc::new(store), kms).key_of(owner).await?)
            }
            // The server has the store to itself; its keys can be read all the same.
            None => match SqliteStore::read_key(&config.data_dir, &owner.to_string())? {
                Some(wrapped) => Ok(Some(UserKey::new(owner, kms.unwrap(&owner.to_string(), &wrapped).await?))),
                None => Ok(None),
            },
        }
    })
}
