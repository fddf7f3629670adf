//! Opus packets into an unbroken stream of frames.
//!
//! A listener that does not play what it hears needs no jitter buffer: a frame is handed on as soon as its packet is here.
//! But it needs a stream without holes, because its clock is the frames it gets: what was lost is concealed, and while the
//! speaker sends nothing (DTX sends a packet in 400 ms) there are frames of silence. Silence that turns out to have been
//! lateness is taken back from the next silence, so that the stream does not fall behind.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use opus::Channels;

use super::{AudioFrame, FRAME_MS, FRAME_TICKS, Origin, SampleRate};
use crate::error::AudioError;

/// How long nothing may come before frames of silence stand in for it: three frames, which is more than usual jitter.
const PATIENCE: Duration = Duration::from_millis(3 * FRAME_MS);
/// How many frames are made up from what was heard before: after 100 ms it is noise.
const MAX_CONCEALED: u64 = 5;
/// The longest hole that is filled, in ticks. Whatever jumps further has begun anew.
const MAX_HOLE: u64 = 150 * FRAME_TICKS;
/// Samples of the longest packet of Opus (120 ms), at 48 kHz.
const MAX_PACKET_SAMPLES: usize = 5_760;
/// Frames that wait for [`Receiver::poll_frame`]: two seconds. Past that the oldest are dropped.
const MAX_FRAMES: usize = 100;

/// What a receiver has seen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ReceiverStats {
    /// Packets that were decoded.
    pub packets: u64,
    /// Packets that never came.
    pub lost: u64,
    /// Packets that are no Opus.
    pub broken: u64,
    /// Frames that were lost, and came once more as the spare copy in the next packet.
    pub restored: u64,
    /// Frames that were made up for lost ones.
    pub concealed: u64,
}

/// One heard track: packets in, frames out. A value without clock or I/O.
#[derive(Debug)]
pub struct Receiver {
    codec: opus::Decoder,
    rate: SampleRate,
    decoded: Box<[i16; MAX_PACKET_SAMPLES]>,
    /// Samples that do not fill a frame yet.
    part: Vec<i16>,
    frames: VecDeque<AudioFrame>,
    /// Where in the stream the next packet belongs: its number, and its time in ticks.
    next: Option<(u64, u64)>,
    /// Ticks of silence that were put in because nothing came.
    ahead: u64,
    /// When the next frame of silence is due.
    silence_at: Option<Instant>,
    stats: ReceiverStats,
}

impl Receiver {
    /// A receiver whose frames have this rate.
    ///
    /// # Errors
    /// The codec cannot be made.
    pub fn new(rate: SampleRate) -> Result<Self, AudioError> {
        Ok(Self {
            codec: opus::Decoder::new(rate.hz(), Channels::Mono).map_err(|_| AudioError::Codec)?,
            rate,
            decoded: Box::new([0; MAX_PACKET_SAMPLES]),
            part: Vec::with_capacity(rate.frame_samples()),
            frames: VecDeque::new(),
            next: None,
            ahead: 0,
            silence_at: None,
            stats: ReceiverStats::default(),
        })
    }

    /// What was seen so far.
    pub fn stats(&self) -> ReceiverStats {
        self.stats
    }

    /// A packet has come, in its turn: its sequence number, its time in ticks of 48 kHz (both without their roll-over),
    /// and its Opus.
    pub fn handle_packet(&mut self, now: Instant, sequence: u64, ticks: u64, packet: &[u8]) {
        let Ok(duration) = opus::packet::get_nb_samples(packet, 48_000) else {
            self.stats.broken += 1;
            return;
        };
        if let Some((next_sequence, next_ticks)) = self.next {
            if sequence < next_sequence {
                return; // Doubled, or too late: its place is taken.
            }
            let lost = sequence - next_sequence;
            self.stats.lost += lost;
            if let Some(hole) = ticks.checked_sub(next_ticks).filter(|hole| (1..=MAX_HOLE).contains(hole)) {
                self.fill(hole, lost, packet);
            }
        }
        self.decode(packet, false, Origin::Received);
        self.stats.packets += 1;
        self.next = Some((sequence + 1, ticks + duration as u64));
        self.silence_at = Some(now + PATIENCE);
    }

    /// When [`handle_timeout`](Self::handle_timeout) wants to be called.
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.silence_at
    }

    /// Time has passed: silence stands in for what has not come.
    pub fn handle_timeout(&mut self, now: Instant) {
        while let Some(at) = self.silence_at.filter(|at| *at <= now) {
            self.silence(1);
            self.ahead += FRAME_TICKS;
            // Whoever was away for long (a machine that slept) catches up without a burst.
            let late = now.saturating_duration_since(at) > Duration::from_secs(2);
            self.silence_at = Some(if late { now } else { at } + Duration::from_millis(FRAME_MS));
        }
    }

    /// The next frame.
    pub fn poll_frame(&mut self) -> Option<AudioFrame> {
        self.frames.pop_front()
    }

    /// Fills a hole of this many ticks in front of a packet: lost packets are restored or concealed, and where none were lost
    /// there was silence.
    fn fill(&mut self, hole: u64, lost: u64, packet: &[u8]) {
        let missing = hole.saturating_sub(self.ahead) / FRAME_TICKS;
        self.ahead = self.ahead.saturating_sub(hole);
        let replaced = missing.min(lost).min(MAX_CONCEALED);
        self.silence(missing - replaced);
        for left in (0..replaced).rev() {
            if left == 0 && has_spare(packet) {
                self.decode(packet, true, Origin::Restored);
                self.stats.restored += 1;
            } else {
                self.decode(&[], false, Origin::Concealed);
                self.stats.concealed += 1;
            }
        }
    }

    fn silence(&mut self, frames: u64) {
        for _ in 0..frames {
            self.part.clear();
            self.push(AudioFrame { samples: vec![0; self.rate.frame_samples()], origin: Origin::Silence });
        }
    }

    /// Decodes a packet; or, with `spare` or without a packet, the 20 ms before it.
    fn decode(&mut self, packet: &[u8], spare: bool, origin: Origin) {
        let frame = self.rate.frame_samples();
        let room = if spare || packet.is_empty() { frame } else { MAX_PACKET_SAMPLES };
        let decoded = self.decoded.get_mut(..room).unwrap_or_default();
        let Ok(samples) = self.codec.decode(packet, decoded, spare) else {
            self.stats.broken += 1;
            return;
        };
        let mut at = 0;
        while at < samples {
            let taken = (frame - self.part.len()).min(samples - at);
            self.part.extend_from_slice(self.decoded.get(at..at + taken).unwrap_or_default());
            at += taken;
            if self.part.len() == frame {
                let samples = std::mem::replace(&mut self.part, Vec::with_capacity(frame));
                self.push(AudioFrame { samples, origin });
            }
        }
    }

    fn push(&mut self, frame: AudioFrame) {
        if self.frames.len() == MAX_FRAMES {
            self.frames.pop_front();
        }
        self.frames.push_back(frame);
    }
}

/// Whether a packet brings a spare copy of the frame before it (in-band FEC, RFC 6716, 2.1.7): in its first byte the mode,
/// the duration and the count of frames (3.1), then for each 20 ms a bit for voice, and the bit that says so (4.2.3).
fn has_spare(packet: &[u8]) -> bool {
    let [toc, first, ..] = packet else { return false };
    let (mode, is_single) = (toc >> 3, toc & 0b11 == 0);
    let voice_bits = match mode {
        0..=11 => (mode % 4).max(1), // SILK of 10, 20, 40 or 60 ms
        12..=15 => 1,                // Hybrid of 10 or 20 ms
        _ => return false,           // CELT has none.
    };
    is_single && first >> (7 - voice_bits) & 1 == 1
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::audio::{Encoded, Encoder, EncoderOptions, level};

    /// A second of a tone of 400 Hz as packets.
    fn packets() -> Vec<Vec<u8>> {
        // To Opus a steady tone is noise, which it would not send.
        packets_with(EncoderOptions { expected_loss_percent: 20, dtx: false, ..EncoderOptions::default() })
    }

    fn packets_with(options: EncoderOptions) -> Vec<Vec<u8>> {
        let mut encoder = Encoder::new(SampleRate::Hz16000, options).unwrap();
        (0..50)
            .map(|frame| {
                let samples: Vec<i16> = (0..320)
                    .map(|n| (f64::from(frame * 320 + n) * 400.0 / 16_000.0 * std::f64::consts::TAU).sin() * 8_000.0)
                    .map(|sample| sample as i16)
                    .collect();
                match encoder.encode(&samples).unwrap() {
                    Encoded::Packet(packet) => packet.to_vec(),
                    Encoded::Silence => panic!("a tone is no silence"),
                }
            })
            .collect()
    }

    fn frames(receiver: &mut Receiver) -> Vec<AudioFrame> {
        std::iter::from_fn(|| receiver.poll_frame()).collect()
    }

    fn origins(frames: &[AudioFrame]) -> String {
        let letter = |frame: &AudioFrame| match frame.origin {
            Origin::Received => 'r',
            Origin::Restored => 'x',
            Origin::Concealed => 'c',
            Origin::Silence => 's',
        };
        frames.iter().map(letter).collect()
    }

    #[test]
    fn packets_become_frames_at_once() {
        let mut receiver = Receiver::new(SampleRate::Hz24000).unwrap();
        let now = Instant::now();
        for (number, packet) in (0..).zip(packets()) {
            receiver.handle_packet(now, 70_000 + number, 9_000 + number * 960, &packet);
            let frames = frames(&mut receiver);
            assert_eq!((frames.len(), frames[0].samples.len()), (1, 480));
            if number > 5 {
                assert!((0.1..0.25).contains(&level(&frames[0].samples)), "frame {number}");
            }
        }
        assert_eq!(receiver.stats(), ReceiverStats { packets: 50, ..ReceiverStats::default() });
    }

    #[test]
    fn lost_packets_are_restored_from_the_next_or_concealed() {
        let mut receiver = Receiver::new(SampleRate::Hz16000).unwrap();
        let now = Instant::now();
        let packets = packets();
        // One that is lost alone, and two in a row, each before a packet that brings a copy.
        let alone = (20..).find(|at| has_spare(&packets[at + 1])).unwrap();
        let second = (alone + 5..).find(|at| has_spare(&packets[at + 1])).unwrap();
        let lost = [alone, second - 1, second];
        let mut heard = Vec::new();
        for (number, packet) in packets.iter().enumerate().filter(|(number, _)| !lost.contains(number)) {
            receiver.handle_packet(now, number as u64, number as u64 * 960, packet);
            heard.extend(frames(&mut receiver));
        }
        assert_eq!(heard.len(), 50);
        let from = |origin| (0..50).filter(|at| heard[*at].origin == origin).collect::<Vec<usize>>();
        assert_eq!((from(Origin::Restored), from(Origin::Concealed)), (vec![alone, second], vec![second - 1]));
        assert!(lost.iter().all(|at| level(&heard[*at].samples) > 0.05), "the tone goes on");
        let stats = ReceiverStats { packets: 47, lost: 3, restored: 2, concealed: 1, ..ReceiverStats::default() };
        assert_eq!(receiver.stats(), stats);
    }

    #[test]
    fn a_spare_copy_is_seen_by_the_packets_header() {
        let wanted = EncoderOptions { expected_loss_percent: 20, ..EncoderOptions::default() };
        for (options, has) in [(wanted, true), (EncoderOptions { expected_loss_percent: 0, ..wanted }, false)] {
            let packets = packets_with(EncoderOptions { dtx: false, ..options });
            let spares = packets[5..].iter().filter(|packet| has_spare(packet)).count();
            // To Opus not every frame of a tone is worth a second copy.
            assert_eq!(spares > 20, has, "{spares}");
        }
        // Music, two frames in a packet, and no packet at all.
        for packet in [&[0xfc, 0xff, 0xff][..], &[0x09, 0xff, 0xff], &[0x08], &[]] {
            assert!(!has_spare(packet), "{packet:x?}");
        }
        // 60 ms have three bits for voice.
        assert!(has_spare(&[0x18, 0b0001_0000]) && !has_spare(&[0x18, 0b1110_0000]));
    }

    #[test]
    fn silence_keeps_the_time() {
        let mut receiver = Receiver::new(SampleRate::Hz16000).unwrap();
        let packets = packets();
        let start = Instant::now();
        receiver.handle_packet(start, 0, 0, &packets[0]);
        assert_eq!(receiver.poll_timeout(), Some(start + PATIENCE));
        // 400 ms without a packet, as with DTX. The clock runs in steps of its own.
        for step in 0..40 {
            receiver.handle_timeout(start + Duration::from_millis(step * 10));
        }
        let heard = frames(&mut receiver);
        assert_eq!(origins(&heard), format!("r{}", "s".repeat(17)));
        // The next packet says that 19 frames were silent: two more are put in before it.
        receiver.handle_packet(start + Duration::from_millis(400), 1, 20 * 960, &packets[1]);
        assert_eq!(origins(&frames(&mut receiver)), "ssr");
        assert_eq!(receiver.stats().lost, 0);
    }

    #[test]
    fn what_was_only_late_is_heard_and_the_time_is_made_up_later() {
        let mut receiver = Receiver::new(SampleRate::Hz16000).unwrap();
        let packets = packets();
        let start = Instant::now();
        receiver.handle_packet(start, 0, 0, &packets[0]);
        receiver.handle_timeout(start + Duration::from_millis(100));
        assert_eq!(origins(&frames(&mut receiver)), "rsss");
        // All the speech that was held up arrives at once.
        for number in 1..6 {
            receiver.handle_packet(start + Duration::from_millis(100), number, number * 960, &packets[number as usize]);
        }
        assert_eq!(origins(&frames(&mut receiver)), "rrrrr");
        // A silence of five frames gives the three back.
        receiver.handle_packet(start + Duration::from_millis(200), 6, 11 * 960, &packets[6]);
        assert_eq!(origins(&frames(&mut receiver)), "ssr");
    }

    #[test]
    fn doubled_late_and_broken_packets_are_left_out() {
        let mut receiver = Receiver::new(SampleRate::Hz16000).unwrap();
        let packets = packets();
        let now = Instant::now();
        receiver.handle_packet(now, 5, 4_800, &packets[0]);
        receiver.handle_packet(now, 5, 4_800, &packets[0]);
        receiver.handle_packet(now, 4, 3_840, &packets[0]);
        receiver.handle_packet(now, 6, 5_760, &[]);
        assert_eq!(origins(&frames(&mut receiver)), "r");
        assert_eq!(receiver.stats().broken, 1);
    }

    #[test]
    fn a_jump_in_time_is_a_new_beginning() {
        let mut receiver = Receiver::new(SampleRate::Hz16000).unwrap();
        let packets = packets();
        let now = Instant::now();
        receiver.handle_packet(now, 0, 0, &packets[0]);
        receiver.handle_packet(now, 1, 1_000_000_000, &packets[1]);
        receiver.handle_packet(now, 2, 5, &packets[2]);
        assert_eq!(origins(&frames(&mut receiver)), "rrr");
    }

    proptest! {
        #[test]
        fn any_packets_are_survived(
            packets in prop::collection::vec((0_u64..40, any::<u32>(), prop::collection::vec(any::<u8>(), 0..40)), 0..40),
        ) {
            let mut receiver = Receiver::new(SampleRate::Hz16000).unwrap();
            let now = Instant::now();
            for (step, (sequence, ticks, packet)) in (0..).zip(&packets) {
                receiver.handle_packet(now, *sequence, u64::from(*ticks), packet);
                receiver.handle_timeout(now + Duration::from_millis(step * 30));
            }
            let frames = frames(&mut receiver);
            prop_assert!(frames.len() <= MAX_FRAMES);
            prop_assert!(frames.iter().all(|frame| frame.samples.len() == 320));
        }
    }
}
