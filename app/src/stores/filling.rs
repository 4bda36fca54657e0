//! Filling all series of a watchlist: each is asked for once, and followed until it is at rest.

use gloo_timers::future::TimeoutFuture;
use leptos::prelude::*;
use leptos::task::spawn_local;
use tidemark_market::{SeriesProgress, Symbol, Timeframe};

use super::quotes::joined;
use crate::api;
use crate::browser::page;
use crate::text::counted;

/// How often progress is asked for, in parts of a chart's poll: each 1.5 s.
const POLL_PARTS: u32 = 10;

/// A span in which nothing is, so that all that is asked for is work for the background: the chart that is looked at
/// comes first.
const NOTHING_VISIBLE: (Option<i64>, Option<i64>) = (Some(0), Some(1));

/// How one series stands.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Step {
    /// Not asked for yet.
    Waiting,
    /// Slices are on their way.
    Filling(SeriesProgress),
    /// At rest, with what this filling wrote.
    Done(SeriesProgress),
    /// It could not be asked for, or slices of it were given up: a sentence.
    Failed(String),
}

impl Step {
    fn of(progress: SeriesProgress) -> Self {
        match (&progress.failure, progress.is_active()) {
            (_, true) => Self::Filling(progress),
            (Some(failure), false) if progress.failed > 0 => Self::Failed(failure.message.clone()),
            (_, false) => Self::Done(progress),
        }
    }

    /// By the answer to being asked for: what is at rest then lacked nothing that can be had now.
    fn at_first(progress: SeriesProgress) -> Self {
        match Self::of(progress) {
            Self::Done(_) => Self::Done(SeriesProgress::default()),
            other => other,
        }
    }

    const fn is_open(&self) -> bool {
        matches!(self, Self::Waiting | Self::Filling(_))
    }

    const fn progress(&self) -> Option<&SeriesProgress> {
        match self {
            Self::Filling(progress) | Self::Done(progress) => Some(progress),
            Self::Waiting | Self::Failed(_) => None,
        }
    }
}

/// How the filling of a list stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fill {
    timeframe: Timeframe,
    series: Vec<(Symbol, Step)>,
    is_stopped: bool,
}

impl Fill {
    fn new(symbols: Vec<Symbol>, timeframe: Timeframe) -> Self {
        let series = symbols.into_iter().map(|symbol| (symbol, Step::Waiting)).collect();
        Self { timeframe, series, is_stopped: false }
    }

    /// Whether anything is still to come.
    #[must_use]
    pub fn is_active(&self) -> bool {
        !self.is_stopped && self.series.iter().any(|(_, step)| step.is_open())
    }

    /// How much of it is done, 0 to 100: each series counts alike.
    #[must_use]
    pub fn percent(&self) -> u64 {
        let of_one = |step: &Step| match step {
            Step::Waiting => 0,
            Step::Filling(progress) => u64::from(progress.percent),
            Step::Done(_) | Step::Failed(_) => 100,
        };
        let sum: u64 = self.series.iter().map(|(_, step)| of_one(step)).sum();
        sum / (self.series.len() as u64).max(1)
    }

    /// In words.
    #[must_use]
    pub fn sentence(&self) -> String {
        let all = self.series.len();
        let count = |is: fn(&Step) -> bool| self.series.iter().filter(|(_, step)| is(step)).count();
        let (open, failed) = (count(Step::is_open), count(|step| matches!(step, Step::Failed(_))));
        let of_all = counted(all as u64, "symbol");
        let timeframe = self.timeframe;
        if self.is_stopped && open > 0 {
            return format!("Stopped with {open} of {of_all} open. What is on its way still comes.");
        }
        if open > 0 {
            let slices = |of: fn(&SeriesProgress) -> u32| -> u64 {
                self.series.iter().filter_map(|(_, step)| step.progress()).map(|it| u64::from(of(it))).sum()
            };
            let (done, total) = (slices(SeriesProgress::done), slices(SeriesProgress::total));
            return format!("Hydrating {of_all} at {timeframe}: {} done, {done} of {total} slices", all - open);
        }
        let rows = self.series.iter().filter_map(|(_, step)| step.progress()).map(|it| it.rows_written).sum();
        match (failed, rows) {
            (0, 0) => format!("All of {of_all} at {timeframe}: nothing was missing."),
            (0, _) => format!("All of {of_all} at {timeframe} hydrated: {} came.", counted(rows, "bar")),
            _ => format!("{} of {of_all} at {timeframe} hydrated, {failed} failed.", all - failed),
        }
    }

    /// What failed and why.
    #[must_use]
    pub fn failures(&self) -> Vec<(Symbol, String)> {
        let failed = |(symbol, step): &(Symbol, Step)| match step {
            Step::Failed(reason) => Some((symbol.clone(), reason.clone())),
            Step::Waiting | Step::Filling(_) | Step::Done(_) => None,
        };
        self.series.iter().filter_map(failed).collect()
    }

    /// Why slices wait, where a provider or operator holds them back.
    #[must_use]
    pub fn waiting(&self) -> Option<String> {
        let waiting = |(_, step): &(Symbol, Step)| match step {
            Step::Filling(progress) if progress.running == 0 => progress.waiting.clone(),
            _ => None,
        };
        self.series.iter().find_map(waiting)
    }

    fn set(&mut self, symbol: &Symbol, step: Step) {
        if let Some((_, known)) = self.series.iter_mut().find(|(other, _)| other == symbol) {
            *known = step;
        }
    }

    fn next_waiting(&self) -> Option<Symbol> {
        self.series.iter().find(|(_, step)| *step == Step::Waiting).map(|(symbol, _)| symbol.clone())
    }

    fn under_way(&self) -> Vec<Symbol> {
        let filling = self.series.iter().filter(|(_, step)| matches!(step, Step::Filling(_)));
        filling.map(|(symbol, _)| symbol.clone()).collect()
    }
}

/// The store of one page.
#[derive(Clone, Copy)]
pub struct Filling {
    fill: RwSignal<Option<Fill>>,
    /// Grows with each filling, so that an older one's answers are told apart.
    number: StoredValue<u32>,
}

impl Filling {
    /// Nothing is being filled.
    #[must_use]
    pub fn new() -> Self {
        Self { fill: RwSignal::new(None), number: StoredValue::new(0) }
    }

    /// How it stands; `None` where nobody asked for it, or closed it.
    #[must_use]
    pub fn state(self) -> Signal<Option<Fill>> {
        self.fill.into()
    }

    /// Has all of these series filled.
    pub fn start(self, symbols: Vec<Symbol>, timeframe: Timeframe) {
        if symbols.is_empty() || self.fill.with_untracked(|fill| fill.as_ref().is_some_and(Fill::is_active)) {
            return;
        }
        self.number.update_value(|number| *number += 1);
        let number = self.number.get_value();
        self.fill.set(Some(Fill::new(symbols, timeframe)));
        spawn_local(self.ask_for_each(number, timeframe));
        spawn_local(self.follow(number, timeframe));
    }

    /// Asks for no more; closes what is shown where it has ended.
    pub fn stop(self) {
        let is_active = self.fill.with_untracked(|fill| fill.as_ref().is_some_and(Fill::is_active));
        self.fill.update(|fill| match fill {
            Some(fill) if is_active => fill.is_stopped = true,
            _ => *fill = None,
        });
    }

    async fn ask_for_each(self, number: u32, timeframe: Timeframe) {
        while let Some(symbol) = self.read(number, Fill::next_waiting).flatten() {
            let (from, to) = NOTHING_VISIBLE;
            let answer =
                api::ensure_coverage(symbol.to_string(), timeframe.to_string(), None, None, from, to, false).await;
            let step = answer.map_or_else(|problem| Step::Failed(problem.detail), Step::at_first);
            self.change(number, |fill| fill.set(&symbol, step));
        }
    }

    async fn follow(self, number: u32, timeframe: Timeframe) {
        while self.read(number, Fill::is_active) == Some(true) {
            TimeoutFuture::new(page::poll_ms() / POLL_PARTS).await;
            let symbols = self.read(number, Fill::under_way).unwrap_or_default();
            if symbols.is_empty() {
                continue;
            }
            // A question that is not answered is asked again; the banner says where the server is away.
            let Ok(progress) = api::progress_of_many(joined(&symbols), timeframe.to_string()).await else { continue };
            self.change(number, |fill| {
                symbols.iter().zip(progress).for_each(|(symbol, progress)| fill.set(symbol, Step::of(progress)));
            });
        }
    }

    /// Of that filling, where it goes on.
    fn read<T>(self, number: u32, read: impl FnOnce(&Fill) -> T) -> Option<T> {
        let is_current = self.number.try_get_value() == Some(number);
        let fill = self.fill.try_get_untracked().flatten().filter(|fill| is_current && !fill.is_stopped)?;
        Some(read(&fill))
    }

    fn change(self, number: u32, change: impl FnOnce(&mut Fill)) {
        if self.number.try_get_value() == Some(number) {
            // Refused where the page was left meanwhile.
            let _ = self.fill.try_update(|fill| fill.as_mut().map(change));
        }
    }
}

impl Default for Filling {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use tidemark_market::progress::RunFailure;
    use tidemark_market::{TimeRange, Timestamp};

    use super::*;

    fn progress(queued: u32, success: u32, failed: u32) -> SeriesProgress {
        let slice = TimeRange { start: Timestamp(0), end: Timestamp(1) };
        let failure = RunFailure { code: "provider_plan".to_owned(), message: "The plan ends.".to_owned(), slice };
        let percent = u8::try_from(100 * success / (queued + success + failed).max(1)).unwrap();
        let rows_written = 10 * u64::from(success);
        let failure = (failed > 0).then_some(failure);
        SeriesProgress { queued, success, failed, failure, percent, rows_written, ..SeriesProgress::default() }
    }

    #[test]
    fn a_filling_says_how_far_it_is_and_how_it_ended() {
        let [apple, coke]: [Symbol; 2] = ["AAPL", "KO"].map(|symbol| symbol.parse().unwrap());
        let mut fill = Fill::new(vec![apple.clone(), coke.clone()], Timeframe::H1);
        assert_eq!(fill.sentence(), "Hydrating 2 symbols at h1: 0 done, 0 of 0 slices");
        fill.set(&apple, Step::of(progress(3, 1, 0)));
        assert_eq!(
            (fill.percent(), fill.sentence().as_str()),
            (12, "Hydrating 2 symbols at h1: 0 done, 1 of 4 slices")
        );
        fill.set(&apple, Step::of(progress(0, 4, 0)));
        fill.set(&coke, Step::of(progress(0, 1, 1)));
        assert_eq!(fill.sentence(), "1 of 2 symbols at h1 hydrated, 1 failed.");
        assert_eq!(fill.failures(), [(coke.clone(), "The plan ends.".to_owned())]);
        assert!(!fill.is_active());
        fill.set(&coke, Step::of(progress(0, 2, 0)));
        assert_eq!(Step::at_first(progress(0, 9, 0)), Step::Done(SeriesProgress::default()), "of an earlier time");
        assert_eq!(fill.sentence(), "All of 2 symbols at h1 hydrated: 60 bars came.");
    }
}
