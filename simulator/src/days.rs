//! The days on which something trades, with their extended hours.

use std::sync::LazyLock;

use tidemark_market::calendar::{END, FIRST};
use tidemark_market::{Calendar, Session, TimeRange, Timestamp};

/// One day of trading: quiet from `start` to `open`, busy to `close`, quiet to `end`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TradingDay {
    pub(crate) midnight: Timestamp,
    pub(crate) start: Timestamp,
    pub(crate) open: Timestamp,
    pub(crate) close: Timestamp,
    pub(crate) end: Timestamp,
}

static XNYS: LazyLock<Vec<TradingDay>> = LazyLock::new(|| all(Calendar::Xnys));
static FX: LazyLock<Vec<TradingDay>> = LazyLock::new(|| all(Calendar::Fx));
static ALWAYS_OPEN: LazyLock<Vec<TradingDay>> = LazyLock::new(|| all(Calendar::AlwaysOpen));

fn all(calendar: Calendar) -> Vec<TradingDay> {
    let sessions = calendar.sessions(TimeRange { start: FIRST, end: END });
    sessions.into_iter().filter_map(|session| trading_day(calendar, session)).collect()
}

fn trading_day(calendar: Calendar, session: Session) -> Option<TradingDay> {
    let day = calendar.local_date(session.open)?;
    let whole = match calendar {
        Calendar::Xnys | Calendar::XnysExtended => Calendar::XnysExtended.session_on(day)?,
        Calendar::AlwaysOpen | Calendar::Fx => session,
    };
    let Session { open, close } = session;
    Some(TradingDay { midnight: calendar.day_start(day), start: whole.open, open, close, end: whole.close })
}

/// Every trading day the calendar knows, in order.
pub(crate) fn trading_days(calendar: Calendar) -> &'static [TradingDay] {
    match calendar {
        Calendar::Xnys | Calendar::XnysExtended => &XNYS,
        Calendar::Fx => &FX,
        Calendar::AlwaysOpen => &ALWAYS_OPEN,
    }
}

/// The trading days of which some part, from midnight to the end of trading, lies in `range`, as positions.
pub(crate) fn positions(calendar: Calendar, range: TimeRange) -> std::ops::Range<usize> {
    let days = trading_days(calendar);
    let first = days.partition_point(|day| day.end <= range.start);
    let after = days.partition_point(|day| day.midnight < range.end);
    first..after.max(first)
}
