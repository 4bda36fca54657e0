//! The body of bars, as Polygon writes it: pages by base bars, floats in Go's shortest form, keys in the recorded order.

use std::fmt::Write;

use tidemark_market::splits::{Adjust, Basis, adjusted};
use tidemark_market::{Bar, Hours, Symbol, TimeRange, Timestamp};

use crate::generator::Wanted;
use crate::polygon::{is_known, write_cursor};
use crate::serve::Rows;
use crate::state::Shared;
use crate::window::Window;

/// What is asked for.
pub(crate) struct Ask {
    pub(crate) ticker: String,
    pub(crate) symbol: Symbol,
    pub(crate) window: Window,
    /// Multiplier and timespan, as asked.
    pub(crate) span: (String, String),
    pub(crate) from: String,
    pub(crate) to: String,
    /// From the start to the end, for faults and the log. Never empty.
    pub(crate) range: TimeRange,
    /// The last millisecond whose window counts: an end in milliseconds is itself inside, a date is to its midnight.
    pub(crate) last: Timestamp,
    /// How many base bars are read: minutes, or days where the bars are of days.
    pub(crate) limit: usize,
    pub(crate) descending: bool,
    pub(crate) adjusted: bool,
    /// Where the client found us; the next page is there, too.
    pub(crate) host: String,
}

/// The bars of one answer, in the order of time.
struct Page {
    bars: Vec<Bar>,
    base_count: usize,
    /// The time from which (downwards: to which) the next page goes on.
    next: Option<Timestamp>,
}

pub(crate) fn answer(shared: &Shared, ask: &Ask, rows: Rows) -> String {
    let page = if is_known(shared, &ask.ticker, &ask.symbol) {
        page(shared, ask)
    } else {
        Page { bars: Vec::new(), base_count: 0, next: None }
    };
    let Page { mut bars, base_count, next } = page;
    if ask.descending {
        bars.reverse();
    }
    let next = next.filter(|next| rows.go_on(*next, ask.descending));
    let bars = rows.of(bars);
    let base_count = if bars.is_empty() { 0 } else { base_count };
    write_body(ask, &bars, base_count, next, &shared.request_id())
}

/// Reads base bars from the snapped range up to the limit. The window that the limit cuts is left to the next page,
/// unless it is the only one: then it is answered whole, so that every page gets ahead.
fn page(shared: &Shared, ask: &Ask) -> Page {
    let calendar = ask.symbol.calendar(Hours::Regular);
    let around = |at| ask.window.around(calendar, at);
    let (Some(first), Some(last)) = (around(ask.range.start), around(ask.last)) else {
        return Page { bars: Vec::new(), base_count: 0, next: None };
    };
    let range = TimeRange { start: first.start, end: last.end };
    let wanted = Wanted { limit: ask.limit, newest_first: ask.descending };
    let mut base = shared.source.base(&ask.symbol, ask.window, range, shared.now(), Hours::Extended, wanted);
    if ask.adjusted {
        adjust(shared, &ask.symbol, &mut base);
    }
    if base.len() <= ask.limit {
        return Page { bars: ask.window.group(&base, calendar), base_count: base.len(), next: None };
    }
    let (read, next) =
        if ask.descending { cut_descending(&base, ask.limit, around) } else { cut_ascending(&base, ask.limit, around) };
    Page { bars: ask.window.group(read, calendar), base_count: read.len().min(ask.limit), next }
}

/// In today's shares. What is recorded or generated is as traded.
fn adjust(shared: &Shared, symbol: &Symbol, bars: &mut [Bar]) {
    let now = shared.now();
    let in_effect: Vec<_> = shared.source.splits(symbol).iter().filter(|split| split.at <= now).copied().collect();
    for bar in bars.iter_mut().filter(|_| !in_effect.is_empty()) {
        *bar = adjusted(*bar, Basis::AsTraded, &in_effect, Adjust::Splits);
    }
}

fn cut_ascending(
    base: &[Bar],
    limit: usize,
    around: impl Fn(Timestamp) -> Option<TimeRange>,
) -> (&[Bar], Option<Timestamp>) {
    let Some(cut) = around(base[limit].ts) else { return (base, None) };
    let whole = base.partition_point(|bar| bar.ts < cut.start);
    if whole > 0 {
        return (&base[..whole], Some(cut.start));
    }
    let only = base.partition_point(|bar| bar.ts < cut.end);
    (&base[..only], (only < base.len()).then_some(cut.end))
}

fn cut_descending(
    base: &[Bar],
    limit: usize,
    around: impl Fn(Timestamp) -> Option<TimeRange>,
) -> (&[Bar], Option<Timestamp>) {
    let Some(cut) = around(base[base.len() - limit - 1].ts) else { return (base, None) };
    let whole = base.partition_point(|bar| bar.ts < cut.end);
    if whole < base.len() {
        return (&base[whole..], Some(cut.end.plus(-1)));
    }
    let only = base.partition_point(|bar| bar.ts < cut.start);
    (&base[only..], (only > 0).then(|| cut.start.plus(-1)))
}

fn write_body(ask: &Ask, bars: &[Bar], base_count: usize, next: Option<Timestamp>, request_id: &str) -> String {
    let mut text = String::with_capacity(256 + bars.len() * 128);
    let count = bars.len();
    text.push_str("{\"ticker\":");
    text.push_str(&serde_json::Value::from(ask.ticker.as_str()).to_string());
    let adjusted = ask.adjusted;
    // Writing to a String can't fail.
    let _ = write!(text, ",\"queryCount\":{base_count},\"resultsCount\":{count},\"adjusted\":{adjusted}");
    if !bars.is_empty() {
        text.push_str(",\"results\":[");
        for (index, bar) in bars.iter().enumerate() {
            text.push_str(if index > 0 { "," } else { "" });
            write_bar(&mut text, bar);
        }
        text.push(']');
    }
    let _ = write!(text, ",\"status\":\"OK\",\"request_id\":\"{request_id}\",\"count\":{count}");
    if let Some(next) = next {
        let _ = write!(text, ",\"next_url\":\"{}\"", next_url(ask, next));
    }
    text.push('}');
    text
}

fn write_bar(text: &mut String, bar: &Bar) {
    text.push_str("{\"v\":");
    write_number(text, bar.volume);
    if let Some(vwap) = bar.vwap {
        text.push_str(",\"vw\":");
        write_number(text, (vwap * 1e4).round() / 1e4);
    }
    for (key, price) in [("o", bar.open), ("c", bar.close), ("h", bar.high), ("l", bar.low)] {
        let _ = write!(text, ",\"{key}\":");
        write_number(text, price);
    }
    let _ = write!(text, ",\"t\":{}", bar.ts.millis());
    if let Some(trades) = bar.trades {
        let _ = write!(text, ",\"n\":{trades}");
    }
    text.push('}');
}

/// As Go's shortest `%g`: an exponent of two digits from 1e6 up and below 1e-4. That is what the recorded bodies hold.
fn write_number(text: &mut String, value: f64) {
    let magnitude = value.abs();
    if !value.is_finite() {
        text.push_str("null");
    } else if value != 0.0 && !(1e-4..1e6).contains(&magnitude) {
        let scientific = format!("{value:e}");
        let (mantissa, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
        let (sign, digits) = exponent.strip_prefix('-').map_or(('+', exponent), |digits| ('-', digits));
        let _ = write!(text, "{mantissa}e{sign}{digits:0>2}");
    } else {
        let _ = write!(text, "{value}");
    }
}

/// Absolute, with the new bound in the path, what was asked in the cursor, and without the key.
fn next_url(ask: &Ask, next: Timestamp) -> String {
    let (multiplier, timespan) = &ask.span;
    let next = next.millis().to_string();
    let (from, to) = if ask.descending { (&ask.from, &next) } else { (&next, &ask.to) };
    let sort = if ask.descending { "desc" } else { "asc" };
    let carried = format!("adjusted={}&limit={}&sort={sort}", ask.adjusted, ask.limit);
    let cursor = write_cursor(&carried);
    let Ask { host, ticker, .. } = ask;
    format!("http://{host}/v2/aggs/ticker/{ticker}/range/{multiplier}/{timespan}/{from}/{to}?cursor={cursor}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_the_form_of_the_recordings() {
        for (value, text) in [
            (112_117_471.0, "1.12117471e+08"),
            (1_000_000.0, "1e+06"),
            (999_999.0, "999999"),
            (12_300.315_533_316_923, "12300.315533316923"),
            (16_532.0, "16532"),
            (0.0, "0"),
            (0.000_012, "1.2e-05"),
            (-1.5, "-1.5"),
        ] {
            let mut written = String::new();
            write_number(&mut written, value);
            assert_eq!(written, text);
        }
    }
}
