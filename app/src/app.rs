//! The application: which address shows which page.

use leptos::prelude::*;
use leptos_meta::provide_meta_context;
use leptos_router::components::{FlatRoutes, Redirect, Route, Router};
use leptos_router::path;

use crate::pages::chart::ChartPage;
use crate::pages::not_found::NotFound;
use crate::stores::settings::Settings;
use crate::stores::shortcuts::Shortcuts;

/// All pages. An address without a series leads to AAPL at one hour.
#[component]
#[must_use]
pub fn App() -> impl IntoView {
    provide_meta_context();
    Shortcuts::provide(Settings::provide());
    view! {
        <Router>
            <FlatRoutes fallback=NotFound>
                <Route path=path!("/") view=|| view! { <Redirect path="/chart/AAPL?tf=h1" /> } />
                <Route path=path!("/chart/:symbol") view=ChartPage />
            </FlatRoutes>
        </Router>
    }
}
