//! About how many tokens a picture is, for requests of which the provider does not say what they used: those that were cancelled or
//! broke off, and those to servers that never say it.
//!
//! By OpenAI's rules for models that look tile by tile: a picture is made to fit into 2,048 pixels a side and its shorter side into 768,
//! and each tile of 512 pixels that it then covers has its price, on top of one for any picture. What a model that counts otherwise
//! takes is of the same order as gpt-4o's.

use crate::config::ScreenDetail;

const LONGEST_SIDE: f64 = 2_048.0;
const SHORTER_SIDE: f64 = 768.0;
const TILE: f64 = 512.0;

/// Tokens of a picture of this size.
pub(super) fn tokens(model: &str, detail: ScreenDetail, (width, height): (u32, u32)) -> u64 {
    // A picture costs as much with the small model as with the large one, whose tokens are dearer.
    let (any, tile) = if model.starts_with("gpt-4o-mini") { (2_833, 5_667) } else { (85, 170) };
    match detail {
        ScreenDetail::Low => any,
        // Left to itself it looks closely at what is no thumbnail.
        ScreenDetail::High | ScreenDetail::Auto => any + tile * tiles(f64::from(width), f64::from(height)),
    }
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a few tiles")]
fn tiles(width: f64, height: f64) -> u64 {
    let fits = (LONGEST_SIDE / width.max(height).max(1.0)).min(1.0);
    let scale = fits * (SHORTER_SIDE / (width.min(height) * fits).max(1.0)).min(1.0);
    let along = |side: f64| ((side * scale).round() / TILE).ceil().max(1.0) as u64;
    along(width) * along(height)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_picture_is_counted_by_its_tiles() {
        // The first three are the examples of OpenAI's documentation.
        for (size, detail, expected) in [
            ((1_024, 1_024), ScreenDetail::High, 765),
            ((2_048, 4_096), ScreenDetail::High, 1_105),
            ((4_096, 8_192), ScreenDetail::Low, 85),
            ((2_048, 1_152), ScreenDetail::Auto, 85 + 6 * 170),
            ((128, 64), ScreenDetail::High, 85 + 170),
            ((0, 0), ScreenDetail::High, 85 + 170),
        ] {
            assert_eq!(tokens("gpt-4o", detail, size), expected, "{size:?} {detail:?}");
        }
        assert_eq!(tokens("gpt-4o-mini", ScreenDetail::High, (1_280, 720)), 2_833 + 6 * 5_667);
        assert_eq!(tokens("gpt-4o-mini-2024-07-18", ScreenDetail::Low, (1_280, 720)), 2_833);
    }
}
