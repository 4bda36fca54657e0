//! Fetching slices: a dispatcher claims runs, a worker each fetches one while its lease is kept, the finisher ends them in
//! batches, the notifier tells of what changed, the listener hears it, and the orchestrator keeps the clock.
//!
//! Each duty is a struct with `run(self, shutdown)`. [`crate::serve`] starts and watches them.

pub mod dispatcher;
pub mod finisher;
pub mod forming;
pub mod leases;
pub mod listener;
pub mod notifier;
pub mod orchestrator;
pub mod viewings;
pub mod worker;
