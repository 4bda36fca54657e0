//! What a watchlist is told of its symbols: three statements, however many symbols there are.

use std::collections::{BTreeSet, HashMap};

use sqlx::{PgConnection, PgPool};
use tidemark_market::quote::{Held, Plan, Probe, Read, plan};
use tidemark_market::{Adjust, Bar, Spans, Split, Symbol, layer};

use super::columns::Values;
use super::series::read_hours;
use super::{from_pg_range, to_utc};
use crate::error::Error;

/// What is stored of one symbol.
#[derive(Clone, Debug, Default)]
pub struct Stored {
    /// As its provider lists it.
    pub name: Option<String>,
    /// Its series.
    pub held: Vec<Held>,
    /// Which of their bars were read.
    pub plan: Plan,
    /// Those bars.
    pub read: Read,
    /// Who delivered them.
    pub providers: BTreeSet<String>,
}

/// What is stored of these symbols, in their order. All of it is one snapshot, so that prices and revisions agree.
///
/// # Errors
/// Where the database fails.
pub async fn of_symbols(pool: &PgPool, symbols: &[Symbol]) -> Result<Vec<Stored>, Error> {
    let mut snapshot = pool.begin_with("begin isolation level repeatable read read only").await?;
    let mut known = read_held(&mut snapshot, symbols).await?;
    let splits = read_splits(&mut snapshot, symbols).await?;
    let mut stored = Vec::with_capacity(symbols.len());
    let mut asked: Vec<Asked<'_>> = Vec::new();
    for symbol in symbols {
        let mut it = known.remove(symbol.as_str()).unwrap_or_default();
        it.plan = plan(symbol, &it.held);
        let splits = splits.get(symbol.as_str()).map_or(&[][..], Vec::as_slice);
        asked.extend(it.plan.probes().into_iter().flatten().map(|probe| Asked { probe, splits }));
        stored.push(it);
    }
    let mut answers = read_bars(&mut snapshot, &asked).await?.into_iter();
    snapshot.commit().await?;
    for it in &mut stored {
        let [last, previous, spark] = it.plan.probes().map(|probe| {
            let Some((probe, answer)) = probe.and_then(|probe| Some((probe, answers.next()?))) else {
                return Vec::new();
            };
            it.providers.extend(answer.providers);
            let mut bars = layer::merge(&answer.historical, &answer.intraday, &[]);
            bars.split_off(bars.len().saturating_sub(probe.most))
        });
        it.read = Read { last, previous, spark };
    }
    Ok(stored)
}

struct Asked<'a> {
    probe: Probe,
    /// Of its symbol.
    splits: &'a [Split],
}

#[derive(Clone, Default)]
struct Answer {
    historical: Vec<Bar>,
    intraday: Vec<Bar>,
    providers: BTreeSet<String>,
}

fn names(symbols: &[Symbol]) -> Vec<String> {
    symbols.iter().map(|symbol| symbol.as_str().to_owned()).collect()
}

/// Names and series by symbol. Coverage is told of the last weeks alone: older sessions decide nothing.
async fn read_held(snapshot: &mut PgConnection, symbols: &[Symbol]) -> Result<HashMap<String, Stored>, Error> {
    let rows = sqlx::query!(
        r#"select i.symbol as "symbol!", i.name, s.id as "id?", s.timeframe as "timeframe?", s.hours as "hours?",
                  s.revision as "revision?", kept.bars, kept.first_ts, kept.last_ts, kept.covered
           from instruments i
           left join series s on s.symbol = i.symbol
           left join lateral (
               select sum(c.bar_count)::bigint as bars, min(c.first_ts) as first_ts, max(c.last_ts) as last_ts,
                      (select array_agg(span)
                       from coverage_status r
                       cross join unnest(
                           r.covered * tstzmultirange(tstzrange(max(c.last_ts) - interval '30 days', null))
                       ) as span
                       where r.series_id = s.id and r.layer <> 'forecast') as covered
               from coverage_status c where c.series_id = s.id and c.layer <> 'forecast'
           ) kept on true
           where i.symbol = any($1)"#,
        &names(symbols)
    )
    .fetch_all(snapshot)
    .await?;
    let mut known: HashMap<String, Stored> = HashMap::new();
    for row in rows {
        let stored = known.entry(row.symbol).or_default();
        stored.name = row.name;
        let (Some(id), Some(timeframe), Some(hours)) = (row.id, row.timeframe, row.hours) else { continue };
        let covered = row.covered.unwrap_or_default();
        stored.held.push(Held {
            id,
            timeframe: timeframe.parse().map_err(|_| Error::Corrupt { what: "timeframe", value: timeframe })?,
            hours: read_hours(&hours)?,
            revision: row.revision.unwrap_or(0).unsigned_abs(),
            bars: row.bars.unwrap_or(0).unsigned_abs(),
            ends: row.first_ts.zip(row.last_ts).map(|(first, last)| (first.into(), last.into())),
            covered: covered.iter().map(from_pg_range).collect::<Result<Spans, Error>>()?,
        });
    }
    Ok(known)
}

/// The splits by which prices are adjusted, by symbol.
async fn read_splits(snapshot: &mut PgConnection, symbols: &[Symbol]) -> Result<HashMap<String, Vec<Split>>, Error> {
    let rows = sqlx::query!(
        "select symbol, execution_at, split_from, split_to from splits
         where symbol = any($1) and applied_at is not null and withdrawn_at is null",
        &names(symbols)
    )
    .fetch_all(snapshot)
    .await?;
    let mut splits: HashMap<String, Vec<Split>> = HashMap::new();
    for row in rows {
        let split = Split { at: row.execution_at.into(), from: row.split_from, to: row.split_to };
        splits.entry(row.symbol).or_default().push(split);
    }
    Ok(splits)
}

/// The newest bars that each probe asks for, of both layers of what has happened, sorted by time. Rests on the primary
/// key (series, layer, ts): each is read backwards from the end of its range, and only in the years that it touches.
async fn read_bars(snapshot: &mut PgConnection, asked: &[Asked<'_>]) -> Result<Vec<Answer>, Error> {
    let each = || asked.iter().map(|asked| asked.probe);
    let rows = sqlx::query!(
        r#"select asked.at as "at!", l.layer = 'historical' as "is_settled!", b.ts, b.open, b.high, b.low, b.close,
                  b.volume, b.provider, b.adjusted_at
           from unnest($1::integer[], $2::timestamptz[], $3::timestamptz[], $4::integer[]) with ordinality
               as asked (series_id, start, until, most, at)
           cross join unnest(array['historical', 'intraday']::bar_layer[]) as l (layer)
           cross join lateral (
               select ts, open, high, low, close, volume, provider, case when adjusted then fetched_at end as adjusted_at
               from ohlc_bars_v2
               where series_id = asked.series_id and layer = l.layer and ts >= asked.start and ts < asked.until
               order by ts desc limit asked.most
           ) b
           order by asked.at, b.ts"#,
        &each().map(|probe| probe.id).collect::<Vec<_>>(),
        &each().map(|probe| to_utc(probe.range.start)).collect::<Vec<_>>(),
        &each().map(|probe| to_utc(probe.range.end)).collect::<Vec<_>>(),
        &each().map(|probe| i32::try_from(probe.most).unwrap_or(i32::MAX)).collect::<Vec<_>>()
    )
    .fetch_all(snapshot)
    .await?;
    let mut answers = vec![Answer::default(); asked.len()];
    for row in rows {
        let place = usize::try_from(row.at).unwrap_or(0).saturating_sub(1);
        let (Some(asked), Some(answer)) = (asked.get(place), answers.get_mut(place)) else { continue };
        let (ts, open, high, low, close, volume) = (row.ts, row.open, row.high, row.low, row.close, row.volume);
        let values =
            Values { ts, open, high, low, close, volume, vwap: None, trades: None, adjusted_at: row.adjusted_at };
        let layer = if row.is_settled { &mut answer.historical } else { &mut answer.intraday };
        layer.push(values.read(asked.splits, Adjust::Splits));
        answer.providers.insert(row.provider);
    }
    Ok(answers)
}
