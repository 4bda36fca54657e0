-- What must hold after every fault: one row (invariant, what, detail) for each violation. `$1` is how long a lease may
-- have run out before someone must have taken the run back. What no present column tells is taken from JSON, so that a
-- column that is not there breaks nothing.
with runs as (
    select r.id, r.series_id, r.layer::text as layer, r.slice, r.status, r.attempt, r.max_attempts, r.lease_until,
           r.provider, r.error_code, to_jsonb(r) as row
    from job_runs r
), changes as (
    select c.id, c.at, c.txid, c.backend, c.run_id, c.before ->> 'status' as was,
           c.after ->> 'status' as became,
           c.before ->> 'lease_owner' as was_owner, c.after ->> 'lease_owner' as owner,
           (c.before ->> 'lease_until')::timestamptz as was_until, (c.after ->> 'lease_until')::timestamptz as until,
           (c.before ->> 'attempt')::int as was_attempt, (c.after ->> 'attempt')::int as attempt,
           (c.before ->> 'progress')::int as was_progress, (c.after ->> 'progress')::int as progress,
           c.before ->> 'error_code' as was_error, c.after ->> 'error_code' as error,
           (c.after ->> 'series_id')::int as series_id, c.after ->> 'layer' as layer,
           (c.after ->> 'slice')::tstzrange as slice, c.before, c.after
    from witness.run_changes c
), owners as (
    -- Whose connection it is: that of the process it claimed for first.
    select distinct on (backend) backend, owner from changes
    where became = 'running' and owner is not null and was is distinct from 'running'
    order by backend, id
), resting as (
    select s.id as series_id, l.layer from series s cross join (values ('historical'), ('intraday')) as l (layer)
    where not exists (
        select from runs r where r.series_id = s.id and r.layer = l.layer and r.status in ('queued', 'running')
    )
), fetched as (
    -- Session time of slices that ended otherwise than by being called off.
    select r.series_id, r.layer, range_agg(r.slice) * t.spans as spans
    from runs r join witness.session_time t on t.series_id = r.series_id
    where r.status in ('success', 'failed')
    group by r.series_id, r.layer, t.spans
), explained as (
    select series_id, layer::text as layer, range_agg(span) as spans from coverage_reasons group by series_id, layer
)

-- I1: what waits or runs is there once, and no two of a series and layer share a moment.
select 'I1' as invariant, 'two live slices overlap' as what,
       format('series %s %s: run %s %s, run %s %s', a.series_id, a.layer, a.id, a.slice, b.id, b.slice) as detail
from runs a join runs b on b.series_id = a.series_id and b.layer = a.layer and b.slice && a.slice and b.id > a.id
where a.status in ('queued', 'running') and b.status in ('queued', 'running')
union all
select 'I1', 'a run is there twice',
       format('run %s: %s', id, array_agg(status)) from runs group by id having count(*) > 1

-- I2: a bar is there once, and is one.
union all
select 'I2', 'a bar is there twice', format('series %s %s %s', series_id, layer, ts)
from ohlc_bars_v2 group by series_id, layer, ts having count(*) > 1
union all
select 'I2', 'a bar is none',
       format('series %s %s %s: %s %s %s %s, %s', series_id, layer, ts, open, high, low, close, volume)
from ohlc_bars_v2
where not coalesce(0 < low and low <= least(open, close) and greatest(open, close) <= high and high < 'infinity'
                   and volume >= 0 and volume < 'infinity', false)

-- I3: at rest, session time that was fetched is covered or has a reason, and bars lie in covered time.
union all
select 'I3', 'fetched session time is neither covered nor explained',
       format('series %s %s: %s', f.series_id, f.layer, missing)
from fetched f
join resting using (series_id, layer)
left join coverage_status c on c.series_id = f.series_id and c.layer::text = f.layer
left join explained e on e.series_id = f.series_id and e.layer = f.layer
cross join lateral (
    select f.spans - coalesce(c.covered, '{}') - coalesce(e.spans, '{}') as missing
) m
where not isempty(missing)
union all
select 'I3', 'bars lie outside of covered time',
       format('series %s %s: %s bars from %s on', b.series_id, b.layer, count(*), min(b.ts))
from ohlc_bars_v2 b
left join coverage_status c on c.series_id = b.series_id and c.layer = b.layer
where b.layer <> 'forecast' and not coalesce(c.covered @> b.ts, false)
group by b.series_id, b.layer

-- I4: attempts are bounded, every claim has one outcome, and a run ends once and does not vanish.
union all
select 'I4', 'more attempts than allowed', format('run %s: %s of %s', id, attempt, max_attempts)
from runs where attempt > max_attempts
union all
select 'I4', 'claims and outcomes differ', format('run %s, %s: %s claims, outcomes %s', id, status, claims, outcomes)
from runs
cross join lateral (
    select (row ->> 'claims')::int as claims,
           case when jsonb_typeof(row -> 'outcomes') = 'array' then row -> 'outcomes' end as outcomes
) o
where jsonb_array_length(outcomes) <> claims - (status = 'running')::int
union all
select 'I4', 'a run that had ended ended again', format('run %s: %s, then %s', run_id, coalesce(was, 'nothing'), became)
from changes where became in ('success', 'failed', 'cancelled')
  and (was is null or was in ('success', 'failed', 'cancelled'))
  and (was is null or was <> became or before ->> 'finished_at' is distinct from after ->> 'finished_at')
union all
select 'I4', 'a live run vanished', format('run %s, %s, at %s', run_id, was, at)
from changes where after is null and was in ('queued', 'running')

-- I5: nobody's lease has run out for long.
union all
select 'I5', 'a lease has run out and nobody took the run back', format('run %s: until %s', id, lease_until)
from runs where status = 'running' and lease_until < now() - $1::interval

-- I6: progress does not fall within an attempt.
union all
select 'I6', 'progress fell', format('run %s, attempt %s: %s to %s', run_id, attempt, was_progress, progress)
from changes where was = 'running' and became = 'running' and owner = was_owner
  and attempt = was_attempt and progress < was_progress

-- I7: bars come with the end of a run that asked for them, and what a worker books is of runs that it holds.
union all
select 'I7', 'bars were written without a run that ended',
       format('series %s %s: %s bars from %s on, in transaction %s', b.series_id, b.layer, count(*), min(b.ts), b.txid)
from witness.bar_changes b
where b.operation <> 'DELETE' and b.provider in (select provider from runs)
  and not exists (
    select from changes c
    where c.txid = b.txid and c.was = 'running' and c.became = 'success'
      and c.series_id = b.series_id and c.layer = b.layer and c.slice @> b.ts
)
group by b.series_id, b.layer, b.txid
union all
select 'I7', 'a worker booked what another held',
       format('run %s, attempt %s: %s held it, %s booked %s', c.run_id, c.was_attempt, c.was_owner, o.owner, c.became)
from changes c join owners o using (backend)
where c.was = 'running' and o.owner <> c.was_owner
  and (c.became = 'success'
       or (c.became = 'running' and c.owner = c.was_owner and (c.progress > c.was_progress or c.until > c.was_until))
       or (c.became in ('queued', 'failed') and c.error is distinct from c.was_error and c.error <> 'lease_expired'))
union all
select 'I7', 'a run was ended that nobody held', format('run %s: %s to success', run_id, was)
from changes where became = 'success' and was is not null and was not in ('running', 'success')
