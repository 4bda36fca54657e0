//! The HTTP status of a page that is rendered on the server.

#[cfg(feature = "ssr")]
pub use on_server::set_status;

#[cfg(not(feature = "ssr"))]
pub use in_browser::set_status;

#[cfg(feature = "ssr")]
mod on_server {
    use leptos::prelude::use_context;
    use leptos_axum::ResponseOptions;

    /// Gives the page this status.
    pub fn set_status(status: u16) {
        if let (Some(response), Ok(status)) = (use_context::<ResponseOptions>(), status.try_into()) {
            response.set_status(status);
        }
    }
}

#[cfg(not(feature = "ssr"))]
mod in_browser {
    /// A page that is rendered in the browser has none.
    pub const fn set_status(_status: u16) {}
}
