//! What is chosen above the chart: how bars are drawn, by which scale and clock, how far back; and what is taken from it.

use leptos::prelude::*;

use super::chart::Command;
use super::icon_button::IconButton;
use crate::browser::echarts::Move;
use crate::chart::look::{Kind, Look, Part, Reach, ScaleKind};
use crate::stores::settings::{Choice, Clock};

/// What opens the dialogues about the chart.
#[component]
pub fn ChartTools(
    /// Opens the indicators.
    on_indicators: Callback<()>,
    /// Opens what is compared.
    on_compare: Callback<()>,
    /// Opens the bars as a table.
    on_table: Callback<()>,
) -> impl IntoView {
    view! {
        <div class="chart-tools" role="group" aria-label="Chart">
            <IconButton
                id="indicators-open"
                label="Indicators"
                title="Indicators (I)"
                path="M3 15l4-6 4 3 6-8M3 18h14"
                on_press=on_indicators
            />
            <IconButton
                id="compare-open"
                label="Compare"
                title="Compare with other symbols (C)"
                path="M3 15c6 0 8-10 14-10M3 5c6 0 8 10 14 10"
                on_press=on_compare
            />
            <IconButton
                id="bar-table-open"
                label="Table"
                title="Bars as a table (T)"
                path="M3 4h14v12H3zM3 8h14M3 12h14M8 8v8"
                on_press=on_table
            />
        </div>
    }
    .into_any()
}

/// Chart type, scale and clock; CSV and PNG.
#[component]
pub fn LookTools(
    /// How the chart looks.
    look: Signal<Look>,
    /// By whose clock times are written.
    clock: Signal<Clock>,
    /// Has it look otherwise.
    choose: Callback<Look>,
    /// Opens what says which hours and layers are shown.
    on_shown: Callback<()>,
    /// Hands out the picture.
    on_picture: Callback<()>,
    /// Hands out the bars.
    on_bars: Callback<()>,
) -> impl IntoView {
    let kinds = Kind::ALL.map(|kind| (kind.as_str(), kind.label()));
    let scales = ScaleKind::ALL.map(|scale| (scale.as_str(), scale.label()));
    let clocks: Vec<_> = Clock::ALL.iter().map(|clock| (clock.as_str(), zone(*clock))).collect();
    let set_kind = move |name: &str| {
        let kind = Kind::ALL.into_iter().find(|kind| kind.as_str() == name).unwrap_or_default();
        choose.run(Look { kind, ..look.get_untracked() });
    };
    let set_scale = move |name: &str| {
        let scale = ScaleKind::ALL.into_iter().find(|scale| scale.as_str() == name).unwrap_or_default();
        choose.run(Look { scale, ..look.get_untracked() });
    };
    let set_clock = move |name: &str| {
        let clock = Clock::ALL.iter().copied().find(|clock| clock.as_str() == name);
        choose.run(Look { clock, ..look.get_untracked() });
    };
    let kind = Signal::derive(move || look.get().kind.as_str());
    let scale = Signal::derive(move || look.get().scale_in_force().as_str());
    let zone = Signal::derive(move || clock.get().as_str());
    // What is compared is in percent, whichever scale is chosen for the chart alone.
    let is_percent = Signal::derive(move || look.with(|look| !look.compared.is_empty()));
    let never = Signal::stored(false);
    view! {
        <div class="look-tools">
            {select("chart-type", "Chart type", kinds.to_vec(), kind, never, set_kind)}
            {select("chart-scale", "Price scale", scales.to_vec(), scale, is_percent, set_scale)}
            {select("chart-clock", "Times by", clocks, zone, never, set_clock)}
            <IconButton
                id="shown-open"
                label="Choose hours and layers"
                title="Hours and layers (l)"
                path="M10 3.5 17 7l-7 3.5L3 7zM3.5 10.4 10 13.6l6.5-3.2M3.5 13.6l6.5 3.2 6.5-3.2"
                on_press=on_shown
            />
            <IconButton
                id="chart-png"
                label="Save as picture"
                title="Save as picture (PNG)"
                path="M3 6h3l1.5-2h5L14 6h3v10H3zM10 8.2a2.8 2.8 0 1 0 .01 0"
                on_press=on_picture
            />
            <IconButton
                id="chart-csv"
                label="Save bars in view as CSV"
                title="Save bars in view (CSV)"
                path="M10 3v9M6.5 8.5 10 12l3.5-3.5M4 16h12"
                on_press=on_bars
            />
        </div>
    }
    .into_any()
}

/// How far back the chart reaches, a day to go to, and what moves the view.
#[component]
pub fn RangeTools(
    /// How the chart looks.
    look: Signal<Look>,
    /// Has it look otherwise.
    choose: Callback<Look>,
    /// Goes to a day, written `2024-03-08`.
    on_day: Callback<String>,
    /// Has the chart do something.
    command: RwSignal<Option<Command>>,
) -> impl IntoView {
    let range = move |reach: Reach| {
        let is_chosen = move || look.get().part == Part::Reach(reach);
        view! {
            <button
                type="button"
                class="range"
                data-testid=format!("range-{}", reach.as_str())
                aria-pressed=move || is_chosen().to_string()
                on:click=move |_| choose.run(Look { part: Part::Reach(reach), ..look.get_untracked() })
            >
                {reach.as_str()}
            </button>
        }
    };
    view! {
        <div class="range-tools">
            <div class="ranges" role="group" aria-label="Range">
                {Reach::ALL.into_iter().map(range).collect_view()}
            </div>
            <label class="go-to">
                <span class="unseen">"Go to date"</span>
                <input
                    type="date"
                    class="field go-to-field"
                    data-testid="go-to-date"
                    title="Go to date"
                    on:change=move |event| on_day.run(event_target_value(&event))
                />
            </label>
            {mover("chart-zoom-in", "Zoom in", "M10 5v10M5 10h10", command, Move::Zoom(0.7, 0.5))}
            {mover("chart-zoom-out", "Zoom out", "M5 10h10", command, Move::Zoom(1.4, 0.5))}
            {mover("chart-fit", "Show all bars", "M4 10h12M7 7l-3 3 3 3M13 7l3 3-3 3", command, Move::Fit)}
            {mover("chart-reset", "Back to the newest bars", "M4 5v4h4M4.6 9A6 6 0 1 1 4 11.6", command, Move::Reset)}
        </div>
    }
    .into_any()
}

fn zone(clock: Clock) -> &'static str {
    match clock {
        Clock::Exchange => "Exchange",
        Clock::Utc => "UTC",
        Clock::Local => "Local",
    }
}

fn select(
    id: &'static str,
    label: &'static str,
    options: Vec<(&'static str, &'static str)>,
    chosen: Signal<&'static str>,
    is_fixed: Signal<bool>,
    choose: impl Fn(&str) + 'static,
) -> AnyView {
    let option = move |(name, label): (&'static str, &'static str)| {
        view! {
            <option value=name selected=move || chosen.get() == name>
                {label}
            </option>
        }
    };
    view! {
        <select
            class="select"
            data-testid=id
            aria-label=label
            title=label
            disabled=move || is_fixed.get()
            prop:value=move || chosen.get()
            on:change=move |event| choose(&event_target_value(&event))
        >
            {options.into_iter().map(option).collect_view()}
        </select>
    }
    .into_any()
}

fn mover(
    id: &'static str,
    label: &'static str,
    path: &'static str,
    command: RwSignal<Option<Command>>,
    step: Move,
) -> AnyView {
    view! {
        <IconButton
            id
            label
            title=label
            path
            on_press=Callback::new(move |()| command.set(Some(Command::Go(step))))
        />
    }
    .into_any()
}
