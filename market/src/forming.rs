//! A bar that has not ended yet.

use serde::{Deserialize, Serialize};

use crate::bar::Bar;
use crate::time::Timestamp;

/// What a provider told of the bar under way. It is never stored as a bar: it changes until its time is over, and then
/// the closed one is fetched.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Forming {
    /// As far as it has formed.
    pub bar: Bar,
    /// Who told it.
    pub provider: String,
    /// When, by the provider's clock.
    pub told_at: Timestamp,
}
