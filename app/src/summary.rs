//! What a chart shows, in sentences, for someone who does not see it.

use tidemark_market::compare::base;
use tidemark_market::standing::{Standing, StandingReport};
use tidemark_market::{Bar, Symbol, TimeRange, Timestamp};

use crate::chart::compare::Beside;
use crate::chart::room::Blank;
use crate::components::lack_note::name_of;
use crate::series::SeriesKey;
use crate::stores::holding::Picture;
use crate::stores::strip::{name, shares};
use crate::text::{Prices, counted};

/// How many stretches without bars are named.
const MOST_HOLES: usize = 3;

/// Range, first and last, high and low with their times, change, and what of the window is not held. `when` writes a time.
#[must_use]
pub fn summary(
    series: &SeriesKey,
    picture: &Picture,
    standing: Option<&StandingReport>,
    when: impl Fn(Timestamp) -> String,
) -> String {
    let bars = &picture.bars;
    let (Some(first), Some(last)) = (bars.first(), bars.last()) else { return format!("{series}: no bars.") };
    let high = bars.iter().fold(first, |high, bar| if bar.high > high.high { bar } else { high });
    let low = bars.iter().fold(first, |low, bar| if bar.low < low.low { bar } else { low });
    let prices = Prices::like(series.symbol.asset_class(), last.close);
    let price = |price| prices.text(price);
    let mut sentences = vec![
        format!("{series}: {} from {} to {}.", counted(bars.len() as u64, "bar"), when(first.ts), when(last.ts)),
        format!("Opened at {}, last {}, {}.", price(first.open), price(last.close), change(first.open, last.close)),
        format!("Highest {} at {}.", price(high.high), when(high.ts)),
        format!("Lowest {} at {}.", price(low.low), when(low.ts)),
    ];
    sentences.extend(expected(picture, prices, &when));
    sentences.extend(standing.map(lacking));
    sentences.extend(holes(picture.room.blanks(), when));
    sentences.join(" ")
}

/// How far the series and all beside it have come over what is in view; `None` where nothing is compared.
#[must_use]
pub fn comparison(
    series: &SeriesKey,
    bars: &[Bar],
    besides: &[Beside],
    in_view: Option<TimeRange>,
    when: impl Fn(Timestamp) -> String,
) -> Option<String> {
    let range = in_view.filter(|_| !besides.is_empty())?;
    let come = |symbol: &Symbol, bars: &[Bar]| match base(bars, range.start).zip(base(bars, range.end)) {
        Some((first, last)) => format!("{symbol} {}", change(first, last)),
        None => format!("{symbol} no bars"),
    };
    let others = besides.iter().map(|beside| come(&beside.symbol, beside.bars()));
    let all: Vec<_> = std::iter::once(come(&series.symbol, bars)).chain(others).collect();
    Some(format!("From {} to {}: {}.", when(range.start), when(range.end), all.join(", ")))
}

/// `up 1.20 %`, `down 0.30 %`, `unchanged`.
#[must_use]
pub fn change(from: f64, to: f64) -> String {
    let percent = (to - from) / from * 100.0;
    match format!("{:.2}", percent.abs()).as_str() {
        "0.00" => "unchanged".to_owned(),
        size => format!("{} {size} %", if percent > 0.0 { "up" } else { "down" }),
    }
}

fn lacking(report: &StandingReport) -> String {
    let lacks = shares(report).into_iter().filter(|(standing, _)| *standing != Standing::Present);
    let lacks: Vec<_> = lacks.map(|(standing, share)| format!("{} {share} %", name(standing).to_lowercase())).collect();
    match lacks.as_slice() {
        [] => "Nothing of the window is missing.".to_owned(),
        lacks => format!("Of the window: {}.", lacks.join(", ")),
    }
}

fn expected(picture: &Picture, prices: Prices, when: impl Fn(Timestamp) -> String) -> Option<String> {
    let (last, (low, high)) = picture.forecast.last().zip(picture.bands.last())?;
    let bars = counted(picture.forecast.len() as u64, "bar");
    let (close, low, high) = (prices.text(last.close), prices.text(*low), prices.text(*high));
    Some(format!("Expected after that: {bars} up to {}, last {close} ({low} to {high}).", when(last.ts)))
}

/// Where bars lack, the newest first.
fn holes(blanks: &[Blank], when: impl Fn(Timestamp) -> String) -> Option<String> {
    let told = blanks.iter().rev().take(MOST_HOLES).map(|Blank { lack, .. }| {
        let (from, to) = (when(lack.range.start), when(lack.range.end));
        format!("{from} to {to} ({})", name_of(lack.reason).to_lowercase())
    });
    let told: Vec<_> = told.collect();
    let more = match blanks.len().saturating_sub(MOST_HOLES) {
        0 => String::new(),
        more => format!(", and {more} more"),
    };
    (!told.is_empty()).then(|| format!("No bars from {}{more}.", told.join(", ")))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use tidemark_market::{Calendar, Timeframe};

    use super::*;
    use crate::chart::room::{Lack, Room};

    fn picture(bars: &[Bar]) -> Picture {
        Picture { bars: bars.to_vec(), ..Picture::default() }
    }

    fn bar(ts: i64, open: f64, high: f64, low: f64, close: f64) -> Bar {
        Bar { ts: Timestamp(ts), open, high, low, close, volume: 1.0, vwap: None, trades: None }
    }

    #[test]
    fn a_chart_is_told_in_sentences() {
        let series = SeriesKey::parse("AAPL", "h1").unwrap();
        let bars =
            [bar(1, 100.0, 110.0, 99.0, 105.0), bar(2, 105.0, 120.0, 104.0, 118.0), bar(3, 118.0, 118.0, 90.0, 95.0)];
        let text = "AAPL h1: 3 bars from 1 to 3. Opened at 100.00, last 95.00, down 5.00 %. Highest 120.00 at 2. Lowest 90.00 at 3.";
        assert_eq!(summary(&series, &picture(&bars), None, |at| at.0.to_string()), text);
        assert_eq!(summary(&series, &Picture::default(), None, |at| at.0.to_string()), "AAPL h1: no bars.");
        assert_eq!((change(1.0, 1.0), change(1.0, 1.012)), ("unchanged".to_owned(), "up 1.20 %".to_owned()));
    }

    #[test]
    fn where_bars_lack_is_told_with_why() {
        let lack =
            |start, end| Lack { range: TimeRange { start: Timestamp(start), end: Timestamp(end) }, reason: None };
        let hour = tidemark_market::time::HOUR;
        let bars: Vec<Bar> = [0, 2, 4, 6, 8].map(|at| bar(at * hour, 1.0, 1.0, 1.0, 1.0)).to_vec();
        let lacks: Vec<Lack> = [1, 3, 5, 7].map(|at| lack(at * hour, (at + 1) * hour)).to_vec();
        let room = Room::between(&bars, &lacks, Calendar::AlwaysOpen, Timeframe::H1);
        let said = summary(
            &SeriesKey::parse("X:BTCUSD", "h1").unwrap(),
            &Picture { bars, room, ..Picture::default() },
            None,
            |at| (at.0 / hour).to_string(),
        );
        let end = "No bars from 7 to 8 (not here yet), 5 to 6 (not here yet), 3 to 4 (not here yet), and 1 more.";
        assert!(said.ends_with(end), "{said}");
    }

    #[test]
    fn what_is_compared_is_told_over_what_is_in_view() {
        let series = SeriesKey::parse("AAPL", "h1").unwrap();
        let bars = [bar(1, 1.0, 1.0, 1.0, 50.0), bar(2, 1.0, 1.0, 1.0, 100.0), bar(3, 1.0, 1.0, 1.0, 110.0)];
        let other = [bar(2, 1.0, 1.0, 1.0, 10.0), bar(3, 1.0, 1.0, 1.0, 9.0)];
        let beside = |symbol: &str, bars: Option<&[Bar]>| Beside {
            seat: 0,
            symbol: symbol.parse().unwrap(),
            picture: bars.map(|bars| Arc::new(Picture { bars: bars.to_vec(), ..Picture::default() })),
        };
        let besides = [beside("MSFT", Some(&other)), beside("QQQ", None)];
        let in_view = TimeRange::new(Timestamp(2), Timestamp(3));
        let told = |besides: &[Beside]| comparison(&series, &bars, besides, in_view, |at| at.0.to_string());
        let text = "From 2 to 3: AAPL up 10.00 %, MSFT down 10.00 %, QQQ no bars.";
        assert_eq!(told(&besides).as_deref(), Some(text));
        assert_eq!(told(&[]), None);
    }
}
