//! Any inputs at any times, in any order: the session neither panics nor spins, and nothing follows its end.
#![no_main]

use libfuzzer_sys::fuzz_target;
use voice_core::log::Entry;
use voice_core::{CoreConfig, Output, Session};

fuzz_target!(|data: &[u8]| {
    let mut session = Session::new(CoreConfig::default());
    let mut ended = false;
    for line in data.split(|byte| *byte == b'\n') {
        let Ok(entry) = serde_json::from_slice::<Entry>(line) else { continue };
        session.handle_input(entry.at_ms, entry.input);
        while let Some(output) = session.poll_output() {
            assert!(!ended, "{output:?} follows the end");
            ended = matches!(output, Output::End { .. });
        }
        let _snapshot = session.snapshot();
    }
});
