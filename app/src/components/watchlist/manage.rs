//! Making, naming and deleting lists, and taking them to and from files, in a dialogue.

use leptos::prelude::*;
use leptos::task::spawn_local;

use crate::browser::files;
use crate::components::dialogue::Dialogue;
use crate::stores::watchlists::Watchlists;
use crate::stores::watchlists::lists::{Added, LONGEST_NAME, List, ListError};
use crate::stores::watchlists::transfer;
use crate::text::counted;

/// The dialogue.
#[component]
pub fn ManageWatchlists(
    /// The lists.
    watchlists: Watchlists,
    /// Whether it is open.
    open: RwSignal<bool>,
) -> impl IntoView {
    let error = RwSignal::new(String::new());
    // Each line keeps its field while the lists change.
    let lines = move |list: List| view! { <Line list watchlists error /> };
    view! {
        <Dialogue id="watchlists" title="Watchlists" open>
            <ul class="manage-lists">
                <For each=move || watchlists.all() key=|list| (list.id, list.name.clone(), list.symbols.len()) let:list>
                    {lines(list)}
                </For>
            </ul>
            <NewList watchlists error />
            <p role="alert" class="manage-error" data-testid="watchlists-error">
                {error}
            </p>
            <Export watchlists />
            <Import watchlists />
        </Dialogue>
    }
    .into_any()
}

/// A list: its name, which can be written over, how much is on it, and what deletes it, which asks once more.
#[component]
fn Line(list: List, watchlists: Watchlists, error: RwSignal<String>) -> impl IntoView {
    let List { id, name, symbols } = list;
    let is_asking = RwSignal::new(false);
    let count = counted(symbols.len() as u64, "symbol");
    let (testid, label) = (format!("list-{name}"), format!("Name of {name}"));
    let (before, shown) = (name.clone(), name.clone());
    let rename = move |event: leptos::ev::Event| {
        if report(error, watchlists.rename(id, &event_target_value(&event))).is_none() {
            event_target::<web_sys::HtmlInputElement>(&event).set_value(&before);
        }
    };
    let delete = move |_| if is_asking.get() { watchlists.delete(id) } else { is_asking.set(true) };
    let word = move || if is_asking.get() { format!("Delete {shown} for good") } else { "Delete".to_owned() };
    view! {
        <li data-testid=testid>
            <input class="field" type="text" maxlength=LONGEST_NAME aria-label=label value=name on:change=rename />
            <span class="hint">{count}</span>
            <button
                type="button"
                class="button"
                class:button-danger=is_asking
                disabled=move || watchlists.all().len() < 2
                on:click=delete
                on:blur=move |_| is_asking.set(false)
            >
                {word}
            </button>
        </li>
    }
    .into_any()
}

#[component]
fn NewList(watchlists: Watchlists, error: RwSignal<String>) -> impl IntoView {
    let name = RwSignal::new(String::new());
    let make = move |event: leptos::ev::SubmitEvent| {
        event.prevent_default();
        if report(error, watchlists.make(&name.get_untracked())).is_some() {
            name.set(String::new());
        }
    };
    view! {
        <form class="manage-new" on:submit=make>
            <input
                class="field"
                type="text"
                maxlength=LONGEST_NAME
                aria-label="Name of a new list"
                placeholder="New list"
                data-testid="list-new-name"
                prop:value=name
                on:input=move |event| name.set(event_target_value(&event))
            />
            <button type="submit" class="button" data-testid="list-new">
                "Make the list"
            </button>
        </form>
    }
    .into_any()
}

/// Shows why it could not be done, or takes that back; `None` where it could not.
fn report(error: RwSignal<String>, result: Result<(), ListError>) -> Option<()> {
    error.set(result.as_ref().err().map(ListError::to_string).unwrap_or_default());
    result.ok()
}

/// Links that hold the files.
#[component]
fn Export(watchlists: Watchlists) -> impl IntoView {
    let json = move || files::address_of("application/json", &transfer::to_json(&watchlists.all()));
    let text = move || files::address_of("text/plain", &transfer::to_text(&watchlists.all()));
    view! {
        <h3>"Export"</h3>
        <p class="manage-links">
            <a class="button" href=json download="tidemark-watchlists.json" data-testid="export-json">
                "All lists as JSON"
            </a>
            <a class="button" href=text download="tidemark-watchlists.txt" data-testid="export-text">
                "All lists as text"
            </a>
        </p>
    }
    .into_any()
}

/// A file or a pasted text, and what became of it.
#[component]
fn Import(watchlists: Watchlists) -> impl IntoView {
    let text = RwSignal::new(String::new());
    let outcome = RwSignal::new(None::<Result<String, String>>);
    let import = move |text: &str| {
        let read = transfer::read(text).map_err(|error| error.to_string());
        outcome.set(Some(read.map(|read| said(watchlists.take_in(read.lists), &read.refused))));
    };
    let choose = move |event: leptos::ev::Event| {
        spawn_local(async move {
            match files::chosen_text(event).await {
                Some(text) => import(&text),
                None => outcome.set(Some(Err("The file can't be read as text.".to_owned()))),
            }
        });
    };
    let paste = move |event: leptos::ev::SubmitEvent| {
        event.prevent_default();
        import(&text.get_untracked());
        if outcome.with_untracked(|outcome| matches!(outcome, Some(Ok(_)))) {
            text.set(String::new());
        }
    };
    let sentence = move |is_good: bool| {
        let told = outcome.get().filter(|outcome| outcome.is_ok() == is_good);
        told.map(|outcome| outcome.unwrap_or_else(|error| error)).unwrap_or_default()
    };
    view! {
        <h3>"Import"</h3>
        <p class="hint">
            "A file that was exported here, or any text with a symbol a line; a line like \"# Funds\" names the list. "
            "Lists of a name that is there get what they lack."
        </p>
        <label class="manage-file">
            "File "
            <input type="file" accept=".json,.txt,.csv,application/json,text/plain" data-testid="import-file" on:change=choose />
        </label>
        <form on:submit=paste>
            <textarea
                class="field"
                rows="3"
                aria-label="Symbols to import"
                placeholder="AAPL, MSFT, COINBASE:BTC-USD"
                data-testid="import-text"
                prop:value=text
                on:input=move |event| text.set(event_target_value(&event))
            ></textarea>
            <button type="submit" class="button" data-testid="import">
                "Import the text"
            </button>
        </form>
        <p role="status" data-testid="import-outcome">
            {move || sentence(true)}
        </p>
        <p role="alert" class="manage-error">
            {move || sentence(false)}
        </p>
    }
    .into_any()
}

fn said(added: Added, refused: &[String]) -> String {
    let mut said =
        format!("{} in {} added.", counted(added.symbols as u64, "symbol"), counted(added.lists as u64, "new list"));
    if added.left_out > 0 {
        said.push_str(&format!(" {} left out for want of room.", added.left_out));
    }
    if let Some(first) = refused.first() {
        said.push_str(&format!(
            " {} skipped, such as {first:?}.",
            counted(refused.len() as u64, "entry that is no symbol")
        ));
    }
    said
}
