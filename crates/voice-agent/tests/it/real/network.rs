//! A network that is slow for a moment: all that was said comes, only late and at once.

use std::time::Duration;

use voice_agent::audio::frame::FRAME_SAMPLES_16K;

use super::phone::{Phone, wav};
use super::process::{Home, fixture};

/// Frames of the recording that are sent before the network stalls: in its first word, its second and its third.
const STALLS_AFTER: [usize; 3] = [30, 37, 48];

#[tokio::test]
async fn no_word_is_lost_when_the_network_stalls_in_mid_word() {
    let home = Home::with([("GREETING", "")]).await;
    let server = home.start().await;
    let recording = wav(&fixture("stt_what_are_my_tasks.wav"));
    for frames in STALLS_AFTER {
        let session = server.user("ada").await;
        let mut phone = Phone::call(&server, &session).await;
        phone.say(&recording);
        let rest = recording.len() / FRAME_SAMPLES_16K - frames;
        phone.until("the beginning is said", |phone| phone.frames_to_say() <= rest).await;
        // Nothing is sent; the microphone goes on.
        tokio::time::sleep(Duration::from_millis(700)).await;
        phone.until("the turn", |phone| phone.last("turn").is_some() && phone.is_quiet()).await;
        let heard = phone.transcript().to_lowercase();
        assert_eq!(heard.trim_end_matches(['?', '.']), "what are my tasks", "after {frames} frames");
    }
}
