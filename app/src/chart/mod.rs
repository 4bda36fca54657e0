//! What the chart shows, as pure values: which part of the axis, by which scale, and the shapes that come of it.
//!
//! Nothing here knows a browser. `browser::echarts` puts a [`scene::Scene`] on the canvas.

pub mod compare;
pub mod csv;
pub mod drawings;
pub mod gesture;
pub mod indicators;
pub mod look;
pub mod readings;
pub mod room;
pub mod scale;
pub mod scene;
pub mod viewport;
