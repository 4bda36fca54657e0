//! Comparing: the dialogue that adds and removes symbols, and the lines of the legend that tell where each stands.

use leptos::prelude::*;
use tidemark_market::Symbol;
use tidemark_market::compare::MOST;

use super::dialogue::Dialogue;
use super::symbol_search::SymbolSearch;
use crate::browser::page;
use crate::chart::look::Look;
use crate::chart::readings::Readings;
use crate::stores::compared::{Compared, Seated};
use crate::stores::quotes::Quotes;
use crate::stores::search::Search;
use crate::text::percent;

/// The field's name in the document.
const INPUT: &str = "compare-input";

/// The search, and those that are compared already.
#[component]
pub fn CompareDialogue(
    /// The chart's own symbol.
    symbol: Signal<Option<Symbol>>,
    /// How the chart looks.
    look: Signal<Look>,
    /// Has it look otherwise.
    choose: Callback<Look>,
    /// What is compared.
    compared: Compared,
    /// Who is called what.
    quotes: Quotes,
    /// Where each stands.
    #[prop(into)]
    readings: Signal<Readings>,
    /// Whether it is open.
    open: RwSignal<bool>,
) -> impl IntoView {
    let (list, search) = (compared.list(), Search::new());
    let refusal = RwSignal::new(None::<String>);
    Effect::new(move || {
        if open.get() {
            refusal.set(None);
            // Once the field is there, and the dialogue has given the focus to what it likes.
            page::at_frame(|| page::focus(INPUT));
        }
    });
    let add = Callback::new(move |(other, leave): (Symbol, Callback<()>)| {
        leave.run(());
        match with_one_more(&look.get_untracked(), symbol.get_untracked().as_ref(), &other) {
            Ok(next) => {
                refusal.set(None);
                choose.run(next);
            }
            Err(refused) => refusal.set(Some(refused)),
        }
    });
    let remove = Callback::new(move |other: Symbol| {
        refusal.set(None);
        choose.run(look.get_untracked().without(&other));
        page::focus(INPUT);
    });
    let count = move || format!("{} of {MOST} symbols", list.with(Vec::len));
    view! {
        <Dialogue id="compare" title="Compare" open>
            <SymbolSearch search open=add id="compare" label="Symbol to compare" />
            <p class="manage-error" role="alert" data-testid="compare-refusal">
                {move || refusal.get()}
            </p>
            <p class="hint" role="status" data-testid="compare-count">
                {count}
            </p>
            <ul class="compare-list">
                <For each=move || list.get() key=Seated::clone let:it>
                    <Chosen seated=it compared quotes readings remove />
                </For>
            </ul>
        </Dialogue>
    }
    .into_any()
}

/// `look` with one more, or why it stays as it is.
fn with_one_more(look: &Look, own: Option<&Symbol>, other: &Symbol) -> Result<Look, String> {
    if own == Some(other) {
        return Err(format!("{other} is the chart's own symbol. Choose another one."));
    }
    if look.compared.contains(other) {
        return Err(format!("{other} is compared already."));
    }
    if look.compared.len() >= MOST {
        return Err(format!("{MOST} symbols are compared, which is the most. Remove one first."));
    }
    let mut next = look.clone();
    next.compared.push(other.clone());
    Ok(next)
}

/// One that is compared: its colour, its names, how far it has come, and what removes it.
#[component]
fn Chosen(
    seated: Seated,
    compared: Compared,
    quotes: Quotes,
    readings: Signal<Readings>,
    remove: Callback<Symbol>,
) -> impl IntoView {
    let Seated { seat, symbol } = seated;
    let (named, read, gone) = (symbol.clone(), symbol.clone(), symbol.clone());
    let name = move || quotes.of(&named).and_then(|quote| quote.name);
    view! {
        <li class="compare-line" data-testid=format!("compare-{symbol}")>
            <span class="compare-swatch" style:background=ink(seat) aria-hidden="true"></span>
            <strong>{symbol.to_string()}</strong>
            <span class="compare-name hint">{name}</span>
            <span class="compare-standing">
                <Standing seat symbol=read compared readings />
            </span>
            <button
                type="button"
                class="icon-button"
                data-testid=format!("compare-remove-{symbol}")
                aria-label=format!("Remove {symbol}")
                title="Remove"
                on:click=move |_| remove.run(gone.clone())
            >
                <svg class="icon" viewBox="0 0 20 20" aria-hidden="true">
                    <path d="M5 5l10 10M15 5L5 15" />
                </svg>
            </button>
        </li>
    }
    .into_any()
}

/// A line for the chart's own series and one for each that is compared: how far it has come since the first bar in view, or
/// what keeps it.
#[component]
pub fn CompareLegend(
    /// The chart's own symbol.
    symbol: Signal<Option<Symbol>>,
    /// How the chart looks.
    look: Signal<Look>,
    /// Has it look otherwise.
    choose: Callback<Look>,
    /// What is compared.
    compared: Compared,
    /// Where each stands.
    #[prop(into)]
    readings: Signal<Readings>,
    /// Someone wants to choose others.
    on_open: Callback<()>,
) -> impl IntoView {
    let list = compared.list();
    let own = move || symbol.get().map(|symbol| symbol.to_string());
    let line = move |Seated { seat, symbol }: Seated| {
        let (read, gone) = (symbol.clone(), symbol.clone());
        view! {
            <li class="legend-line" data-testid=format!("compared-{symbol}")>
                <button
                    type="button"
                    class="legend-name"
                    title="Choose what is compared"
                    style:color=ink(seat)
                    on:click=move |_| on_open.run(())
                >
                    {symbol.to_string()}
                </button>
                <Standing seat symbol=read compared readings />
                <button
                    type="button"
                    class="legend-remove"
                    data-testid=format!("uncompare-{symbol}")
                    aria-label=format!("Remove {symbol}")
                    title="Remove"
                    on:click=move |_| choose.run(look.get_untracked().without(&gone))
                >
                    "×"
                </button>
            </li>
        }
    };
    view! {
        <ul
            class="legend-lines compare-lines"
            aria-label="Compared, in percent of the first bar in view"
            hidden=move || list.with(Vec::is_empty)
        >
            <li class="legend-line">
                <strong>{own}</strong>
                <span class="reading" data-testid="compared-own">
                    {move || reading(readings.with(|it| it.percent))}
                </span>
            </li>
            <For each=move || list.get() key=Seated::clone let:it>
                {line(it)}
            </For>
        </ul>
    }
    .into_any()
}

/// Where one stands: its percent, and what is on its way or has failed, with what to do.
#[component]
fn Standing(seat: usize, symbol: Symbol, compared: Compared, readings: Signal<Readings>) -> impl IntoView {
    let note = Memo::new(move |_| compared.note(seat));
    let stands = {
        let symbol = symbol.clone();
        Memo::new(move |_| readings.with(|it| it.compared.iter().find(|it| it.symbol == symbol)?.percent))
    };
    let is_plain = move || note.with(|note| note.as_ref().is_none_or(|note| !note.is_failed)) || stands.get().is_some();
    view! {
        <Show when=is_plain>
            <span class="reading" data-testid="compared-percent" style:color=ink(seat)>
                {move || reading(stands.get())}
            </span>
        </Show>
        {move || {
            note.get().map(|note| {
                let again = format!("Retry {symbol}");
                view! {
                    <span class="compare-note" class:compare-failed=note.is_failed role="status" data-testid="compared-note">
                        {note.text}
                    </span>
                    <Show when=move || note.retry>
                        <button
                            type="button"
                            class="legend-retry"
                            data-testid="compared-retry"
                            aria-label=again.clone()
                            on:click=move |_| compared.retry(seat)
                        >
                            "Retry"
                        </button>
                    </Show>
                }
            })
        }}
    }
    .into_any()
}

fn reading(value: Option<f64>) -> String {
    value.map_or_else(|| "–".to_owned(), percent)
}

/// The token of a seat's colour.
fn ink(seat: usize) -> String {
    format!("var(--compared-{})", seat + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_can_not_be_added_is_refused_with_what_to_do() {
        let symbol = |text: &str| text.parse::<Symbol>().unwrap();
        let apple = symbol("AAPL");
        let add = |look: &Look, other: &str| with_one_more(look, Some(&apple), &symbol(other));
        let one = add(&Look::default(), "MSFT").unwrap();
        assert_eq!(one.query(), "&vs=MSFT");
        assert_eq!(add(&one, "MSFT").unwrap_err(), "MSFT is compared already.");
        assert_eq!(add(&one, "AAPL").unwrap_err(), "AAPL is the chart's own symbol. Choose another one.");
        let four = ["QQQ", "SPY", "KO"].iter().fold(one, |look, other| add(&look, other).unwrap());
        assert!(add(&four, "IBM").unwrap_err().starts_with("4 symbols are compared, which is the most."));
    }
}
