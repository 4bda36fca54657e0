//! Which real bars look wrong. Flags are for a person to look at, so they must be few, and no split may be among them.

mod support;

use support::Fixtures;
use tidemark_market::quality::suspicions;

/// Files of the fixtures with all their flags. Each is a print far from the market: a wrong price (AAPL at 10.59 on a
/// day between 182 and 185, SPY at 120.52), or the late report of an earlier trade (SPY at 167.51, an hour's low of AAPL
/// at 108.42, BAC at 14.12 after the close).
const FILES: [(&str, &[&str]); 21] = [
    ("us_equity/daily_AAPL", &["2009-09-21T04:00:00Z spike", "2010-08-31T04:00:00Z spike"]),
    ("us_equity/daily_SPY", &["2003-09-05T04:00:00Z spike"]),
    (
        "us_equity/hour_AAPL",
        &["2010-08-31T18:00:00Z spike", "2011-01-03T18:00:00Z spike", "2016-12-19T16:00:00Z spike"],
    ),
    ("us_equity/hour_IBM", &[]),
    ("us_equity/minute_AAPL_20140605", &[]),
    ("us_equity/minute_AAPL_20140606", &[]),
    ("us_equity/minute_BAC_20131007", &["2013-10-07T21:07:00Z spike"]),
    ("us_equity/minute_GOOG_20151223", &[]),
    ("us_equity/minute_GOOG_20151224", &[]),
    ("us_equity/minute_IBM_20131007", &[]),
    ("us_equity/minute_IBM_20131008", &[]),
    ("us_equity/minute_SPY_20131004", &[]),
    ("us_equity/minute_SPY_20131007", &["2013-10-07T21:04:00Z spike"]),
    (
        "us_equity/minute_SPY_20131008",
        &[
            "2013-10-08T19:03:00Z spike",
            "2013-10-08T19:36:00Z spike",
            "2013-10-08T20:01:00Z spike",
            "2013-10-08T21:23:00Z spike",
        ],
    ),
    ("us_equity/minute_SPY_20131009", &[]),
    ("binance/freqtrade_ETH_BTC-5m", &[]),
    ("binance/freqtrade_XRP_ETH-5m", &[]),
    ("binance/freqtrade_XRP_USDT_USDT-1h-futures", &[]),
    ("coinbase/minute_BTCUSD_20180404", &[]),
    ("coinbase/minute_BTCUSD_20180405", &[]),
    ("coinbase/minute_ETHUSD_20180405", &[]),
];

#[test]
fn real_bars_are_flagged_where_a_price_is_wrong_and_nowhere_else() {
    let Some(fixtures) = Fixtures::find() else { return };
    let (mut judged, mut flagged) = (0, 0);
    for (name, known) in FILES {
        let bars = fixtures.bars(&format!("{name}.csv"));
        let found: Vec<String> =
            suspicions(&bars).iter().map(|flag| format!("{} {}", flag.ts, flag.suspicion.as_str())).collect();
        assert_eq!(found, known, "{name}");
        judged += bars.len();
        flagged += found.len();
    }
    println!("{flagged} of {judged} bars are flagged");
    assert!(flagged * 1_000 < judged, "fewer than 0.1 %");
}

/// The bars are as traded: a split shows as a fall to a half, a quarter or a seventh.
#[test]
fn a_split_is_not_flagged() {
    let Some(fixtures) = Fixtures::find() else { return };
    let bars = fixtures.bars("us_equity/daily_AAPL.csv");
    let flagged: Vec<_> = suspicions(&bars).iter().map(|flag| flag.ts).collect();
    let falls = bars.windows(2).filter(|pair| pair[1].open < 0.6 * pair[0].close).map(|pair| pair[1].ts);
    let falls: Vec<_> = falls.collect();
    let days: Vec<_> = falls.iter().map(|ts| ts.to_string()[..10].to_owned()).collect();
    assert_eq!(days, ["2000-06-21", "2000-09-29", "2005-02-28", "2014-06-09", "2020-08-31"], "four splits, one crash");
    assert!(falls.iter().all(|ts| !flagged.contains(ts)));
}
