//! State that outlives a component: what it holds, and who fetches it.
//!
//! A store owns fetching, caching and streams, and hands signals to components. What needs no browser is plain data and
//! functions over it ([`situation`], [`holding`], [`older`], [`watchlists::lists`]); the rest reaches the browser through `crate::browser`.

pub mod cache;
pub mod chart_store;
pub mod compared;
pub mod drawings;
pub mod event_stream;
pub mod filling;
pub mod holding;
pub mod older;
pub mod quality;
pub mod quotes;
pub mod search;
mod session;
pub mod settings;
pub mod shortcuts;
pub mod shown;
pub mod situation;
pub mod standing;
pub mod strip;
pub mod vacancy;
pub mod watchlists;
