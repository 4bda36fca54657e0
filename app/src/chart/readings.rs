//! What the lines of a chart are at, at one of its bars.

use super::compare::Reading;

/// At the bar under the crosshair, or at the newest one.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Readings {
    /// The values of each indicator, in the order of its lines; `None` where there is none yet.
    pub indicators: Vec<Vec<Option<f64>>>,
    /// The chart's own series in percent of its first bar in view, where anything is compared with it.
    pub percent: Option<f64>,
    /// What is compared with it.
    pub compared: Vec<Reading>,
}
