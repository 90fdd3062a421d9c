//! Pseudo-random numbers that come again with their seed.

/// SplitMix64: small, and good enough to choose bytes to break.
#[derive(Debug, Clone)]
pub struct Rng(u64);

impl Rng {
    /// The same seed gives the same numbers.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Rng(seed)
    }

    /// The next 64 bits.
    pub fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// A number from 0 to `end` - 1.
    pub fn below(&mut self, end: usize) -> usize {
        (self.bits() % end as u64) as usize
    }

    /// One to eight changes to `bytes`: a bit flipped, a byte replaced, inserted or removed, a
    /// piece doubled or cut off.
    pub fn mutate(&mut self, bytes: &mut Vec<u8>) {
        for _ in 0..=self.below(8) {
            if bytes.is_empty() {
                return;
            }
            let at = self.below(bytes.len());
            match self.below(8) {
                0 | 1 => bytes[at] ^= 1 << self.below(8),
                2 | 3 => bytes[at] = self.bits() as u8,
                4 => bytes.insert(at, self.bits() as u8),
                5 => drop(bytes.remove(at)),
                6 => {
                    let end = bytes.len().min(at + 1 + self.below(16));
                    let piece = bytes[at..end].to_vec();
                    bytes.splice(at..at, piece);
                }
                _ => {
                    let end = bytes.len().min(at + 1 + self.below(16));
                    bytes.drain(at..end);
                }
            }
        }
    }
}
