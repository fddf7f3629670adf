//! A job of the worker's: go to a room, stay as long as there is something to do, and see to it that somebody else comes if the session
//! goes on elsewhere.

use std::sync::Arc;
use std::time::Duration;

use livekit_rtc::audio::SampleRate;
use livekit_rtc::worker::{Assignment, Worker};
use livekit_rtc::{Address, Room, RoomOptions};
use tokio_util::sync::CancellationToken;

use super::Settings;
use super::caller::{SentFor, find_caller, open_session};
use super::room::Stay;
use super::takeover::send_another;
use crate::app::Shared;
use crate::store::SessionId;
use crate::transport::close;
use crate::transport::end::End;

/// The agent's sound waits in the room for so long at most: the session sends 400 ms ahead.
const VOICE_QUEUE: Duration = Duration::from_millis(1_000);

/// Goes to a room, and stays. `ended` ends it, and is cancelled when it is over.
pub(super) async fn carry(
    app: Shared,
    settings: Arc<Settings>,
    worker: Worker,
    assignment: Assignment,
    ended: CancellationToken,
) {
    let _over = ended.clone().drop_guard();
    let (job, name) = (assignment.job.id.clone(), assignment.job.room.clone());
    let mut session = None;
    let end = match ended.run_until_cancelled(stay(&app, &settings, assignment, &mut session)).await {
        Some(end) => end,
        None => End::new(close::ENDED, "the server ended the job"),
    };
    app.events.room_left(job.as_str(), end.code, &end.reason);
    if let Some(session) = session.filter(|_| end.code == close::HANDED_OVER) {
        // The session goes on elsewhere, and so must its agent. What fails is logged; the next one is sent by whoever misses us.
        let _sent = send_another(&settings, &name, &session).await;
    }
    let result = if end.code == close::FAILED || end.code == close::INTERNAL { Err(end.reason) } else { Ok(()) };
    // The worker may be over: the server learns of the end of the job by our leaving.
    let _over = worker.finish(&job, result).await;
}

async fn stay(app: &Shared, settings: &Settings, assignment: Assignment, session: &mut Option<SessionId>) -> End {
    let address = assignment.url.as_deref().and_then(|url| Address::parse(url).ok());
    let address = address.unwrap_or_else(|| settings.address.clone());
    let options = RoomOptions { rate: SampleRate::Hz16000, audio_queue: VOICE_QUEUE, ..RoomOptions::default() };
    let (room, mut events) = match Room::connect(address, assignment.token, options).await {
        Ok(joined) => joined,
        Err(reason) => return End::new(close::INTERNAL, format!("the room cannot be joined: {reason}")),
    };
    let name = &assignment.job.room;
    // The caller, as far as they are there.
    let mut here = None;
    let end = async {
        let sent_for = SentFor::of(app, settings, name, &assignment.job.metadata).await?;
        let arrival = find_caller(app, settings, name, sent_for.as_ref(), &mut events).await?;
        here = Some(arrival.caller.clone());
        let live = open_session(app, settings, name, sent_for.as_ref(), &arrival.caller).await?;
        *session = Some(live.id.clone());
        let stay = Stay::begin(app, settings, name, room.clone(), arrival, live, &mut events).await?;
        let (end, caller) = stay.run(events).await;
        here = caller;
        Err::<std::convert::Infallible, _>(end)
    };
    let Err(end) = end.await;
    if let Some(caller) = here {
        settings.let_go(name, &caller, &end).await;
    }
    room.close().await;
    end
}
