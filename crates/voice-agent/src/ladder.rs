//! What is done when voice fails for good: the caller is told by text, and when that fails too, whoever is on call is.
//!
//! ```text
//! voice ──fails──▶ a page goes on in text (the core's `fallback_to_text`)
//!                  a telephone gets a text message, and the call ends ──fails──▶ PagerDuty
//!                  nobody answers texts: no language model is left ───────────▶ PagerDuty
//! ```
//!
//! All of it happens beside the calls: a session only says that its voice has failed, without waiting.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use tokio::sync::{Semaphore, mpsc};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use voice_core::provider::Stage;

use crate::failover::Board;
use crate::pager::Pager;
use crate::sms::{Texter, VOICE_FAILED};
use crate::transport::twilio::PhoneNumber;

/// Callers who wait to be told.
const QUEUE: usize = 256;
/// Callers who are told at the same time.
const AT_ONCE: usize = 8;
/// The stages, in the order of their numbers.
const STAGES: [Stage; 3] = [Stage::Stt, Stage::Llm, Stage::Tts];

/// A caller whose voice has failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fallen {
    /// What failed.
    pub stage: Stage,
    /// Whether the caller is on a telephone; a page shows what it is told.
    pub by_phone: bool,
    /// The caller's number, where it is known.
    pub number: Option<PhoneNumber>,
}

/// What is done when voice fails.
pub struct Ladder {
    queue: mpsc::Sender<Fallen>,
    pager: Option<Pager>,
    board: OnceLock<Arc<Board>>,
    /// Stages whose failure was told to whoever is on call, and not yet that they are well.
    told: [AtomicBool; 3],
    /// Stages that failed for a caller, and have not answered since.
    failed: [AtomicBool; 3],
}

impl std::fmt::Debug for Ladder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Ladder").field("failed", &self.failed).finish_non_exhaustive()
    }
}

impl Ladder {
    /// With somebody who texts and somebody who pages; the tasks go on until `stop`.
    pub fn start(
        texter: Arc<Texter>,
        pager: Pager,
        text_gap: Duration,
        tasks: &TaskTracker,
        stop: &CancellationToken,
    ) -> Arc<Self> {
        let (queue, fallen) = mpsc::channel(QUEUE);
        let ladder = Arc::new(Self { pager: Some(pager), ..Self::alone(queue) });
        let texts = Texts { texter, gap: text_gap };
        let run = Arc::clone(&ladder).run(fallen, Arc::new(texts), tasks.clone());
        tasks.spawn(stop.clone().run_until_cancelled_owned(run));
        ladder
    }

    /// One that tells nobody, for sessions without a house around them.
    pub fn idle() -> Arc<Self> {
        Arc::new(Self::alone(mpsc::channel(1).0))
    }

    fn alone(queue: mpsc::Sender<Fallen>) -> Self {
        Self { queue, pager: None, board: OnceLock::new(), told: Default::default(), failed: Default::default() }
    }

    /// Learns from this board how the providers are, until `stop`.
    pub fn watch(self: &Arc<Self>, board: &Arc<Board>, tasks: &TaskTracker, stop: &CancellationToken) {
        // It is empty: there is one board in a process.
        let _first = self.board.set(Arc::clone(board));
        let (ladder, mut news) = (Arc::clone(self), board.news());
        let watch = async move {
            let mut served = [true; 3];
            while news.changed().await.is_ok() {
                let health = Arc::clone(&news.borrow_and_update());
                for (stage, was) in STAGES.into_iter().zip(&mut served) {
                    let is = health.iter().any(|one| one.stage == stage && one.usable);
                    if is && !std::mem::replace(was, is) {
                        ladder.answered(stage);
                    }
                    *was = is;
                }
                ladder.see_whether_texts_are_answered();
            }
        };
        tasks.spawn(stop.clone().run_until_cancelled_owned(watch));
    }

    /// A caller's voice has failed for good. Does not wait.
    pub fn voice_failed(&self, fallen: Fallen) {
        let stage = fallen.stage;
        self.failed[stage as usize].store(true, Ordering::Relaxed);
        if self.queue.try_send(fallen).is_err() {
            self.page(stage, "too_many");
        }
    }

    /// Nobody answers a text message, because no language model is left.
    pub fn texts_unanswered(&self) {
        self.page(Stage::Llm, "no_answers");
    }

    /// A provider of this stage has answered.
    pub fn answered(&self, stage: Stage) {
        self.failed[stage as usize].store(false, Ordering::Relaxed);
        if self.told[stage as usize].swap(false, Ordering::Relaxed)
            && let Some(pager) = &self.pager
        {
            pager.well(stage);
        }
    }

    async fn run(self: Arc<Self>, mut fallen: mpsc::Receiver<Fallen>, texts: Arc<Texts>, tasks: TaskTracker) {
        let places = Arc::new(Semaphore::new(AT_ONCE));
        while let Some(one) = fallen.recv().await {
            let Ok(place) = Arc::clone(&places).acquire_owned().await else { return };
            let (ladder, texts) = (Arc::clone(&self), Arc::clone(&texts));
            tasks.spawn(async move {
                ladder.climb_down(&one, &texts).await;
                drop(place);
            });
        }
    }

    async fn climb_down(&self, fallen: &Fallen, texts: &Texts) {
        if fallen.by_phone
            && let Err(reason) = texts.tell(fallen.number.as_ref()).await
        {
            self.page(fallen.stage, reason);
        }
        self.see_whether_texts_are_answered();
    }

    /// Whoever was told to text, or to type, needs somebody who answers.
    fn see_whether_texts_are_answered(&self) {
        let voice_failed =
            [Stage::Stt, Stage::Tts].iter().any(|stage| self.failed[*stage as usize].load(Ordering::Relaxed));
        if voice_failed && !self.is_served(Stage::Llm) {
            self.page(Stage::Llm, "no_answers");
        }
    }

    fn is_served(&self, stage: Stage) -> bool {
        let Some(board) = self.board.get() else { return true };
        board.news().borrow().iter().any(|health| health.stage == stage && health.usable)
    }

    fn page(&self, stage: Stage, reason: &'static str) {
        self.told[stage as usize].store(true, Ordering::Relaxed);
        if let Some(pager) = &self.pager {
            pager.wrong(stage, reason);
        }
    }
}

/// Tells callers by text that voice has failed.
struct Texts {
    texter: Arc<Texter>,
    gap: Duration,
}

impl Texts {
    /// Tells this number, unless it was told lately, by this instance or another; why not, in a bounded word.
    async fn tell(&self, number: Option<&PhoneNumber>) -> Result<(), &'static str> {
        let number = number.ok_or("no_number")?;
        if !self.texter.may_tell(number, self.gap).await.map_err(|_| "store")? {
            return Ok(());
        }
        let sent = self.texter.send(number, VOICE_FAILED).await;
        if sent.is_err() {
            self.texter.not_told(number).await;
        }
        sent.map_err(|error| error.as_str())
    }
}

#[cfg(test)]
mod tests;
