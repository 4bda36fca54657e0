//! Chance that can be had again: a failing run prints what it was drawn from.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// What TIDEMARK_TEST_SEED is read from.
const VARIABLE: &str = "TIDEMARK_TEST_SEED";

/// Draws numbers that follow from a seed alone.
#[derive(Clone, Debug)]
pub struct Chance {
    state: u64,
}

impl Chance {
    /// From TIDEMARK_TEST_SEED, else from the clock. `test` is named in the line that tells how to run it again.
    pub fn new(test: &str) -> Self {
        let told = std::env::var(VARIABLE).ok().map(|text| text.parse().expect("TIDEMARK_TEST_SEED is a whole number"));
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
        let seed = told.unwrap_or_else(|| u64::from(since.subsec_nanos()) ^ since.as_secs());
        eprintln!("{test}: to run this again, set {VARIABLE}={seed}");
        Self::of(seed)
    }

    /// From a seed that is known.
    pub const fn of(seed: u64) -> Self {
        Self { state: seed }
    }

    /// The next number (Sebastiano Vigna's SplitMix64).
    pub fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.state ^ (self.state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// From 0 up to and without `end`.
    pub fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }

    /// From nothing up to and without `end`.
    pub fn within(&mut self, end: Duration) -> Duration {
        let nanos = u64::try_from(end.as_nanos()).unwrap();
        Duration::from_nanos(self.below(nanos.max(1)))
    }

    /// One of them.
    pub fn pick<'a, T>(&mut self, of: &'a [T]) -> &'a T {
        &of[usize::try_from(self.below(of.len() as u64)).unwrap()]
    }
}
