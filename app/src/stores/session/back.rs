//! Going back: older bars than the usual window's are asked for where the viewer comes near them, or the address names
//! them, and what is missing of them is fetched with what is in view first.

use std::rc::Rc;

use leptos::prelude::*;
use tidemark_market::wire::ChartData;
use tidemark_market::{TimeRange, Timestamp};

use super::{Answer, Session};
use crate::api;
use crate::browser::page;
use crate::chart::look::Part;
use crate::problem::Problem;
use crate::series::SeriesKey;
use crate::stores::chart_store::PaintedFrom;
use crate::stores::holding::first_view;
use crate::stores::older::{Behind, Sight, behind, from_start, next_stretch, prepend, stretch_towards, wanted_from};
use crate::stores::situation::Coverage;

/// What the page tells a session of its viewer.
#[derive(Clone, Debug, PartialEq)]
pub enum Nudge {
    /// The viewer of that series came near its oldest bar.
    NearOldest(SeriesKey, Sight),
    /// Another part is in view.
    Part,
}

/// How far back the viewer has gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gone {
    /// Where the window begins now.
    pub to: Timestamp,
    /// Where it would begin else; what the browser keeps begins there.
    pub from: Timestamp,
}

impl Session {
    pub(super) fn on_nudge(&mut self, nudge: Nudge) {
        match nudge {
            Nudge::NearOldest(series, sight) if series == self.series => self.go_back(sight),
            Nudge::NearOldest(..) => {}
            Nudge::Part => {
                self.sighted = self.sighted.take().filter(|seen| self.is_named(*seen));
                self.go_where_wanted();
                self.put_first_what_is_in_view();
            }
        }
    }

    fn go_back(&mut self, sight: Sight) {
        let Some(held) = &self.held else { return };
        let (behind, held_from) = (behind(&self.series, held), held.window.start);
        self.sighted = Some(sight.time(&self.series));
        match behind {
            Behind::More if self.older.is_none() => self.read_older(next_stretch(&self.series, held_from, sight.span)),
            Behind::Awaited => self.put_first_what_is_in_view(),
            Behind::More | Behind::Ends(_) => {}
        }
    }

    /// Whether the address names what was seen, as far as there are bars in it.
    fn is_named(&self, seen: TimeRange) -> bool {
        match self.view.part.get_untracked() {
            Part::Between(range) => seen.start <= range.start && range.end <= seen.end,
            Part::Newest | Part::Reach(_) => false,
        }
    }

    /// Where the address names a part that begins before what is held, that is asked for.
    pub(super) fn go_where_wanted(&mut self) {
        let Some(held) = &self.held else { return };
        let newest = held.window.end;
        let wanted = wanted_from(self.view.part.get_untracked(), self.series.timeframe, newest);
        let is_at_end = matches!(behind(&self.series, held), Behind::Ends(_));
        if let Some(wanted) = wanted.filter(|_| self.older.is_none() && !is_at_end) {
            self.read_older(stretch_towards(&self.series, held.window.start, wanted));
        }
    }

    fn read_older(&mut self, stretch: Option<TimeRange>) {
        self.older = stretch;
        self.tell_behind();
        self.read_next();
    }

    /// Asks for the older stretch, where one is wanted and nothing is being asked.
    pub(super) fn ask_for_older(&mut self, stretch: TimeRange) {
        let (symbol, timeframe) = self.names();
        let (from, to) = (Some(stretch.start.millis()), Some(stretch.end.millis()));
        let (as_of, adjust) = self.reading();
        self.ask(async move { Answer::Older(api::chart_data(symbol, timeframe, from, to, None, as_of, adjust).await) });
    }

    pub(super) fn on_older(&mut self, answer: Result<ChartData, Problem>) {
        self.older = None;
        match answer {
            Ok(older) => self.take_older(&older),
            Err(problem) => self.on_problem(problem),
        }
        self.tell_behind();
    }

    fn take_older(&mut self, older: &ChartData) {
        let Some(held) = self.held.take() else { return };
        let Some(data) = prepend(&held, older) else {
            self.is_outdated = true;
            self.held = Some(held);
            return;
        };
        let from = self.gone.get().map_or(held.window.start, |gone| gone.from);
        self.gone.set(Some(Gone { to: data.window.start, from }));
        // What changed in between is asked for over all of it.
        self.is_outdated |= older.revision > held.revision;
        self.paint(&data, PaintedFrom::Server, true);
        self.settle(&data);
        self.held = Some(Rc::new(data));
        if !older.gaps.is_empty() && self.as_of.is_none() {
            self.view.situation.update(|situation| situation.coverage = Coverage::Asked);
            self.ensure();
        }
        self.go_where_wanted();
    }

    /// Sees to it that what is missing of all that is held is on its way. One question at a time.
    pub(super) fn ensure(&mut self) {
        if std::mem::replace(&mut self.is_ensuring, true) {
            self.is_unasked = true;
            return;
        }
        let (symbol, timeframe) = self.names();
        let from = self.gone.get().map(|gone| gone.to.millis());
        let visible = self.visible();
        let (start, end) = (Some(visible.start.millis()), Some(visible.end.millis()));
        let retry = std::mem::take(&mut self.retry);
        self.ask(async move {
            Answer::Coverage(api::ensure_coverage(symbol, timeframe, from, None, start, end, retry).await)
        });
    }

    /// What waits in the queue takes its order from what is in view now.
    fn put_first_what_is_in_view(&mut self) {
        let is_queued =
            self.view.situation.with_untracked(|it| it.progress.as_ref().is_some_and(|progress| progress.queued > 0));
        if is_queued && self.as_of.is_none() {
            self.ensure();
        }
    }

    fn visible(&self) -> TimeRange {
        let drawn = self.view.drawing.with_untracked(|drawing| drawing.as_ref().map(|it| it.window.end));
        let end = drawn.unwrap_or(Timestamp(page::now_ms()));
        let named = || match self.view.part.get_untracked() {
            Part::Newest => None,
            Part::Between(range) => Some(range),
            Part::Reach(reach) => TimeRange::new(reach.start(end)?, end),
        };
        self.sighted.or_else(named).unwrap_or_else(|| first_view(&self.series, end))
    }

    /// What the browser keeps: the usual window, however far back the viewer has gone.
    pub(super) fn kept(&self, data: &Rc<ChartData>) -> Rc<ChartData> {
        self.gone.get().map_or_else(|| Rc::clone(data), |gone| Rc::new(from_start(data, gone.from)))
    }

    /// Tells the page how the series goes on before its oldest bar.
    fn tell_behind(&self) {
        let behind = match &self.held {
            _ if self.older.is_some() => Behind::Awaited,
            Some(held) => behind(&self.series, held),
            None => Behind::More,
        };
        self.note_behind(behind);
    }

    pub(super) fn note_behind(&self, behind: Behind) {
        if self.view.situation.with_untracked(|situation| situation.behind) != behind {
            self.view.situation.update(|situation| situation.behind = behind);
        }
    }
}
