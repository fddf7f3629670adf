use proptest::prelude::*;

use super::*;
use crate::error::DisconnectReason;
use crate::proto;
use crate::stream::TextOptions;

const SECOND: Duration = Duration::from_secs(1);

fn engine(now: Instant) -> Engine {
    let config = Config::new(Address::parse("ws://127.0.0.1:7880").unwrap(), "nonce", 1_000);
    Engine::new(now, config, "a.b.c")
}

fn encoded(message: FromServer) -> Vec<u8> {
    SignalResponse { message: Some(message) }.encode_to_vec()
}

fn participant(identity: &str, sid: &str) -> proto::ParticipantInfo {
    proto::ParticipantInfo { identity: identity.into(), sid: sid.into(), ..Default::default() }
}

fn join(others: Vec<proto::ParticipantInfo>) -> Vec<u8> {
    encoded(FromServer::Join(Box::new(proto::JoinResponse {
        room: Some(proto::Room { name: "kitchen".into(), ..Default::default() }),
        participant: Some(participant("us", "PA_us")),
        other_participants: others,
        ping_interval: 5,
        ping_timeout: 15,
        ..Default::default()
    })))
}

fn update(participants: Vec<proto::ParticipantInfo>) -> Vec<u8> {
    encoded(FromServer::Update(proto::ParticipantUpdate { participants }))
}

/// In a room with Ada.
fn joined(now: Instant) -> Engine {
    let mut engine = engine(now);
    engine.handle_signal(now, &join(vec![participant("ada", "PA_ada")]));
    lines(&mut engine);
    engine
}

/// What came out, each by its name; packets are left out.
fn lines(engine: &mut Engine) -> Vec<String> {
    let line = |output| match output {
        Output::Transmit { .. } => None,
        Output::Connect { url, .. } if url.contains("&reconnect=1&sid=PA_us") => Some("connect to resume".into()),
        Output::Connect { .. } => Some("connect to join".into()),
        Output::Signal(message) => Some(match SignalRequest::decode(&message[..]).unwrap().message.unwrap() {
            ToServer::PingReq(ping) => format!("ping {}", ping.timestamp),
            ToServer::Leave(leave) => format!("leave {}", leave.reason),
            ToServer::UpdateMetadata(update) => format!("attributes {:?}", update.attributes),
            other => format!("{other:?}").split('(').next().unwrap().to_owned(),
        }),
        Output::Event(event) => Some(format!("{event:?}")),
        other => Some(format!("{other:?}")),
    };
    std::iter::from_fn(|| engine.poll_output()).filter_map(line).collect()
}

#[test]
fn joining_tells_who_is_here_and_asks_for_sockets() {
    let now = Instant::now();
    let mut engine = engine(now);
    assert_eq!(lines(&mut engine), ["connect to join"]);
    engine.handle_signal(now, &join(vec![participant("ada", "PA_ada")]));
    let lines = lines(&mut engine);
    assert_eq!(lines[..2], ["Bind(Publisher)", "Bind(Subscriber)"]);
    assert!(lines[2].starts_with("Joined { room: \"kitchen\", identity: Identity(\"us\")"), "{}", lines[2]);
    assert_eq!(engine.participants().count(), 1);
    // The first offer has the data channels in it.
    engine.handle_bound(now, Role::Publisher);
    assert_eq!(self::lines(&mut engine), ["Offer"]);
}

#[test]
fn what_is_said_before_the_media_is_connected_is_not_sent() {
    let now = Instant::now();
    let mut engine = joined(now);
    let options = PublishOptions::default();
    let frame = vec![0; options.rate.frame_samples()];
    let cid = engine.publish_audio(now, options).unwrap();
    assert_eq!(engine.send_audio(now, &cid, &frame), Ok(Sending::NotConnected));
    assert_eq!(engine.send_audio(now, &"TR_none".into(), &frame), Ok(Sending::NotConnected));
}

#[test]
fn a_first_failure_is_final() {
    let now = Instant::now();
    for error in [LinkError::Refused(401), LinkError::Unreachable, LinkError::Timeout] {
        let mut engine = engine(now);
        engine.handle_link_lost(now, error);
        assert_eq!(engine.closed(), Some(CloseReason::Lost(error)));
        assert_eq!(lines(&mut engine)[1..], ["Disconnect".to_owned(), format!("Closed(Lost({error:?}))")]);
    }
    let mut engine = engine(now);
    engine.handle_timeout(now + 10 * SECOND);
    assert_eq!(engine.closed(), Some(CloseReason::Lost(LinkError::Timeout)), "nobody greeted");
}

#[test]
fn a_server_that_answers_no_pings_is_lost() {
    let now = Instant::now();
    let mut engine = joined(now);
    engine.handle_timeout(now + 5 * SECOND);
    assert_eq!(lines(&mut engine), ["ping 6000"]);
    engine.handle_signal(now + 6 * SECOND, &encoded(FromServer::PongResp(proto::Pong::default())));
    for second in [10, 15, 20, 24] {
        engine.handle_timeout(now + second * SECOND);
    }
    assert_eq!(lines(&mut engine), ["ping 11000", "ping 16000", "ping 21000"]);
    engine.handle_timeout(now + 25 * SECOND);
    assert_eq!(lines(&mut engine), ["Disconnect", "Reconnecting", "connect to resume"]);
}

#[test]
fn a_loss_is_resumed_then_rejoined_then_given_up() {
    let start = Instant::now();
    let mut now = start;
    let mut engine = joined(now);
    let mut seen = Vec::new();
    engine.handle_link_lost(now, LinkError::Closed);
    while engine.closed().is_none() {
        seen.extend(lines(&mut engine).into_iter().filter(|line| line != "Disconnect").map(|line| (now - start, line)));
        now = engine.poll_timeout().unwrap();
        engine.handle_timeout(now);
        if lines(&mut engine).iter().any(|line| line.starts_with("connect")) {
            engine.handle_link_lost(now, LinkError::Unreachable);
        }
    }
    assert_eq!(seen[0].1, "Reconnecting");
    assert_eq!(engine.closed(), Some(CloseReason::Lost(LinkError::Unreachable)));
    let lasted = now - start;
    assert!((60 * SECOND..68 * SECOND).contains(&lasted), "gave up after {lasted:?}");
}

#[test]
fn tries_are_further_and_further_apart() {
    let mut now = Instant::now();
    let mut engine = joined(now);
    let (mut pauses, mut ways) = (Vec::new(), Vec::new());
    for _ in 0..6 {
        engine.handle_link_lost(now, LinkError::Unreachable);
        let mut seen = lines(&mut engine);
        if !seen.iter().any(|line| line.starts_with("connect")) {
            let Link::Waiting { at, .. } = engine.link else { panic!("{:?}", engine.link) };
            pauses.push((at - now).as_millis());
            now = at;
            engine.handle_timeout(now);
            seen.extend(lines(&mut engine));
        }
        ways.extend(seen.into_iter().filter(|line| line.starts_with("connect")));
    }
    assert_eq!(pauses, [300, 1_200, 2_700, 4_800, 7_000], "the first try is at once");
    let resume = "connect to resume";
    assert_eq!(ways, [resume, resume, resume, "connect to join", "connect to join", "connect to join"]);
}

#[test]
fn a_session_that_the_server_does_not_know_is_rejoined() {
    let now = Instant::now();
    let mut engine = joined(now);
    engine.set_attributes(now, BTreeMap::from([("a".into(), "1".into())]));
    assert_eq!(lines(&mut engine), [r#"attributes {"a": "1"}"#]);
    engine.handle_link_lost(now, LinkError::Closed);
    engine.handle_link_lost(now, LinkError::Refused(404));
    engine.handle_timeout(now + SECOND);
    assert_eq!(lines(&mut engine).last().unwrap(), "connect to join");
    // Ada is gone, Bob is here, and our attributes are unknown.
    engine.handle_signal(now + SECOND, &join(vec![participant("bob", "PA_bob")]));
    let lines = lines(&mut engine);
    assert_eq!(lines[..2], ["Bind(Publisher)", "Bind(Subscriber)"]);
    assert!(lines[2].starts_with("ParticipantLeft"), "{}", lines[2]);
    assert!(lines[3].starts_with("ParticipantJoined"), "{}", lines[3]);
    assert_eq!(lines[4..], [r#"attributes {"a": "1"}"#]);
}

#[test]
fn what_the_server_says_when_it_sends_us_away_is_done() {
    let now = Instant::now();
    let leave = |action: i32, can_reconnect: bool| {
        let mut engine = joined(now);
        let leave = proto::LeaveRequest { can_reconnect, reason: 4, action };
        engine.handle_signal(now, &encoded(FromServer::Leave(leave)));
        lines(&mut engine).last().unwrap().clone()
    };
    assert_eq!(leave(0, false), format!("Closed(Server({:?}))", DisconnectReason::ParticipantRemoved));
    assert_eq!(leave(1, false), "connect to resume");
    assert_eq!(leave(2, false), "connect to join");
    assert_eq!(leave(0, true), "connect to join", "as older servers say it");
}

#[test]
fn the_reason_may_come_after_the_end_of_media() {
    let now = Instant::now();
    let ended = |reason_in_time: bool| {
        let mut engine = joined(now);
        engine.publisher.as_mut().unwrap().fail();
        engine.handle_timeout(now);
        assert_eq!(lines(&mut engine), [""; 0], "the reason is waited for");
        let by = engine.poll_timeout().unwrap();
        assert!(by <= now + Duration::from_millis(500));
        if reason_in_time {
            let leave = proto::LeaveRequest { reason: 5, ..Default::default() };
            engine.handle_signal(now, &encoded(FromServer::Leave(leave)));
        } else {
            engine.handle_timeout(now + Duration::from_millis(500));
        }
        lines(&mut engine).last().unwrap().clone()
    };
    assert_eq!(ended(true), "Closed(Server(RoomDeleted))");
    assert_eq!(ended(false), "connect to join");
}

#[test]
fn leaving_says_farewell() {
    let mut engine = joined(Instant::now());
    engine.leave();
    assert_eq!(lines(&mut engine), ["leave 1", "Disconnect", "Closed(Left)"]);
    engine.leave();
    assert_eq!(lines(&mut engine), [""; 0]);
    assert_eq!(engine.poll_timeout(), None);
}

#[test]
fn media_that_does_not_connect_is_rejoined() {
    let now = Instant::now();
    let mut engine = joined(now);
    engine.handle_bound(now, Role::Publisher);
    lines(&mut engine);
    engine.handle_timeout(now + 10 * SECOND);
    let lines = lines(&mut engine);
    assert!(lines.ends_with(&["Disconnect".into(), "Reconnecting".into(), "connect to join".into()]), "{lines:?}");
}

#[test]
fn participants_are_compared() {
    let now = Instant::now();
    let mut engine = joined(now);
    let track = proto::TrackInfo { sid: "TR_1".into(), ..Default::default() };
    let mut ada = participant("ada", "PA_ada");
    (ada.version, ada.state, ada.tracks) = (3, proto::ParticipantInfo::ACTIVE, vec![track.clone()]);
    ada.attributes.insert("mood".into(), "fine".into());
    let names = |engine: &mut Engine| -> Vec<String> {
        let name = |line: &String| line.split([' ', '(']).next().unwrap().to_owned();
        lines(engine).iter().map(name).collect()
    };
    engine.handle_signal(now, &update(vec![ada.clone()]));
    assert_eq!(names(&mut engine), ["AttributesChanged", "TrackPublished", "ParticipantActive"]);
    engine.handle_signal(now, &update(vec![proto::ParticipantInfo { version: 2, ..ada.clone() }]));
    assert_eq!(names(&mut engine), [""; 0], "an update that was overtaken");
    ada.version = 4;
    ada.tracks[0].muted = true;
    engine.handle_signal(now, &update(vec![ada.clone()]));
    assert_eq!(names(&mut engine), ["TrackMuted"]);
    // She comes again, and the end of her former stay is told late.
    engine.handle_signal(now, &update(vec![participant("ada", "PA_again")]));
    assert_eq!(names(&mut engine), ["ParticipantLeft", "ParticipantJoined"]);
    let former = proto::ParticipantInfo { state: proto::ParticipantInfo::DISCONNECTED, ..ada };
    engine.handle_signal(now, &update(vec![former]));
    assert_eq!(names(&mut engine), [""; 0]);
}

#[test]
fn reliable_data_is_taken_once() {
    let now = Instant::now();
    let mut engine = joined(now);
    let packet = |sequence| {
        let user = proto::UserPacket { payload: vec![1], topic: Some("t".into()), ..Default::default() };
        let packet = proto::DataPacket {
            sequence,
            participant_sid: "PA_ada".into(),
            participant_identity: "ada".into(),
            value: Some(proto::DataValue::User(user)),
            ..Default::default()
        };
        packet.encode_to_vec()
    };
    for sequence in [1, 2, 1, 2, 3, 0, 0] {
        engine.handle_data(now, &packet(sequence));
    }
    assert_eq!(lines(&mut engine).len(), 5, "three with a number, and two without");
}

#[test]
fn what_waits_to_be_sent_is_bounded() {
    let now = Instant::now();
    let mut engine = joined(now);
    let text = "x".repeat(100_000);
    let sent = (0..20).take_while(|_| engine.send_text(now, &TextOptions::topic("t"), &text).is_ok()).count();
    assert_eq!(sent, 5);
    engine.leave();
    assert_eq!(engine.send_text(now, &TextOptions::topic("t"), ""), Err(crate::error::RoomError::Closed));
}

fn any_message() -> impl Strategy<Value = FromServer> {
    let text = "(\\PC|\r\n|m=audio 9 UDP/TLS/RTP/SAVPF 111\r\n|a=mid:0\r\n|v=0\r\n){0,12}";
    prop_oneof![
        text.prop_map(|sdp| FromServer::Offer(proto::SessionDescription { r#type: "offer".into(), sdp, id: 1 })),
        text.prop_map(|sdp| FromServer::Answer(proto::SessionDescription { r#type: "answer".into(), sdp, id: 1 })),
        text.prop_map(|candidate_init| FromServer::Trickle(proto::TrickleRequest {
            candidate_init,
            ..Default::default()
        })),
        (0..4_i32, any::<bool>())
            .prop_map(|(action, can_reconnect)| proto::LeaveRequest { action, can_reconnect, reason: 9 })
            .prop_map(FromServer::Leave),
        (0..4_i32, "[ab]", "PA_[ab]").prop_map(|(state, identity, sid)| {
            let info = proto::ParticipantInfo { state, ..participant(&identity, &sid) };
            FromServer::Update(proto::ParticipantUpdate { participants: vec![info] })
        }),
        any::<u32>().prop_map(|last_message_seq| {
            FromServer::Reconnect(proto::ReconnectResponse { last_message_seq, ..Default::default() })
        }),
    ]
}

proptest! {
    #[test]
    fn any_signalling_is_survived(
        messages in prop::collection::vec((any_message(), 0_u64..3_000), 0..12),
        garbage in prop::collection::vec(any::<u8>(), 0..40),
    ) {
        let mut now = Instant::now();
        let mut engine = joined(now);
        for (message, pause) in messages {
            engine.handle_signal(now, &encoded(message));
            for role in [Role::Publisher, Role::Subscriber] {
                engine.handle_bound(now, role);
            }
            lines(&mut engine);
            now += Duration::from_millis(pause);
            engine.handle_timeout(now);
        }
        engine.handle_data(now, &garbage);
        engine.handle_signal(now, &garbage);
        let address = "127.0.0.1:1".parse().unwrap();
        engine.handle_packet(now, Role::Subscriber, Protocol::Udp, address, address, &garbage);
        lines(&mut engine);
        prop_assert!(engine.closed().is_some() || engine.poll_timeout().is_some());
    }
}
