//! G.711 µ-law, from the recommendation.

/// One sample: sign, the segment, and four bits inside it, all inverted.
pub fn encode(sample: i16) -> u8 {
    let sign = if sample < 0 { 0x80 } else { 0 };
    let magnitude = (u32::from(sample.unsigned_abs()).min(32_635)) + 132;
    let segment = magnitude.ilog2().saturating_sub(7);
    let inside = (magnitude >> (segment + 3)) & 0x0f;
    !(sign | low_byte(segment << 4) | low_byte(inside))
}

/// One byte.
pub fn decode(byte: u8) -> i16 {
    let code = !byte;
    let segment = u32::from(code >> 4) & 7;
    let magnitude = ((i32::from(code & 0x0f) * 8 + 132) << segment) - 132;
    let signed = if code & 0x80 == 0 { magnitude } else { -magnitude };
    i16::try_from(signed).unwrap_or(if signed < 0 { i16::MIN } else { i16::MAX })
}

fn low_byte(value: u32) -> u8 {
    u8::try_from(value & 0xff).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reference_codes_of_g711() {
        assert_eq!((encode(0), encode(-1), encode(32_767), encode(-32_768)), (0xff, 0x7f, 0x80, 0));
        for byte in 0..=u8::MAX {
            let again = encode(decode(byte));
            assert!(again == byte || (byte == 0x7f && again == 0xff), "{byte:#x}");
        }
    }
}
