//! A picture of a shared screen, as a page sends it, or as the video of a room gives it: it is taken and decoded, or refused.
#![no_main]

use libfuzzer_sys::fuzz_target;
use livekit_rtc::video;
use voice_agent::screen::picture::Picture;

/// Takes a file; the size that its head tells is the size of what is decoded.
fn look(webp: Vec<u8>) -> Option<(u32, u32)> {
    let picture = Picture::new(webp.into()).ok()?;
    if let Ok(image) = picture.decode() {
        assert_eq!(image.dimensions(), picture.size());
    }
    Some(picture.size())
}

fuzz_target!(|data: &[u8]| {
    let _taken_or_refused = look(data.to_vec());
    if let Some(frame) = video::picture(data)
        && let Some(size) = look(frame.webp)
    {
        assert_eq!(size, (frame.width, frame.height));
    }
});
