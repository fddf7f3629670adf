//! What may come once: the call tokens, and the signed requests that ask for them.
//!
//! A signature says who wrote a request, not that it is sent for the first time. So each is remembered, in the store: by all instances that
//! share it, and after their restarts.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::store::{Store, StoreError};

/// What this process remembers by itself, for as long as the store may be away; beyond it all is forgotten.
const MOST: usize = 65_536;
/// For how long it does at most.
const LONGEST: Duration = Duration::from_secs(3600);

/// Whether something came before.
#[derive(Debug)]
pub enum Seen {
    /// It came for the first time.
    First,
    /// It came before.
    Before,
    /// It did not come to this process; whether it came to another one the store does not say.
    Unknown(StoreError),
}

/// Remembers what came.
pub struct Once {
    store: Arc<dyn Store>,
    here: Mutex<HashMap<String, Instant>>,
}

impl std::fmt::Debug for Once {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Once").finish_non_exhaustive()
    }
}

impl Once {
    /// With this store.
    pub fn new(store: Arc<dyn Store>) -> Self {
        Self { store, here: Mutex::default() }
    }

    /// Remembers that this came, for `ttl`; whether it had come before.
    pub async fn see(&self, what: &str, ttl: Duration) -> Seen {
        if !self.is_new_here(what, ttl) {
            return Seen::Before;
        }
        match self.store.note_once(what.to_owned(), ttl).await {
            Ok(true) => Seen::First,
            Ok(false) => Seen::Before,
            Err(error) => Seen::Unknown(error),
        }
    }

    fn is_new_here(&self, what: &str, ttl: Duration) -> bool {
        let now = Instant::now();
        let mut here = self.here.lock().unwrap_or_else(PoisonError::into_inner);
        if here.len() >= MOST {
            here.retain(|_, until| now < *until);
        }
        if here.len() >= MOST {
            here.clear();
        }
        let before = here.insert(what.to_owned(), now + ttl.min(LONGEST));
        before.is_none_or(|until| until <= now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::{SqliteOptions, SqliteStore};

    const MINUTE: Duration = Duration::from_secs(60);

    #[tokio::test]
    async fn what_came_to_one_process_came_to_the_next_one_too() {
        let data = tempfile::tempdir().unwrap();
        let store = Arc::new(SqliteStore::open(data.path(), SqliteOptions::default()).unwrap());
        let [here, there] = [0, 1].map(|_| Once::new(Arc::clone(&store) as Arc<dyn Store>));
        assert!(matches!(here.see("a", MINUTE).await, Seen::First));
        assert!(matches!(here.see("a", MINUTE).await, Seen::Before));
        assert!(matches!(there.see("a", MINUTE).await, Seen::Before));
        assert!(matches!(there.see("b", MINUTE).await, Seen::First));
    }

    #[tokio::test]
    async fn while_the_store_is_away_each_process_knows_what_came_to_itself() {
        let away = crate::store::RedisStore::new("redis://127.0.0.1:1", crate::store::RedisOptions::default()).unwrap();
        let once = Once::new(Arc::new(away));
        assert!(matches!(once.see("a", MINUTE).await, Seen::Unknown(_)));
        assert!(matches!(once.see("a", MINUTE).await, Seen::Before));
        assert!(matches!(once.see("b", MINUTE).await, Seen::Unknown(_)));
    }

    #[tokio::test]
    async fn no_more_than_so_many_are_remembered_here() {
        let data = tempfile::tempdir().unwrap();
        let once = Once::new(Arc::new(SqliteStore::open(data.path(), SqliteOptions::default()).unwrap()));
        assert!((0..=MOST).all(|number| once.is_new_here(&number.to_string(), MINUTE)));
        assert_eq!(once.here.lock().unwrap().len(), 1);
    }
}
