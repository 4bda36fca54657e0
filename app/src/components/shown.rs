//! The dialogue that shows and hides extended hours and layers.

use leptos::prelude::*;
use tidemark_market::Layer;
use tidemark_market::shown::has_extended_hours;
use tidemark_market::{Hours, Timeframe};

use super::dialogue::Dialogue;
use crate::chart::look::{HoursShown, Look};
use crate::stores::chart_store::Drawing;
use crate::stores::shown::holds_extended_hours;

/// A box for extended hours, and one for each layer.
#[component]
pub fn ShownDialogue(
    /// How the chart looks.
    look: Signal<Look>,
    /// Has it look otherwise.
    choose: Callback<Look>,
    /// All that is held of the series.
    drawing: Signal<Option<Drawing>>,
    /// Whether it is open.
    open: RwSignal<bool>,
) -> impl IntoView {
    let refusal = Memo::new(move |_| drawing.with(|drawing| drawing.as_ref().and_then(no_extended_hours)));
    let set_hours = move |is_shown: bool| {
        let hours = HoursShown(if is_shown { Hours::Extended } else { Hours::Regular });
        choose.run(Look { hours, ..look.get_untracked() });
    };
    let layer = move |layer: Layer| {
        let set = move |is_shown: bool| {
            let now = look.get_untracked();
            choose.run(Look { layers: now.layers.with(layer, is_shown), ..now });
        };
        let is_shown = Signal::derive(move || look.with(|look| look.layers.has(layer)));
        check(layer.as_str(), name(layer), Signal::derive(move || meaning(layer)), is_shown, Signal::from(false), set)
    };
    let is_extended = Signal::derive(move || look.with(|look| look.hours.0 == Hours::Extended));
    let hint =
        move || refusal.get().unwrap_or("What trades from 04:00 to 09:30 and from 16:00 to 20:00, on a darker ground.");
    view! {
        <Dialogue id="shown" title="Shown" open>
            <ul class="shown-list">
                {check(
                    "extended",
                    "Extended hours",
                    Signal::derive(hint),
                    is_extended,
                    Signal::derive(move || refusal.with(Option::is_some)),
                    set_hours,
                )}
                {Layer::ALL.map(layer).collect_view()}
            </ul>
        </Dialogue>
    }
    .into_any()
}

/// Why a series has no extended hours to show.
fn no_extended_hours(drawing: &Drawing) -> Option<&'static str> {
    let (symbol, timeframe) = (&drawing.series.symbol, drawing.series.timeframe);
    let calendar = symbol.calendar(Hours::Regular);
    if timeframe >= Timeframe::D1 {
        Some("A bar of a day or a week is not parted by hours.")
    } else if !has_extended_hours(calendar, timeframe) {
        Some("This market has no hours beside its regular ones.")
    } else if !holds_extended_hours(drawing) {
        Some("This series holds regular hours alone. An operator can have it hold extended ones.")
    } else {
        None
    }
}

const fn name(layer: Layer) -> &'static str {
    match layer {
        Layer::Historical => "Historical",
        Layer::Intraday => "Intraday",
        Layer::Forecast => "Forecast",
    }
}

const fn meaning(layer: Layer) -> &'static str {
    match layer {
        Layer::Historical => "Settled bars.",
        Layer::Intraday => "Bars of recent sessions, as they were traded, and the one under way.",
        Layer::Forecast => "What is expected after the newest bar: a dashed line in its band.",
    }
}

fn check(
    id: &'static str,
    label: &'static str,
    hint: Signal<&'static str>,
    is_shown: Signal<bool>,
    is_disabled: Signal<bool>,
    set: impl Fn(bool) + 'static,
) -> AnyView {
    let hint_id = format!("shown-{id}-hint");
    view! {
        <li>
            <label class="choice">
                <input
                    type="checkbox"
                    data-testid=format!("shown-{id}")
                    aria-describedby=hint_id.clone()
                    prop:checked=move || is_shown.get()
                    disabled=move || is_disabled.get()
                    on:change=move |event| set(event_target_checked(&event))
                />
                {label}
            </label>
            <p class="hint" id=hint_id>
                {hint}
            </p>
        </li>
    }
    .into_any()
}
