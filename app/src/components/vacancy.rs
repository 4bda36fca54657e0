//! What stands in the chart's place where there is no bar to draw and none is on its way.

use leptos::prelude::*;

use super::symbol_search::SYMBOL_INPUT;
use crate::browser::page;
use crate::stores::vacancy::{Remedy, Vacancy};

/// Says why there is nothing, what to do, and offers that.
#[component]
pub fn VacancyView(
    /// What to say; `None` where there are bars, or some may come.
    vacancy: Memo<Option<Vacancy>>,
    /// To ask again.
    on_retry: Callback<()>,
    /// Opens the choice of what is shown.
    on_show: Callback<()>,
) -> impl IntoView {
    let act = move |remedy| match remedy {
        Remedy::Retry => on_retry.run(()),
        Remedy::Search => page::focus(SYMBOL_INPUT),
        Remedy::Show => on_show.run(()),
    };
    let told = move |Vacancy { title, advice, remedy }| {
        let (id, label) = match remedy {
            Remedy::Retry => ("vacancy-retry", "Try again"),
            Remedy::Search => ("vacancy-search", "Find a symbol"),
            Remedy::Show => ("vacancy-show", "Choose hours and layers"),
        };
        view! {
            <div class="vacancy" data-testid="vacancy">
                <Waves />
                <h2>{title}</h2>
                <p>{advice}</p>
                <button type="button" class="button" data-testid=id on:click=move |_| act(remedy)>
                    {label}
                </button>
            </div>
        }
    };
    view! { {move || vacancy.get().map(told)} }.into_any()
}

/// The brand's waves.
#[component]
pub fn Waves() -> impl IntoView {
    view! {
        <svg class="waves" viewBox="0 0 64 40" aria-hidden="true">
            <path d="M4 14c9-8 18-8 28 0s19 8 28 0M4 28c9-8 18-8 28 0s19 8 28 0" />
        </svg>
    }
    .into_any()
}
