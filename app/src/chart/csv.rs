//! A chart's bars and indicators as a file.

use tidemark_market::compare::percent;
use tidemark_market::indicators::Indicator;
use tidemark_market::{Bar, TimeRange};

use super::compare::Column;

/// The bars in view, or all where that is not known, with a column for each line of each indicator over them, and close and
/// percent of each symbol that is compared. Times are in UTC; what has no value is empty.
#[must_use]
pub fn csv(bars: &[Bar], indicators: &[Indicator], compared: &[Column], in_view: Option<TimeRange>) -> String {
    let mut text = "time,open,high,low,close,volume".to_owned();
    for spec in indicators.iter().map(Indicator::spec) {
        for output in spec.kind().outputs() {
            let name = spec.to_string();
            text.push_str(&if name.starts_with(output.name) {
                format!(",{name}")
            } else {
                format!(",{name} {}", output.name)
            });
        }
    }
    for Column { symbol, .. } in compared {
        text.push_str(&format!(",{symbol} close,{symbol} percent"));
    }
    for (place, bar) in bars
        .iter()
        .enumerate()
        .filter(|(_, bar)| in_view.is_none_or(|range| range.start <= bar.ts && bar.ts <= range.end))
    {
        let Bar { ts, open, high, low, close, volume, .. } = bar;
        text.push_str(&format!("\n{ts},{open},{high},{low},{close},{volume}"));
        for line in indicators.iter().flat_map(Indicator::lines) {
            match line.get(place) {
                Some(value) if !value.is_nan() => text.push_str(&format!(",{value}")),
                _ => text.push(','),
            }
        }
        for Column { closes, base, .. } in compared {
            match (closes.get(place).filter(|close| !close.is_nan()), base) {
                (Some(close), Some(base)) => text.push_str(&format!(",{close},{:.4}", percent(*close, *base))),
                _ => text.push_str(",,"),
            }
        }
    }
    text.push('\n');
    text
}

#[cfg(test)]
mod tests {
    use tidemark_market::{Calendar, Timeframe, Timestamp};

    use super::*;

    #[test]
    fn each_line_is_a_column_and_what_is_not_there_yet_is_empty() {
        let bars: Vec<Bar> = (1..4).map(|i| Bar::new(Timestamp(i * 1_000), 1.0, 3.0, 0.5, i as f64, 9.0)).collect();
        let over = |text: &str| Indicator::over(text.parse().unwrap(), Calendar::AlwaysOpen, Timeframe::M1, &bars);
        let text = csv(&bars, &[over("sma-2"), over("bb-2-2")], &[], None);
        let lines: Vec<_> = text.lines().collect();
        assert_eq!(lines[0], "time,open,high,low,close,volume,sma-2,bb-2-2 middle,bb-2-2 upper,bb-2-2 lower");
        assert_eq!(lines[1], "1970-01-01T00:00:01Z,1,3,0.5,1,9,,,,");
        assert_eq!(lines[2], "1970-01-01T00:00:02Z,1,3,0.5,2,9,1.5,1.5,2.5,0.5");
        let symbol = "MSFT".parse().unwrap();
        let column = Column { symbol: &symbol, closes: vec![f64::NAN, 8.0, 10.0], base: Some(8.0) };
        let text = csv(&bars, &[], &[column], None);
        let lines: Vec<_> = text.lines().collect();
        assert_eq!(lines[0], "time,open,high,low,close,volume,MSFT close,MSFT percent");
        assert_eq!((&lines[1][20..], &lines[3][20..]), (",1,3,0.5,1,9,,", ",1,3,0.5,3,9,10,25.0000"));
        let last = TimeRange::new(Timestamp(3_000), Timestamp(4_000));
        assert_eq!(csv(&bars, &[], &[], last), "time,open,high,low,close,volume\n1970-01-01T00:00:03Z,1,3,0.5,3,9\n");
    }
}
