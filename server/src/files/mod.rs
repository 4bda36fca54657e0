//! Bars from files, and bars into files: `tidemark import` and `tidemark export`.
//!
//! Reading, inferring, checking and ordering need no database and run in a thread of their own, ahead of it; what they
//! hand over are batches of whole sessions. Memory does not grow with the file. [`import`] and [`export`] put the parts
//! together; statements are in [`crate::db::files`].

mod columns;
mod csv_rows;
mod error;
pub mod export;
pub mod import;
mod infer;
mod parquet_rows;
mod place;
mod rejects;
pub mod report;
mod rows;
pub mod splits;
mod times;
mod window;
mod writers;

pub use error::FileError;
pub use writers::Format;
