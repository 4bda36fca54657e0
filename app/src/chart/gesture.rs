//! What fingers mean on the chart: a tap, a drag, or a flick that the chart follows for a while.

/// How far a finger may slip within a tap, in pixels.
const SLIP: f64 = 9.0;
/// How long a tap takes at most, in milliseconds; what is longer is a long press, which is left to the browser.
const TAP_MS: f64 = 500.0;
/// Over which time a flick's speed is taken, and how long a finger may rest before it is let go.
const RECENT_MS: f64 = 100.0;
const REST_MS: f64 = 60.0;
/// The slowest flick, in pixels a millisecond.
const SLOWEST: f64 = 0.25;
const FASTEST: f64 = 6.0;
/// In which time a flick loses most (1 − 1/e) of its speed, and at which speed it ends.
const FADE_MS: f64 = 325.0;
const STILL: f64 = 0.02;

/// One finger's way since it was put down.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Gesture {
    /// Where and when; `None` once another finger came.
    start: Option<(f64, f64, f64)>,
    has_slipped: bool,
    /// When and how far from the left, the newest last.
    recent: Vec<(f64, f64)>,
}

/// What it was.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Ended {
    /// A touch of that point.
    Tap(f64, f64),
    /// A throw.
    Flick(Flick),
    /// Neither.
    Nothing,
}

impl Gesture {
    /// The first finger is put down; times are in milliseconds of any clock.
    #[must_use]
    pub fn begun(x: f64, y: f64, at: f64) -> Self {
        Self { start: Some((x, y, at)), has_slipped: false, recent: vec![(at, x)] }
    }

    /// More than one finger: neither a tap nor a flick.
    pub fn give_up(&mut self) {
        *self = Self { has_slipped: true, ..Self::default() };
    }

    /// The finger is there now. Whether it drags: a finger that has hardly moved does not.
    pub fn moved(&mut self, x: f64, y: f64, at: f64) -> bool {
        if let Some((from_x, from_y, _)) = self.start {
            self.has_slipped |= (x - from_x).hypot(y - from_y) > SLIP;
        }
        self.recent.retain(|(then, _)| at - then <= RECENT_MS);
        self.recent.push((at, x));
        self.has_slipped
    }

    /// The finger is lifted.
    #[must_use]
    pub fn ended(&self, at: f64) -> Ended {
        match (self.start, self.recent.as_slice()) {
            (Some((x, y, since)), _) if !self.has_slipped => {
                if at - since <= TAP_MS {
                    Ended::Tap(x, y)
                } else {
                    Ended::Nothing
                }
            }
            (Some(_), [first, .., last]) if last.0 > first.0 && at - last.0 <= REST_MS => {
                let speed = ((last.1 - first.1) / (last.0 - first.0)).clamp(-FASTEST, FASTEST);
                if speed.abs() < SLOWEST { Ended::Nothing } else { Ended::Flick(Flick { speed }) }
            }
            _ => Ended::Nothing,
        }
    }
}

/// A flick that goes on, ever slower.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Flick {
    /// In pixels a millisecond, to the right where positive.
    speed: f64,
}

impl Flick {
    /// How far it goes in the next `millis`; `None` once it has ended.
    pub fn step(&mut self, millis: f64) -> Option<f64> {
        if self.speed.abs() < STILL {
            return None;
        }
        let left = (-millis.max(0.0) / FADE_MS).exp();
        let by = self.speed * FADE_MS * (1.0 - left);
        self.speed *= left;
        Some(by)
    }
}

#[cfg(all(test, not(target_arch = "wasm32")))]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_finger_that_hardly_moves_taps() {
        let mut gesture = Gesture::begun(100.0, 50.0, 0.0);
        assert!(!gesture.moved(104.0, 53.0, 40.0));
        assert_eq!(gesture.ended(120.0), Ended::Tap(100.0, 50.0));
        assert_eq!(gesture.ended(900.0), Ended::Nothing, "a long press is the browser's");
    }

    #[test]
    fn a_finger_that_lets_go_on_the_move_flicks_and_one_that_rests_does_not() {
        let mut gesture = Gesture::begun(100.0, 50.0, 0.0);
        assert!(gesture.moved(140.0, 50.0, 30.0) && gesture.moved(200.0, 50.0, 60.0));
        let Ended::Flick(Flick { speed }) = gesture.ended(64.0) else { panic!("{gesture:?}") };
        assert!((speed - 100.0 / 60.0).abs() < 1e-9);
        assert_eq!(gesture.ended(300.0), Ended::Nothing);
        gesture.give_up();
        assert_eq!(gesture.ended(64.0), Ended::Nothing, "two fingers");
    }

    proptest! {
        #[test]
        fn a_flick_ends_and_goes_as_far_in_many_frames_as_in_few(speed in -6.0..6.0_f64, frame in 4.0..60.0_f64) {
            let way = |frame: f64| {
                let mut flick = Flick { speed };
                let steps: Vec<f64> = std::iter::from_fn(|| flick.step(frame)).take(10_000).collect();
                prop_assert!(steps.len() < 10_000);
                prop_assert!(steps.windows(2).all(|pair| pair[1].abs() <= pair[0].abs()), "ever slower");
                Ok(steps.iter().sum::<f64>())
            };
            let (one, other): (f64, f64) = (way(frame)?, way(frame / 4.0)?);
            // What is left at the end is less than its last speed would go.
            prop_assert!((one - other).abs() <= STILL * FADE_MS + 1e-6, "{} and {}", one, other);
        }
    }
}
