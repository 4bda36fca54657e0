//! What of the open series is shown: the bars of the hours and layers that the viewer has chosen.

use std::sync::Arc;

use leptos::prelude::*;
use tidemark_market::coverage::Reason;
use tidemark_market::layer::merge;
use tidemark_market::shown::{Layers, has_extended_hours, outside_regular, regular_spans};
use tidemark_market::standing::{Standing, StandingReport};
use tidemark_market::{Bar, Hours, Layer, Spans, TimeRange};

use super::chart_store::Drawing;
use super::holding::Picture;
use crate::chart::look::Look;
use crate::chart::room::{Lack, Room};
use crate::series::SeriesKey;

/// What is to be seen of a series.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Choice {
    hours: Hours,
    layers: Layers,
}

impl Choice {
    /// What a look asks for.
    #[must_use]
    pub const fn of(look: &Look) -> Self {
        Self { hours: look.hours.0, layers: look.layers }
    }
}

struct Made {
    of: Arc<Picture>,
    choice: Choice,
    told: Vec<Lack>,
    picture: Arc<Picture>,
}

/// The drawing as it is to be seen, with what `report` tells of the time without bars: bars are not read again when a run
/// fails. The same picture stays the same `Arc`.
#[must_use]
pub fn shown(
    drawing: Signal<Option<Drawing>>,
    choice: Memo<Choice>,
    report: Signal<Option<StandingReport>>,
) -> Signal<Option<Drawing>> {
    let made = StoredValue::new(None::<Made>);
    let told = Memo::new(move |_| report.with(|report| report.as_ref().map(|it| (key(it), reasons(it)))));
    let see = move |drawing: Drawing, choice: Choice| {
        let told = told.get().filter(|(series, _)| *series == drawing.series).map(|(_, told)| told).unwrap_or_default();
        let is_made =
            |made: &&Made| Arc::ptr_eq(&made.of, &drawing.picture) && made.choice == choice && made.told == told;
        let known = made.with_value(|made| made.as_ref().filter(is_made).map(|made| Arc::clone(&made.picture)));
        let picture = known.unwrap_or_else(|| {
            let picture = seen(&drawing.series, &drawing.picture, choice, &told);
            let picture = picture.map_or_else(|| Arc::clone(&drawing.picture), Arc::new);
            made.set_value(Some(Made {
                of: Arc::clone(&drawing.picture),
                choice,
                told,
                picture: Arc::clone(&picture),
            }));
            picture
        });
        Drawing { picture, ..drawing }
    };
    // To compare thousands of bars would take longer than to hand on what is the same.
    Memo::new_with_compare(move |_| drawing.get().map(|drawing| see(drawing, choice.get())), |_, _| true).into()
}

fn key(report: &StandingReport) -> SeriesKey {
    SeriesKey { symbol: report.symbol.clone(), timeframe: report.timeframe }
}

/// The time that is known not to be had.
fn reasons(report: &StandingReport) -> Vec<Lack> {
    let reason = |standing| match standing {
        Standing::Failed => Some(Reason::Failed),
        Standing::Empty => Some(Reason::Empty),
        Standing::Outside => Some(Reason::Outside),
        Standing::Present | Standing::Derived | Standing::Running | Standing::Queued | Standing::Missing => None,
    };
    let stretches = report.stretches.iter();
    let known = stretches.filter_map(|it| Some(Lack { range: it.range, reason: Some(reason(it.standing)?) }));
    known.collect()
}

/// `lacks`, of which those that are told of say why.
fn explained(lacks: &[Lack], told: &[Lack]) -> Vec<Lack> {
    let mut explained = Vec::with_capacity(lacks.len());
    for lack in lacks {
        let mut left = Spans::from(lack.range);
        if lack.reason.is_none() {
            for known in told {
                let parts = left.clip(known.range);
                left = left.subtract(&parts);
                explained.extend(parts.ranges().iter().map(|range| Lack { range: *range, ..*known }));
            }
        }
        explained.extend(left.ranges().iter().map(|range| Lack { range: *range, ..*lack }));
    }
    explained.sort_unstable_by_key(|lack| lack.range);
    explained
}

/// The part of `picture` that is to be seen.
#[must_use]
pub fn chosen(series: &SeriesKey, picture: Picture, choice: Choice) -> Picture {
    seen(series, &picture, choice, &[]).unwrap_or(picture)
}

/// The part of `picture` that is to be seen; `None` where that is all of it.
fn seen(series: &SeriesKey, picture: &Picture, choice: Choice, told: &[Lack]) -> Option<Picture> {
    let Choice { hours, layers } = choice;
    let lacks = explained(&picture.lacks, told);
    let timeframe = series.timeframe;
    let calendar = series.symbol.calendar(Hours::Regular);
    let is_cut = hours == Hours::Regular && has_extended_hours(calendar, timeframe);
    if layers == Layers::default() && !is_cut {
        return (lacks != picture.lacks).then(|| {
            let room = Room::between(&picture.bars, &lacks, calendar, timeframe);
            Picture { lacks, room, ..picture.clone() }
        });
    }
    let regular = |bars: &mut Vec<Bar>| {
        if is_cut {
            for run in outside_regular(bars, calendar, timeframe).into_iter().rev() {
                bars.drain(run);
            }
        }
    };
    let (historical, mut intraday) = parted(picture);
    let forming = if layers.has(Layer::Intraday) { picture.forming } else { 0 };
    let mut under_way = intraday.split_off(intraday.len() - picture.forming);
    under_way.truncate(forming);
    let of = |layer: Layer, bars: Vec<Bar>| {
        let mut bars = if layers.has(layer) { bars } else { Vec::new() };
        regular(&mut bars);
        bars
    };
    let (historical, intraday) = (of(Layer::Historical, historical), of(Layer::Intraday, intraday));
    let under_way = of(Layer::Intraday, under_way);
    let mut bars = merge(&historical, &intraday, &[]);
    bars.extend(&under_way);
    let forecast = if layers.has(Layer::Forecast) { picture.forecast.clone() } else { Vec::new() };
    let bands = if layers.has(Layer::Forecast) { picture.bands.clone() } else { Vec::new() };
    let lacks = cut_lacks(&lacks, |hull| is_cut.then(|| regular_spans(calendar, timeframe, hull)));
    let room = Room::between(&bars, &lacks, calendar, timeframe);
    Some(Picture { forming: under_way.len(), bars, forecast, bands, lacks, room, ..Picture::default() })
}

/// The bars of the historical and of the intraday layer; the latter with those under way.
fn parted(picture: &Picture) -> (Vec<Bar>, Vec<Bar>) {
    let mut historical = Vec::with_capacity(picture.bars.len());
    let mut intraday = Vec::new();
    let mut before = 0;
    for run in &picture.recent {
        historical.extend(&picture.bars[before..run.start]);
        intraday.extend(&picture.bars[run.clone()]);
        before = run.end;
    }
    historical.extend(&picture.bars[before..]);
    (historical, merge(&intraday, &picture.under, &[]))
}

fn cut_lacks(lacks: &[Lack], kept: impl Fn(TimeRange) -> Option<Spans>) -> Vec<Lack> {
    let hull = lacks.first().zip(lacks.last());
    let hull = hull.map(|(first, last)| TimeRange { start: first.range.start, end: last.range.end });
    let Some(kept) = hull.and_then(kept) else { return lacks.to_vec() };
    let parts = |lack: &Lack| {
        let (parts, reason) = (kept.clip(lack.range), lack.reason);
        Vec::from(parts).into_iter().map(move |range| Lack { range, reason })
    };
    lacks.iter().flat_map(parts).collect()
}

/// Whether bars lie before or after regular hours, so that there is something to hide.
#[must_use]
pub fn holds_extended_hours(drawing: &Drawing) -> bool {
    let calendar = drawing.series.symbol.calendar(Hours::Regular);
    // The newest days tell: a series holds these hours or it does not.
    const NEWEST: usize = 3_000;
    let bars = &drawing.picture.bars;
    let newest = &bars[bars.len().saturating_sub(NEWEST)..];
    !outside_regular(newest, calendar, drawing.series.timeframe).is_empty()
}

#[cfg(test)]
mod tests {
    use tidemark_market::Timestamp;
    use tidemark_market::time::{HOUR, MINUTE};

    use super::*;

    fn series(symbol: &str) -> SeriesKey {
        SeriesKey::parse(symbol, "m30").unwrap()
    }

    fn bar(at: &str, price: f64) -> Bar {
        Bar::new(Timestamp::parse(at).unwrap(), price, price, price, price, 1.0)
    }

    fn choice(hours: Hours, layers: &str) -> Choice {
        Choice { hours, layers: Layers::parse(layers).unwrap() }
    }

    /// A day of half hours from 08:00 to 10:00 New York time: the first of them settled, then recent ones, one of which a
    /// settled one hides, and one under way.
    fn picture() -> Picture {
        let times = ["12:00", "12:30", "13:00", "13:30", "14:00"].map(|time| format!("2024-03-13T{time}:00Z"));
        Picture {
            bars: times.iter().enumerate().map(|(number, at)| bar(at, number as f64 + 1.0)).collect(),
            recent: std::iter::once(2..5).collect(),
            under: vec![bar(&times[1], 22.0)],
            forming: 1,
            forecast: vec![bar("2024-03-13T14:30:00Z", 9.0)],
            bands: vec![(8.0, 10.0)],
            ..Picture::default()
        }
    }

    fn closes(picture: &Picture) -> Vec<f64> {
        picture.bars.iter().map(|bar| bar.close).collect()
    }

    #[test]
    fn all_of_it_is_the_picture_itself() {
        assert_eq!(
            seen(&series("AAPL"), &picture(), choice(Hours::Extended, "historical,intraday,forecast"), &[]),
            None
        );
        let crypto = choice(Hours::Regular, "historical,intraday,forecast");
        assert_eq!(seen(&series("X:BTCUSD"), &picture(), crypto, &[]), None, "there are no other hours");
    }

    #[test]
    fn regular_hours_leave_out_what_trades_before_them_and_the_room_of_it() {
        let lack = |start: &str, minutes: i64| {
            let start = Timestamp::parse(start).unwrap();
            Lack { range: TimeRange { start, end: start.plus(minutes * MINUTE) }, reason: None }
        };
        let lacks = vec![lack("2024-03-12T12:00:00Z", 120), lack("2024-03-13T08:00:00Z", 4 * HOUR / MINUTE)];
        let whole = Picture { lacks: lacks.clone(), ..picture() };
        let seen = seen(&series("AAPL"), &whole, choice(Hours::Regular, "historical,intraday,forecast"), &[]).unwrap();
        assert_eq!((closes(&seen), seen.forming), (vec![4.0, 5.0], 1));
        assert_eq!(seen.lacks, [lack("2024-03-12T13:30:00Z", 30)]);
        assert_eq!(seen.forecast, whole.forecast);
    }

    #[test]
    fn what_has_failed_since_the_bars_were_read_says_so() {
        let lack =
            |start, end, reason| Lack { range: TimeRange { start: Timestamp(start), end: Timestamp(end) }, reason };
        let (unknown, empty) = (lack(10, 40, None), lack(50, 60, Some(Reason::Empty)));
        let told = [lack(0, 20, Some(Reason::Failed)), lack(50, 60, Some(Reason::Outside))];
        assert_eq!(
            explained(&[unknown, empty], &told),
            [lack(10, 20, Some(Reason::Failed)), lack(20, 40, None), empty]
        );
    }

    #[test]
    fn each_layer_can_be_hidden() {
        let seen = |layers| seen(&series("AAPL"), &picture(), choice(Hours::Extended, layers), &[]).unwrap();
        let intraday = seen("intraday");
        assert_eq!(closes(&intraday), [22.0, 3.0, 4.0, 5.0], "what the settled bar hid is seen");
        assert_eq!((intraday.forming, intraday.forecast.len()), (1, 0));
        let historical = seen("historical,forecast");
        assert_eq!((closes(&historical), historical.forming), (vec![1.0, 2.0], 0));
        assert_eq!((historical.forecast.len(), historical.bands.len()), (1, 1));
        assert_eq!(seen("none").bars, []);
    }
}
