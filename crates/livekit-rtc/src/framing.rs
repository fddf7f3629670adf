//! Packets over a byte stream (RFC 4571): each is preceded by its length in two bytes, most significant first. ICE over
//! TCP sends its packets so.

/// Bytes that a packet may have: what two bytes can count.
const MAX_PACKET: usize = u16::MAX as usize;

/// Appends a packet with its length. A packet over 65,535 bytes is not written, and `false` is the answer.
#[must_use]
pub fn encode(packet: &[u8], stream: &mut Vec<u8>) -> bool {
    let Ok(length) = u16::try_from(packet.len()) else {
        return false;
    };
    stream.extend_from_slice(&length.to_be_bytes());
    stream.extend_from_slice(packet);
    true
}

/// Cuts a byte stream into packets, however it arrives. Holds one packet at most, and what came with it.
#[derive(Debug, Default)]
pub struct Decoder {
    bytes: Vec<u8>,
    /// How much of `bytes` was handed out already.
    start: usize,
}

impl Decoder {
    /// What a socket delivered.
    pub fn push(&mut self, bytes: &[u8]) {
        if self.start > 0 {
            self.bytes.drain(..self.start);
            self.start = 0;
        }
        self.bytes.extend_from_slice(bytes);
    }

    /// The next whole packet. Empty ones are skipped: they are no packets of ours.
    pub fn packet(&mut self) -> Option<&[u8]> {
        loop {
            let rest = self.bytes.get(self.start..)?;
            let (length, rest) = rest.split_first_chunk::<2>()?;
            let length = usize::from(u16::from_be_bytes(*length));
            if rest.len() < length {
                return None;
            }
            let from = self.start + 2;
            self.start = from + length;
            if length > 0 {
                return self.bytes.get(from..self.start);
            }
        }
    }

    /// Bytes that wait for the rest of their packet.
    pub fn pending(&self) -> usize {
        self.bytes.len() - self.start
    }

    /// The most that can be pending after every whole packet was taken.
    pub const MAX_PENDING: usize = MAX_PACKET + 1;
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn too_large_a_packet_is_not_written() {
        let mut stream = Vec::new();
        assert!(!encode(&vec![0; 65_536], &mut stream));
        assert!(stream.is_empty());
    }

    proptest! {
        #[test]
        fn packets_survive_any_cut(
            packets in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..400), 0..12),
            cuts in prop::collection::vec(1_usize..300, 1..40),
        ) {
            let mut stream = Vec::new();
            for packet in &packets {
                prop_assert!(encode(packet, &mut stream));
            }
            let (mut decoder, mut decoded, mut at) = (Decoder::default(), Vec::new(), 0);
            for cut in cuts.iter().cycle() {
                if at >= stream.len() {
                    break;
                }
                let to = (at + cut).min(stream.len());
                decoder.push(&stream[at..to]);
                at = to;
                while let Some(packet) = decoder.packet() {
                    decoded.push(packet.to_vec());
                }
                prop_assert!(decoder.pending() <= Decoder::MAX_PENDING);
            }
            let expected: Vec<_> = packets.into_iter().filter(|packet| !packet.is_empty()).collect();
            prop_assert_eq!(decoded, expected);
            prop_assert_eq!(decoder.pending(), 0);
        }
    }
}
