//! Pictures without a video decoder: a VP8 key frame is a picture on its own, and behind twenty bytes of RIFF header it is
//! a valid WebP file, which browsers, image libraries and vision models read.
//!
//! Sources: RFC 6386 section 9.1 (the frame header), RFC 9649 (WebP).

/// A still picture of a video track.
#[derive(Clone, PartialEq, Eq)]
pub struct Picture {
    /// Pixels.
    pub width: u32,
    /// Pixels.
    pub height: u32,
    /// A WebP file.
    pub webp: Vec<u8>,
}

impl std::fmt::Debug for Picture {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Picture({} x {}, {} bytes)", self.width, self.height, self.webp.len())
    }
}

/// The size in pixels of a VP8 key frame; nothing for other frames, and for what is no VP8.
pub fn key_frame_size(frame: &[u8]) -> Option<(u32, u32)> {
    const START_CODE: [u8; 3] = [0x9d, 0x01, 0x2a];
    let (head, _) = frame.split_first_chunk::<10>()?;
    let is_key_frame = head[0] & 1 == 0;
    if !is_key_frame || head[3..6] != START_CODE {
        return None;
    }
    // The upper two bits of each are a scaling hint.
    let width = u32::from(u16::from_le_bytes([head[6], head[7]]) & 0x3fff);
    let height = u32::from(u16::from_le_bytes([head[8], head[9]]) & 0x3fff);
    (width > 0 && height > 0).then_some((width, height))
}

/// The picture in a VP8 key frame; nothing for other frames.
pub fn picture(frame: &[u8]) -> Option<Picture> {
    let (width, height) = key_frame_size(frame)?;
    let length = u32::try_from(frame.len()).ok()?;
    let padding = length & 1;
    let mut webp = Vec::with_capacity(frame.len() + 21);
    webp.extend_from_slice(b"RIFF");
    webp.extend_from_slice(&(12_u32.checked_add(length)?.checked_add(padding)?).to_le_bytes());
    webp.extend_from_slice(b"WEBPVP8 ");
    webp.extend_from_slice(&length.to_le_bytes());
    webp.extend_from_slice(frame);
    if padding == 1 {
        webp.push(0);
    }
    Some(Picture { width, height, webp })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The first bytes of a key frame of 1280 × 720 pixels, and some that stand for the rest.
    const KEY_FRAME: [u8; 13] = [0x10, 0x02, 0x00, 0x9d, 0x01, 0x2a, 0x00, 0x45, 0xd0, 0x02, 1, 2, 3];

    #[test]
    fn a_key_frame_is_a_webp_file() {
        let picture = picture(&KEY_FRAME).unwrap();
        assert_eq!((picture.width, picture.height), (1280, 720));
        assert_eq!(&picture.webp[..4], b"RIFF");
        // The file's size less the eight bytes before this number; a frame of odd length is padded.
        assert_eq!(picture.webp[4..8], 26_u32.to_le_bytes());
        assert_eq!(&picture.webp[8..16], b"WEBPVP8 ");
        assert_eq!(picture.webp[16..20], 13_u32.to_le_bytes());
        assert_eq!(picture.webp[20..33], KEY_FRAME);
        assert_eq!(picture.webp.len(), 34);
    }

    #[test]
    fn other_frames_are_no_pictures() {
        let mut inter_frame = KEY_FRAME;
        inter_frame[0] |= 1;
        let mut wrong_code = KEY_FRAME;
        wrong_code[4] = 0;
        let mut no_width = KEY_FRAME;
        no_width[6..8].fill(0);
        for frame in [&inter_frame[..], &wrong_code, &no_width, &KEY_FRAME[..9], &[]] {
            assert_eq!(picture(frame), None);
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_survived(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
            if let Some(picture) = picture(&bytes) {
                prop_assert!(picture.width < 16_384 && picture.height < 16_384);
                prop_assert_eq!(picture.webp.len() % 2, 0);
            }
        }
    }
}
