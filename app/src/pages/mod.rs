//! Pages: they read the address, make the stores, and hand data and callbacks to components.

pub mod chart;
pub mod not_found;
