//! A picture of a screen: a WebP file of bounded size, and its pixels.

use std::io::Cursor;

use bytes::Bytes;
use image::{DynamicImage, ImageFormat, ImageReader, Limits, RgbImage};

/// The largest file that is taken: a screen of 1920×1080 as WebP has 50 to 400 kB.
pub const MAX_BYTES: usize = 2 * 1024 * 1024;
/// The largest width and height, in pixels.
pub const MAX_SIDE: u32 = 4_096;
/// The most memory that decoding may take, in bytes: a picture of the largest width and height, with what the decoder needs.
const MAX_DECODED: u64 = 160 * 1024 * 1024;
/// The smallest width and height that anything can be read in. A muted or ended video track shows 8×8.
const MIN_SIDE: u32 = 32;

/// Why something is no picture of a screen.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PictureError {
    /// It is not WebP.
    #[error("the picture is no WebP file")]
    NotWebP,
    /// The file is too large.
    #[error("the picture has {0} bytes; at most {MAX_BYTES} are taken")]
    TooManyBytes(usize),
    /// Too wide, too high, or too small to show anything.
    #[error("the picture is {0}×{1}; {MIN_SIDE} to {MAX_SIDE} pixels are taken")]
    Size(u32, u32),
    /// The file breaks off, or is damaged.
    #[error("the picture cannot be decoded: {0}")]
    Broken(String),
}

/// A picture of the caller's screen; cheap to clone.
#[derive(Clone, PartialEq, Eq)]
pub struct Picture {
    webp: Bytes,
    width: u32,
    height: u32,
}

/// What is on a screen is nobody's business in a log.
impl std::fmt::Debug for Picture {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { webp, width, height } = self;
        write!(formatter, "Picture({width}×{height}, {} bytes)", webp.len())
    }
}

impl Picture {
    /// Takes a WebP file, of which only the head is read.
    ///
    /// # Errors
    /// [`PictureError`], which says what is taken.
    pub fn new(webp: Bytes) -> Result<Self, PictureError> {
        if webp.len() > MAX_BYTES {
            return Err(PictureError::TooManyBytes(webp.len()));
        }
        if !is_webp(&webp) {
            return Err(PictureError::NotWebP);
        }
        let (width, height) = reader(&webp).into_dimensions().map_err(|error| broken(&error))?;
        let fits = |side| (MIN_SIDE..=MAX_SIDE).contains(&side);
        if !fits(width) || !fits(height) {
            return Err(PictureError::Size(width, height));
        }
        Ok(Self { webp, width, height })
    }

    /// The file.
    pub const fn webp(&self) -> &Bytes {
        &self.webp
    }

    /// Width and height in pixels.
    pub const fn size(&self) -> (u32, u32) {
        (self.width, self.height)
    }

    /// The pixels. Takes tens of milliseconds: call it off the runtime.
    ///
    /// # Errors
    /// [`PictureError::Broken`].
    pub fn decode(&self) -> Result<RgbImage, PictureError> {
        reader(&self.webp).decode().map(DynamicImage::into_rgb8).map_err(|error| broken(&error))
    }
}

/// Whether these bytes begin as a WebP file does: `RIFF`, a length, `WEBP` (RFC 9649, section 2.4).
pub fn is_webp(bytes: &[u8]) -> bool {
    bytes.len() > 12 && bytes.starts_with(b"RIFF") && bytes.get(8..12) == Some(b"WEBP")
}

fn reader(webp: &[u8]) -> ImageReader<Cursor<&[u8]>> {
    let mut reader = ImageReader::with_format(Cursor::new(webp), ImageFormat::WebP);
    let mut limits = Limits::default();
    (limits.max_image_width, limits.max_image_height) = (Some(MAX_SIDE), Some(MAX_SIDE));
    limits.max_alloc = Some(MAX_DECODED);
    reader.limits(limits);
    reader
}

fn broken(error: &image::ImageError) -> PictureError {
    PictureError::Broken(error.to_string().chars().take(200).collect())
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A lossless WebP file of these pixels.
    pub(crate) fn webp(image: &RgbImage) -> Bytes {
        let mut file = Cursor::new(Vec::new());
        image.write_to(&mut file, ImageFormat::WebP).unwrap();
        file.into_inner().into()
    }

    #[test]
    fn a_webp_file_is_taken_and_decoded() {
        let mut image = RgbImage::new(64, 48);
        image.put_pixel(63, 47, image::Rgb([1, 2, 3]));
        let picture = Picture::new(webp(&image)).unwrap();
        assert_eq!((picture.size(), picture.decode()), ((64, 48), Ok(image)));
        assert_eq!(format!("{picture:?}"), format!("Picture(64×48, {} bytes)", picture.webp().len()));
    }

    #[test]
    fn what_is_no_picture_of_a_screen_is_refused_with_the_reason() {
        let whole = webp(&RgbImage::new(64, 48));
        assert_eq!(Picture::new(Bytes::from_static(b"\x89PNG and more of it")), Err(PictureError::NotWebP));
        assert_eq!(Picture::new(vec![0; MAX_BYTES + 1].into()), Err(PictureError::TooManyBytes(MAX_BYTES + 1)));
        assert_eq!(Picture::new(webp(&RgbImage::new(8, 8))), Err(PictureError::Size(8, 8)));
        assert!(matches!(Picture::new(whole.slice(..16)), Err(PictureError::Broken(_))));
        let cut = Picture::new(whole.slice(..whole.len() - 4)).and_then(|picture| picture.decode().map(|_| ()));
        assert!(matches!(cut, Err(PictureError::Broken(_))), "{cut:?}");
    }

    proptest::proptest! {
        #[test]
        fn no_damage_makes_it_panic(
            damage in proptest::collection::vec((proptest::num::usize::ANY, proptest::num::u8::ANY), 0..8),
            kept in 12_usize..400,
        ) {
            let image = RgbImage::from_fn(40, 33, |x, y| image::Rgb([(x * y) as u8, (x ^ y) as u8, (x * 7) as u8]));
            let mut file = webp(&image).to_vec();
            for (at, byte) in damage {
                let at = at % file.len();
                file[at] = byte;
            }
            file.truncate(kept.max(file.len() / 2));
            if let Ok(picture) = Picture::new(file.into()) {
                let decoded = picture.decode();
                proptest::prop_assert!(decoded.is_err() || decoded.is_ok_and(|image| image.dimensions() == picture.size()));
            }
        }

        #[test]
        fn no_bytes_make_it_panic(tail in proptest::collection::vec(proptest::num::u8::ANY, 0..400)) {
            let bytes = [b"RIFF\x90\x01\0\0WEBPVP8 ".as_slice(), &tail].concat();
            if let Ok(picture) = Picture::new(bytes.into()) {
                let _ = picture.decode();
            }
        }
    }
}
