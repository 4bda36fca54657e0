//! The header: which symbol, at which length, and how to change both.

use leptos::prelude::*;
use tidemark_market::{Symbol, Timeframe};

use super::symbol_form::SymbolForm;
use super::timeframes::Timeframes;

/// Title, symbol input and timeframe switch.
#[component]
pub fn Header(
    /// The symbol on screen; `None` where the address names none.
    symbol: Signal<Option<Symbol>>,
    /// The timeframe on screen.
    timeframe: Signal<Timeframe>,
    /// Opens another symbol.
    open: Callback<Symbol>,
) -> impl IntoView {
    let name = move || symbol.get().map_or_else(|| "—".to_owned(), |symbol| symbol.to_string());
    view! {
        <header class="header">
            <h1 class="symbol" data-testid="symbol">
                {name}
            </h1>
            <Timeframes symbol timeframe />
            <SymbolForm open />
        </header>
    }
    .into_any()
}
