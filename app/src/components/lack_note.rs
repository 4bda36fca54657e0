//! What is said of time without bars that is pointed at in the chart.

use leptos::prelude::*;
use tidemark_market::coverage::Reason;
use tidemark_market::standing::{Standing, StandingReport};
use tidemark_market::{TimeRange, Timestamp};

use crate::browser::time_text::TimeText;
use crate::chart::room::Lack;
use crate::series::SeriesKey;
use crate::stores::settings::Clock;
use crate::stores::strip::{known_of, name};

/// What lacks, and the time of it that is pointed at.
pub type Pointed = (Lack, Timestamp);

/// How that time stands, and why, as a sentence over the chart.
#[component]
pub fn LackNote(
    /// What is pointed at.
    pointed: Signal<Option<Pointed>>,
    /// Whose time.
    series: Signal<Option<SeriesKey>>,
    /// How it stands.
    report: Signal<Option<StandingReport>>,
    /// By whose clock times are written.
    clock: Signal<Clock>,
) -> impl IntoView {
    let said = Memo::new(move |_| {
        let (pointed, times) = (pointed.get()?, TimeText::by(&series.get()?, clock.get()));
        Some(report.with(|report| sentence(pointed, report.as_ref(), |at| times.full(at))))
    });
    view! {
        <div class="lack" role="status" data-testid="lack">
            {move || said.get().map(|said| view! { <p>{said}</p> })}
        </div>
    }
    .into_any()
}

/// `when` writes a time.
fn sentence((lack, at): Pointed, report: Option<&StandingReport>, when: impl Fn(Timestamp) -> String) -> String {
    let span = |range: TimeRange| format!("{} – {}", when(range.start), when(range.end));
    let holds = |range: TimeRange| range.start <= at && at < range.end;
    let stretch = report.and_then(|report| report.stretches.iter().find(|stretch| holds(stretch.range)));
    match stretch.filter(|stretch| stretch.standing != Standing::Present) {
        Some(stretch) => {
            let known = known_of(stretch, &when);
            format!("{}: {}. {known}", name(stretch.standing), span(stretch.range)).trim_end().to_owned()
        }
        None => format!("{}: {}.", name_of(lack.reason), span(lack.range)),
    }
}

/// What time without bars is called for its reason.
#[must_use]
pub const fn name_of(reason: Option<Reason>) -> &'static str {
    match reason {
        None => "Not here yet",
        Some(Reason::Failed) => name(Standing::Failed),
        Some(Reason::Empty) => name(Standing::Empty),
        Some(Reason::Outside) => name(Standing::Outside),
    }
}

#[cfg(test)]
mod tests {
    use tidemark_market::standing::{Detail, Stretch};
    use tidemark_market::{Hours, Timeframe};

    use super::*;

    fn range(start: i64, end: i64) -> TimeRange {
        TimeRange { start: Timestamp(start), end: Timestamp(end) }
    }

    #[test]
    fn what_is_known_of_the_time_is_told_or_else_why_it_has_no_bars() {
        let lack = Lack { range: range(10, 30), reason: None };
        let stretch = |range, standing, message: Option<&str>| Stretch {
            range,
            standing,
            detail: Detail { message: message.map(str::to_owned), ..Detail::default() },
        };
        let report = StandingReport {
            symbol: "AAPL".parse().unwrap(),
            timeframe: Timeframe::H1,
            hours: Hours::Regular,
            window: range(0, 40),
            revision: 1,
            hydration: 1,
            stretches: vec![
                stretch(range(0, 10), Standing::Present, None),
                stretch(range(10, 20), Standing::Queued, None),
                stretch(range(20, 30), Standing::Failed, Some("It answered 500.")),
            ],
            closed: Vec::new(),
        };
        let said = |at, report| sentence((lack, Timestamp(at)), report, |at| at.0.to_string());
        assert_eq!(said(12, Some(&report)), "Queued: 10 – 20.");
        assert_eq!(said(25, Some(&report)), "Failed: 20 – 30. It answered 500.");
        assert_eq!(said(25, None), "Not here yet: 10 – 30.");
    }
}
