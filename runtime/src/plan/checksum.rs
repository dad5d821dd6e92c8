//! CRC-32 (IEEE 802.3, reflected polynomial 0xEDB88320), four bits a step: small table, few instructions a byte.

const NIBBLES: [u32; 16] = table();

// Evaluated by the compiler: an index out of range would not build.
#[allow(clippy::indexing_slicing)]
const fn table() -> [u32; 16] {
    let mut out = [0u32; 16];
    let mut i = 0;
    while i < 16 {
        let mut crc = i as u32;
        let mut bit = 0;
        while bit < 4 {
            crc = if crc & 1 == 1 { (crc >> 1) ^ 0xEDB8_8320 } else { crc >> 1 };
            bit += 1;
        }
        out[i] = crc;
        i += 1;
    }
    out
}

/// A running CRC-32.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Checksum(u32);

impl Default for Checksum {
    fn default() -> Self {
        Self::new()
    }
}

impl Checksum {
    /// The checksum of no bytes.
    pub const fn new() -> Self {
        Self(u32::MAX)
    }

    /// Appends bytes.
    pub fn update(&mut self, bytes: &[u8]) {
        let mut crc = self.0;
        let (words, rest) = bytes.as_chunks::<4>();
        for &word in words {
            crc ^= u32::from_le_bytes(word);
            crc = byte(byte(byte(byte(crc))));
        }
        for &rest in rest {
            crc = byte(crc ^ u32::from(rest));
        }
        self.0 = crc;
    }

    /// CRC-32 of all bytes appended so far.
    pub const fn value(&self) -> u32 {
        !self.0
    }

    /// CRC-32 of one run of bytes.
    pub fn of(bytes: &[u8]) -> u32 {
        let mut sum = Self::new();
        sum.update(bytes);
        sum.value()
    }
}

#[inline(always)]
fn byte(crc: u32) -> u32 {
    step(step(crc))
}

#[inline(always)]
fn step(crc: u32) -> u32 {
    // The index is below 16, so the table lookup cannot miss.
    NIBBLES.get((crc & 15) as usize).map_or(0, |t| t ^ (crc >> 4))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn standard_check_value() {
        assert_eq!(Checksum::of(b"123456789"), 0xCBF4_3926);
        assert_eq!(Checksum::of(b""), 0);
    }

    #[test]
    fn pieces_equal_the_whole() {
        let mut sum = Checksum::new();
        sum.update(b"1234");
        sum.update(b"56789");
        assert_eq!(sum.value(), 0xCBF4_3926);
    }
}
