//! Looks at the caller's screen.

use super::*;
use crate::tools::LOOK_AT_SCREEN;

/// How long a picture is waited for.
pub(super) const LOOK_WITHIN: Duration = Duration::from_millis(1_500);

/// Looks at the screen if it can, and says what came of it.
struct Looker;

impl Llm for Looker {
    fn provider(&self) -> &'static str {
        "openai"
    }

    fn model(&self) -> &str {
        "gpt-4o-mini"
    }

    fn stream(&self, request: LlmRequest) -> BoxStream<'static, Result<LlmEvent, ProviderFailure>> {
        let looked = match request.chat.items.last() {
            Some(ChatItem::ToolOutput(output)) => output.result["status"].as_str().map(str::to_owned),
            _ => None,
        };
        let can_look = request.tools.iter().any(|tool| tool.name == LOOK_AT_SCREEN);
        let event = match (looked, can_look) {
            (Some(status), _) => LlmEvent::Text(format!("{status}, a picture: {}.", request.seen.is_some())),
            (None, true) => LlmEvent::ToolCall { name: LOOK_AT_SCREEN.to_owned(), arguments: serde_json::Map::new() },
            (None, false) => LlmEvent::Text("There is no screen.".to_owned()),
        };
        let done = LlmEvent::Done { input_tokens: 1, cached_tokens: 0, output_tokens: 1 };
        stream::iter([Ok(event), Ok(done)]).boxed()
    }
}

/// The number of the look that is asked for.
async fn look(inbox: &mut mpsc::Receiver<Outbound>) -> u64 {
    loop {
        if let Outbound::Look { look } = inbox.recv().await.unwrap() {
            return look;
        }
    }
}

#[tokio::test]
async fn a_shared_screen_is_looked_at_in_pieces_and_only_while_it_is_shared_by_this_page() {
    let house = House::asking(|_| {}, Some(Arc::new(Looker))).await;
    let (connection, mut inbox) = (ConnectionId(1), house.attach());
    let tell = |command| house.handle.send(command).unwrap();
    let piece = |look, piece: Bytes, is_last| tell(Command::Picture { connection, look, piece, is_last });
    let webp = crate::screen::picture::tests::webp(&image::RgbImage::new(64, 48));
    assert_eq!(house.text("look").await.unwrap().reply, "There is no screen.");

    tell(Command::Sharing { connection, is_shared: true });
    let answer = house.text("look");
    let number = look(&mut inbox).await;
    piece(number - 1, Bytes::from_static(b"of another look"), true);
    piece(number, webp.slice(..20), false);
    piece(number, webp.slice(20..), true);
    assert_eq!(answer.await.unwrap().reply, "ok, a picture: true.");

    // What is damaged, what is none, and a share that ends meanwhile.
    for last in [Some(webp.slice(..webp.len() - 4)), Some(Bytes::new()), None] {
        let answer = house.text("look");
        let number = look(&mut inbox).await;
        match last {
            Some(bytes) => piece(number, bytes, true),
            None => tell(Command::Sharing { connection, is_shared: false }),
        }
        assert_eq!(answer.await.unwrap().reply, "failed, a picture: false.");
    }

    // Another page does not inherit what this one shares.
    tell(Command::Sharing { connection, is_shared: true });
    let (outbound, _inbox) = mpsc::channel(64);
    tell(Command::Attach { connection: ConnectionId(2), voice: true, outbound, room: None });
    assert_eq!(house.text("look").await.unwrap().reply, "There is no screen.");
}

#[test]
fn a_picture_that_came_in_time_counts_however_long_it_takes_to_check() {
    // One thread decodes pictures, and something else has it.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().max_blocking_threads(1).build().unwrap();
    runtime.block_on(async {
        let house = House::asking(|_| {}, Some(Arc::new(Looker))).await;
        let (connection, mut inbox) = (ConnectionId(1), house.attach());
        house.handle.send(Command::Sharing { connection, is_shared: true }).unwrap();
        let answer = house.text("look");
        let look = look(&mut inbox).await;
        let (release, held) = std::sync::mpsc::channel::<()>();
        let _busy = tokio::task::spawn_blocking(move || held.recv());
        let piece = crate::screen::picture::tests::webp(&image::RgbImage::new(64, 48));
        house.handle.send(Command::Picture { connection, look, piece, is_last: true }).unwrap();
        tokio::time::sleep(LOOK_WITHIN + Duration::from_millis(200)).await;
        release.send(()).unwrap();
        assert_eq!(answer.await.unwrap().reply, "ok, a picture: true.");
    });
}

/// Looks, and breaks off when it has seen.
struct Glancer;

impl Llm for Glancer {
    fn provider(&self) -> &'static str {
        "openai"
    }

    fn model(&self) -> &str {
        "gpt-4o-mini"
    }

    fn picture_tokens(&self, size: (u32, u32)) -> u64 {
        assert_eq!(size, (64, 48));
        10_000
    }

    fn stream(&self, request: LlmRequest) -> BoxStream<'static, Result<LlmEvent, ProviderFailure>> {
        if request.seen.is_some() {
            let broken = Err(ProviderErrorKind::Disconnected.into());
            return stream::iter([Ok(LlmEvent::Calling), broken]).boxed();
        }
        let call = LlmEvent::ToolCall { name: LOOK_AT_SCREEN.to_owned(), arguments: serde_json::Map::new() };
        let done = LlmEvent::Done { input_tokens: 1, cached_tokens: 0, output_tokens: 1 };
        stream::iter([Ok(call), Ok(done)]).boxed()
    }
}

#[tokio::test]
async fn a_picture_is_paid_for_by_a_request_that_breaks_off() {
    let house = House::asking(|_| {}, Some(Arc::new(Glancer))).await;
    let (connection, mut inbox) = (ConnectionId(1), house.attach());
    house.handle.send(Command::Sharing { connection, is_shared: true }).unwrap();
    let answer = house.text("look");
    let look = look(&mut inbox).await;
    let piece = crate::screen::picture::tests::webp(&image::RgbImage::new(64, 48));
    house.handle.send(Command::Picture { connection, look, piece, is_last: true }).unwrap();
    answer.await.unwrap();
    let spent = house.metric("voice_spend_nanousd_total{stage=\"llm\",provider=\"openai\",wasted=\"true\"}");
    let spent: f64 = spent.expect("something was spent").parse().unwrap();
    // 150,000 nano-dollars for a thousand tokens.
    assert!(spent > 1_500_000.0, "{spent}");
}
