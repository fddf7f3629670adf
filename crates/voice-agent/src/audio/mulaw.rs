//! G.711 µ-law, the telephone's coding (ITU-T G.711; the arithmetic is that of its reference, by segment and interval).

/// Added before the segment is looked for, so that every segment begins at a power of two.
const BIAS: i32 = 0x84;
/// The loudest that can be coded.
const CLIP: i32 = 32_635;

/// One sample, coded.
pub fn encode(sample: i16) -> u8 {
    let sign = if sample < 0 { 0x80 } else { 0 };
    let magnitude = i32::from(sample).abs().min(CLIP) + BIAS;
    // The highest set bit is at least bit 7, because of the bias.
    let exponent = (31 - magnitude.leading_zeros()).saturating_sub(7);
    let mantissa = (magnitude >> (exponent + 3)) & 0x0f;
    let code = sign | u8::try_from(exponent << 4).unwrap_or(0x70) | u8::try_from(mantissa).unwrap_or(0x0f);
    !code
}

/// One sample, decoded.
pub const fn decode(code: u8) -> i16 {
    let code = !code;
    let exponent = (code >> 4) & 0x07;
    let magnitude = (((((code & 0x0f) as i32) << 3) + BIAS) << exponent) - BIAS;
    // At most 32,124: it fits.
    if code & 0x80 == 0 { magnitude as i16 } else { -(magnitude as i16) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_survives_and_silence_is_all_ones() {
        assert_eq!((encode(0), decode(0xff), decode(0x7f)), (0xff, 0, 0));
        assert_eq!((decode(0x80), decode(0x00)), (32_124, -32_124));
        for code in 0..=u8::MAX {
            // The two zeros are one.
            let expected = if code == 0x7f { 0xff } else { code };
            assert_eq!(encode(decode(code)), expected, "{code:#x}");
        }
    }

    #[test]
    fn the_error_is_at_most_half_an_interval() {
        for sample in i16::MIN..=i16::MAX {
            let error = (i32::from(decode(encode(sample))) - i32::from(sample)).abs();
            let interval = (i32::from(sample).abs() + BIAS) / 16;
            assert!(
                error <= (interval / 2 + 4).max(i32::from(sample.unsigned_abs()) - CLIP + 520),
                "{sample}: {error}"
            );
        }
    }
}
