//! Texts, data packets and attributes between two of our participants.

use std::collections::BTreeMap;

use livekit_rtc::error::RoomError;
use livekit_rtc::{DataPacket, Event, MAX_DATA_BYTES, TextMessage, TextOptions};

use crate::server::{Server, until};

fn text(event: &Event) -> Option<TextMessage> {
    match event {
        Event::Text(text) => Some(text.clone()),
        _ => None,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn texts_data_and_attributes_arrive() {
    let Some(server) = Server::start("texts_data_and_attributes_arrive") else { return };
    let (ada, mut ada_events) = server.join("kitchen", "ada").await;
    let (bob, mut bob_events) = server.join("kitchen", "bob").await;

    // Sent before the media is connected: it waits. Longer than a packet, and not all of one byte a character.
    let long = "Grüße aus der Küche. ".repeat(3_000);
    let options = TextOptions::topic("lk.chat").attribute("language", "de").to("ada".into());
    bob.send_text(options, long.clone()).await.unwrap();
    let received = until(&mut ada_events, text).await;
    assert!(received.text == long);
    assert_eq!((received.topic.as_str(), received.from.as_str()), ("lk.chat", "bob"));
    assert_eq!(received.attributes, BTreeMap::from([("language".into(), "de".into())]));

    let writer = ada.open_text(TextOptions::topic("lk.transcription")).await.unwrap();
    for word in ["You ", "have ", "three ", "tasks."] {
        writer.write(word).await.unwrap();
    }
    writer.close(BTreeMap::from([("lk.transcription_final".into(), "true".into())])).await.unwrap();
    let received = until(&mut bob_events, text).await;
    assert_eq!(received.text, "You have three tasks.");
    assert_eq!(received.attributes["lk.transcription_final"], "true");

    for reliable in [true, false] {
        let packet = DataPacket { topic: "t".into(), payload: vec![7; MAX_DATA_BYTES], reliable, to: vec![] };
        ada.send_data(packet).await.unwrap();
        let data = until(&mut bob_events, |event| match event {
            Event::Data(data) => Some(data.clone()),
            _ => None,
        });
        let data = data.await;
        assert_eq!((data.from.as_str(), data.topic.as_str(), data.payload.len()), ("ada", "t", MAX_DATA_BYTES));
    }
    let too_large = DataPacket { topic: "t".into(), payload: vec![7; MAX_DATA_BYTES + 1], reliable: true, to: vec![] };
    assert_eq!(ada.send_data(too_large).await, Err(RoomError::TooLarge(MAX_DATA_BYTES)));

    let state = BTreeMap::from([("lk.agent.state".into(), "listening".into())]);
    ada.set_attributes(state.clone()).await.unwrap();
    let changed = until(&mut bob_events, |event| match event {
        Event::AttributesChanged { identity, changed } if identity.as_str() == "ada" => Some(changed.clone()),
        _ => None,
    });
    assert_eq!(changed.await, state);
    let others = bob.participants().await.unwrap();
    assert_eq!(others.iter().map(|one| one.identity.as_str()).collect::<Vec<_>>(), ["ada"]);

    ada.close().await;
    let left = until(&mut bob_events, |event| match event {
        Event::ParticipantLeft { participant, .. } => Some(participant.identity.clone()),
        _ => None,
    });
    assert_eq!(left.await.as_str(), "ada");
    assert_eq!(ada.send_text(TextOptions::topic("t"), "too late").await, Err(RoomError::Closed));
}
