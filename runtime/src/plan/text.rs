//! UTF-8, checked without the tables of `core`, which are large.

/// Whether bytes are UTF-8.
#[inline(never)]
pub(super) fn is_utf8(mut bytes: &[u8]) -> bool {
    loop {
        if let Some((four, rest)) = bytes.split_first_chunk::<4>()
            && u32::from_le_bytes(*four) & 0x8080_8080 == 0
        {
            bytes = rest;
            continue;
        }
        let Some((&first, mut rest)) = bytes.split_first() else { return true };
        // Bytes that follow, and the least code that takes so many.
        let (follow, least) = match first.leading_ones() {
            0 => (0, 0),
            2 => (1, 0x80),
            3 => (2, 0x800),
            4 => (3, 0x1_0000),
            _ => return false,
        };
        let mut code = u32::from(first) & (0x7f >> (follow as u32).wrapping_add(u32::from(follow > 0)));
        for _ in 0..follow {
            let Some((&next, behind)) = rest.split_first() else { return false };
            if next >> 6 != 0b10 {
                return false;
            }
            code = code << 6 | u32::from(next & 0x3f);
            rest = behind;
        }
        if code < least || char::from_u32(code).is_none() {
            return false;
        }
        bytes = rest;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::string::String;
    use std::vec::Vec;

    proptest! {
        #[test]
        fn is_that_of_core(
            text in any::<String>(), noise in proptest::collection::vec(any::<u8>(), 0..6), at in any::<proptest::sample::Index>(),
        ) {
            let mut bytes: Vec<u8> = text.into_bytes();
            prop_assert!(is_utf8(&bytes));
            let at = at.index(bytes.len() + 1);
            bytes.splice(at..at, noise);
            prop_assert_eq!(is_utf8(&bytes), core::str::from_utf8(&bytes).is_ok());
        }

        #[test]
        fn is_that_of_core_for_any_code(high in 0x70u8.., bytes in any::<[u8; 4]>(), len in 0usize..4) {
            let bytes = [high, bytes[0], bytes[1], bytes[2]];
            prop_assert_eq!(is_utf8(&bytes[..=len]), core::str::from_utf8(&bytes[..=len]).is_ok());
        }
    }

    #[test]
    fn is_that_of_core_for_all_first_three_bytes() {
        for first in 0u8..=255 {
            for second in 0u8..=255 {
                for third in [0, 0x7f, 0x80, 0x9f, 0xa0, 0xbf, 0xc0] {
                    for len in 1..=4 {
                        let bytes = &[first, second, third, 0x80][..len];
                        assert_eq!(is_utf8(bytes), core::str::from_utf8(bytes).is_ok(), "{bytes:x?}");
                    }
                }
            }
        }
    }
}
