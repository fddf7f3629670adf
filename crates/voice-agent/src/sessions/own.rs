//! Whose the sessions are: what a former owner left, and whether they are this instance's still.

use futures_util::{StreamExt as _, stream};
use tokio::sync::oneshot;
use voice_core::input::HangUp;

use super::{Live, Sessions};
use crate::driver::Handover;
use crate::driver::api::Command;
use crate::store::{SessionId, StoreError};

/// How many sessions are reasserted at once after an outage of the store.
const REASSERTED_AT_ONCE: usize = 16;

impl Sessions {
    /// What the owner before left for this one, if it left on purpose.
    pub(super) async fn take_handover(&self, id: SessionId, before: u64) -> Option<Handover> {
        let taken = self.parts.store.take_handover(id).await;
        let context = taken.inspect_err(|error| self.store_failed("take_handover", error)).ok().flatten()?;
        let handover: Handover = serde_json::from_value(context)
            .inspect_err(|error| tracing::warn!(%error, "the context of a hand-over cannot be read"))
            .ok()?;
        (handover.fence == before).then_some(handover)
    }

    /// Asks the store whether the sessions here are this instance's still, and renews them. What another one took over is let go; what
    /// ran out because this machine slept, or its clock was put right, is put back.
    pub async fn renew(&self) {
        for live in self.list() {
            match self.parts.store.extend_session(live.id.clone(), live.fence).await {
                Ok(()) => {}
                // Somebody ended it elsewhere. One that is too busy is told the next time.
                Err(StoreError::Ended(_)) => drop(live.handle.send(Command::HangUp { by: HangUp::Operator })),
                Err(StoreError::Fenced(_)) => self.let_go(&live),
                Err(StoreError::NotFound(_)) => self.reassert_one(&live).await,
                // It is away; the heartbeat says so.
                Err(_) => return,
            }
        }
    }

    /// After an outage of the store: its owner says of each session here that it is here, and what waits is saved.
    pub async fn reassert(&self) {
        let all = self.list();
        stream::iter(&all).for_each_concurrent(REASSERTED_AT_ONCE, |live| self.reassert_one(live)).await;
    }

    async fn reassert_one(&self, live: &Live) {
        let (answer, described) = oneshot::channel();
        if live.is_over() || live.handle.send(Command::Describe { answer }).is_err() {
            return;
        }
        let Ok(doc) = described.await else { return };
        let instance = self.parts.instance.clone();
        match self.parts.store.reassert_session(*doc, live.token_hash, live.fence, instance).await {
            Ok(()) => {
                // One that is too busy saves what waits by itself, later.
                let _later = live.handle.send(Command::StoreIsBack);
            }
            Err(StoreError::Fenced(_)) => self.let_go(live),
            // Somebody ended it, or its caller was erased, while the store was away.
            Err(StoreError::Ended(_)) => drop(live.handle.send(Command::HangUp { by: HangUp::Operator })),
            Err(error) => self.store_failed("reassert_session", &error),
        }
    }

    fn let_go(&self, live: &Live) {
        tracing::warn!(session = %live.id, "another instance owns this session: it is let go");
        // One that is too busy is asked about again.
        let _again = live.handle.send(Command::TakenOver);
    }
}
