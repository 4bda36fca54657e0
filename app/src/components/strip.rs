//! The coverage strip: how the time of the series stands, over the whole window.

use leptos::ev::{KeyboardEvent, MouseEvent};
use leptos::html::Div;
use leptos::prelude::*;
use tidemark_market::standing::{Standing, StandingReport, Stretch};
use tidemark_market::{TimeRange, Timestamp};

use super::dialogue::Dialogue;
use super::pager::Pager;
use crate::browser::page;
use crate::browser::time_text::TimeText;
use crate::series::SeriesKey;
use crate::stores::strip::{COLUMNS, Place, Segment, Strip, known_of, name, remedy, shares};

/// Rows of the list on one page.
const ROWS: usize = 50;

/// The strip as one list to move along by pointer or arrow keys, what is under the pointer in words, and the same as a
/// table.
#[component]
pub fn CoverageStrip(
    /// How the time stands; `None` while that is not known.
    report: Signal<Option<StandingReport>>,
    /// Whether the series is further than the report.
    is_behind: Signal<bool>,
    /// What came of the last wish.
    note: Signal<Option<String>>,
    /// Asks for a stretch.
    on_fetch: Callback<TimeRange>,
) -> impl IntoView {
    let host = NodeRef::<Div>::new();
    // Which column is pointed at: what lies there may change.
    let pointed = RwSignal::new(None::<usize>);
    let listed = RwSignal::new(false);
    let strip = Memo::new(move |_| report.with(|report| report.as_ref().map(Strip::of).unwrap_or_default()));
    let place = Memo::new(move |_| pointed.get().and_then(|column| strip.with(|strip| strip.at(column))));
    let point = move |event: MouseEvent| {
        pointed.set(host.get().map(|host| strip.with(|strip| strip.near(column(&host, &event)))));
    };
    let act = move || {
        let Some(Place::Stretch(index)) = place.get_untracked() else { return };
        let wanted = report.with_untracked(|report| {
            let stretch = report.as_ref()?.stretches.get(index)?;
            remedy(stretch.standing).map(|_| stretch.range)
        });
        wanted.into_iter().for_each(|range| on_fetch.run(range));
    };
    let on_key = move |event: KeyboardEvent| {
        let segments = strip.with_untracked(|strip| strip.stretches.clone());
        let at = pointed.get_untracked().and_then(|at| segments.iter().position(|it| (it.start..it.end).contains(&at)));
        let last = segments.len().checked_sub(1);
        let next = match event.key().as_str() {
            "ArrowRight" => at.map_or(Some(0), |at| Some(at + 1).filter(|next| Some(*next) <= last)),
            "ArrowLeft" => at.map_or(last, |at| at.checked_sub(1)),
            "Home" => Some(0),
            "End" => last,
            "Enter" | " " => {
                event.prevent_default();
                act();
                return;
            }
            _ => return,
        };
        event.prevent_default();
        if let Some(segment) = next.and_then(|next| segments.get(next)) {
            pointed.set(strip.with_untracked(|strip| strip.open_column(*segment)));
        }
    };
    let said = move || {
        let here = place.get().and_then(|place| {
            report.with(|report| report.as_ref().and_then(|report| sentence(report, &times(report), place)))
        });
        here.or_else(|| note.get()).unwrap_or_else(|| report.with(|report| summary(report.as_ref())))
    };
    let active = move || match place.get() {
        Some(Place::Stretch(index)) => Some(option_id(index)),
        _ => None,
    };
    view! {
        <section class="coverage" aria-label="Coverage" data-testid="coverage" aria-busy=move || is_behind.get().to_string()>
            <div
                node_ref=host
                class="strip"
                role="listbox"
                tabindex="0"
                aria-label="Coverage of the window"
                aria-describedby="coverage-said"
                aria-activedescendant=active
                data-testid="strip"
                data-revision=move || report.with(|report| report.as_ref().map(|it| it.revision.to_string()))
                on:mousemove=point
                on:mouseleave=move |_| pointed.set(None)
                on:blur=move |_| pointed.set(None)
                on:click=move |event| {
                    point(event);
                    act();
                }
                on:keydown=on_key
            >
                {move || {
                    // Stretches may stand otherwise in the same places.
                    report.track();
                    strip.with(|strip| view! { <Segments report strip=strip.clone() place /> })
                }}
            </div>
            <p class="coverage-line">
                <span id="coverage-said" class="coverage-said" data-testid="coverage-said">
                    {said}
                </span>
                <button
                    type="button"
                    class="link"
                    data-testid="coverage-open"
                    disabled=move || report.with(Option::is_none)
                    on:click=move |_| listed.set(true)
                >
                    "Coverage list"
                </button>
            </p>
            <p class="unseen" role="status">
                {note}
            </p>
            <Dialogue id="coverage-list" title="Coverage" open=listed is_wide=true>
                <StretchTable report on_fetch />
            </Dialogue>
        </section>
    }
    .into_any()
}

/// The coloured parts.
#[component]
fn Segments(report: Signal<Option<StandingReport>>, strip: Strip, place: Memo<Option<Place>>) -> impl IntoView {
    let times = report.with_untracked(|report| report.as_ref().map(times));
    let option = |segment: &Segment| {
        let index = segment.index;
        let label = report.with_untracked(|report| sentence(report.as_ref()?, times.as_ref()?, Place::Stretch(index)));
        let standing = report.with_untracked(|report| Some(report.as_ref()?.stretches.get(index)?.standing));
        view! {
            <div
                id=option_id(index)
                class="segment"
                role="option"
                aria-label=label
                aria-selected=move || (place.get() == Some(Place::Stretch(index))).to_string()
                data-standing=standing.map(Standing::as_str)
                style=position(segment)
            ></div>
        }
    };
    let night = |segment: &Segment| view! { <div class="closed" aria-hidden="true" style=position(segment)></div> };
    view! {
        {strip.stretches.iter().map(option).collect_view()}
        {strip.closed.iter().map(night).collect_view()}
    }
    .into_any()
}

/// Every stretch, the newest first, with what can be done about it.
#[component]
fn StretchTable(report: Signal<Option<StandingReport>>, on_fetch: Callback<TimeRange>) -> impl IntoView {
    let page = RwSignal::new(0_usize);
    let count = Signal::derive(move || report.with(|report| report.as_ref().map_or(0, |it| it.stretches.len())));
    let rows = move || {
        report.with(|report| {
            let report = report.as_ref()?;
            let times = times(report);
            let shown = report.stretches.iter().rev().skip(page.get() * ROWS).take(ROWS);
            Some(shown.map(|stretch| row(stretch, &times, on_fetch)).collect_view())
        })
    };
    view! {
        <div class="table-scroll" tabindex="0" role="region" aria-label="Coverage, as a table">
            <table class="table" data-testid="coverage-table">
                <caption>{move || report.with(|report| summary(report.as_ref()))}</caption>
                <thead>
                    <tr>
                        <th scope="col">"State"</th>
                        <th scope="col">"From"</th>
                        <th scope="col">"To"</th>
                        <th scope="col">"What is known"</th>
                        <th scope="col">
                            <span class="unseen">"Action"</span>
                        </th>
                    </tr>
                </thead>
                <tbody>{rows}</tbody>
            </table>
        </div>
        <Pager page count rows=ROWS />
    }
    .into_any()
}

fn row(stretch: &Stretch, times: &TimeText, on_fetch: Callback<TimeRange>) -> AnyView {
    let range = stretch.range;
    let button = remedy(stretch.standing).map(|remedy| {
        view! {
            <button type="button" class="button" on:click=move |_| on_fetch.run(range)>
                {remedy}
                <span class="unseen">{format!(" {}", times.full(range.start))}</span>
            </button>
        }
    });
    view! {
        <tr data-standing=stretch.standing.as_str()>
            <th scope="row">
                <span class="swatch" data-standing=stretch.standing.as_str() aria-hidden="true"></span>
                {name(stretch.standing)}
            </th>
            <td>{times.full(range.start)}</td>
            <td>{times.full(range.end)}</td>
            <td>{known_of(stretch, |at| times.full(at))}</td>
            <td>{button}</td>
        </tr>
    }
    .into_any()
}

fn times(report: &StandingReport) -> TimeText {
    TimeText::new(&SeriesKey { symbol: report.symbol.clone(), timeframe: report.timeframe })
}

/// What lies there, when, and what can be done about it.
fn sentence(report: &StandingReport, times: &TimeText, place: Place) -> Option<String> {
    let span = |range: TimeRange| format!("{} – {}", times.full(range.start), times.full(range.end));
    Some(match place {
        Place::Closed(index) => format!("Closed: {}", span(*report.closed.get(index)?)),
        Place::Stretch(index) => {
            let stretch = report.stretches.get(index)?;
            let when = |at: Timestamp| times.full(at);
            let known = known_of(stretch, when);
            let remedy = remedy(stretch.standing).map_or_else(String::new, |it| format!(" {it}: click or Enter."));
            format!("{}: {}. {known}{remedy}", name(stretch.standing), span(stretch.range))
        }
    })
}

/// How much of the window stands in which way.
fn summary(report: Option<&StandingReport>) -> String {
    let Some(report) = report else { return "Coverage".to_owned() };
    let parts: Vec<_> =
        shares(report).into_iter().map(|(standing, share)| format!("{} {share} %", name(standing))).collect();
    format!("Coverage: {}", if parts.is_empty() { "no session in the window".to_owned() } else { parts.join(", ") })
}

fn option_id(index: usize) -> String {
    format!("stretch-{index}")
}

#[expect(clippy::cast_precision_loss, reason = "a few hundred columns")]
fn position(segment: &Segment) -> String {
    let percent = |columns: usize| columns as f64 * 100.0 / COLUMNS as f64;
    format!("left:{:.3}%;width:{:.3}%", percent(segment.start), percent(segment.end - segment.start))
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "cut at the strip's ends")]
fn column(host: &web_sys::HtmlDivElement, event: &MouseEvent) -> usize {
    let (left, width) = page::horizontal(host);
    let share = (f64::from(event.client_x()) - left) / width.max(1.0);
    ((share.clamp(0.0, 1.0) * COLUMNS as f64) as usize).min(COLUMNS - 1)
}
