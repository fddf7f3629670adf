//! When does the caller hear it? What lies between the first audio and the ear.

use super::call::Call;
use crate::ids::{ConnectionId, SpeechId};
use crate::input::Input;
use crate::output::{ClientEvent, Observation};
use crate::timeline::{MAX_AFTER_MS, PauseCause, Stages};

const LEG: ConnectionId = ConnectionId(1);
const SPEECH: SpeechId = SpeechId(1);

/// An answer of 840 ms whose first audio leaves at 2,500 ms, 500 ms after the caller's last word.
fn answering(round_trip_ms: Option<u64>) -> Call {
    let mut call = Call::new();
    if let Some(round_trip_ms) = round_trip_ms {
        call.at(10, Input::RoundTrip { connection: LEG, round_trip_ms });
    }
    call.speaks(1_000, 2_000, "List my tasks", 950);
    call.llm_says(2_210, "You have none.");
    call.tts_answers(2_400);
    call.at(2_500, Input::FirstAudioOut { speech: SPEECH });
    call
}

fn played(call: &mut Call, now_ms: u64, played_ms: u64) {
    call.at(now_ms, Input::PlayoutPosition { speech: SPEECH, played_ms, reported: true });
}

fn first_heard(call: &Call) -> Vec<(u64, Stages, Option<PauseCause>)> {
    let heard = |observation| match observation {
        Observation::FirstHeard { after_ms, stages, cause, .. } => Some((after_ms, stages, cause)),
        _ => None,
    };
    call.observations().into_iter().filter_map(heard).collect()
}

/// The turn as it is told when it is over.
fn told(call: &Call) -> (Option<u64>, Stages, Option<PauseCause>) {
    let turn = |event| match event {
        ClientEvent::Turn { latency_ms, stages, cause, .. } => Some((latency_ms, stages, cause)),
        _ => None,
    };
    call.events().into_iter().find_map(turn).expect("a turn that is over")
}

#[test]
fn the_first_report_says_when_it_was_heard_and_the_turn_tells_it() {
    let mut call = answering(Some(60));
    played(&mut call, 2_700, 0);
    assert!(first_heard(&call).is_empty(), "nothing is played yet");
    // Since 2,850 ms: 60 ms of the 350 are the way, and the rest is the page's.
    played(&mut call, 2_950, 100);
    played(&mut call, 3_900, 840);
    let [(after_ms, stages, cause)] = first_heard(&call)[..] else { panic!("once") };
    assert_eq!((after_ms, stages.network, stages.playout), (350, 60, 100 + 290));
    let latency = call.observations().into_iter().find_map(|observation| match observation {
        Observation::Latency { latency_ms, stages, cause, .. } => Some((latency_ms, stages.total(), cause)),
        _ => None,
    });
    assert_eq!(latency, Some((500, 500, None)), "which ends where the first audio leaves");
    assert_eq!(told(&call), (Some(500), stages, cause));
    assert_eq!(
        (stages.total(), cause),
        (850, Some(PauseCause::Playout)),
        "a pause that only the caller felt has its cause"
    );
}

#[test]
fn without_a_round_trip_all_of_it_is_playout() {
    let mut call = answering(None);
    call.at(2_510, Input::RoundTrip { connection: ConnectionId(7), round_trip_ms: 90 });
    played(&mut call, 2_750, 150);
    let stages = first_heard(&call)[0].1;
    assert_eq!((stages.network, stages.playout), (0, 100 + 100), "another leg's way is not this one's");
}

#[test]
fn what_is_reckoned_on_this_side_says_nothing_of_the_ear() {
    let mut call = answering(Some(60));
    call.at(2_950, Input::PlayoutPosition { speech: SPEECH, played_ms: 100, reported: false });
    call.at(3_900, Input::PlayoutPosition { speech: SPEECH, played_ms: 840, reported: false });
    assert!(first_heard(&call).is_empty());
    let (latency_ms, stages, cause) = told(&call);
    assert_eq!((latency_ms, stages.network, stages.total(), cause), (Some(500), 0, 500, None));
}

#[test]
fn no_report_makes_absurd_figures() {
    for (now_ms, played_ms, after_ms) in [(2_501, u64::MAX, 0), (3_400, 1, 899), (4_000, 5_000, 660)] {
        let mut call = answering(Some(u64::MAX));
        played(&mut call, now_ms, played_ms);
        assert_eq!(first_heard(&call)[0].0, after_ms, "{played_ms} ms at {now_ms} ms");
    }
    let mut call = answering(None);
    call.at_once(60_000, Input::PlayoutPosition { speech: SPEECH, played_ms: 1, reported: true });
    assert_eq!(first_heard(&call)[0].0, MAX_AFTER_MS);
}

#[test]
fn a_playout_that_was_paused_before_it_was_reported_says_nothing() {
    let mut call = answering(Some(60));
    call.at(2_550, Input::PossibleSpeech);
    call.until(3_100);
    played(&mut call, 3_300, 100);
    assert!(first_heard(&call).is_empty(), "the moment of silence was the caller's");
    let mut call = answering(Some(60));
    call.at(2_550, Input::PossibleSpeech);
    played(&mut call, 2_640, 20);
    call.until(3_100);
    assert_eq!(first_heard(&call)[0].0, 120, "where it stopped says when it began");
}
