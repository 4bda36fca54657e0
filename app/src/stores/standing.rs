//! How the open series' time stands, for the coverage strip: read again whenever the series' progress says that it
//! changed, one question at a time.

use gloo_timers::future::TimeoutFuture;
use leptos::prelude::*;
use leptos::task::spawn_local;
use tidemark_market::standing::StandingReport;
use tidemark_market::{TimeRange, Timestamp};

use super::chart_store::Drawing;
use super::situation::{Coverage, Situation};
use crate::api;
use crate::problem::Problem;
use crate::visit::Visit;

/// The least time between two questions, so that a hydration at work is not asked about at every bar.
const PAUSE_MS: u32 = 250;
/// Of how many series the last answer is kept, so that going back to one shows its strip at once.
const MOST_KEPT: usize = 64;

/// What the strip depends on; another value is news.
#[derive(Clone, Debug, PartialEq)]
struct Occasion {
    visit: Visit,
    from: Option<Timestamp>,
    revision: u64,
    hydration: u64,
    runs: (u32, u32, u32),
    percent: u8,
}

/// The store of one page.
#[derive(Clone, Copy)]
pub struct StandingStore {
    occasion: Memo<Option<Occasion>>,
    report: RwSignal<Option<StandingReport>>,
    problem: RwSignal<Option<Problem>>,
    note: RwSignal<Option<String>>,
    is_reading: StoredValue<bool>,
    /// What was answered last for each of those that were open, the newest first.
    kept: StoredValue<Vec<(Visit, StandingReport)>>,
}

impl StandingStore {
    /// For the series that is open, the window that is drawn of it, and what is known of its hydration.
    #[must_use]
    pub fn new(visit: Signal<Option<Visit>>, drawing: Signal<Option<Drawing>>, situation: Signal<Situation>) -> Self {
        // Of a past moment it is not known.
        let open = Memo::new(move |_| visit.get().filter(|visit| visit.as_of.is_none()));
        let occasion = Memo::new(move |_| {
            let visit = open.get()?;
            let drawn = drawing
                .with(|drawing| drawing.as_ref().filter(|it| it.series == visit.series).map(|it| it.window.start));
            situation.with(|situation| occasion(visit, drawn, situation))
        });
        let store = Self {
            occasion,
            report: RwSignal::new(None),
            problem: RwSignal::new(None),
            note: RwSignal::new(None),
            is_reading: StoredValue::new(false),
            kept: StoredValue::default(),
        };
        Effect::new(move |before: Option<()>| {
            let known = open.with(|open| open.as_ref().and_then(|visit| store.known_of(visit)));
            if before.is_some() {
                store.report.set(known);
                store.note.set(None);
            }
        });
        Effect::new(move || {
            if occasion.with(Option::is_some)
                && !store.is_reading.try_update_value(|it| std::mem::replace(it, true)).unwrap_or(true)
            {
                spawn_local(store.read());
            }
        });
        store
    }

    fn known_of(self, visit: &Visit) -> Option<StandingReport> {
        self.kept.with_value(|kept| kept.iter().find(|(of, _)| of == visit).map(|(_, report)| report.clone()))
    }

    fn keep(self, visit: &Visit, report: &StandingReport) {
        self.kept.update_value(|kept| {
            kept.retain(|(of, _)| of != visit);
            kept.insert(0, (visit.clone(), report.clone()));
            kept.truncate(MOST_KEPT);
        });
    }

    /// The last answer for what is open, be it from its last visit; `None` while there is none.
    #[must_use]
    pub fn report(self) -> Signal<Option<StandingReport>> {
        self.report.into()
    }

    /// Whether the series is known to be further than the last answer tells.
    #[must_use]
    pub fn is_behind(self) -> Signal<bool> {
        Signal::derive(move || {
            let told = self.report.with(|report| report.as_ref().map(|it| it.revision));
            self.occasion.with(|it| it.as_ref().is_some_and(|it| told.is_none_or(|told| told < it.revision)))
        })
    }

    /// What came of the last wish, as a sentence.
    #[must_use]
    pub fn note(self) -> Signal<Option<String>> {
        Signal::derive(move || {
            self.note.get().or_else(|| self.problem.with(|problem| problem.as_ref().map(|it| it.detail.clone())))
        })
    }

    /// Asks for a stretch, though it is not due again.
    pub fn fetch(self, range: TimeRange) {
        let Some(visit) = self.occasion.with_untracked(|it| it.as_ref().map(|it| it.visit.clone())) else { return };
        self.note.set(Some("Asking …".to_owned()));
        spawn_local(async move {
            let (symbol, timeframe) = (visit.series.symbol.to_string(), visit.series.timeframe.to_string());
            let (from, to) = (Some(range.start.millis()), Some(range.end.millis()));
            let asked = api::ensure_coverage(symbol, timeframe, from, to, from, to, true).await;
            // The page may be gone, or show another series by now.
            let is_open = self.occasion.try_with_untracked(|it| it.as_ref().is_some_and(|it| it.visit == visit));
            if is_open == Some(true) {
                self.note.set(Some(match asked {
                    Ok(progress) if progress.is_active() => "Asked for; it is on its way.".to_owned(),
                    Ok(_) => "There is nothing to fetch there.".to_owned(),
                    Err(problem) => problem.detail,
                }));
            }
        });
    }

    /// Reads until what was read is what the series is at.
    async fn read(self) {
        while let Some(Some(asked)) = self.occasion.try_get_untracked() {
            let (symbol, timeframe) = (asked.visit.series.symbol.to_string(), asked.visit.series.timeframe.to_string());
            let answer = api::standing(symbol, timeframe, asked.from.map(Timestamp::millis), None).await;
            let Some(now) = self.occasion.try_get_untracked() else { return };
            answer.iter().for_each(|report| self.keep(&asked.visit, report));
            if now.as_ref().is_some_and(|now| now.visit == asked.visit) {
                match answer {
                    Ok(report) => {
                        self.problem.set(None);
                        self.report.set(Some(report));
                    }
                    Err(problem) => self.problem.set(Some(problem)),
                }
            }
            if now.as_ref() == Some(&asked) {
                break;
            }
            TimeoutFuture::new(PAUSE_MS).await;
        }
        let _ = self.is_reading.try_set_value(false);
    }
}

/// `None` while the server has not answered for the series.
fn occasion(visit: Visit, from: Option<Timestamp>, situation: &Situation) -> Option<Occasion> {
    let confirmed = situation.confirmed?;
    let progress = situation.progress.as_ref();
    // While the page is about to ask for what is missing, that is no news yet.
    let is_asking = situation.coverage == Coverage::Asked;
    Some(Occasion {
        visit,
        from,
        revision: progress.map_or(confirmed, |it| it.revision.max(confirmed)),
        hydration: progress.map_or(0, |it| it.hydration) + u64::from(is_asking),
        runs: progress.map_or((0, 0, 0), |it| (it.queued, it.running, it.done())),
        percent: progress.map_or(0, |it| it.percent),
    })
}
