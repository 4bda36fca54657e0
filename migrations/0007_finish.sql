-- Ending a run. Each function names run, attempt and worker, and changes nothing for a worker that has lost its lease.

-- Writes the bars, moves coverage and revision and ends the run, all or nothing. Bars that are equal are left alone; a
-- changed one keeps its old value in ohlc_bar_revisions. No row comes back where the lease is lost.
create function finish_run(
    p_run bigint, p_attempt smallint, p_worker text, p_provider text, p_adjusted boolean,
    p_ts timestamptz[], p_open double precision[], p_high double precision[], p_low double precision[],
    p_close double precision[], p_volume double precision[], p_vwap double precision[], p_trades integer[],
    p_quarantined jsonb
) returns table (written integer, revision bigint) language plpgsql as $$
#variable_conflict use_column
declare
    v_run      job_runs;
    v_revision bigint;
    v_covered  tstzmultirange;
    v_written  integer;
    v_added    integer;
    v_grew     boolean;
begin
    select * into v_run from job_runs
    where id = p_run and attempt = p_attempt and lease_owner = p_worker and status = 'running' for update;
    if not found then
        return;
    end if;
    select s.revision + 1 into strict v_revision from series s where s.id = v_run.series_id for update;

    with incoming as (
        select * from unnest(p_ts, p_open, p_high, p_low, p_close, p_volume, p_vwap, p_trades)
            as u (ts, open, high, low, close, volume, vwap, trades)
    ), archived as (
        insert into ohlc_bar_revisions (series_id, layer, ts, version, open, high, low, close, volume, vwap, trades,
                                        band_low, band_high, provider, adjusted, fetched_at)
        select b.series_id, b.layer, b.ts, b.version, b.open, b.high, b.low, b.close, b.volume, b.vwap, b.trades,
               b.band_low, b.band_high, b.provider, b.adjusted, b.fetched_at
        from ohlc_bars_v2 b join incoming i on b.ts = i.ts
        where b.series_id = v_run.series_id and b.layer = v_run.layer
          and b.ts >= lower(v_run.slice) and b.ts < upper(v_run.slice)
          and (b.open, b.high, b.low, b.close, b.volume, b.vwap, b.trades)
              is distinct from (i.open, i.high, i.low, i.close, i.volume, i.vwap, i.trades)
    ), written as (
        insert into ohlc_bars_v2 as b (series_id, layer, ts, open, high, low, close, volume, vwap, trades, revision,
                                       provider, adjusted)
        select v_run.series_id, v_run.layer, ts, open, high, low, close, volume, vwap, trades, v_revision, p_provider,
               p_adjusted
        from incoming
        on conflict (series_id, layer, ts) do update
        set open = excluded.open, high = excluded.high, low = excluded.low, close = excluded.close,
            volume = excluded.volume, vwap = excluded.vwap, trades = excluded.trades, version = b.version + 1,
            revision = excluded.revision, provider = excluded.provider, adjusted = excluded.adjusted,
            fetched_at = excluded.fetched_at
        where (b.open, b.high, b.low, b.close, b.volume, b.vwap, b.trades) is distinct from
              (excluded.open, excluded.high, excluded.low, excluded.close, excluded.volume, excluded.vwap,
               excluded.trades)
        returning b.version
    )
    select count(*), count(*) filter (where version = 1) into v_written, v_added from written;

    insert into ohlc_bar_quarantine (run_id, series_id, layer, bar, reason, provider)
    select p_run, v_run.series_id, v_run.layer, q -> 'bar', q ->> 'reason', p_provider
    from jsonb_array_elements(p_quarantined) as q;

    insert into coverage_status (series_id, layer) values (v_run.series_id, v_run.layer) on conflict do nothing;
    select c.covered into strict v_covered from coverage_status c
    where c.series_id = v_run.series_id and c.layer = v_run.layer for update;
    v_grew := not v_covered @> v_run.slice;

    if v_grew or v_written > 0 then
        update series s set revision = v_revision where s.id = v_run.series_id;
        update coverage_status c
        set covered = v_covered + tstzmultirange(v_run.slice), bar_count = c.bar_count + v_added,
            first_ts = least(c.first_ts, (select min(ts) from unnest(p_ts) as ts)),
            last_ts = greatest(c.last_ts, (select max(ts) from unnest(p_ts) as ts)),
            revision = v_revision, updated_at = now()
        where c.series_id = v_run.series_id and c.layer = v_run.layer;
    else
        v_revision := v_revision - 1;
    end if;

    update job_runs
    set status = 'success', progress = 100, rows_written = v_written, provider = p_provider,
        rows_quarantined = jsonb_array_length(p_quarantined), lease_owner = null, lease_until = null, error_code = null,
        error_message = null, finished_at = now(), updated_at = now()
    where id = p_run;
    return query select v_written, v_revision;
end
$$;

-- Ends a try without bars. With `p_retry_in` the run waits that long and is tried again, as long as attempts are left;
-- without it the run has failed. A try that a provider's limit turned away (`p_is_throttled`) spends no attempt.
-- Answers the run's new status; null where the lease is lost.
create function fail_run(
    p_run bigint, p_attempt smallint, p_worker text, p_code text, p_message text, p_retry_in interval,
    p_is_throttled boolean
) returns text language sql as $$
    update job_runs
    set status = case when p_retry_in is not null and (p_is_throttled or attempt < max_attempts)
                      then 'queued' else 'failed' end,
        finished_at = case when p_retry_in is not null and (p_is_throttled or attempt < max_attempts)
                           then null else now() end,
        attempt = attempt - p_is_throttled::int,
        run_after = now() + coalesce(p_retry_in, '0'), progress = 0, lease_owner = null, lease_until = null,
        error_code = p_code, error_message = left(p_message, 1000), updated_at = now()
    where id = p_run and attempt = p_attempt and lease_owner = p_worker and status = 'running'
    returning status
$$;

-- Books what a provider told of its limit, and holds its runs back where `p_block_for` says so or nothing is left.
create function book_allowance(
    p_provider text, p_allowed integer, p_available integer, p_resets_at timestamptz, p_block_for interval, p_reason text
) returns void language sql as $$
    insert into provider_budgets as b (provider, allowed, available, resets_at, blocked_until, reason)
    values (p_provider, p_allowed, p_available, p_resets_at,
            case when p_block_for is not null then now() + p_block_for
                 when p_available = 0 then least(p_resets_at, now() + interval '5 minutes') end,
            p_reason)
    on conflict (provider) do update
    set allowed = coalesce(excluded.allowed, b.allowed), available = coalesce(excluded.available, b.available),
        resets_at = coalesce(excluded.resets_at, b.resets_at),
        blocked_until = greatest(b.blocked_until, excluded.blocked_until),
        reason = case when excluded.blocked_until is not null then excluded.reason else b.reason end, updated_at = now()
$$;
