//! The symbols beside the chart's own: each has a [`ChartStore`] like it, so that its bars come the same way, from the
//! browser's cache, the server and the one event stream.

use leptos::prelude::*;
use tidemark_market::compare::MOST;
use tidemark_market::{Symbol, Timeframe};

use super::chart_store::{ChartStore, Drawing};
use super::older::Sight;
use super::situation::{BannerState, Link, Situation, banner};
use crate::chart::compare::Beside;
use crate::chart::look::{Look, Part};
use crate::series::SeriesKey;
use crate::visit::Visit;

/// Who sits where. A symbol keeps its seat, and with it its colour and what is known of it, while others come and go.
type Seats = [Option<Symbol>; MOST];

/// The store of one page.
#[derive(Clone, Copy)]
pub struct Compared {
    stores: [ChartStore; MOST],
    seats: Memo<Seats>,
    timeframe: Memo<Option<Timeframe>>,
    look: Signal<Look>,
}

/// One that is compared.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Seated {
    /// Its place among the colours.
    pub seat: usize,
    /// Which it is.
    pub symbol: Symbol,
}

/// What is to be said of one beside where it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    /// In words.
    pub text: String,
    /// Whether it has failed, as opposed to being on its way.
    pub is_failed: bool,
    /// Whether asking again may help.
    pub retry: bool,
}

impl Compared {
    /// Of what `look` compares with what is visited; `part` of it is in view.
    #[must_use]
    pub fn new(visit: Signal<Option<Visit>>, look: Signal<Look>, part: Memo<Part>) -> Self {
        let seats = Memo::new(move |before: Option<&Seats>| {
            look.with(|look| seated(before.unwrap_or(&Seats::default()), &look.compared))
        });
        let store = |seat: usize| {
            let beside = move |_: Option<&Option<Visit>>| {
                let symbol = seats.with(|seats| seats[seat].clone())?;
                let visit = visit.get()?;
                let series = SeriesKey { symbol, timeframe: visit.series.timeframe };
                Some(Visit { series, ..visit })
            };
            ChartStore::beside(Memo::new(beside).into(), part)
        };
        let timeframe = Memo::new(move |_| visit.with(|visit| visit.as_ref().map(|visit| visit.series.timeframe)));
        Self { stores: std::array::from_fn(store), seats, timeframe, look }
    }

    /// Who they are, in the order in which they were added.
    #[must_use]
    pub fn list(self) -> Memo<Vec<Seated>> {
        Memo::new(move |_| {
            let seats = self.seats.get();
            let seat = |symbol: Symbol| {
                let seat = seats.iter().position(|it| it.as_ref() == Some(&symbol))?;
                Some(Seated { seat, symbol })
            };
            self.look.with(|look| look.compared.clone()).into_iter().filter_map(seat).collect()
        })
    }

    /// The same with their bars.
    #[must_use]
    pub fn besides(self) -> Memo<Vec<Beside>> {
        let list = self.list();
        Memo::new(move |_| {
            let beside = |Seated { seat, symbol }: Seated| {
                let is_of_it = |drawing: &Drawing| {
                    drawing.series.symbol == symbol && Some(drawing.series.timeframe) == self.timeframe.get()
                };
                let picture = self.stores[seat].drawing().with(|drawing| {
                    drawing.as_ref().filter(|drawing| is_of_it(drawing)).map(|drawing| drawing.picture.clone())
                });
                Beside { seat, symbol, picture }
            };
            list.get().into_iter().map(beside).collect()
        })
    }

    /// What is to be said of the one on that seat.
    #[must_use]
    pub fn note(self, seat: usize) -> Option<Note> {
        let symbol = self.seats.with(|seats| seats.get(seat)?.clone())?;
        let series = SeriesKey { symbol, timeframe: self.timeframe.get()? };
        self.stores.get(seat)?.situation().with(|situation| note(&series, situation))
    }

    /// Asks again for all that is missing of the one on that seat.
    pub fn retry(self, seat: usize) {
        if let Some(store) = self.stores.get(seat) {
            store.retry();
        }
    }

    /// The viewer has moved near the oldest bar of the chart's own series: the others are to reach as far back.
    pub fn near_oldest(self, sight: Sight) {
        self.stores.iter().for_each(|store| store.near_oldest(sight));
    }
}

/// `wanted`, each on the seat that it had `before`, else on the first that is free.
fn seated(before: &Seats, wanted: &[Symbol]) -> Seats {
    let mut seats = before.clone().map(|symbol| symbol.filter(|symbol| wanted.contains(symbol)));
    for symbol in wanted {
        let is_there = seats.iter().flatten().any(|it| it == symbol);
        if let Some(free) = seats.iter_mut().find(|seat| seat.is_none() && !is_there) {
            *free = Some(symbol.clone());
        }
    }
    seats
}

fn note(series: &SeriesKey, situation: &Situation) -> Option<Note> {
    // How news reach the page is told of its own series.
    let banner = banner(series, &Situation { link: Link::Live, ..situation.clone() });
    // The line that it stands in names the symbol.
    let bare = |text: &str| text.strip_prefix(&format!("{series}: ")).unwrap_or(text).to_owned();
    let said = |text: &str, is_failed| Some(Note { text: bare(text), is_failed, retry: is_failed && banner.retry });
    match (banner.state, banner.percent) {
        (_, Some(percent)) => said(&format!("hydrating {percent} %"), false),
        (BannerState::Loading, None) => said("loading …", false),
        // What is stored of it is drawn; that the server is away is told of the page's own series.
        (BannerState::Offline, None) if situation.bars > 0 => None,
        (BannerState::Failed | BannerState::Offline, None) => said(&banner.text, true),
        _ if situation.bars == 0 => said(&banner.text, true),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use tidemark_market::SeriesProgress;

    use super::*;
    use crate::problem::Problem;
    use crate::stores::situation::Coverage;

    fn symbols(text: &str) -> Vec<Symbol> {
        tidemark_market::compare::parse_list(text).unwrap()
    }

    #[test]
    fn a_symbol_keeps_its_seat_while_others_come_and_go() {
        let first = seated(&Seats::default(), &symbols("MSFT,QQQ,SPY"));
        let fewer = seated(&first, &symbols("QQQ,SPY"));
        assert_eq!(fewer[1..3], first[1..3]);
        assert_eq!(fewer[0], None);
        let more = seated(&fewer, &symbols("QQQ,SPY,KO"));
        assert_eq!(more[0].as_ref().map(Symbol::as_str), Some("KO"));
        assert_eq!(more[1..3], first[1..3]);
        assert_eq!(seated(&more, &[]), Seats::default());
    }

    #[test]
    fn it_is_told_what_is_on_its_way_and_what_has_failed() {
        let series = SeriesKey::parse("MSFT", "h1").unwrap();
        let mut situation = Situation::default();
        let told = |situation: &Situation| note(&series, situation).map(|note| (note.text, note.is_failed));
        assert_eq!(told(&situation), Some(("loading …".to_owned(), false)));

        (situation.confirmed, situation.coverage, situation.link) = (Some(1), Coverage::Settled, Link::Stopped);
        let progress = SeriesProgress { queued: 1, success: 1, percent: 50, ..SeriesProgress::default() };
        situation.learn(progress, 0);
        assert_eq!(told(&situation), Some(("hydrating 50 %".to_owned(), false)));

        (situation.progress, situation.bars) = (None, 9);
        assert_eq!(told(&situation), None, "all is here");
        situation.problem = Some(Problem::unreachable("The server can't be reached."));
        assert_eq!(told(&situation), None, "what is stored is drawn");
        situation.problem = Some(Problem::new(404, "unknown_symbol", "Unknown", "No provider knows MSFT."));
        assert_eq!(told(&situation), Some(("No provider knows MSFT.".to_owned(), true)));
    }
}
