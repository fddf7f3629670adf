//! What an export asks of one instance that shares this Redis, and what that gives out: piece by piece, sealed, and never more than a few at a time.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::erasure::{living, orders_after, put_order};
use super::link::Link;
use super::{key, ms, script};
use crate::store::StoreError;

/// Whoever asks waits for seconds.
const ORDER_TTL: Duration = Duration::from_secs(60);
/// So many orders are kept at most, the newest.
const MOST: u32 = 100;
/// So many pieces lie there at most, so long after the last one.
const PIECES: u32 = 8;
const PIECES_TTL: Duration = Duration::from_secs(60);

/// Whose part of whom is asked for. It names nobody.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExportOrder {
    /// Under which its pieces are found: nobody can guess it.
    pub id: String,
    /// The instance that is asked.
    pub to: String,
    /// The person's pseudonym.
    pub owner: String,
    /// The sessions that are known to be theirs.
    pub sessions: BTreeSet<String>,
}

/// The orders of a store that several instances share.
#[derive(Clone)]
pub struct ExportOrders {
    link: Arc<Link>,
}

impl std::fmt::Debug for ExportOrders {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ExportOrders").finish_non_exhaustive()
    }
}

impl ExportOrders {
    pub(super) const fn new(link: Arc<Link>) -> Self {
        Self { link }
    }

    /// The instances that can be asked.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn living(&self) -> Result<BTreeSet<String>, StoreError> {
        living(&self.link).await
    }

    /// Asks an instance.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn put(&self, order: &ExportOrder) -> Result<(), StoreError> {
        put_order(&self.link, [key::EXPORTS, key::EXPORTS_COUNT], order, ORDER_TTL, MOST).await.map(|_| ())
    }

    /// What was asked after this number, oldest first; of one that cannot be read only the number.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn after(&self, number: u64) -> Result<Vec<(u64, Option<ExportOrder>)>, StoreError> {
        orders_after(&self.link, [key::EXPORTS, key::EXPORTS_COUNT], number).await
    }

    /// Puts a piece behind the others, if there is room for one; whether there was.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn give(&self, id: &str, piece: &str) -> Result<bool, StoreError> {
        let mut script = script::GIVE.key(key::export_pieces(id));
        script.arg(piece).arg(PIECES).arg(ms(PIECES_TTL));
        Ok(self.link.run_patiently(script).await?.word == "ok")
    }

    /// Takes the first piece, if one is there.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn take(&self, id: &str) -> Result<Option<String>, StoreError> {
        let mut reply = self.link.run_patiently(script::TAKE.key(key::export_pieces(id))).await?;
        if reply.word == "ok" { reply.text().map(Some) } else { Ok(None) }
    }
}
