//! Ends of a stay, each with its reason.

use livekit_rtc::error::{CloseReason, DisconnectReason, LinkError, RoomError};
use livekit_rtc::token::{AccessToken, Grants};
use livekit_rtc::{Event, Events, PublishOptions, Room, RoomOptions};

use crate::server::{Server, until};

async fn closed(events: &mut Events) -> CloseReason {
    let reason = until(events, |event| match event {
        Event::Closed(reason) => Some(*reason),
        _ => None,
    });
    let reason = reason.await;
    assert_eq!(events.next().await, None, "nothing follows");
    reason
}

#[tokio::test(flavor = "multi_thread")]
async fn every_end_has_its_reason() {
    let Some(server) = Server::start("every_end_has_its_reason") else { return };

    let (room, mut events) = server.join("kitchen", "ada").await;
    assert_eq!(room.close().await, CloseReason::Left);
    assert_eq!(closed(&mut events).await, CloseReason::Left);

    let (room, mut events) = server.join("kitchen", "ada").await;
    drop(room);
    assert_eq!(closed(&mut events).await, CloseReason::Left, "the last handle is gone");

    let (_former, mut events) = server.join("kitchen", "ada").await;
    let (later, mut later_events) = server.join("kitchen", "ada").await;
    assert_eq!(closed(&mut events).await, CloseReason::Server(DisconnectReason::DuplicateIdentity));

    let body = serde_json::json!({"room": "kitchen", "identity": "ada"});
    server.call("RoomService", "RemoveParticipant", Grants::admin("kitchen"), body).await;
    assert_eq!(closed(&mut later_events).await, CloseReason::Server(DisconnectReason::ParticipantRemoved));
    assert_eq!(later.closed().await, CloseReason::Server(DisconnectReason::ParticipantRemoved));

    let (_room, mut events) = server.join("cellar", "ada").await;
    let grants = Grants { room_create: true, ..Grants::admin("cellar") };
    server.call("RoomService", "DeleteRoom", grants, serde_json::json!({"room": "cellar"})).await;
    assert_eq!(closed(&mut events).await, CloseReason::Server(DisconnectReason::RoomDeleted));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_allowed_is_refused() {
    let Some(mut server) = Server::start("what_is_not_allowed_is_refused") else { return };
    let refused = Room::connect(server.address(), "no.token.atall", RoomOptions::default()).await;
    assert_eq!(refused.err(), Some(CloseReason::Lost(LinkError::Refused(401))));

    let grants = Grants { can_publish: Some(false), can_update_own_metadata: Some(false), ..Grants::join("kitchen") };
    let token = AccessToken::new(grants).identity("ada");
    let token = token.sign(&Server::key(), std::time::SystemTime::now()).unwrap();
    let (room, _events) = Room::connect(server.address(), token, RoomOptions::default()).await.unwrap();
    let published = room.publish_audio(PublishOptions::default()).await;
    assert!(matches!(published, Err(RoomError::Refused(_))), "{published:?}");
    let set = room.set_attributes([("a".to_owned(), "1".to_owned())].into()).await;
    assert!(matches!(set, Err(RoomError::Refused(_))), "{set:?}");

    server.kill();
    let unreachable = Room::connect(server.address(), "a.b.c", RoomOptions::default()).await;
    assert_eq!(unreachable.err(), Some(CloseReason::Lost(LinkError::Unreachable)));
}
