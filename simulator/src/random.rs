//! Random numbers that are the same on every machine and in every release: splitmix64.

/// A stream of numbers that follows from its seed.
pub(crate) struct Random(u64);

impl Random {
    pub(crate) const fn new(seed: u64) -> Self {
        Self(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        mix(self.0)
    }

    /// In `[0, 1)`.
    pub(crate) fn unit(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// Four numbers in `[0, 1)`, of 16 bits each.
    pub(crate) fn quarters(&mut self) -> [f64; 4] {
        let bits = self.next();
        [0, 16, 32, 48].map(|shift| ((bits >> shift) & 0xFFFF) as f64 / 65_536.0)
    }

    /// About normally distributed with mean 0 and deviation 1: four uniform numbers summed up.
    pub(crate) fn normal(&mut self) -> f64 {
        let [a, b, c, d] = self.quarters();
        (a + b + c + d - 2.0) * 3_f64.sqrt()
    }
}

/// Spreads the bits of `value` over all of them.
pub(crate) const fn mix(value: u64) -> u64 {
    let value = (value ^ (value >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let value = (value ^ (value >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    value ^ (value >> 31)
}

/// FNV-1a.
pub(crate) fn hash_text(text: &str) -> u64 {
    text.bytes().fold(0xCBF2_9CE4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01B3))
}
