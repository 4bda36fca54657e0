//! The header: which symbol is on screen, how to open another, and what the page offers.

use leptos::prelude::*;
use tidemark_market::{Symbol, Timeframe};

use super::icon_button::IconButton;
use super::sidebar::SIDEBAR;
use super::skip_link::BOARD;
use super::symbol_search::SymbolSearch;
use crate::stores::search::Search;

/// Title, symbol input, and the buttons of keyboard and settings; where the sidebar is a drawer, the button that opens it.
#[component]
pub fn Header(
    /// The symbol on screen; `None` where the address names none.
    symbol: Signal<Option<Symbol>>,
    /// The timeframe on screen.
    timeframe: Signal<Timeframe>,
    /// What finds symbols.
    search: Search,
    /// Opens another symbol; what comes with it empties the field.
    open: Callback<(Symbol, Callback<()>)>,
    /// A symbol is likely to be opened.
    on_near: Callback<Symbol>,
    /// Opens the list of keys.
    on_shortcuts: Callback<()>,
    /// Opens the settings.
    on_settings: Callback<()>,
) -> impl IntoView {
    let name = move || symbol.get().map_or_else(|| "—".to_owned(), |symbol| symbol.to_string());
    view! {
        <header class="header">
            <button type="button" class="icon-button drawer-button" popovertarget=SIDEBAR aria-label="Watchlist">
                <svg class="icon" viewBox="0 0 20 20" aria-hidden="true">
                    <path d="M3 5h14M3 10h14M3 15h14" />
                </svg>
            </button>
            <h1 class="symbol" data-testid="symbol">
                {name}
            </h1>
            <SymbolSearch search open timeframe on_near next=BOARD />
            <div class="header-tools">
                <IconButton
                    id="shortcuts-open"
                    label="Keyboard"
                    title="Keyboard (?)"
                    path="M2 5h16v10H2zM5 8h1M9 8h1M13 8h2M5 12h10"
                    on_press=on_shortcuts
                    class="icon-button shortcuts-button"
                />
                <IconButton
                    id="settings-open"
                    label="Settings"
                    title="Settings (,)"
                    path="M3 6h8M15 6h2M3 14h2M9 14h8M13 4v4M7 12v4"
                    on_press=on_settings
                />
            </div>
        </header>
    }
    .into_any()
}
