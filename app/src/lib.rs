//! What is seen, and what the page asks of the server.
//!
//! Pages, components and client stores live here, and the server functions' signatures. The crate is compiled for both
//! sides; it may import `market` and never `server`. What a server function needs comes in as a [`backend::Backend`].
//! A component gets data and callbacks; a store owns fetching and streams; `browser` alone touches the browser's parts.

// The error of every server function is a `Problem`, which is as large as its two sentences.
#![allow(clippy::result_large_err)]
#![cfg_attr(test, allow(clippy::unwrap_used, reason = "a test that cannot be set up fails"))]

pub mod api;
mod app;
#[cfg(feature = "ssr")]
pub mod assets;
#[cfg(feature = "ssr")]
pub mod backend;
pub mod browser;
pub mod chart;
mod components;
pub mod first_paint;
mod pages;
pub mod problem;
mod response;
pub mod series;
#[cfg(feature = "ssr")]
mod shell;
pub mod stores;
pub mod summary;
pub mod text;
pub mod visit;

pub use app::App;
#[cfg(feature = "ssr")]
pub use shell::{empty_shell, shell};
