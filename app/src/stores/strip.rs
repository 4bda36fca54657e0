//! The coverage strip as columns: which stretch of a series' time each stands for.
//!
//! Session time is drawn to scale, closed hours at a part of theirs, so that a week is not mostly nights. Where more than
//! one stretch falls into a column, the one that most wants to be seen has it.

use tidemark_market::TimeRange;
use tidemark_market::standing::{Standing, StandingReport, Stretch};

/// How many columns there are: no more elements than that, however long the series.
pub const COLUMNS: usize = 480;

/// By how much closed hours are shortened.
const CLOSED_SHARE: i64 = 12;

/// Columns next to each other that stand for the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Segment {
    /// The first column.
    pub start: usize,
    /// The first column after.
    pub end: usize,
    /// The place in the report's list.
    pub index: usize,
}

/// The strip of a report.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Strip {
    /// Stretches, which fill all columns.
    pub stretches: Vec<Segment>,
    /// Closed hours as wide as a column at least; they lie over stretches.
    pub closed: Vec<Segment>,
}

impl Strip {
    /// The strip of this report.
    #[must_use]
    pub fn of(report: &StandingReport) -> Self {
        let pieces = pieces(report);
        let total: i64 = pieces.iter().map(|piece| piece.weight).sum();
        if total == 0 {
            return Self::default();
        }
        let column = |weight: i64| usize::try_from(weight * COLUMNS as i64 / total).unwrap_or(0).min(COLUMNS);
        let mut owners: Vec<Option<usize>> = vec![None; COLUMNS];
        let mut closed = Vec::new();
        let mut before = 0;
        for piece in pieces {
            let (start, end) = (column(before), column(before + piece.weight));
            before += piece.weight;
            match piece.of {
                Of::Closed(index) => {
                    // Over a stretch that goes on, or beside the one before.
                    let is_seen = piece.weight * COLUMNS as i64 >= total;
                    closed.extend(is_seen.then_some(Segment { start, end, index }));
                    let last = start.checked_sub(1).and_then(|column| owners[column]);
                    owners[start..end].iter_mut().for_each(|owner| *owner = owner.or(last));
                }
                Of::Stretch(index) => {
                    let is_shown = |owner: usize| {
                        weight(report.stretches[owner].standing) >= weight(report.stretches[index].standing)
                    };
                    let end = end.max(start + 1).min(COLUMNS);
                    for owner in &mut owners[start.min(COLUMNS - 1)..end] {
                        *owner = owner.filter(|owner| is_shown(*owner)).or(Some(index));
                    }
                }
            }
        }
        Self { stretches: runs(&owners), closed }
    }

    /// The first column of a stretch's segment that is not under closed hours; its first where all are.
    #[must_use]
    pub fn open_column(&self, segment: Segment) -> Option<usize> {
        let is_open = |column: &usize| self.at(*column) == Some(Place::Stretch(segment.index));
        (segment.start..segment.end).find(is_open).or(Some(segment.start))
    }

    /// The column that a pointer at this one means: a segment that is hard to hit is met from beside it too.
    #[must_use]
    pub fn near(&self, column: usize) -> usize {
        const REACH: usize = 3;
        let is_near =
            |it: &&Segment| it.end - it.start < REACH && it.start <= column + REACH && column < it.end + REACH;
        let distance = |it: &&Segment| it.start.abs_diff(column);
        self.stretches.iter().filter(is_near).min_by_key(distance).map_or(column, |it| it.start)
    }

    /// What lies in that column: closed hours where they are wide enough to be seen, else a stretch.
    #[must_use]
    pub fn at(&self, column: usize) -> Option<Place> {
        let of =
            |segments: &[Segment]| segments.iter().find(|it| (it.start..it.end).contains(&column)).map(|it| it.index);
        of(&self.closed).map(Place::Closed).or_else(|| of(&self.stretches).map(Place::Stretch))
    }
}

/// What a column stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// The place in the report's list of stretches.
    Stretch(usize),
    /// The place in its list of closed hours.
    Closed(usize),
}

/// How much of a window's session time stands in each way, in percent, the ways in their order. What is there at all is
/// a percent at least.
#[must_use]
pub fn shares(report: &StandingReport) -> Vec<(Standing, u8)> {
    let pieces = pieces(report);
    let millis = |wanted: Standing| -> i64 {
        let mine = pieces.iter().filter(|piece| match piece.of {
            Of::Stretch(index) => report.stretches[index].standing == wanted,
            Of::Closed(_) => false,
        });
        mine.map(|piece| piece.weight).sum()
    };
    let all: i64 = Standing::ALL.into_iter().map(millis).sum();
    let share = |standing| {
        let part = millis(standing);
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a share, at most 100")]
        (part > 0).then(|| (standing, (part * 100 / all.max(1)).max(1) as u8))
    };
    Standing::ALL.into_iter().filter_map(share).collect()
}

/// How much a standing wants to be seen where there is room for one.
const fn weight(standing: Standing) -> u8 {
    match standing {
        Standing::Failed => 7,
        Standing::Running => 6,
        Standing::Queued => 5,
        Standing::Missing => 4,
        Standing::Outside => 3,
        Standing::Empty => 2,
        Standing::Derived => 1,
        Standing::Present => 0,
    }
}

enum Of {
    Stretch(usize),
    Closed(usize),
}

struct Piece {
    of: Of,
    weight: i64,
}

/// The window, cut where sessions begin and end and where the standing changes.
fn pieces(report: &StandingReport) -> Vec<Piece> {
    let mut pieces = Vec::with_capacity(report.stretches.len() + 2 * report.closed.len());
    let mut closed = report.closed.iter().enumerate().peekable();
    for (index, stretch) in report.stretches.iter().enumerate() {
        let mut at = stretch.range.start;
        while let Some((place, hours)) = closed.next_if(|(_, hours)| hours.start < stretch.range.end) {
            pieces.extend(open(at, hours.start, index));
            pieces.push(Piece { of: Of::Closed(place), weight: hours.millis() / CLOSED_SHARE });
            at = at.max(hours.end);
        }
        pieces.extend(open(at, stretch.range.end, index));
    }
    pieces
}

fn open(start: tidemark_market::Timestamp, end: tidemark_market::Timestamp, index: usize) -> Option<Piece> {
    TimeRange::new(start, end).map(|range| Piece { of: Of::Stretch(index), weight: range.millis() })
}

fn runs(owners: &[Option<usize>]) -> Vec<Segment> {
    let mut runs: Vec<Segment> = Vec::new();
    for (column, owner) in owners.iter().enumerate() {
        let Some(index) = *owner else { continue };
        match runs.last_mut() {
            Some(last) if last.index == index && last.end == column => last.end += 1,
            _ => runs.push(Segment { start: column, end: column + 1, index }),
        }
    }
    runs
}

/// What a stretch is called.
#[must_use]
pub const fn name(standing: Standing) -> &'static str {
    match standing {
        Standing::Present => "Present",
        Standing::Derived => "From finer bars",
        Standing::Running => "Being fetched",
        Standing::Queued => "Queued",
        Standing::Failed => "Failed",
        Standing::Empty => "Empty",
        Standing::Outside => "Out of reach",
        Standing::Missing => "Missing",
    }
}

/// What can be done about a stretch; `None` where nothing is to be done.
#[must_use]
pub const fn remedy(standing: Standing) -> Option<&'static str> {
    match standing {
        Standing::Failed | Standing::Outside => Some("Try again"),
        Standing::Empty => Some("Ask again"),
        Standing::Missing | Standing::Derived => Some("Fetch"),
        Standing::Present | Standing::Running | Standing::Queued => None,
    }
}

/// What is known of a stretch beside its name and time, as sentences; `when` writes a time.
#[must_use]
pub fn known_of(stretch: &Stretch, when: impl Fn(tidemark_market::Timestamp) -> String) -> String {
    let detail = &stretch.detail;
    let provider = detail.provider.as_deref();
    let mut said: Vec<String> = Vec::new();
    match stretch.standing {
        Standing::Running => said.extend(detail.percent.map(|percent| format!("{percent} % of it has come."))),
        Standing::Empty => said.push("The provider has no bars of it.".to_owned()),
        Standing::Outside if detail.message.is_none() => {
            said.push("It is beyond the provider's plan or depth.".to_owned());
        }
        Standing::Missing => said.push("Nobody has asked for it yet.".to_owned()),
        _ => {}
    }
    said.extend(detail.message.clone());
    match (provider, detail.checked_at) {
        (Some(provider), Some(at)) => said.push(format!("{provider} was asked {}.", when(at))),
        (Some(provider), None) => said.push(format!("By {provider}.")),
        (None, _) => {}
    }
    said.extend(detail.ask_again_at.map(|at| format!("It will be asked again {}.", when(at))));
    said.join(" ")
}

#[cfg(test)]
mod tests {
    use tidemark_market::standing::Detail;
    use tidemark_market::time::HOUR;
    use tidemark_market::{Hours, Timeframe, Timestamp};

    use super::*;

    fn hours(start: i64, end: i64) -> TimeRange {
        TimeRange { start: Timestamp(start * HOUR), end: Timestamp(end * HOUR) }
    }

    fn report(stretches: &[(i64, i64, Standing)], closed: &[(i64, i64)]) -> StandingReport {
        let stretch = |&(start, end, standing): &(i64, i64, Standing)| Stretch {
            range: hours(start, end),
            standing,
            detail: Detail::default(),
        };
        StandingReport {
            symbol: "AAPL".parse().unwrap(),
            timeframe: Timeframe::H1,
            hours: Hours::Regular,
            window: hours(stretches[0].0, stretches[stretches.len() - 1].1),
            revision: 1,
            hydration: 1,
            stretches: stretches.iter().map(stretch).collect(),
            closed: closed.iter().map(|&(start, end)| hours(start, end)).collect(),
        }
    }

    #[test]
    fn session_time_is_to_scale_and_closed_hours_are_short() {
        // 24 h, 24 h closed, 24 h: 50 parts of an hour.
        let strip = Strip::of(&report(&[(0, 72, Standing::Present)], &[(24, 48)]));
        assert_eq!(strip.stretches, [Segment { start: 0, end: COLUMNS, index: 0 }]);
        let [night] = strip.closed[..] else { panic!("{strip:?}") };
        assert_eq!((night.start, night.end), (COLUMNS * 24 / 50, COLUMNS * 26 / 50));
        assert_eq!(strip.at(night.start), Some(Place::Closed(0)));
        assert_eq!((strip.at(0), strip.at(COLUMNS - 1)), (Some(Place::Stretch(0)), Some(Place::Stretch(0))));
        assert_eq!(strip.at(COLUMNS), None);
    }

    #[test]
    fn what_failed_is_seen_however_short_it_is() {
        let parts =
            [(0, 50_000, Standing::Present), (50_000, 50_001, Standing::Failed), (50_001, 90_000, Standing::Present)];
        let strip = Strip::of(&report(&parts, &[]));
        assert_eq!(strip.stretches.iter().map(|it| it.index).collect::<Vec<_>>(), [0, 1, 2]);
        let failed = strip.stretches[1];
        assert_eq!(failed.end - failed.start, 1);
        assert_eq!([failed.start - 2, failed.start + 2].map(|beside| strip.near(beside)), [failed.start; 2]);
        assert_eq!(strip.near(failed.start + 20), failed.start + 20);
        let shares = shares(&report(&parts, &[]));
        assert_eq!(shares, [(Standing::Present, 99), (Standing::Failed, 1)]);
    }

    #[test]
    fn the_columns_are_filled_however_many_stretches_there_are() {
        let standings = [Standing::Present, Standing::Empty, Standing::Queued, Standing::Missing];
        let many: Vec<_> = (0..5_000).map(|i| (i * 5, i * 5 + 4, standings[i as usize % 4])).collect();
        let closed: Vec<_> = (0..4_999).map(|i| (i * 5 + 4, i * 5 + 5)).collect();
        let strip = Strip::of(&report(&many, &closed));
        assert!(strip.stretches.len() <= COLUMNS && strip.closed.is_empty());
        assert!(strip.stretches.windows(2).all(|pair| pair[0].end == pair[1].start));
        assert_eq!((strip.stretches[0].start, strip.stretches[strip.stretches.len() - 1].end), (0, COLUMNS));
    }

    #[test]
    fn a_stretch_says_what_is_known_of_it() {
        let failed = Stretch {
            range: hours(0, 1),
            standing: Standing::Failed,
            detail: Detail {
                provider: Some("polygon".to_owned()),
                message: Some("It answered 500 five times.".to_owned()),
                checked_at: Some(Timestamp(1)),
                ask_again_at: Some(Timestamp(2)),
                percent: None,
            },
        };
        let text = "It answered 500 five times. polygon was asked 1. It will be asked again 2.";
        assert_eq!(known_of(&failed, |at| at.0.to_string()), text);
        let running = Detail { percent: Some(40), provider: Some("polygon".to_owned()), ..Detail::default() };
        let running = Stretch { standing: Standing::Running, detail: running, ..failed };
        assert_eq!(known_of(&running, |_| String::new()), "40 % of it has come. By polygon.");
    }
}
