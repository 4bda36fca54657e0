//! Telling listeners how series change.
//!
//! One [`EventHub`] a process. A listener of a series gets its whole state, read from the tables once for all listeners
//! of it whenever it may have changed. States replace one another (a `watch` channel), so a listener that does not read
//! costs nothing and misses nothing that still matters. What a listener is told is the difference between the last state
//! it got and the next.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use sqlx::PgPool;
use tidemark_app::backend::SeriesKey;
use tidemark_market::progress::{RunFailure, RunProgress};
use tidemark_market::{Forming, SeriesProgress};
use tokio::sync::{Notify, watch};
use tokio_util::sync::CancellationToken;

use crate::db;
use crate::error::Error;

/// How often states are read again even if nobody told of a change: what a lost notification costs.
const REREAD: Duration = Duration::from_secs(5);

/// A series as its listeners know it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SeriesState {
    /// How far it is.
    pub progress: SeriesProgress,
    /// The runs that changed last.
    pub runs: Vec<RunProgress>,
    /// The bar under way, as it was told last.
    pub forming: Option<Forming>,
}

/// One thing a listener is told.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// The whole progress.
    Progress(SeriesProgress),
    /// One run.
    Run(RunProgress),
    /// Bars or coverage changed, up to this revision.
    Bars(u64),
    /// A slice was given up.
    Failure(RunFailure),
    /// The bar under way moved.
    Forming(Forming),
}

impl SeriesState {
    /// Names this state in an event's id. A listener that comes back with it has missed nothing.
    #[must_use]
    pub fn id(&self) -> String {
        let p = &self.progress;
        let told_at = self.forming.as_ref().map_or(0, |forming| forming.told_at.millis());
        format!("{}-{}-{}-{}-{}-{told_at}", p.hydration, p.revision, p.done(), p.running, p.percent)
    }

    /// What a listener that knows `before` has to be told. Progress comes last, so that one who has it has all.
    #[must_use]
    pub fn since(&self, before: Option<&Self>) -> Vec<Event> {
        let mut events: Vec<Event> = self
            .runs
            .iter()
            .filter(|run| before.is_none_or(|before| !before.runs.contains(run)))
            .cloned()
            .map(Event::Run)
            .collect();
        let (now, then) = (&self.progress, before.map(|before| &before.progress));
        if then.map_or(now.revision > 0, |then| then.revision != now.revision) {
            events.push(Event::Bars(now.revision));
        }
        if let Some(failure) = &now.failure
            && then.is_none_or(|then| then.failure.as_ref() != Some(failure))
        {
            events.push(Event::Failure(failure.clone()));
        }
        if let Some(forming) = &self.forming
            && before.is_none_or(|before| before.forming.as_ref() != Some(forming))
        {
            events.push(Event::Forming(forming.clone()));
        }
        if then != Some(now) {
            events.push(Event::Progress(now.clone()));
        }
        events
    }
}

/// The states that are listened to.
#[derive(Clone)]
pub struct EventHub(Arc<Inner>);

struct Inner {
    pool: PgPool,
    topics: Mutex<HashMap<SeriesKey, Topic>>,
    stale: Notify,
}

struct Topic {
    state: watch::Sender<Arc<SeriesState>>,
    is_stale: bool,
}

impl EventHub {
    /// A hub that reads from `pool`.
    #[must_use]
    pub fn new(pool: PgPool) -> Self {
        Self(Arc::new(Inner { pool, topics: Mutex::default(), stale: Notify::new() }))
    }

    /// The series' state, now and as it changes.
    ///
    /// # Errors
    /// Where the database fails.
    pub async fn listen(&self, series: &SeriesKey) -> Result<watch::Receiver<Arc<SeriesState>>, Error> {
        let state = Arc::new(self.0.read(series).await?);
        let mut topics = self.0.topics();
        let topic = topics
            .entry(series.clone())
            .or_insert_with(|| Topic { state: watch::Sender::new(Arc::clone(&state)), is_stale: false });
        topic.state.send_if_modified(|known| replace(known, &state));
        Ok(topic.state.subscribe())
    }

    /// The series that someone listens to, in order of their names.
    #[must_use]
    pub fn watched(&self) -> Vec<SeriesKey> {
        let topics = self.0.topics();
        let listened = topics.iter().filter(|(_, topic)| topic.state.receiver_count() > 0);
        let mut watched: Vec<_> = listened.map(|(series, _)| series.clone()).collect();
        watched.sort_by_cached_key(SeriesKey::to_string);
        watched
    }

    /// How many event streams tell of the series.
    #[must_use]
    pub fn viewers(&self, series: &SeriesKey) -> usize {
        self.0.topics().get(series).map_or(0, |topic| topic.state.receiver_count())
    }

    /// The series may have changed.
    pub fn changed(&self, series: &SeriesKey) {
        if let Some(topic) = self.0.topics().get_mut(series) {
            topic.is_stale = true;
            self.0.stale.notify_one();
        }
    }

    /// Any series may have changed.
    pub fn everything_changed(&self) {
        self.0.topics().values_mut().for_each(|topic| topic.is_stale = true);
        self.0.stale.notify_one();
    }

    /// Reads what is stale until `shutdown`.
    pub async fn run(self, shutdown: CancellationToken) {
        loop {
            tokio::select! {
                () = self.0.stale.notified() => {}
                () = tokio::time::sleep(REREAD) => self.everything_changed(),
                () = shutdown.cancelled() => return,
            }
            for series in self.0.take_stale() {
                match self.0.read(&series).await {
                    Ok(state) => self.0.publish(&series, Arc::new(state)),
                    Err(error) => tracing::warn!(?series, %error, "a series' state could not be read; trying again"),
                }
            }
        }
    }
}

impl Inner {
    fn topics(&self) -> std::sync::MutexGuard<'_, HashMap<SeriesKey, Topic>> {
        self.topics.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The stale series that someone listens to; those nobody does are forgotten.
    fn take_stale(&self) -> Vec<SeriesKey> {
        let mut topics = self.topics();
        topics.retain(|_, topic| topic.state.receiver_count() > 0);
        topics
            .iter_mut()
            .filter_map(|(series, topic)| std::mem::take(&mut topic.is_stale).then(|| series.clone()))
            .collect()
    }

    async fn read(&self, series: &SeriesKey) -> Result<SeriesState, Error> {
        let progress = db::progress::of_series(&self.pool, series).await?;
        let runs = db::progress::recent_runs(&self.pool, series).await?;
        let forming = db::forming::of_series(&self.pool, series).await?;
        Ok(SeriesState { progress, runs, forming })
    }

    fn publish(&self, series: &SeriesKey, state: Arc<SeriesState>) {
        if let Some(topic) = self.topics().get(series) {
            topic.state.send_if_modified(|known| replace(known, &state));
        }
    }
}

fn replace(known: &mut Arc<SeriesState>, state: &Arc<SeriesState>) -> bool {
    let is_new = known != state;
    if is_new {
        *known = Arc::clone(state);
    }
    is_new
}

#[cfg(test)]
mod tests {
    use tidemark_market::{TimeRange, Timestamp};

    use super::*;

    fn state(revision: u64, success: u32, failure: Option<&str>) -> SeriesState {
        let slice = TimeRange { start: Timestamp(0), end: Timestamp(1) };
        let failure = failure.map(|code| RunFailure { code: code.to_owned(), message: "It failed.".to_owned(), slice });
        SeriesState {
            progress: SeriesProgress { revision, success, failure, ..Default::default() },
            ..Default::default()
        }
    }

    #[test]
    fn a_new_listener_is_told_the_whole_state() {
        let now = state(3, 2, Some("provider_plan"));
        let told = now.since(None);
        assert!(matches!(&told[..], [Event::Bars(3), Event::Failure(_), Event::Progress(_)]), "{told:?}");
    }

    #[test]
    fn a_listener_is_told_what_changed_and_nothing_twice() {
        let (before, after) = (state(3, 2, Some("provider_plan")), state(4, 3, Some("provider_plan")));
        let told = after.since(Some(&before));
        assert!(matches!(&told[..], [Event::Bars(4), Event::Progress(_)]), "{told:?}");
        assert_eq!(after.since(Some(&after)), []);
    }
}
