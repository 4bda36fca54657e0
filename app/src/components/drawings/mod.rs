//! Drawing on the chart: the tools, what they say, the list for whoever draws by numbers, and the hand over the canvas.

pub mod list;
pub mod note;
pub mod sketcher;
pub mod tools;
