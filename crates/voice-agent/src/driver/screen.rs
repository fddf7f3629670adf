//! The caller's shared screen: a picture is asked for when the agent wants to look, comes in pieces, and is forgotten with the talk
//! about it.
//!
//! The core knows nothing of pictures. For it a look is a tool call like any other, with a deadline of its own, and what it answers
//! says only that there is a picture: neither history nor log nor store has it.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use serde_json::{Value, json};
use tokio::task::AbortHandle;
use voice_core::Input;
use voice_core::chat::{ChatContext, ChatItem, ToolCall, ToolOutput};
use voice_core::ids::{ConnectionId, ToolCallId};

use super::api::Outbound;
use super::{Done, Driver};
use crate::screen::picture::{MAX_BYTES, Picture, PictureError};
use crate::screen::{Reader, Seen};
use crate::store::Channel;
use crate::tools::{LOOK_AT_SCREEN, ToolSpec, look_at_screen};

/// What a session knows of the caller's screen.
#[derive(Default)]
pub(super) struct Screen {
    is_shared: bool,
    /// Looks so far: each has its number.
    looks: u64,
    looking: Option<Looking>,
    /// The last picture, and the call that asked for it.
    seen: Option<(ToolCallId, Arc<Seen>)>,
}

/// A picture on its way.
struct Looking {
    look: u64,
    call: ToolCall,
    bytes: BytesMut,
    patience: AbortHandle,
}

impl Screen {
    /// What the agent can do besides its own tools.
    pub(super) fn tool(&self) -> Option<ToolSpec> {
        self.is_shared.then(look_at_screen)
    }

    /// The picture that this conversation speaks of in its present turn.
    pub(super) fn seen_in(&self, chat: &ChatContext) -> Option<Arc<Seen>> {
        let (id, seen) = self.seen.as_ref()?;
        let turn = chat.items.iter().rev().take_while(|item| !matches!(item, ChatItem::User { .. }));
        let is_of_it = |item: &ChatItem| matches!(item, ChatItem::ToolOutput(output) if output.id == *id);
        turn.into_iter().any(is_of_it).then(|| Arc::clone(seen))
    }

    /// Keeps the picture for the call that asked for it. An answer that is begun anew looks again, mostly at the same: then it is
    /// the one picture, which is read once, and maybe half read already.
    fn see(&mut self, call: &ToolCall, picture: Picture, reader: Option<Arc<Reader>>) {
        let is_same = |seen: &Arc<Seen>| seen.picture().webp() == picture.webp() && !seen.is_to_be_read_again();
        let before = self.seen.take().map(|(_, seen)| seen).filter(is_same);
        self.seen = Some((call.id, before.unwrap_or_else(|| Arc::new(Seen::new(picture, reader)))));
    }
}

impl Driver {
    /// The caller shares the screen, or does not any more.
    pub(super) fn take_sharing(&mut self, connection: ConnectionId, is_shared: bool) {
        if !self.is_current(connection) || self.doc.channel == Channel::Phone || self.deps.look_within.is_none() {
            return;
        }
        self.screen.is_shared = is_shared;
        self.doc.channel = if is_shared { Channel::ScreenShare } else { Channel::Browser };
        self.labels.channel = self.doc.channel.as_str();
        if !is_shared {
            self.end_look(Err("the screen is not shared any more".to_owned()));
            self.screen.seen = None;
        }
    }

    /// The agent wants to look: the page is asked for a picture.
    pub(super) fn look(&mut self, call: ToolCall) {
        let Some(wait) = self.deps.look_within.filter(|_| self.screen.is_shared && self.leg.is_some()) else {
            self.answer_look(&call, json!({"status": "not_shared"}), false);
            return;
        };
        self.end_look(Err("another look was taken".to_owned()));
        self.screen.looks += 1;
        let look = self.screen.looks;
        let patience = self.spawn(async move {
            tokio::time::sleep(wait).await;
            Done::Looked { look, picture: Err("the page sent no picture in time".to_owned()) }
        });
        self.screen.looking = Some(Looking { look, call, bytes: BytesMut::new(), patience });
        self.send(Outbound::Look { look });
    }

    /// The next piece of a picture; an empty last one says that the page has none.
    pub(super) fn take_piece(&mut self, connection: ConnectionId, look: u64, piece: &Bytes, is_last: bool) {
        if !self.is_current(connection) {
            return;
        }
        // What comes too late was given up.
        let Some(looking) = self.screen.looking.as_mut().filter(|looking| looking.look == look) else { return };
        looking.bytes.extend_from_slice(piece);
        if looking.bytes.len() > MAX_BYTES {
            let error = PictureError::TooManyBytes(looking.bytes.len());
            self.end_look(Err(error.to_string()));
        } else if is_last {
            let bytes = std::mem::take(&mut looking.bytes).freeze();
            if bytes.is_empty() {
                self.end_look(Err("the page has no picture of it".to_owned()));
                return;
            }
            // It came in time; what follows takes a busy machine longer, and is ours. The tool's deadline holds for all of it.
            looking.patience.abort();
            // Decoded once, off the runtime: what is damaged was not seen.
            let _abort = self.spawn(async move {
                let checked = tokio::task::spawn_blocking(move || picture(bytes)).await;
                Done::Looked { look, picture: checked.unwrap_or_else(|error| Err(error.to_string())) }
            });
        }
    }

    /// The picture of this look is whole, or nobody waits longer for it; one that came too late was given up.
    pub(super) fn take_picture(&mut self, look: u64, picture: Result<Picture, String>) {
        if self.screen.looking.as_ref().is_some_and(|looking| looking.look == look) {
            self.end_look(picture);
        }
    }

    /// What came of the look that is under way, if there is one.
    fn end_look(&mut self, picture: Result<Picture, String>) {
        let Some(Looking { call, patience, .. }) = self.screen.looking.take() else { return };
        patience.abort();
        match picture {
            Ok(picture) => {
                let (width, height) = picture.size();
                self.deps.events.screen_seen(&self.labels.session_id, width, height, picture.webp().len());
                self.screen.see(&call, picture, self.deps.providers.reader.clone());
                self.answer_look(&call, json!({"status": "ok", "width": width, "height": height}), false);
            }
            Err(reason) => {
                self.deps.events.screen_not_seen(&self.labels.session_id, &reason);
                self.answer_look(&call, json!({"status": "failed", "reason": reason}), true);
            }
        }
    }

    fn answer_look(&mut self, call: &ToolCall, result: Value, is_error: bool) {
        let output = ToolOutput { id: call.id, name: LOOK_AT_SCREEN.to_owned(), result, is_error };
        self.pending.push_back(Input::ToolComputed { output, mutates: false });
    }
}

fn picture(bytes: Bytes) -> Result<Picture, String> {
    let picture = Picture::new(bytes).map_err(|error| error.to_string())?;
    picture.decode().map_err(|error| error.to_string())?;
    Ok(picture)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::screen::picture::tests::webp;

    #[tokio::test]
    async fn what_is_seen_again_is_the_same_picture_and_anything_else_a_new_one() {
        let mut screen = Screen::default();
        let mut look = |id: u64, grey: u8| {
            let picture = Picture::new(webp(&image::RgbImage::from_pixel(64, 48, image::Rgb([grey; 3])))).unwrap();
            let call =
                ToolCall { id: ToolCallId(id), name: LOOK_AT_SCREEN.to_owned(), arguments: serde_json::Map::new() };
            screen.see(&call, picture, None);
            let (for_call, seen) = screen.seen.as_ref().unwrap();
            assert_eq!(*for_call, call.id);
            Arc::clone(seen)
        };
        let first = look(1, 10);
        assert!(Arc::ptr_eq(&first, &look(2, 10)), "it is read once");
        let other = look(3, 11);
        assert!(!Arc::ptr_eq(&first, &other));
        // There is no reader: nothing came of it.
        other.read().await;
        assert!(!Arc::ptr_eq(&other, &look(4, 11)), "a reading that failed is tried again");
    }
}
