//! The symbol input: type a ticker, press Enter.

use leptos::html::Input;
use leptos::prelude::*;
use tidemark_market::Symbol;

/// The field's name in the document.
pub const SYMBOL_INPUT: &str = "symbol-input";

/// Opens what was typed, or says why that is no symbol.
#[component]
pub fn SymbolForm(
    /// A symbol was entered.
    open: Callback<Symbol>,
) -> impl IntoView {
    let input = NodeRef::<Input>::new();
    let error = RwSignal::new(None::<String>);
    let submit = move |event: leptos::ev::SubmitEvent| {
        event.prevent_default();
        let Some(field) = input.get() else { return };
        match field.value().parse::<Symbol>() {
            Ok(symbol) => {
                error.set(None);
                field.set_value("");
                open.run(symbol);
            }
            Err(refused) => error.set(Some(refused.to_string())),
        }
    };
    view! {
        <form class="symbol-form" role="search" on:submit=submit novalidate>
            <label class="unseen" for=SYMBOL_INPUT>
                "Symbol"
            </label>
            <input
                id=SYMBOL_INPUT
                class="field"
                data-testid="symbol-input"
                name="symbol"
                type="text"
                placeholder="Symbol, then Enter"
                autocomplete="off"
                autocapitalize="characters"
                spellcheck="false"
                enterkeyhint="go"
                aria-describedby="symbol-error"
                aria-invalid=move || error.with(Option::is_some).then_some("true")
                node_ref=input
            />
            <p id="symbol-error" class="field-error" role="alert" data-testid="symbol-error">
                {move || error.get()}
            </p>
        </form>
    }
    .into_any()
}
