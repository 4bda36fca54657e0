//! What an operator overrides is what every calendar of the process keeps. Alone in its file, since overrides are
//! installed once in a process.
#![expect(clippy::unwrap_used, reason = "what a test needs is there, or the test fails")]

use tidemark_market::calendar::{AlreadyInstalled, Overrides, install_overrides};
use tidemark_market::{Calendar, TimeRange, Timeframe, Timestamp};

fn at(text: &str) -> Timestamp {
    Timestamp::parse(text).unwrap()
}

fn sessions(calendar: Calendar, start: &str, end: &str) -> Vec<String> {
    let range = TimeRange::new(at(start), at(end)).unwrap();
    calendar.sessions(range).iter().map(|session| format!("{} {}", session.open, session.close)).collect()
}

#[test]
fn overrides_win_over_the_shipped_table() {
    let file = "XNYS 2027-01-13 closed\nXNYS 2027-01-14 09:30 13:00\nXNYS 2027-01-18 11:00 16:00 # a holiday, traded\n\
                XNYS 2027-01-16 10:00 12:00 # a Saturday\nFX 2026-12-25 closed";
    assert_eq!(install_overrides(Overrides::parse(file).unwrap()), Ok(()));
    assert_eq!(install_overrides(Overrides::default()), Err(AlreadyInstalled));

    assert_eq!(
        sessions(Calendar::Xnys, "2027-01-13T00:00:00Z", "2027-01-19T00:00:00Z"),
        [
            "2027-01-14T14:30:00Z 2027-01-14T18:00:00Z",
            "2027-01-15T14:30:00Z 2027-01-15T21:00:00Z",
            "2027-01-16T15:00:00Z 2027-01-16T17:00:00Z",
            "2027-01-18T16:00:00Z 2027-01-18T21:00:00Z",
        ]
    );
    assert_eq!(
        sessions(Calendar::XnysExtended, "2027-01-13T12:00:00Z", "2027-01-15T00:00:00Z"),
        ["2027-01-14T09:00:00Z 2027-01-14T22:00:00Z"]
    );
    assert_eq!(
        sessions(Calendar::Fx, "2026-12-24T12:00:00Z", "2026-12-28T12:00:00Z"),
        ["2026-12-23T22:00:00Z 2026-12-24T22:00:00Z", "2026-12-27T22:00:00Z 2026-12-28T22:00:00Z"]
    );
    assert_eq!(sessions(Calendar::AlwaysOpen, "2027-01-13T00:00:00Z", "2027-01-14T00:00:00Z").len(), 1);
    assert_eq!(
        Calendar::Xnys.closed_through(Timeframe::D1, at("2027-01-14T18:00:00Z")),
        at("2027-01-15T05:00:00Z"),
        "the day's bar is closed with its early close"
    );
}
