//! The market's vocabulary: bars, sessions, coverage, slices, schedules, layers and the wire format.
//!
//! Everything here is pure: values in, values out. There is no IO, no clock and no async; whoever calls hands in the
//! time. `app`, `server` and `simulator` build on this crate, and it imports none of them.
//!
//! Times are UTC ([`Timestamp`], epoch milliseconds); an exchange's local time appears only inside [`calendar`].

pub mod bar;
pub mod calendar;
pub mod compare;
pub mod coverage;
pub mod forming;
pub mod indicators;
pub mod layer;
pub mod progress;
pub mod quality;
pub mod quote;
pub mod resample;
pub mod schedule;
pub mod shown;
pub mod sizing;
pub mod slicing;
pub mod spans;
pub mod splits;
pub mod standing;
pub mod symbol;
pub mod ticks;
pub mod time;
pub mod timeframe;
pub mod validate;
pub mod view;
pub mod wire;

pub use bar::Bar;
pub use calendar::{Calendar, Hours, Session};
pub use forming::Forming;
pub use layer::Layer;
pub use progress::SeriesProgress;
pub use quality::QualityReport;
pub use quote::Quote;
pub use schedule::Schedule;
pub use spans::Spans;
pub use splits::{Adjust, Split};
pub use symbol::{AssetClass, Symbol, Venue};
pub use time::{TimeRange, Timestamp};
pub use timeframe::Timeframe;
