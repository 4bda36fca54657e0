//! The symbol input: type a ticker and press Enter, or choose what is suggested.
//!
//! It is a combobox as the ARIA Authoring Practices describe one with a list: the focus stays in the field, Down and Up
//! go through the list, Enter opens what is marked, or what was typed where nothing is.

use leptos::ev::{Event, KeyboardEvent, SubmitEvent};
use leptos::html::Input;
use leptos::prelude::*;
use tidemark_market::{Symbol, Timeframe};

use crate::api::Suggestion;
use crate::browser::page;
use crate::stores::search::Search;
use crate::text::counted;

/// The name in the document of the field that opens another symbol.
pub const SYMBOL_INPUT: &str = "symbol-input";

/// Opens what was chosen or typed, or says why that is no symbol.
#[component]
pub fn SymbolSearch(
    /// What finds symbols.
    search: Search,
    /// A symbol was chosen. What comes with it empties the field: to be called in the frame that shows the symbol, since a
    /// browser that has one frame to show keeps what it has read until after it.
    open: Callback<(Symbol, Callback<()>)>,
    /// What its names in the document begin with: `…-input`, `…-list`, `…-error`.
    #[prop(default = "symbol")]
    id: &'static str,
    /// What it is for.
    #[prop(default = "Symbol")]
    label: &'static str,
    /// The name in the document of what has the focus once a symbol is chosen: the keys are not the field's any more.
    #[prop(optional)]
    next: Option<&'static str>,
    /// At which timeframe the browser itself asks for the symbol, where no script answers the form, or not yet.
    #[prop(optional, into)]
    timeframe: Option<Signal<Timeframe>>,
    /// This symbol is likely to be chosen.
    #[prop(optional)]
    on_near: Option<Callback<Symbol>>,
) -> impl IntoView {
    let [input_id, list_id, error_id] = ["input", "list", "error"].map(|part| format!("{id}-{part}"));
    let option_id = move |index: usize| format!("{id}-option-{index}");
    let input = NodeRef::<Input>::new();
    let error = RwSignal::new(None::<String>);
    let is_wanted = RwSignal::new(false);
    let marked = RwSignal::new(None::<usize>);
    let found = search.found();
    let count = Memo::new(move |_| found.with(|found| found.suggestions.len()));
    let is_open = Memo::new(move |_| is_wanted.get() && count.get() > 0);
    Effect::new(move || {
        found.track();
        marked.set(None);
    });

    // What was typed before the page was ready to listen.
    Effect::new(move || {
        if let Some(field) = input.get()
            && !field.value().is_empty()
        {
            is_wanted.set(true);
            search.look_up(field.value());
        }
    });

    let close = move || {
        is_wanted.set(false);
        marked.set(None);
    };
    let is_chosen = StoredValue::new(false);
    let leave = Callback::new(move |()| {
        // The page may be going, and a key may have been quicker.
        if is_chosen.try_update_value(std::mem::take) != Some(true) {
            return;
        }
        // First, since a browser lays the page out for it, which is done as long as nothing else has changed.
        next.into_iter().for_each(page::focus);
        error.set(None);
        close();
        search.look_up(String::new());
        if let Some(field) = input.get_untracked() {
            field.set_value("");
        }
    });
    let choose = move |symbol: Symbol| {
        is_chosen.set_value(true);
        open.run((symbol, leave));
    };
    let near = move |symbol: Option<Symbol>| {
        if let Some((symbol, on_near)) = symbol.zip(on_near) {
            on_near.run(symbol);
        }
    };
    let submit = move |event: SubmitEvent| {
        event.prevent_default();
        let suggested =
            marked.get_untracked().and_then(|index| found.with_untracked(|it| it.suggestions.get(index).cloned()));
        let Some(field) = input.get_untracked() else { return };
        match suggested.map_or_else(|| field.value().parse(), |suggested| Ok(suggested.symbol)) {
            Ok(symbol) => choose(symbol),
            Err(refused) => error.set(Some(refused.to_string())),
        }
    };
    let mark = move |by: isize| {
        let (count, before) = (count.get_untracked(), marked.get_untracked());
        is_wanted.set(true);
        if count == 0 {
            return;
        }
        let next = match (before, by < 0) {
            (None, false) => 0,
            (None, true) => count - 1,
            (Some(index), _) => (index + count).saturating_add_signed(by) % count,
        };
        marked.set(Some(next));
        near(found.with_untracked(|found| found.suggestions.get(next).map(|it| it.symbol.clone())));
        page::reveal(&option_id(next));
    };
    let on_key = move |event: KeyboardEvent| {
        leave.run(());
        match event.key().as_str() {
            "ArrowDown" => mark(1),
            "ArrowUp" => mark(-1),
            "Escape" if is_open.get_untracked() => close(),
            _ => return,
        }
        event.prevent_default();
    };
    let typed = move |event: Event| {
        error.set(None);
        is_wanted.set(true);
        marked.set(None);
        let text = event_target_value(&event);
        near(text.parse().ok());
        search.look_up(text);
    };
    let announced = move || match (is_open.get(), found.with(|found| found.problem.clone())) {
        (true, _) => counted(count.get() as u64, "suggestion"),
        (false, Some(problem)) if is_wanted.get() => format!("No suggestions: {problem}"),
        _ => String::new(),
    };
    let option = move |(index, suggestion): (usize, Suggestion)| {
        let symbol = suggestion.symbol.clone();
        view! {
            <li
                id=option_id(index)
                class="symbol-option"
                role="option"
                data-testid=format!("suggestion-{symbol}")
                aria-selected=move || (marked.get() == Some(index)).to_string()
                on:click=move |_| choose(symbol.clone())
            >
                <strong>{suggestion.symbol.to_string()}</strong>
                <span class="symbol-name">{suggestion.name}</span>
                <span class="hint">{if suggestion.stored { "stored" } else { "not stored yet" }}</span>
            </li>
        }
    };
    let action = timeframe.map(|_| "/chart");
    view! {
        <form class="symbol-form" role="search" aria-label=label action=action on:submit=submit novalidate>
            <label class="unseen" for=input_id.clone()>
                {label}
            </label>
            <input
                id=input_id.clone()
                class="field"
                data-testid=input_id
                name="symbol"
                type="text"
                placeholder="Symbol or name"
                autocomplete="off"
                autocapitalize="characters"
                spellcheck="false"
                enterkeyhint="go"
                role="combobox"
                aria-autocomplete="list"
                aria-controls=list_id.clone()
                aria-expanded=move || is_open.get().to_string()
                aria-activedescendant=move || marked.get().map(option_id)
                aria-describedby=error_id.clone()
                aria-invalid=move || error.with(Option::is_some).then_some("true")
                node_ref=input
                on:input=typed
                on:keydown=on_key
                on:blur=move |_| close()
            />
            {timeframe.map(|it| view! { <input type="hidden" name="tf" value=move || it.get().as_str() /> })}
            <ul
                id=list_id
                class="symbol-list"
                role="listbox"
                aria-label="Suggestions"
                data-testid="suggestions"
                hidden=move || !is_open.get()
                // The focus stays in the field.
                on:pointerdown=|event| event.prevent_default()
                on:mousedown=|event| event.prevent_default()
            >
                {move || found.get().suggestions.into_iter().enumerate().map(option).collect_view()}
            </ul>
            <p class="unseen" role="status">
                {announced}
            </p>
            <p id=error_id.clone() class="field-error" role="alert" data-testid=error_id>
                {move || error.get()}
            </p>
        </form>
    }
    .into_any()
}
