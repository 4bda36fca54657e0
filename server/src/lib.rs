//! Tidemark's companion server: all IO lives here.
//!
//! [`config`] is read first, [`postgres`] finds or starts the database, [`db`] holds every statement, [`queue`] fetches
//! slices through [`providers`], [`service`] answers what pages and tools ask, [`events`] tells them what changes, and
//! [`http`] is the way in. [`serve`] puts them together and takes them apart.

// The error of the HTTP API and of server functions is a `Problem`, which is as large as its two sentences.
#![allow(clippy::result_large_err)]

pub mod clock;
pub mod config;
pub mod control;
mod crash;
pub mod db;
pub mod error;
pub mod events;
pub mod files;
mod finer;
pub mod http;
mod indicators;
pub mod overrides;
pub mod postgres;
pub mod providers;
pub mod queue;
mod quotes;
pub mod registry;
mod search;
pub mod serve;
pub mod service;
pub mod showcase;
pub mod sizes;
pub mod splits;
pub mod telemetry;
