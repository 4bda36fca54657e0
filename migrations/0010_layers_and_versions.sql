-- Who may write where, what a bar was before, and one function that writes bars.

-- Until when sessions are settled, and from when on they are recent; `market`'s layer rule reckons both, and they only
-- grow. `full_before`: who holds a revision below it reads the series in full, since what it holds is read otherwise now.
alter table series
    add settled_through timestamptz not null default '-infinity',
    add intraday_from timestamptz not null default '-infinity',
    add full_before bigint not null default 0;

create function move_layer_bounds(p_series integer, p_settled_through timestamptz, p_intraday_from timestamptz)
returns void language sql as $$
    update series
    set settled_through = greatest(settled_through, p_settled_through),
        intraday_from = greatest(intraday_from, p_intraday_from)
    where id = p_series and (settled_through < p_settled_through or intraday_from < p_intraday_from)
$$;

-- The layer rule, whoever writes: historical bars belong to settled sessions, intraday ones to recent sessions, and a
-- forecast comes after the last bar.
create function check_layers()
returns trigger language plpgsql as $$
declare
    v_bad record;
begin
    select b.layer, b.ts into v_bad
    from (select series_id, layer, min(ts) as first, max(ts) as last from new_bars group by series_id, layer) edge
    join series s on s.id = edge.series_id
    cross join lateral (
        select edge.layer, edge.last as ts where edge.layer = 'historical' and edge.last >= s.settled_through
        union all
        select edge.layer, edge.first where edge.layer = 'intraday' and edge.first < s.intraday_from
        union all
        select edge.layer, edge.first where edge.layer = 'forecast' and edge.first <= (
            select max(c.last_ts) from coverage_status c where c.series_id = edge.series_id and c.layer <> 'forecast'
        )
    ) b
    limit 1;
    if found then
        raise exception 'the % layer may not hold a bar at %', v_bad.layer, v_bad.ts
            using errcode = 'check_violation', constraint = 'layer_rule';
    end if;
    return null;
end
$$;

create trigger layer_rule_on_insert after insert on ohlc_bars_v2
    referencing new table as new_bars for each statement execute function check_layers();
create trigger layer_rule_on_update after update on ohlc_bars_v2
    referencing new table as new_bars for each statement execute function check_layers();

-- A settled bar that differs from what was shown while its session was recent.
create table bar_disagreements (
    series_id   integer not null references series,
    ts          timestamptz not null,
    intraday    double precision[] not null,
    historical  double precision[] not null,
    difference  double precision not null,
    recorded_at timestamptz not null,
    primary key (series_id, ts)
);
comment on column bar_disagreements.intraday is 'open, high, low, close';
comment on column bar_disagreements.historical is 'open, high, low, close';
comment on column bar_disagreements.difference is 'the largest relative difference of the four';

-- Writes bars of one series and layer: an equal one is left alone, a changed one keeps its old value in
-- ohlc_bar_revisions. The caller holds the series' row and moves coverage. `p_at` is when the values are known from;
-- settled bars that differ from recent ones by more than `p_tolerance`, relative, are recorded.
create function write_bars(
    p_series integer, p_layer bar_layer, p_provider text, p_adjusted boolean, p_revision bigint, p_at timestamptz,
    p_tolerance double precision,
    p_ts timestamptz[], p_open double precision[], p_high double precision[], p_low double precision[],
    p_close double precision[], p_volume double precision[], p_vwap double precision[], p_trades integer[]
) returns table (written integer, added integer) language plpgsql as $$
#variable_conflict use_column
declare
    v_first     timestamptz;
    v_last      timestamptz;
    v_written   integer;
    v_added     integer;
    v_was_split boolean;
begin
    select min(ts), max(ts) into v_first, v_last from unnest(p_ts) as ts;

    if exists (
        select from ohlc_bars_v2 b where b.series_id = p_series and b.layer = p_layer and b.ts between v_first and v_last
    ) then
        insert into ohlc_bar_revisions (series_id, layer, ts, version, open, high, low, close, volume, vwap, trades,
                                        band_low, band_high, provider, adjusted, fetched_at, replaced_at)
        select b.series_id, b.layer, b.ts, b.version, b.open, b.high, b.low, b.close, b.volume, b.vwap, b.trades,
               b.band_low, b.band_high, b.provider, b.adjusted, b.fetched_at, p_at
        from ohlc_bars_v2 b
        join unnest(p_ts, p_open, p_high, p_low, p_close, p_volume, p_vwap, p_trades)
            as i (ts, open, high, low, close, volume, vwap, trades) on b.ts = i.ts
        where b.series_id = p_series and b.layer = p_layer and b.ts between v_first and v_last
          and (b.open, b.high, b.low, b.close, b.volume, b.vwap, b.trades, b.adjusted)
              is distinct from (i.open, i.high, i.low, i.close, i.volume, i.vwap, i.trades, p_adjusted);
    end if;

    with written as (
        insert into ohlc_bars_v2 as b (series_id, layer, ts, open, high, low, close, volume, vwap, trades, revision,
                                       provider, adjusted, fetched_at)
        select p_series, p_layer, ts, open, high, low, close, volume, vwap, trades, p_revision, p_provider, p_adjusted,
               p_at
        from unnest(p_ts, p_open, p_high, p_low, p_close, p_volume, p_vwap, p_trades)
            as i (ts, open, high, low, close, volume, vwap, trades)
        on conflict (series_id, layer, ts) do update
        set open = excluded.open, high = excluded.high, low = excluded.low, close = excluded.close,
            volume = excluded.volume, vwap = excluded.vwap, trades = excluded.trades, version = b.version + 1,
            revision = excluded.revision, provider = excluded.provider, adjusted = excluded.adjusted,
            fetched_at = excluded.fetched_at
        where (b.open, b.high, b.low, b.close, b.volume, b.vwap, b.trades, b.adjusted) is distinct from
              (excluded.open, excluded.high, excluded.low, excluded.close, excluded.volume, excluded.vwap,
               excluded.trades, excluded.adjusted)
        returning b.version
    )
    select count(*), count(*) filter (where version = 1) into v_written, v_added from written;

    if p_layer = 'historical' and v_written > 0 then
        delete from bar_disagreements d
        where d.series_id = p_series and d.ts between v_first and v_last and d.ts = any (p_ts);
        v_was_split := exists (
            select from splits x join series s on s.symbol = x.symbol
            where s.id = p_series and x.execution_at > v_first and x.execution_at <= p_at
        );
        -- The recent bars first, mostly none: a plan that goes through all of them for each settled bar would take long.
        with recent as materialized (
            select i.ts, i.open, i.high, i.low, i.close, i.adjusted from ohlc_bars_v2 i
            where i.series_id = p_series and i.layer = 'intraday' and i.ts between v_first and v_last
        )
        insert into bar_disagreements (series_id, ts, intraday, historical, difference, recorded_at)
        select p_series, h.ts, array[i.open, i.high, i.low, i.close], array[h.open, h.high, h.low, h.close],
               apart.difference, p_at
        from recent i
        join ohlc_bars_v2 h on h.series_id = p_series and h.layer = 'historical' and h.ts = i.ts
        cross join lateral (
            select greatest(abs(i.open / h.open - 1), abs(i.high / h.high - 1), abs(i.low / h.low - 1),
                            abs(i.close / h.close - 1)) as difference
        ) apart
        where apart.difference > p_tolerance
          -- Prices in different shares can't be compared.
          and (i.adjusted = h.adjusted or not v_was_split)
        on conflict (series_id, ts) do nothing;
    end if;
    return query select v_written, v_added;
end
$$;

-- Books what an answer for `p_asked` tells of a series' layer: `p_covered` is known, `p_doubted` was answered without bars,
-- and what of it is `p_believed` counts as covered. Time that was checked and is not believed yet may be asked for again
-- two minutes later. True where coverage or what is said of it changed.
create function book_coverage(
    p_series integer, p_layer bar_layer, p_revision bigint, p_asked tstzrange, p_covered tstzmultirange, p_doubted tstzmultirange,
    p_believed tstzmultirange, p_provider text, p_added bigint, p_first timestamptz, p_last timestamptz
) returns boolean language plpgsql as $$
declare
    v_covered tstzmultirange;
    v_now     tstzmultirange;
    v_doubted tstzmultirange;
    v_young   tstzmultirange;
begin
    insert into coverage_status (series_id, layer) values (p_series, p_layer) on conflict do nothing;
    select c.covered into strict v_covered from coverage_status c
    where c.series_id = p_series and c.layer = p_layer for update;
    v_doubted := p_doubted - v_covered;
    v_young := v_doubted - p_believed;
    v_now := v_covered + p_covered + (v_doubted - v_young);

    if not isempty(v_doubted - v_young) then
        perform set_reason(p_series, p_layer, v_doubted - v_young, 'empty', null, p_provider, null, null);
    end if;
    if not isempty(v_young) then
        perform set_reason(p_series, p_layer, v_young, 'empty', now() + interval '2 minutes', p_provider, null, null);
    end if;
    perform clear_reasons(p_series, p_layer, tstzmultirange(p_asked) - p_doubted);
    update coverage_status c
    set covered = v_now, bar_count = c.bar_count + p_added, first_ts = least(c.first_ts, p_first),
        last_ts = greatest(c.last_ts, p_last), revision = p_revision, updated_at = now()
    where c.series_id = p_series and c.layer = p_layer
      and (v_now <> v_covered or p_added > 0 or not isempty(v_doubted));
    return v_now <> v_covered or not isempty(v_doubted);
end
$$;

-- Ending a run. Names run, attempt and worker, and changes nothing for a worker that has lost its lease: then no row
-- comes back. What is younger than `p_young` is never believed to be empty: providers may be late. `p_refused` of the
-- doubted time was answered by bars that failed validation: it is asked for once more as well, and has then failed.
--
-- Here and everywhere the series' row is locked before its runs, and of several series the lower id first.
drop function finish_run;
create function finish_run(
    p_run bigint, p_attempt smallint, p_worker text, p_provider text, p_adjusted boolean, p_tolerance double precision,
    p_ts timestamptz[], p_open double precision[], p_high double precision[], p_low double precision[],
    p_close double precision[], p_volume double precision[], p_vwap double precision[], p_trades integer[],
    p_quarantined jsonb, p_covered tstzmultirange, p_doubted tstzmultirange, p_refused tstzmultirange,
    p_recheck_in interval, p_young interval
) returns table (written integer, revision bigint) language plpgsql as $$
#variable_conflict use_column
declare
    v_run      job_runs;
    v_revision bigint;
    v_written  integer;
    v_added    integer;
    v_grew     boolean;
    v_doubted  tstzmultirange := p_doubted;
    v_believed tstzmultirange := '{}';
begin
    select s.revision + 1 into v_revision
    from series s where s.id = (select series_id from job_runs where id = p_run) for update;
    select * into v_run from job_runs
    where id = p_run and attempt = p_attempt and lease_owner = p_worker and status = 'running' for update;
    if not found then
        return;
    end if;
    if v_run.is_recheck then
        v_doubted := p_doubted - p_refused;
        v_believed := v_doubted * tstzmultirange(tstzrange(null, now() - p_young));
    end if;

    select w.written, w.added into strict v_written, v_added
    from write_bars(v_run.series_id, v_run.layer, p_provider, p_adjusted, v_revision, clock_timestamp(), p_tolerance,
                    p_ts, p_open, p_high, p_low, p_close, p_volume, p_vwap, p_trades) w;

    insert into ohlc_bar_quarantine (run_id, series_id, layer, bar, reason, provider)
    select p_run, v_run.series_id, v_run.layer, q -> 'bar', q ->> 'reason', p_provider
    from jsonb_array_elements(p_quarantined) as q;

    v_grew := book_coverage(
        v_run.series_id, v_run.layer, v_revision, v_run.slice, p_covered, v_doubted, v_believed, p_provider, v_added,
        (select min(ts) from unnest(p_ts) as ts), (select max(ts) from unnest(p_ts) as ts)
    );
    if v_grew or v_written > 0 then
        update series s set revision = v_revision where s.id = v_run.series_id;
    else
        v_revision := v_revision - 1;
    end if;
    if v_run.is_recheck and not isempty(p_refused) then
        perform book_failure(v_run.series_id, v_run.layer, p_refused, 'failed', p_provider, 'quarantined',
                             'The bars that came for it were refused. The quality report names them.');
    end if;

    update job_runs
    set status = 'success', progress = 100, rows_written = v_written, provider = p_provider,
        rows_quarantined = jsonb_array_length(p_quarantined), lease_owner = null, lease_until = null, error_code = null,
        error_message = null, finished_at = now(), updated_at = now()
    where id = p_run;

    -- Doubted time is asked for once more: each stretch of it, or all between the first and the last of many. What was
    -- believed before is not.
    v_doubted := p_doubted - (
        select c.covered from coverage_status c where c.series_id = v_run.series_id and c.layer = v_run.layer
    );
    if not v_run.is_recheck and not isempty(v_doubted) then
        insert into job_runs (definition_id, series_id, layer, slice, priority, hydration, provider, run_after, is_recheck)
        select v_run.definition_id, v_run.series_id, v_run.layer, slice, v_run.priority, v_run.hydration,
               v_run.provider, now() + p_recheck_in, true
        from (
            select span as slice from unnest(v_doubted) as span
            where (select count(*) from unnest(v_doubted)) <= 4
            union all
            select range_merge(v_doubted) where (select count(*) from unnest(v_doubted)) > 4
        ) as doubted
        on conflict do nothing;
    end if;
    return query select v_written, v_revision;
end
$$;

-- Ends a try without bars. With `p_retry_in` the run waits that long and is tried again, as long as attempts are left;
-- without it the run has failed, and `p_reason` ('failed' or 'outside') is said of its session time. A try that a
-- provider's limit turned away (`p_is_throttled`) spends no attempt. Answers the run's new status; null where the lease
-- is lost.
drop function fail_run;
create function fail_run(
    p_run bigint, p_attempt smallint, p_worker text, p_code text, p_message text, p_retry_in interval,
    p_is_throttled boolean, p_reason text, p_sessions tstzmultirange
) returns text language plpgsql as $$
declare
    v_run job_runs;
begin
    perform from series where id = (select series_id from job_runs where id = p_run) for update;
    update job_runs
    set status = case when p_retry_in is not null and (p_is_throttled or attempt < max_attempts)
                      then 'queued' else 'failed' end,
        finished_at = case when p_retry_in is not null and (p_is_throttled or attempt < max_attempts)
                           then null else now() end,
        attempt = attempt - p_is_throttled::int,
        run_after = now() + coalesce(p_retry_in, '0'), progress = 0, lease_owner = null, lease_until = null,
        error_code = p_code, error_message = left(p_message, 1000), updated_at = now()
    where id = p_run and attempt = p_attempt and lease_owner = p_worker and status = 'running'
    returning * into v_run;
    if v_run.status = 'failed' then
        perform book_failure(v_run.series_id, v_run.layer, p_sessions, p_reason, v_run.provider, p_code, p_message);
    end if;
    return v_run.status;
end
$$;

create or replace function reap_expired_leases()
returns table (symbol text, timeframe text) language plpgsql as $$
#variable_conflict use_column
declare
    v_run    job_runs;
    v_reaped integer[];
begin
    select array_agg(distinct series_id) into v_reaped from job_runs where status = 'running' and lease_until < now();
    perform from series s where s.id = any (v_reaped) order by s.id for update;
    for v_run in
        with expired as materialized (
            select id from job_runs
            where status = 'running' and lease_until < now() and series_id = any (v_reaped) for update skip locked
        )
        update job_runs r
        set status = case when attempt < max_attempts then 'queued' else 'failed' end,
            finished_at = case when attempt < max_attempts then null else now() end,
            lease_owner = null, lease_until = null, run_after = now(), updated_at = now(),
            error_code = 'lease_expired',
            error_message = 'The worker that fetched this slice stopped without a word. '
                || 'It is tried again by itself while attempts are left; after that, use Retry.'
        from expired where r.id = expired.id
        returning r.*
    loop
        if v_run.status = 'failed' then
            perform book_failure(v_run.series_id, v_run.layer, tstzmultirange(v_run.slice), 'failed', v_run.provider,
                                 v_run.error_code, v_run.error_message);
        end if;
    end loop;
    return query select s.symbol, s.timeframe from series s where s.id = any (v_reaped);
end
$$;

-- As in 0005; moves the layers' bounds too, calls off queued runs whose sessions are no longer recent, and leaves out what
-- was not to be had and is not due again, unless `p_retry`. `p_job_types` are the definitions to make.
drop function ensure_coverage;
create function ensure_coverage(
    p_symbol text, p_timeframe text, p_window tstzrange, p_refresh_every interval, p_retry boolean,
    p_settled_through timestamptz, p_intraday_from timestamptz, p_job_types text[],
    p_slice integer[], p_layer text[], p_from timestamptz[], p_to timestamptz[], p_priority smallint[], p_provider text[]
) returns table (series_id integer, hydration bigint, created integer) language plpgsql as $$
#variable_conflict use_column
declare
    v_series    series;
    v_created   integer;
    v_was_idle  boolean;
begin
    insert into series (symbol, timeframe) values (p_symbol, p_timeframe) on conflict do nothing;
    select * into strict v_series from series s where s.symbol = p_symbol and s.timeframe = p_timeframe for update;
    perform move_layer_bounds(v_series.id, p_settled_through, p_intraday_from);
    update job_runs r
    set status = 'cancelled', finished_at = now(), updated_at = now(), error_code = 'slice_outdated',
        error_message = 'Its sessions have settled meanwhile; the historical layer fetches them.'
    where r.series_id = v_series.id and r.status = 'queued' and r.layer = 'intraday'
      and lower(r.slice) < greatest(v_series.intraday_from, p_intraday_from);

    insert into job_definitions as d (symbol, timeframe, job_type, "window", refresh_every, next_refresh_at)
    select p_symbol, p_timeframe, job_type::bar_layer, p_window, p_refresh_every, now() + p_refresh_every
    from unnest(p_job_types) as job_type
    on conflict (symbol, timeframe, job_type) do update
    set "window" = range_merge(d."window", excluded."window"),
        refresh_every = coalesce(excluded.refresh_every, d.refresh_every),
        next_refresh_at = coalesce(excluded.next_refresh_at, d.next_refresh_at),
        updated_at = now()
    where not d."window" @> excluded."window" or excluded.refresh_every is distinct from d.refresh_every;

    v_was_idle := not exists (
        select from job_runs r where r.series_id = v_series.id and r.status in ('queued', 'running')
    );

    with part as (
        select * from unnest(p_slice, p_layer, p_from, p_to, p_priority, p_provider)
            as u (slice_no, layer, starts, ends, priority, provider)
    ), live as (
        select r.layer, range_agg(r.slice) as spans
        from job_runs r where r.series_id = v_series.id and r.status in ('queued', 'running') group by r.layer
    ), held_back as (
        select c.layer, range_agg(c.span) as spans
        from coverage_reasons c
        where c.series_id = v_series.id and c.ask_again_at > now() and not p_retry group by c.layer
    ), asked as (
        select slice_no, layer::bar_layer as layer, provider, min(priority) as priority,
               range_agg(tstzrange(starts, ends)) as spans
        from part group by slice_no, layer, provider
    ), missing as (
        select a.layer, a.provider, a.priority, coalesce(l.spans, '{}') + coalesce(h.spans, '{}') as barred,
               a.spans - coalesce(c.covered, '{}') - coalesce(l.spans, '{}') - coalesce(h.spans, '{}') as spans
        from asked a
        left join live l on l.layer = a.layer
        left join held_back h on h.layer = a.layer
        left join coverage_status c on c.series_id = v_series.id and c.layer = a.layer
    ), piece as (
        select layer, provider, priority, range_merge(spans) as slice
        from missing where not isempty(spans) and not range_merge(spans) && barred
        union all
        select layer, provider, priority, unnest(spans)
        from missing where not isempty(spans) and range_merge(spans) && barred
    ), inserted as (
        insert into job_runs (definition_id, series_id, layer, slice, priority, hydration, provider)
        select d.id, v_series.id, p.layer, p.slice, p.priority, v_series.hydration + v_was_idle::int, p.provider
        from piece p
        join job_definitions d on d.symbol = p_symbol and d.timeframe = p_timeframe and d.job_type = p.layer
        where d.enabled
        on conflict do nothing
        returning 1
    )
    select count(*) into v_created from inserted;

    if v_created > 0 and v_was_idle then
        update series s set hydration = s.hydration + 1 where s.id = v_series.id;
        v_series.hydration := v_series.hydration + 1;
    end if;

    update job_runs r set priority = wanted.priority
    from (
        select layer::bar_layer as layer, priority, tstzrange(min(starts), max(ends)) as slice
        from unnest(p_slice, p_layer, p_from, p_to, p_priority) as u (slice_no, layer, starts, ends, priority)
        group by slice_no, layer, priority
    ) as wanted
    where r.series_id = v_series.id and r.status = 'queued' and r.layer = wanted.layer
      and r.slice && wanted.slice and r.priority > wanted.priority;

    if v_created > 0 then
        perform pg_notify('job_queued', '');
    end if;
    return query select v_series.id, v_series.hydration, v_created;
end
$$;

-- Says that the provider does not reach `p_from` to `p_to` of each part, before anything is asked.
create function book_outside(
    p_symbol text, p_timeframe text, p_layer text[], p_from timestamptz[], p_to timestamptz[], p_provider text,
    p_message text
) returns void language plpgsql as $$
declare
    v_series integer;
    v_part   record;
begin
    insert into series (symbol, timeframe) values (p_symbol, p_timeframe) on conflict do nothing;
    select s.id into strict v_series from series s where s.symbol = p_symbol and s.timeframe = p_timeframe for update;
    for v_part in
        select layer::bar_layer as layer, range_agg(tstzrange(starts, ends)) as spans
        from unnest(p_layer, p_from, p_to) as u (layer, starts, ends) group by layer
    loop
        v_part.spans := v_part.spans
            - coalesce((select c.covered from coverage_status c
                        where c.series_id = v_series and c.layer = v_part.layer), '{}')
            - coalesce((select range_agg(r.span) from coverage_reasons r
                        where r.series_id = v_series and r.layer = v_part.layer and r.reason = 'outside'
                          and r.ask_again_at > now()), '{}');
        if not isempty(v_part.spans) then
            perform set_reason(v_series, v_part.layer, v_part.spans, 'outside', now() + interval '7 days', p_provider,
                               'provider_depth', p_message);
            update series set revision = revision + 1 where id = v_series;
        end if;
    end loop;
end
$$;

-- Sets which hours the series holds. Bars stay; coverage starts anew, since bars that mix both differ, and runs on their
-- way are called off. False where nothing changes.
create function set_series_hours(p_symbol text, p_timeframe text, p_hours text)
returns boolean language plpgsql as $$
declare
    v_series series;
begin
    insert into series (symbol, timeframe) values (p_symbol, p_timeframe) on conflict do nothing;
    select * into strict v_series from series s where s.symbol = p_symbol and s.timeframe = p_timeframe for update;
    if v_series.hours = p_hours then
        return false;
    end if;
    update job_runs
    set status = 'cancelled', lease_owner = null, lease_until = null, finished_at = now(), updated_at = now(),
        error_code = 'hours_changed', error_message = 'The series was set to ' || p_hours || ' hours.'
    where series_id = v_series.id and status in ('queued', 'running');
    update coverage_status set covered = '{}', revision = v_series.revision + 1, updated_at = now()
    where series_id = v_series.id;
    delete from coverage_reasons where series_id = v_series.id;
    update series
    set hours = p_hours, revision = revision + 1, full_before = revision + 1
    where id = v_series.id;
    return true;
end
$$;
