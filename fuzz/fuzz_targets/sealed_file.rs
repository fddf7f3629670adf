//! Sealed files: any bytes are refused or opened, and a real one that was changed anywhere is never opened as something else.
#![no_main]

use libfuzzer_sys::fuzz_target;
use voice_agent::vault::{Header, Key, Pseudonym, Sealer, UserKey, open};

fuzz_target!(|data: &[u8]| {
    let key = UserKey::new(Pseudonym::from_bytes([1; 16]), Key::from_bytes(&[2; 32]));
    let _refused = open(data, &key);
    let _header = Header::read(&mut &data[..]);
    // The first bytes say what is changed, the rest is what is sealed.
    let Some(([at_high, at_low, bits], text)) = data.split_first_chunk::<3>() else { return };
    let Ok((mut sealer, mut file)) = Sealer::new(&key, "fuzz") else { return };
    let (first, second) = text.split_at(text.len() / 2);
    for piece in [first, second] {
        sealer.seal(piece, &mut file).expect("small files are sealed");
    }
    sealer.finish(&mut file).expect("small files are sealed");
    assert_eq!(open(&file, &key).expect("it was not changed").text, text);
    let at = usize::from(u16::from_be_bytes([*at_high, *at_low])) % file.len();
    if *bits == 0 {
        file.truncate(at);
    } else {
        file[at] ^= bits;
    }
    assert!(open(&file, &key).is_err());
});
