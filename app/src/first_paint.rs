//! What a page shows of its chart before any script runs: the newest bars, drawn by the server.
//!
//! The server puts a [`FirstPaint`] into the context of the request. In the browser there is none: a page that is taken
//! over keeps what the server wrote, until the chart itself is on screen.

use leptos::prelude::use_context;
use tidemark_market::Bar;

#[cfg(feature = "ssr")]
mod picture;

/// The server's drawing of a chart.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct FirstPaint {
    /// Its markup, in the colours of the style sheet.
    pub html: String,
    /// The newest bar in it.
    pub newest: Option<Bar>,
}

impl FirstPaint {
    /// The one of this request; an empty one in the browser, and where the server had no bars in time.
    #[must_use]
    pub fn of_request() -> Self {
        use_context().unwrap_or_default()
    }
}
