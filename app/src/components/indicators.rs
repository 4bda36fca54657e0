//! Indicators: the dialogue that adds, tunes and removes them, and the lines of the legend that tell their values.

use leptos::prelude::*;
use tidemark_market::AssetClass;
use tidemark_market::indicators::{Kind, MOST, Output, Pane, Parameter, Spec};

use super::dialogue::Dialogue;
use crate::chart::indicators::{colour, name, one_more, tuned, without};
use crate::chart::look::Look;
use crate::chart::readings::Readings;
use crate::text::{number, price};

/// What is chosen, to tune or remove, and what can be added.
#[component]
pub fn IndicatorsDialogue(
    /// How the chart looks.
    look: Signal<Look>,
    /// Has it look otherwise.
    choose: Callback<Look>,
    /// Whether it is open.
    open: RwSignal<bool>,
) -> impl IntoView {
    let chosen = Signal::derive(move || look.with(|look| look.indicators.clone()));
    let set = Callback::new(move |indicators: Vec<Spec>| {
        choose.run(Look { indicators, ..look.get_untracked() });
    });
    let places = move || {
        let kinds = chosen.get().into_iter().map(|spec| spec.kind());
        kinds.enumerate().collect::<Vec<_>>()
    };
    let offer = move |kind: Kind| {
        let next = move || chosen.with(|chosen| one_more(kind, chosen));
        let add = move |_| {
            let mut list = chosen.get_untracked();
            list.extend(one_more(kind, &list));
            set.run(list);
        };
        view! {
            <li>
                <button
                    type="button"
                    class="button"
                    data-testid=format!("indicator-add-{}", kind.as_str())
                    disabled=move || next().is_none()
                    on:click=add
                >
                    {format!("Add {}", kind.as_str().to_ascii_uppercase())}
                </button>
                <span class="hint">{kind.title()}</span>
            </li>
        }
    };
    let count = move || format!("{} of {MOST} indicators", chosen.with(Vec::len));
    view! {
        <Dialogue id="indicators" title="Indicators" open>
            <p class="hint" role="status" data-testid="indicators-count">
                {count}
            </p>
            <ul class="indicator-list">
                <For each=places key=|(place, kind)| (*place, kind.as_str()) let:at>
                    <Tuning place=at.0 kind=at.1 chosen set />
                </For>
            </ul>
            <h3>"Add"</h3>
            <ul class="indicator-offers">{Kind::ALL.map(offer).collect_view()}</ul>
        </Dialogue>
    }
    .into_any()
}

/// One that is chosen: its parameters, and what removes it. The fields stay while others change.
#[component]
fn Tuning(place: usize, kind: Kind, chosen: Signal<Vec<Spec>>, set: Callback<Vec<Spec>>) -> impl IntoView {
    let refusal = RwSignal::new(None::<(usize, String)>);
    let spec = move || chosen.with(|chosen| chosen.get(place).copied()).unwrap_or(Spec::usual(kind));
    let error_id = format!("indicator-error-{place}");
    let described_by = error_id.clone();
    let field = move |(number, parameter): (usize, &'static Parameter)| {
        let value = move || spec().values().get(number).map(f64::to_string).unwrap_or_default();
        let tune = move |event: leptos::ev::Event| match chosen
            .with_untracked(|chosen| tuned(chosen, place, number, &event_target_value(&event)))
        {
            Ok(list) => {
                refusal.set(None);
                set.run(list);
            }
            Err(refused) => refusal.set(Some((number, refused.to_string()))),
        };
        let is_refused = move || refusal.with(|it| it.as_ref().is_some_and(|(at, _)| *at == number));
        view! {
            <label class="indicator-field">
                <span class="hint">{parameter.name}</span>
                <input
                    type="number"
                    class="field"
                    data-testid=format!("indicator-{place}-{}", parameter.name)
                    min=parameter.least.to_string()
                    max=parameter.most.to_string()
                    step=parameter.step.to_string()
                    prop:value=value
                    aria-invalid=move || is_refused().then_some("true")
                    aria-describedby=described_by.clone()
                    on:change=tune
                />
            </label>
        }
    };
    let label = move || name(&spec());
    view! {
        <li class="indicator-line" data-testid=format!("indicator-{place}")>
            <strong class="indicator-title" style:color=ink(place, kind, 0)>
                {kind.title()}
            </strong>
            {kind.parameters().iter().enumerate().map(field).collect_view()}
            <button
                type="button"
                class="button"
                data-testid=format!("indicator-remove-{place}")
                aria-label=move || format!("Remove {}", label())
                on:click=move |_| set.run(without(&chosen.get_untracked(), place))
            >
                "Remove"
            </button>
            <p id=error_id class="manage-error" role="alert" data-testid=format!("indicator-error-{place}")>
                {move || refusal.get().map(|(_, text)| text)}
            </p>
        </li>
    }
    .into_any()
}

/// A line for each indicator: its name, its values at the crosshair or the newest bar, and what removes it.
#[component]
pub fn IndicatorLegend(
    /// What kind of thing is on screen.
    class: Signal<AssetClass>,
    /// How the chart looks.
    look: Signal<Look>,
    /// Has it look otherwise.
    choose: Callback<Look>,
    /// What the lines are at.
    #[prop(into)]
    readings: Signal<Readings>,
    /// Someone wants to tune them.
    on_open: Callback<()>,
) -> impl IntoView {
    let chosen = move || look.with(|look| look.indicators.iter().copied().enumerate().collect::<Vec<_>>());
    let line = move |(place, spec): (usize, Spec)| {
        let text = move |value: f64| match spec.kind().pane() {
            Pane::Own => number(value),
            Pane::Price => price(class.get(), value),
        };
        let value = move |(line, output): (usize, &'static Output)| {
            let value = move || readings.with(|it| it.indicators.get(place)?.get(line).copied().flatten());
            view! {
                <span
                    class="reading"
                    title=output.name
                    data-testid=format!("{spec}-{}", output.name)
                    style:color=ink(place, spec.kind(), line)
                >
                    {move || value().map_or_else(|| "–".to_owned(), text)}
                </span>
            }
        };
        let remove = move |_| {
            let now = look.get_untracked();
            choose.run(Look { indicators: without(&now.indicators, place), ..now });
        };
        view! {
            <li class="legend-line" data-testid=format!("legend-{spec}")>
                <button
                    type="button"
                    class="legend-name"
                    title="Tune"
                    style:color=ink(place, spec.kind(), 0)
                    on:click=move |_| on_open.run(())
                >
                    {name(&spec)}
                </button>
                {spec.kind().outputs().iter().enumerate().map(value).collect_view()}
                <button
                    type="button"
                    class="legend-remove"
                    data-testid=format!("remove-{spec}")
                    aria-label=format!("Remove {}", name(&spec))
                    title="Remove"
                    on:click=remove
                >
                    "×"
                </button>
            </li>
        }
    };
    view! {
        <ul class="legend-lines" aria-label="Indicators" hidden=move || look.with(|look| look.indicators.is_empty())>
            <For each=chosen key=|(place, spec)| (*place, spec.to_string()) let:at>
                {line(at)}
            </For>
        </ul>
    }
    .into_any()
}

/// The token of the colour of one of its lines.
fn ink(place: usize, kind: Kind, line: usize) -> String {
    format!("var(--indicator-{})", colour(place, kind, line) + 1)
}
