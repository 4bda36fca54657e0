//! What is seen, and what the page asks of the server.
//!
//! Pages, components and client stores live here, and the server functions' signatures. The crate is compiled for both
//! sides; it may import `market` and never `server`. What a server function needs comes in as a [`backend::Backend`].

// The error of every server function is a `Problem`, which is as large as its two sentences.
#![allow(clippy::result_large_err)]

pub mod api;
#[cfg(feature = "ssr")]
pub mod backend;
pub mod problem;
