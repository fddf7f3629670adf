//! Pictures of a video track that the official Python SDK publishes.

use std::time::{Duration, Instant};

use livekit_rtc::error::RoomError;
use livekit_rtc::{TrackKind, TrackSource};

use crate::python::Python;
use crate::server::{Server, subscribed};

#[tokio::test(flavor = "multi_thread")]
async fn a_shared_screen_is_seen() {
    let test = "a_shared_screen_is_seen";
    let Some(server) = Server::start(test) else { return };
    let (ada, mut events) = server.join("kitchen", "ada").await;
    let Some(python) = Python::join(test, &server, "guido", "show").await else { return };
    let track = subscribed(&mut events).await;
    assert_eq!((track.kind, track.source), (TrackKind::Video, TrackSource::ScreenShare));
    for look in 1..=3 {
        let asked = Instant::now();
        let picture = ada.take_picture(&track.sid, Duration::from_secs(10)).await.unwrap();
        println!("look {look}: {picture:?} after {:?}", asked.elapsed());
        assert_eq!((picture.width, picture.height), (640, 360));
        let [top_left, top_right, bottom_left, bottom_right] = quarters(&picture.webp, test);
        assert!(top_left[0] > 200 && top_left[1] < 80 && top_left[2] < 80, "red: {top_left:?}");
        assert!(top_right[1] > 200 && top_right[0] < 80 && top_right[2] < 80, "green: {top_right:?}");
        assert!(bottom_left[2] > 200 && bottom_left[0] < 80 && bottom_left[1] < 80, "blue: {bottom_left:?}");
        assert!(bottom_right.iter().all(|channel| *channel > 220), "white: {bottom_right:?}");
    }
    let unknown = ada.take_picture(&"TR_none".into(), Duration::from_secs(1)).await;
    assert_eq!(unknown, Err(RoomError::UnknownTrack));
    drop(python);
}

/// The colours (red, green, blue) in the middle of a picture's quarters, as Pillow's decoder sees
/// them.
fn quarters(webp: &[u8], test: &str) -> [[u8; 3]; 4] {
    let folder = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join(test);
    std::fs::write(folder.join("picture.webp"), webp).unwrap();
    let decoded = std::process::Command::new("python3")
        .arg("-c")
        .arg(
            "import sys; from PIL import Image; p = Image.open(sys.argv[1]).convert('RGB')\n\
             print(*[v for x, y in ((160, 90), (480, 90), (160, 270), (480, 270)) for v in p.getpixel((x, y))])",
        )
        .arg(folder.join("picture.webp"))
        .env("PYTHONPATH", std::env::var_os("LIVEKIT_PYTHON").unwrap_or_default())
        .output()
        .unwrap();
    assert!(decoded.status.success(), "{}", String::from_utf8_lossy(&decoded.stderr));
    let numbers: Vec<u8> =
        String::from_utf8(decoded.stdout).unwrap().split_whitespace().map(|number| number.parse().unwrap()).collect();
    let (colours, []) = numbers.as_chunks::<3>() else { panic!("{numbers:?}") };
    colours.try_into().unwrap()
}
