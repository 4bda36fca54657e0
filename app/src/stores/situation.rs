//! What the page knows of the open series' hydration, and the banner that says it.

use std::collections::VecDeque;

use tidemark_market::{SeriesProgress, Timestamp};

use super::older::Behind;
use crate::problem::Problem;
use crate::series::SeriesKey;
use crate::text::counted;

/// How news of the series reach the page.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Link {
    /// The event stream is being opened.
    #[default]
    Connecting,
    /// The event stream is open.
    Live,
    /// It is not, and the page asks every so many milliseconds.
    Polling {
        /// Between two questions.
        every_ms: u32,
    },
    /// The page has asked long enough.
    Stopped,
}

/// Whether the missing part has been asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Coverage {
    /// Not known yet whether anything is missing.
    #[default]
    Unknown,
    /// Asked, not answered yet.
    Asked,
    /// Answered, or nothing was missing.
    Settled,
}

/// Everything the banner is made of.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Situation {
    /// Bars on screen.
    pub bars: u64,
    /// The revision of the bars held; `None` while the server has not answered for them.
    pub confirmed: Option<u64>,
    /// How many gaps the last answer named.
    pub gaps: usize,
    /// Whether some of the window lies outside of the provider's plan or depth.
    pub is_out_of_reach: bool,
    /// Whether the provider had no bars yet for the newest time.
    pub is_awaited: bool,
    /// The past moment that is shown, if it is one.
    pub as_of: Option<Timestamp>,
    /// Whether the missing part has been asked for.
    pub coverage: Coverage,
    /// The last known progress.
    pub progress: Option<SeriesProgress>,
    /// Whether the connection was lost since.
    pub is_stale: bool,
    /// The hydration that was seen at work during this visit.
    pub watched: Option<u64>,
    /// What went wrong with the last question.
    pub problem: Option<Problem>,
    /// How news arrive.
    pub link: Link,
    /// How fast the hydration went of late.
    pub pace: Pace,
    /// Why the last wish of the viewer was not granted.
    pub refusal: Option<String>,
    /// How the series goes on before its oldest bar on screen.
    pub behind: Behind,
}

impl Situation {
    /// Takes in a newer progress. An older one is passed over: an answer and an event can overtake each other. After a
    /// lost connection everything is news, since the server may have come back with another database.
    /// `now` is the reader's clock, in milliseconds.
    pub fn learn(&mut self, progress: SeriesProgress, now: i64) {
        let age = |it: &SeriesProgress| (it.hydration, it.revision, it.done());
        let is_older = self.progress.as_ref().is_some_and(|known| age(&progress) < age(known));
        let is_stale = std::mem::take(&mut self.is_stale);
        if is_older && !is_stale {
            return;
        }
        if progress.is_active() {
            self.watched = Some(progress.hydration);
        }
        self.pace.learn(&progress, now);
        self.progress = Some(progress);
    }

    /// Chart data came, so the server and its store can be reached. What was said of the symbol or of a provider stands.
    pub fn store_answered(&mut self) {
        self.problem.take_if(|problem| problem.status == 0 || problem.code == "storage_unavailable");
    }

    /// The newest revision that the server has told of.
    #[must_use]
    pub fn revision(&self) -> Option<u64> {
        self.progress.as_ref().map(|progress| progress.revision).max(self.confirmed)
    }

    /// The viewer called off what is queued, or was refused that.
    pub fn cancelled(&mut self, answer: Result<SeriesProgress, Problem>, now: i64) {
        self.refusal = answer.as_ref().err().map(|problem| problem.detail.clone());
        if let Ok(progress) = answer {
            self.learn(progress, now);
        }
    }

    /// Whether the series has bars that are not here yet.
    #[must_use]
    pub fn is_behind(&self) -> bool {
        let told = self.progress.as_ref().map(|progress| progress.revision);
        matches!((told, self.confirmed), (Some(told), Some(held)) if told > held)
    }
}

/// How fast slices end, from what was seen of the present hydration in the last minute and a half: long enough to hold a
/// provider's whole period of a minute.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pace {
    hydration: u64,
    /// When so many slices had ended, the oldest first.
    seen: VecDeque<(i64, u32)>,
}

impl Pace {
    const REACH_MS: i64 = 90_000;
    /// A guess from less would jump about.
    const LEAST_MS: i64 = 2_000;
    const LEAST_SLICES: u32 = 2;
    const MOST_SEEN: usize = 200;

    fn learn(&mut self, progress: &SeriesProgress, now: i64) {
        let is_backwards = self.seen.back().is_some_and(|(at, done)| now < *at || progress.done() < *done);
        if std::mem::replace(&mut self.hydration, progress.hydration) != progress.hydration || is_backwards {
            self.seen.clear();
        }
        self.seen.push_back((now, progress.done()));
        // One from before the reach stays: what was done within it is reckoned from there.
        while self.seen.get(1).is_some_and(|(at, _)| *at < now - Self::REACH_MS) || self.seen.len() > Self::MOST_SEEN {
            self.seen.pop_front();
        }
    }

    /// How long the rest takes at this pace, in milliseconds; `None` where too little was seen to say.
    #[must_use]
    pub fn time_left(&self, progress: &SeriesProgress) -> Option<i64> {
        let ((first_at, first), (last_at, last)) = (self.seen.front()?, self.seen.back()?);
        let (took, ended) = (last_at - first_at, last - first);
        if took < Self::LEAST_MS || ended < Self::LEAST_SLICES {
            return None;
        }
        Some(took * i64::from(progress.queued + progress.running) / i64::from(ended))
    }
}

/// `about 40 s left`: rounded up, and coarser the longer it is.
fn left(millis: i64) -> String {
    let seconds = millis.div_euclid(1_000) + 1;
    match seconds {
        ..10 => "A few seconds left.".to_owned(),
        10..=50 => format!("About {} s left.", (seconds + 9) / 10 * 10),
        51..=3_300 => format!("About {} min left.", (seconds + 59) / 60),
        _ => format!("About {} h left.", (seconds + 3_599) / 3_600),
    }
}

/// The banner's state, as `data-state` tells it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BannerState {
    /// No series.
    Idle,
    /// The first answer is awaited.
    Loading,
    /// Slices are on their way.
    Hydrating,
    /// All that can be had is here.
    Done,
    /// Something was given up.
    Failed,
    /// The event stream can't be had.
    Polling,
    /// The server can't be had.
    Offline,
    /// The address names no series.
    Invalid,
}

impl BannerState {
    /// Whether more bars are on their way.
    #[must_use]
    pub const fn is_waiting(self) -> bool {
        matches!(self, Self::Loading | Self::Hydrating | Self::Polling)
    }

    /// The value of the attribute.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Idle => "idle",
            Self::Loading => "loading",
            Self::Hydrating => "hydrating",
            Self::Done => "done",
            Self::Failed => "failed",
            Self::Polling => "polling",
            Self::Offline => "offline",
            Self::Invalid => "invalid",
        }
    }
}

/// What the banner shows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Banner {
    /// Decides its colour.
    pub state: BannerState,
    /// The main sentence.
    pub text: String,
    /// What else is to be said, a sentence each.
    pub notes: Vec<String>,
    /// The bar's length in percent; `None` where there is no bar.
    pub percent: Option<u8>,
    /// Whether the Retry button is there.
    pub retry: bool,
    /// Whether the Cancel button is there.
    pub cancel: bool,
}

impl Banner {
    fn plain(state: BannerState, text: impl Into<String>) -> Self {
        Self { state, text: text.into(), notes: Vec::new(), percent: None, retry: false, cancel: false }
    }

    /// What of it is read to someone who does not see it: its state and result, and each quarter on the way, not every
    /// percent.
    #[must_use]
    pub fn announcement(&self) -> String {
        match self.percent {
            Some(percent) => match percent / 25 * 25 {
                0 => "Bars are on their way.".to_owned(),
                quarter => format!("{quarter} % of the bars are here."),
            },
            None => [std::slice::from_ref(&self.text), &self.notes].concat().join(" "),
        }
    }

    /// For an address that names no series.
    #[must_use]
    pub fn invalid(problem: &Problem) -> Self {
        Self::plain(BannerState::Invalid, problem.detail.clone())
    }
}

/// The banner of this situation.
#[must_use]
pub fn banner(series: &SeriesKey, situation: &Situation) -> Banner {
    let mut banner = told(series, situation);
    match situation.link {
        Link::Polling { every_ms } => {
            if banner.state != BannerState::Offline {
                banner.state = BannerState::Polling;
            }
            banner.notes.push(format!("Live updates can't be had; asking every {}.", seconds(every_ms)));
        }
        Link::Stopped => {
            if banner.state != BannerState::Offline {
                banner.state = BannerState::Failed;
            }
            banner.notes.push("Stopped asking. Retry to go on.".to_owned());
            banner.retry = true;
        }
        Link::Connecting | Link::Live => {}
    }
    banner.notes.extend(situation.refusal.clone());
    banner
}

fn told(series: &SeriesKey, situation: &Situation) -> Banner {
    if let Some(problem) = &situation.problem {
        return troubled(series, situation, problem);
    }
    if situation.confirmed.is_none() {
        return Banner::plain(BannerState::Loading, format!("Loading {series} …"));
    }
    if situation.coverage == Coverage::Asked {
        return Banner::plain(BannerState::Loading, format!("Asking for what is missing of {series} …"));
    }
    if let Some(as_of) = situation.as_of {
        let bars = counted(situation.bars, "bar");
        return Banner::plain(BannerState::Done, format!("{series} as it was known at {as_of}: {bars}"));
    }
    match &situation.progress {
        Some(progress) if progress.is_active() || situation.is_behind() => hydrating(series, situation, progress),
        Some(progress) if progress.failed > 0 && situation.gaps > 0 => failed(series, progress),
        _ => done(series, situation),
    }
}

fn troubled(series: &SeriesKey, situation: &Situation, problem: &Problem) -> Banner {
    let mut banner = if problem.status == 0 {
        let shown = match situation.bars {
            0 => format!("This browser has nothing stored of {series}."),
            bars => format!("Showing the {} of {series} stored in this browser.", counted(bars, "bar")),
        };
        Banner::plain(BannerState::Offline, format!("The server can't be reached. {shown}"))
    } else {
        Banner::plain(BannerState::Failed, format!("{series}: {}", problem.detail))
    };
    banner.retry = problem.is_passing();
    banner
}

fn hydrating(series: &SeriesKey, situation: &Situation, progress: &SeriesProgress) -> Banner {
    let (done, total) = (progress.done(), progress.total());
    let text = format!("Hydrating {series} … {} % ({done} of {total} slices)", progress.percent);
    let mut banner = Banner::plain(BannerState::Hydrating, text);
    banner.percent = Some(progress.percent);
    if progress.rows_written > 0 {
        banner.notes.push(format!("{} written.", counted(progress.rows_written, "bar")));
    }
    if progress.failed > 0 {
        banner.notes.push(format!("{} given up.", counted(progress.failed.into(), "slice")));
    }
    if !progress.providers.is_empty() {
        banner.notes.push(format!("From {}.", progress.providers.join(", ")));
    }
    banner.notes.extend(progress.waiting.clone());
    banner.notes.extend(situation.pace.time_left(progress).map(left));
    banner.cancel = progress.queued > 0;
    banner
}

fn failed(series: &SeriesKey, progress: &SeriesProgress) -> Banner {
    let (failed, total) = (progress.failed, progress.total());
    let mut banner =
        Banner::plain(BannerState::Failed, format!("{series}: {failed} of {total} slices could not be fetched."));
    banner.notes.extend(progress.failure.as_ref().map(|failure| failure.message.clone()));
    banner.retry = true;
    banner
}

fn done(series: &SeriesKey, situation: &Situation) -> Banner {
    let added = situation
        .progress
        .as_ref()
        .filter(|progress| situation.watched == Some(progress.hydration) && progress.rows_written > 0)
        .map(|progress| format!("Added {}. ", counted(progress.rows_written, "bar")))
        .unwrap_or_default();
    let bars = counted(situation.bars, "bar");
    let is_whole = situation.gaps == 0 && !situation.is_out_of_reach;
    let text = if is_whole { " is up to date" } else { "" };
    let mut banner = Banner::plain(BannerState::Done, format!("{added}{series}{text}: {bars}"));
    let called_off = situation.progress.as_ref().map_or(0, |progress| progress.cancelled);
    if called_off > 0 && situation.gaps > 0 {
        banner.notes.push(format!("{} called off.", counted(called_off.into(), "slice")));
    }
    if situation.gaps > 0 {
        banner.notes.push(format!("Not fetched yet: {} of the window.", counted(situation.gaps as u64, "part")));
    }
    if situation.is_out_of_reach {
        banner.notes.push("A part of the window lies outside of the provider's plan or depth.".to_owned());
    }
    if situation.is_awaited {
        banner.notes.push("The provider has nothing yet of the newest bars.".to_owned());
    }
    banner.retry = !is_whole;
    banner
}

fn seconds(millis: u32) -> String {
    if millis.is_multiple_of(1_000) { format!("{} s", millis / 1_000) } else { format!("{millis} ms") }
}

#[cfg(test)]
mod tests {
    use tidemark_market::progress::RunFailure;
    use tidemark_market::{TimeRange, Timestamp};

    use super::*;

    fn series() -> SeriesKey {
        SeriesKey::parse("AAPL", "h1").unwrap()
    }

    fn at_rest() -> Situation {
        Situation {
            bars: 1_234,
            confirmed: Some(7),
            coverage: Coverage::Settled,
            link: Link::Live,
            ..Default::default()
        }
    }

    fn halfway() -> SeriesProgress {
        SeriesProgress {
            revision: 7,
            hydration: 2,
            queued: 30,
            running: 3,
            success: 27,
            percent: 45,
            rows_written: 420,
            ..Default::default()
        }
    }

    fn ended() -> SeriesProgress {
        SeriesProgress { queued: 0, running: 0, success: 60, percent: 100, ..halfway() }
    }

    fn said(situation: &Situation) -> (&'static str, String) {
        let banner = banner(&series(), situation);
        (banner.state.as_str(), [vec![banner.text], banner.notes].concat().join(" "))
    }

    #[test]
    fn a_past_moment_and_what_is_out_of_reach_are_named() {
        let then = Situation { as_of: Some(Timestamp(1_709_908_200_000)), ..at_rest() };
        assert_eq!(said(&then), ("done", "AAPL h1 as it was known at 2024-03-08T14:30:00Z: 1,234 bars".to_owned()));
        let (state, text) = said(&Situation { is_out_of_reach: true, ..at_rest() });
        assert_eq!((state, text.contains("outside of the provider's plan or depth")), ("done", true), "{text}");
    }

    #[test]
    fn a_visit_from_loading_to_the_result() {
        let mut now = Situation::default();
        assert_eq!(said(&now), ("loading", "Loading AAPL h1 …".to_owned()));
        now = Situation { gaps: 3, bars: 0, ..at_rest() };
        now.learn(halfway(), 0);
        let text = "Hydrating AAPL h1 … 45 % (27 of 60 slices) 420 bars written.".to_owned();
        assert_eq!(said(&now), ("hydrating", text));
        now.learn(ended(), 0);
        (now.gaps, now.bars) = (0, 420);
        assert_eq!(said(&now), ("done", "Added 420 bars. AAPL h1 is up to date: 420 bars".to_owned()));
    }

    #[test]
    fn a_series_that_was_complete_is_up_to_date() {
        let mut now = at_rest();
        assert_eq!(said(&now), ("done", "AAPL h1 is up to date: 1,234 bars".to_owned()));
        now.learn(ended(), 0);
        assert_eq!(said(&now).1, "AAPL h1 is up to date: 1,234 bars", "an old hydration is not this visit's");
    }

    #[test]
    fn the_last_bars_are_awaited_before_the_result_is_told() {
        let mut now = at_rest();
        now.learn(SeriesProgress { revision: 8, ..ended() }, 0);
        assert_eq!(said(&now).0, "hydrating");
    }

    #[test]
    fn a_slice_given_up_is_told_with_its_reason_and_retry() {
        let slice = TimeRange { start: Timestamp(0), end: Timestamp(1) };
        let message = "The provider answered 500 five times. Retry later.".to_owned();
        let failure = Some(RunFailure { code: "provider_error".to_owned(), message, slice });
        let mut now = Situation { gaps: 1, ..at_rest() };
        now.learn(SeriesProgress { success: 59, failed: 1, failure, ..ended() }, 0);
        let text = "AAPL h1: 1 of 60 slices could not be fetched. The provider answered 500 five times. Retry later.";
        assert_eq!(said(&now), ("failed", text.to_owned()));
        assert!(banner(&series(), &now).retry);
        now.coverage = Coverage::Asked;
        assert_eq!(said(&now).0, "loading", "once asked again, the old failure is gone");
    }

    #[test]
    fn a_queue_that_is_held_back_says_why() {
        let mut now = at_rest();
        now.learn(SeriesProgress { waiting: Some("Polygon allows 5 requests a minute.".to_owned()), ..halfway() }, 0);
        assert!(said(&now).1.ends_with("Polygon allows 5 requests a minute."));
    }

    #[test]
    fn who_delivers_and_how_long_it_takes_is_told_once_enough_was_seen() {
        let mut now = at_rest();
        let at = |done: u32| SeriesProgress {
            success: done,
            queued: 57 - done,
            providers: vec!["polygon".into()],
            ..halfway()
        };
        now.learn(at(27), 0);
        assert!(said(&now).1.ends_with("From polygon."), "one look is no pace");
        now.learn(at(29), 1_000);
        assert!(said(&now).1.ends_with("From polygon."), "a second is too short");
        now.learn(at(33), 3_000);
        assert!(said(&now).1.ends_with("From polygon. About 20 s left."), "2 a second, 27 to go: {}", said(&now).1);
        // Five a minute: what was fast at first does not count for ever.
        for minute in 1..=4 {
            now.learn(at(33 + 5 * minute), 3_000 + i64::from(minute) * 60_000);
        }
        assert!(said(&now).1.ends_with("About 2 min left."), "7 to go at 5 a minute: {}", said(&now).1);
        now.learn(SeriesProgress { hydration: 3, ..at(2) }, 300_000);
        assert!(said(&now).1.ends_with("From polygon."), "another hydration has a pace of its own");
        assert_eq!(
            [0, 11_000, 50_500, 3_400_000].map(left),
            ["A few seconds left.", "About 20 s left.", "About 1 min left.", "About 1 h left."]
        );
    }

    #[test]
    fn what_is_queued_can_be_called_off_and_the_result_says_so() {
        let mut now = Situation { gaps: 2, ..at_rest() };
        now.learn(halfway(), 0);
        assert!(banner(&series(), &now).cancel);
        now.cancelled(Err(Problem::new(409, "watched_by_others", "", "Someone else looks at AAPL h1 too.")), 0);
        assert!(said(&now).1.ends_with("Someone else looks at AAPL h1 too."));
        now.cancelled(Ok(SeriesProgress { queued: 0, running: 0, cancelled: 33, ..halfway() }), 0);
        let text = "Added 420 bars. AAPL h1: 1,234 bars 33 slices called off. Not fetched yet: 2 parts of the window.";
        assert_eq!(said(&now), ("done", text.to_owned()));
        let banner = banner(&series(), &now);
        assert!(!banner.cancel && banner.retry);
    }

    #[test]
    fn percents_are_read_aloud_by_the_quarter() {
        let mut now = at_rest();
        let mut read = |percent| {
            now.learn(SeriesProgress { percent, revision: 7 + u64::from(percent), ..halfway() }, 0);
            banner(&series(), &now).announcement()
        };
        assert_eq!(
            [read(3), read(26), read(49)],
            ["Bars are on their way.", "25 % of the bars are here.", "25 % of the bars are here."]
        );
    }

    #[test]
    fn without_a_server_the_page_says_what_it_shows() {
        let problem = Some(Problem::unreachable("gone"));
        let mut now = Situation { problem, confirmed: None, ..at_rest() };
        let text = "The server can't be reached. Showing the 1,234 bars of AAPL h1 stored in this browser.";
        assert_eq!(said(&now), ("offline", text.to_owned()));
        now.bars = 0;
        assert!(said(&now).1.ends_with("This browser has nothing stored of AAPL h1."));
        assert!(banner(&series(), &now).retry);
    }

    #[test]
    fn polling_and_its_end_are_told_beside_the_state() {
        let mut now = Situation { link: Link::Polling { every_ms: 15_000 }, ..at_rest() };
        let text = "AAPL h1 is up to date: 1,234 bars Live updates can't be had; asking every 15 s.";
        assert_eq!(said(&now), ("polling", text.to_owned()));
        now.link = Link::Stopped;
        assert!(said(&now).1.ends_with("Stopped asking. Retry to go on."));
        assert!(banner(&series(), &now).retry);
    }

    #[test]
    fn an_older_progress_is_passed_over_unless_the_connection_was_lost() {
        let mut now = at_rest();
        now.learn(ended(), 0);
        now.learn(halfway(), 0);
        assert_eq!(now.progress, Some(ended()), "the answer that was overtaken by an event");
        now.learn(SeriesProgress { hydration: 1, revision: 9, ..ended() }, 0);
        assert_eq!(now.progress, Some(ended()));
        let fresh = SeriesProgress { revision: 1, hydration: 1, ..ended() };
        now.is_stale = true;
        now.learn(fresh.clone(), 0);
        assert_eq!(now.progress, Some(fresh));
        assert!(!now.is_stale);
    }

    #[test]
    fn chart_data_does_not_hide_that_a_symbol_is_unknown() {
        let unknown = Problem::new(404, "unknown_symbol", "Unknown symbol", "No provider knows ZZZZ.");
        let mut now = Situation { problem: Some(unknown.clone()), ..at_rest() };
        now.store_answered();
        assert_eq!(now.problem, Some(unknown));
        now.problem = Some(Problem::unreachable("gone"));
        now.store_answered();
        assert_eq!(now.problem, None);
    }
}
