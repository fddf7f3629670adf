//! What an export gathers from the disks of other instances: one after the other gives out its own, sealed under the person's key, so that nothing of
//! it can be read where it lies in between.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep};

use super::export::{Collection, File, MISSING, Missing, file_name, put};
use super::{Desk, PrivacyError};
use crate::http::random_hex;
use crate::store::{ExportOrder, ExportOrders, StoreError, UserId};
use crate::vault::{Pseudonym, Sealer, UserKey, VaultError, open};

/// So long it is waited for an instance's next piece: each looks every second.
const ANSWERED: Duration = Duration::from_secs(10);
/// So long an instance waits for room: whoever asked writes to somebody who may be slow.
const ROOM: Duration = Duration::from_secs(60);
/// How often it is looked for a piece, or for room.
const LOOK: Duration = Duration::from_millis(50);
/// A piece has so many bytes at most, before it is text.
const PIECE_BYTES: usize = 192 * 1_024;
/// A file has so many at most, sealed.
const MAX_FILE_BYTES: usize = 256 * 1_024 * 1_024;
/// What a piece begins with that has others of its file behind it, and the last of a file.
const MIDDLE: char = '+';
const LAST: char = '.';

impl Desk {
    /// Puts what other instances have on their disks into the archive, each in a folder of its own. Who gives out nothing, or not all, is named.
    pub(super) async fn feed_elsewhere(
        &self,
        all: &mut Collection,
        files: &mpsc::Sender<File>,
    ) -> Result<(), PrivacyError> {
        let Some(orders) = self.store.export_orders() else { return Ok(()) };
        let Some(mut others) = all.part("instances/", orders.living().await) else { return Ok(()) };
        if let Some(app) = &self.app {
            others.remove(app.instance().as_str());
        }
        for instance in others {
            let folder = format!("instances/{}", file_name(&instance));
            let asked = self.ask(&orders, all, instance).await;
            let Some(from) = all.part(&folder, asked) else { continue };
            loop {
                let Some((name, content)) = all.part(&folder, from.next().await) else { break };
                if name == MISSING {
                    let missing = all.part(&folder, serde_json::from_slice::<Vec<Missing>>(&content));
                    for Missing { what, why } in missing.unwrap_or_default() {
                        all.lacks(format!("{folder}/{what}"), &why);
                    }
                    break;
                }
                put(files, File { name: format!("{folder}/{name}"), content }).await?;
            }
        }
        Ok(())
    }

    async fn ask<'a>(
        &self,
        orders: &'a ExportOrders,
        all: &Collection,
        instance: String,
    ) -> Result<Giver<'a>, PrivacyError> {
        let id = random_hex::<16>().map_err(VaultError::from)?;
        // Who has none yet gets one: what an instance gives out is under no other.
        let key = self.vault.user_key(&all.user).await?;
        let (owner, sessions) = (all.owner.to_string(), all.ids.clone());
        orders.put(&ExportOrder { id: id.clone(), to: instance, owner, sessions }).await?;
        Ok(Giver { orders, id, key })
    }

    /// Gives out what is here, and nowhere else, of whom an export is about; last of all what could not be read.
    ///
    /// # Errors
    /// [`PrivacyError`]: whoever asked waits in vain, and says so.
    pub async fn give(&self, orders: &ExportOrders, order: &ExportOrder) -> Result<(), PrivacyError> {
        let owner: Pseudonym =
            order.owner.parse().map_err(|_| StoreError::Corrupt("whom an export is about".to_owned()))?;
        let key = self.vault.key_of(owner).await?.ok_or(VaultError::Erased)?;
        let waiting = self.recorder.waiting_of(owner).await;
        let (sessions, files, recordings, missing) = Default::default();
        let ids = order.sessions.clone();
        let (user, made) = (UserId::new(""), self.clock.now());
        let mut all = Collection { user, owner, made, sessions, ids, files, recordings, missing };
        all.recordings = all.part("recordings/", waiting).unwrap_or_default();
        let (files, mut found) = mpsc::channel::<File>(1);
        let finding = async {
            let fed = self.feed_disk(&mut all, &files).await;
            drop(files);
            fed
        };
        let (giving_key, id) = (key.clone(), order.id.as_str());
        let giving = async move {
            while let Some(file) = found.recv().await {
                if !file.content.is_empty() {
                    give_file(orders, id, &giving_key, file).await?;
                }
            }
            Ok::<_, PrivacyError>(())
        };
        let (fed, given) = tokio::join!(finding, giving);
        given?;
        fed?;
        give_file(orders, &order.id, &key, File::json(MISSING, &all.missing)?).await
    }
}

/// An instance that was asked.
struct Giver<'a> {
    orders: &'a ExportOrders,
    id: String,
    key: UserKey,
}

impl Giver<'_> {
    /// The next of its files, by name.
    async fn next(&self) -> Result<(String, Vec<u8>), PrivacyError> {
        let odd = || StoreError::Corrupt("a piece of what an instance gave out".to_owned());
        let (mut sealed, mut end) = (Vec::new(), Instant::now() + ANSWERED);
        loop {
            let Some(piece) = self.orders.take(&self.id).await? else {
                if Instant::now() >= end {
                    let why = "the instance does not answer: it hangs, has no RECORDING_MASTER_KEY, cannot read what it has, or is of an \
                               earlier version";
                    return Err(StoreError::Unavailable(why.to_owned()).into());
                }
                sleep(LOOK).await;
                continue;
            };
            end = Instant::now() + ANSWERED;
            let (text, is_last) = match (piece.strip_prefix(MIDDLE), piece.strip_prefix(LAST)) {
                (Some(text), _) => (text, false),
                (None, Some(text)) => (text, true),
                (None, None) => return Err(odd().into()),
            };
            STANDARD.decode_vec(text, &mut sealed).map_err(|_| odd())?;
            if sealed.len() > MAX_FILE_BYTES {
                return Err(StoreError::Corrupt("a file that is too large".to_owned()).into());
            }
            if is_last {
                break;
            }
        }
        let key = self.key.clone();
        let opened = tokio::task::spawn_blocking(move || open(&sealed, &key)).await?.map_err(|_| odd())?;
        // A piece of another export is none of this.
        let name =
            opened.label.strip_prefix(self.id.as_str()).and_then(|name| name.strip_prefix('/')).ok_or_else(odd)?;
        Ok((name.to_owned(), opened.text))
    }
}

/// Gives out a file, piece by piece, as there is room.
async fn give_file(orders: &ExportOrders, id: &str, key: &UserKey, file: File) -> Result<(), PrivacyError> {
    let (label, key) = (format!("{id}/{}", file.name), key.clone());
    let sealing = tokio::task::spawn_blocking(move || {
        let (mut sealer, mut sealed) = Sealer::new(&key, &label)?;
        sealer.seal(&file.content, &mut sealed)?;
        sealer.finish(&mut sealed)?;
        Ok::<_, VaultError>(sealed)
    });
    let sealed = sealing.await??;
    let mut pieces = sealed.chunks(PIECE_BYTES).peekable();
    while let Some(piece) = pieces.next() {
        let mut text = String::from(if pieces.peek().is_some() { MIDDLE } else { LAST });
        STANDARD.encode_string(piece, &mut text);
        let end = Instant::now() + ROOM;
        while !orders.give(id, &text).await? {
            if Instant::now() >= end {
                return Err(StoreError::Unavailable("nobody takes what is given out".to_owned()).into());
            }
            sleep(LOOK).await;
        }
    }
    Ok(())
}
