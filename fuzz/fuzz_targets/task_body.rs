//! The bodies of the task calls: a task that is taken is one that can be written and read again.
#![no_main]

use libfuzzer_sys::fuzz_target;
use voice_agent::store::SessionDoc;
use voice_agent::tasks::{NewTask, TaskPatch};

fuzz_target!(|data: &[u8]| {
    let Ok(value) = serde_json::from_slice::<serde_json::Value>(data) else { return };
    let _new = NewTask::from_json(&value);
    let _patch = TaskPatch::from_json(&value);
    if let Ok(text) = std::str::from_utf8(data)
        && let Ok(doc) = SessionDoc::from_json(text)
        && let Ok(json) = doc.to_json()
    {
        assert_eq!(SessionDoc::from_json(&json).ok().as_ref(), Some(&doc));
    }
});
