//! The drawings of a symbol as a list: each with its numbers, which can be typed, and what removes it.

use leptos::prelude::*;
use tidemark_market::{TimeRange, Timestamp};

use crate::chart::drawings::book::MOST;
use crate::chart::drawings::{Figure, Kind, Point};
use crate::components::dialogue::Dialogue;
use crate::stores::chart_store::Drawing;
use crate::stores::drawings::Drawings;
use crate::text::counted;

/// The list, what adds to it, and what empties it.
#[component]
pub fn DrawingsDialogue(
    /// What is drawn by hand.
    drawings: Drawings,
    /// The bars.
    shown: Signal<Option<Drawing>>,
    /// The times of those in view.
    #[prop(into)]
    in_view: Signal<Option<TimeRange>>,
    /// Whether it is open.
    open: RwSignal<bool>,
) -> impl IntoView {
    let book = drawings.book();
    let count = move || book.with(|book| counted(book.kept().len() as u64, "drawing"));
    let is_empty = Memo::new(move |_| book.with(|book| book.is_empty()));
    let is_full = Memo::new(move |_| book.with(|book| book.is_full()));
    let entries = move || -> Vec<(u32, Kind)> {
        book.with(|book| book.kept().iter().map(|kept| (kept.id, kept.figure.kind())).collect())
    };
    let usual = move |kind: Kind| {
        shown.with_untracked(|shown| Figure::usual(kind, &shown.as_ref()?.picture.bars, in_view.get_untracked()))
    };
    let offer = move |kind: Kind| {
        view! {
            <button
                type="button"
                class="button"
                data-testid=format!("drawing-add-{}", kind.as_str())
                disabled=is_full
                on:click=move |_| usual(kind).into_iter().for_each(|figure| drawings.add(figure))
            >
                {format!("Add {}", kind.label().to_lowercase())}
            </button>
        }
    };
    view! {
        <Dialogue id="drawings" title="Drawings" open>
            <p class="hint" role="status" data-testid="drawings-count">
                {count}
                {move || is_full.get().then(|| format!(", which is the most: {MOST} can be kept of a symbol"))}
            </p>
            <p class="hint">"Kept in this browser, for all timeframes of the symbol. Times are in UTC."</p>
            <ul class="drawing-list">
                <For each=entries key=|entry| *entry let:entry>
                    <Entry drawings id=entry.0 kind=entry.1 />
                </For>
            </ul>
            <div class="drawing-actions">
                {Kind::ALL.map(offer).collect_view()}
                <button
                    type="button"
                    class="button"
                    data-testid="drawings-list-undo"
                    disabled=move || !drawings.can_undo()
                    on:click=move |_| drawings.undo()
                >
                    "Undo"
                </button>
                <button
                    type="button"
                    class="button button-danger"
                    data-testid="drawings-clear"
                    disabled=is_empty
                    on:click=move |_| drawings.clear()
                >
                    "Remove all"
                </button>
            </div>
        </Dialogue>
    }
    .into_any()
}

/// A number of a drawing that can be typed.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Part {
    Level,
    Time(usize),
    Price(usize),
}

impl Part {
    const fn all(kind: Kind) -> &'static [Self] {
        match kind {
            Kind::Level => &[Self::Level],
            Kind::Trend | Kind::Rectangle => &[Self::Time(0), Self::Price(0), Self::Time(1), Self::Price(1)],
        }
    }

    const fn label(self) -> &'static str {
        match self {
            Self::Level | Self::Price(_) => "Price",
            Self::Time(0) => "From",
            Self::Time(_) => "To",
        }
    }

    const fn spoken(self) -> &'static str {
        match self {
            Self::Price(0) => "Price at the start",
            Self::Price(_) => "Price at the end",
            Self::Level | Self::Time(_) => self.label(),
        }
    }

    const fn name(self) -> &'static str {
        match self {
            Self::Level => "price",
            Self::Time(0) => "from",
            Self::Time(_) => "to",
            Self::Price(0) => "from-price",
            Self::Price(_) => "to-price",
        }
    }

    const fn kind_of_field(self) -> &'static str {
        match self {
            Self::Time(_) => "datetime-local",
            Self::Level | Self::Price(_) => "number",
        }
    }

    /// As its field has it.
    fn read(self, figure: Figure) -> String {
        match (self, figure) {
            (Self::Level, Figure::Level(price)) => price.to_string(),
            (Self::Time(end), figure) => figure.points().map_or_else(String::new, |points| minutes(points[end].at)),
            (Self::Price(end), figure) => figure.points().map_or_else(String::new, |it| it[end].price.to_string()),
            (Self::Level, _) => String::new(),
        }
    }

    /// The drawing with what was typed; `None` where that is no such number.
    fn typed(self, figure: Figure, text: &str) -> Option<Figure> {
        let next = match (self, figure) {
            (Self::Level, Figure::Level(_)) => Figure::Level(text.parse().ok()?),
            (Self::Time(end), figure) => with_end(figure, end, |point| Some(Point { at: time(text)?, ..point }))?,
            (Self::Price(end), figure) => {
                with_end(figure, end, |point| Some(Point { price: text.parse().ok()?, ..point }))?
            }
            (Self::Level, _) => return None,
        };
        next.is_sound().then_some(next)
    }
}

fn with_end(figure: Figure, end: usize, change: impl FnOnce(Point) -> Option<Point>) -> Option<Figure> {
    let mut points = figure.points()?;
    points[end] = change(points[end])?;
    Some(Figure::through(figure.kind(), points))
}

/// As fields for times have it: `2024-03-08T14:30`.
fn minutes(at: Timestamp) -> String {
    at.to_string().chars().take(16).collect()
}

fn time(text: &str) -> Option<Timestamp> {
    let seconds = if text.len() == 16 { ":00" } else { "" };
    Timestamp::parse(&format!("{text}{seconds}Z"))
}

/// A drawing: its numbers, and what removes it. The fields stay while others change.
#[component]
fn Entry(drawings: Drawings, id: u32, kind: Kind) -> impl IntoView {
    let refused = RwSignal::new(None::<Part>);
    let figure = move || drawings.book().with(|book| book.figure(id));
    let error_id = format!("drawing-error-{id}");
    let described_by = error_id.clone();
    let field = move |part: Part| {
        let tune = move |event: leptos::ev::Event| {
            let now = drawings.book().with_untracked(|book| book.figure(id));
            match now.and_then(|now| part.typed(now, &event_target_value(&event))) {
                Some(next) => {
                    refused.set(None);
                    drawings.put(id, next);
                }
                None => refused.set(Some(part)),
            }
        };
        view! {
            <label class="drawing-field">
                <span class="hint">{part.label()}</span>
                <input
                    type=part.kind_of_field()
                    class="field"
                    aria-label=part.spoken()
                    data-testid=format!("drawing-{id}-{}", part.name())
                    step="any"
                    prop:value=move || figure().map_or_else(String::new, |figure| part.read(figure))
                    aria-invalid=move || (refused.get() == Some(part)).then_some("true")
                    aria-describedby=described_by.clone()
                    on:change=tune
                />
            </label>
        }
    };
    let error = move || match refused.get() {
        Some(Part::Time(_)) => "Type a date and a time.",
        Some(Part::Level | Part::Price(_)) => "Type a price above 0.",
        None => "",
    };
    view! {
        <li class="drawing-line" data-testid=format!("drawing-{id}") data-kind=kind.as_str()>
            <strong>{kind.label()}</strong>
            {Part::all(kind).iter().copied().map(field).collect_view()}
            <button
                type="button"
                class="button"
                data-testid=format!("drawing-{id}-remove")
                aria-label=format!("Remove {} {id}", kind.label().to_lowercase())
                on:click=move |_| drawings.remove(id)
            >
                "Remove"
            </button>
            <p id=error_id class="manage-error" role="alert">
                {error}
            </p>
        </li>
    }
    .into_any()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_typed_takes_the_place_of_one_number() {
        let at = |text: &str, price| Point { at: Timestamp::parse(text).unwrap(), price };
        let line = Figure::Trend([at("2024-03-08T14:30:00Z", 10.0), at("2024-03-11T13:30:00Z", 12.5)]);
        let read = |part: Part| part.read(line);
        assert_eq!(
            Part::all(Kind::Trend).iter().copied().map(read).collect::<Vec<_>>(),
            ["2024-03-08T14:30", "10", "2024-03-11T13:30", "12.5"]
        );
        let moved = Part::Time(1).typed(line, "2024-03-12T13:30").unwrap();
        assert_eq!(moved, Figure::Trend([at("2024-03-08T14:30:00Z", 10.0), at("2024-03-12T13:30:00Z", 12.5)]));
        assert_eq!(Part::Price(0).typed(line, "11").unwrap().points().unwrap()[0].price, 11.0);
        assert_eq!(Part::Level.typed(Figure::Level(1.0), "2.5"), Some(Figure::Level(2.5)));
        for (part, text) in
            [(Part::Price(0), ""), (Part::Price(1), "-1"), (Part::Time(0), ""), (Part::Price(0), "1e999")]
        {
            assert_eq!(part.typed(line, text), None, "{text}");
        }
    }
}
