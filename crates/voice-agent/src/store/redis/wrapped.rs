//! Wrapped keys, many at once.

use super::{RedisStore, key, script};
use crate::store::{KeyPage, StoreError};

/// About so many at once: Redis serves nobody else meanwhile.
const PAGE: u32 = 256;

impl RedisStore {
    /// Two round trips for a page. A key that was destroyed in between is not in it, and one may come twice.
    pub(super) async fn key_page(&self, after: Option<String>) -> Result<KeyPage, StoreError> {
        let mut names = script::KEYS.key(key::KEYS);
        names.arg(after.unwrap_or_else(|| "0".to_owned())).arg(PAGE);
        let mut reply = self.link.run(names).await?;
        let next = Some(reply.text()?).filter(|cursor| cursor != "0");
        let names = reply.texts()?;
        if names.is_empty() {
            return Ok(KeyPage { keys: Vec::new(), next });
        }
        let mut wrapped = script::WRAPPED.prepare_invoke();
        for name in &names {
            wrapped.key(key::wrapped(name));
        }
        let wrapped = self.link.run(wrapped).await?.texts()?;
        let keys = names.into_iter().zip(wrapped).filter(|(_, wrapped)| !wrapped.is_empty()).collect();
        Ok(KeyPage { keys, next })
    }
}
