//! What a LiveKit server may send to a worker: it is offered jobs, assigned them, or loses the server.
#![no_main]

use std::time::{Duration, Instant};

use libfuzzer_sys::fuzz_target;
use livekit_rtc::worker::{Agent, Machine, Output, WorkerEvent, WorkerOptions};
use livekit_rtc::{Address, framing};

fuzz_target!(|data: &[u8]| {
    let Ok(address) = Address::parse("ws://127.0.0.1:7880") else { return };
    let mut now = Instant::now();
    let mut machine = Machine::new(now, address, WorkerOptions::default(), 0);
    let mut stream = framing::Decoder::default();
    stream.push(data);
    while let Some(message) = stream.packet() {
        machine.handle_message(now, message);
        while let Some(output) = machine.poll_output() {
            if let Output::Event(WorkerEvent::Offered(job)) = output {
                machine.answer(now, &job.id, Some(&Agent::default()));
            }
        }
        now += Duration::from_millis(700);
        machine.handle_timeout(now);
    }
    assert!(machine.poll_timeout().is_some());
});
