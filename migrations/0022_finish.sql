-- Ending runs without a round for each series: what an ordinary answer tells is booked for a whole batch in one statement.

-- One expression less to reckon for each run that is claimed. It keeps out more than before: of one series and layer no
-- two living slices begin at the same moment.
drop index job_runs_live_slice;
create unique index job_runs_live_slice on job_runs_live (series_id, layer, lower(slice));

-- As in 0014. Mostly no request is under way, since few providers are metered.
create or replace function end_run_requests(p_run bigint[], p_requests integer[])
returns void language plpgsql as $$
begin
    -- By the order of job_runs' partial index: `exists` might go through all requests of the last hour.
    if (select run_id from provider_requests where ended_at is null order by run_id limit 1) is null then
        return;
    end if;
    update provider_requests q
    set ended_at = clock_timestamp(), requests = coalesce(u.requests, 1)
    from unnest(p_run, p_requests) as u (run, requests)
    where q.run_id = u.run and q.ended_at is null;
end
$$;

-- Ends runs: moves them from the living to the ended, and with them the requests they hold. `p_outcome` is booked where a
-- run was claimed. The caller holds the series' rows and has checked that the runs are its own to end; or it names the
-- worker and the attempts, and those that are no longer the worker's are left out. Answers what has ended.
drop function end_runs;
create function end_runs(
    p_run bigint[], p_status text, p_outcome text, p_code text, p_message text, p_written integer[] default null,
    p_quarantined integer[] default null, p_requests integer[] default null, p_worker text default null,
    p_attempt smallint[] default null
) returns table (id bigint, series_id integer, layer bar_layer, slice tstzrange, provider text) language plpgsql as $$
#variable_conflict use_column
begin
    return query
    with ended as (
        delete from job_runs_live r
        using unnest(p_run, p_written, p_quarantined, p_requests, p_attempt)
            as u (run, written, quarantined, requests, attempt)
        where r.id = u.run
          and (p_worker is null or (r.attempt = u.attempt and r.lease_owner = p_worker and r.status = 'running'))
        returning r.*, u.written as now_written, u.quarantined as now_quarantined, u.requests as now_requests
    ), moved as (
        insert into job_runs_ended (
            id, definition_id, series_id, layer, slice, status, priority, turn, hydration, attempt, max_attempts, claims,
            outcomes, run_after, is_recheck, provider, chain, progress, rows_written, rows_quarantined, requests,
            error_code, error_message, created_at, started_at, finished_at, updated_at
        )
        select id, definition_id, series_id, layer, slice, p_status, priority, turn, hydration, attempt, max_attempts,
               claims, case when status = 'running' then outcomes || p_outcome else outcomes end, run_after, is_recheck,
               provider, chain, case when p_status = 'success' then 100 else progress end, coalesce(now_written, 0),
               coalesce(now_quarantined, 0), coalesce(now_requests, requests), p_code, left(p_message, 1000), created_at,
               started_at, now(), now()
        from ended
    )
    select id, series_id, layer, slice, provider from ended;
    perform end_run_requests(p_run, p_requests);
end
$$;

-- Ends answered runs, all or nothing: writes their bars and moves coverage and revisions. `p_run` to `p_bars` are parallel,
-- one element a run, and runs of one series and layer stand together; `p_bars` counts each one's bars, which stand one after
-- another from `p_ts` on. `p_covered` are stretches that are known now, each by the answer to its `p_covered_run`. Answers
-- that left out time or brought what is no bar are `p_faulty`, and the arrays after it tell of each. Bars that are equal are
-- left alone; a changed one keeps its old value. A run whose lease is lost is left out, and so are its bars: who takes a run
-- away holds its series, as this does. Doubted time is asked for once more in `p_recheck_in`; what a second answer leaves
-- out too is believed if it is older than `p_young`.
--
-- Answers the runs that have ended and, parallel, how many bars were written for each.
drop function finish_runs;
create function finish_runs(
    p_worker text, p_run bigint[], p_attempt smallint[], p_adjusted boolean[], p_requests integer[], p_bars integer[],
    p_covered_run bigint[], p_covered tstzrange[],
    p_faulty bigint[], p_quarantined jsonb[], p_doubted text[], p_refused text[],
    p_ts timestamptz[], p_open double precision[], p_high double precision[], p_low double precision[],
    p_close double precision[], p_volume double precision[], p_vwap double precision[], p_trades integer[],
    p_tolerance double precision, p_recheck_in interval, p_young interval,
    out ended bigint[], out written integer[]
) language plpgsql as $$
declare
    v_providers   text[];
    v_group       record;
    v_revision    bigint;
    v_written     integer;
    v_added       integer;
    v_runs        bigint[] := '{}';
    v_counts      integer[] := '{}';
    v_quarantined integer[] := '{}';
    v_requests    integer[] := '{}';
begin
    perform from series s where s.id in (select r.series_id from job_runs_live r where r.id = any (p_run))
    order by s.id for update;

    select plain.ended, plain.providers into ended, v_providers
    from finish_plain_runs(p_worker, p_run, p_attempt, p_requests, p_bars, p_covered_run, p_covered, p_faulty) plain;
    written := array_fill(0, array[cardinality(ended)]);
    if cardinality(ended) = cardinality(p_run) then
        perform book_success(v_providers);
        return;
    end if;

    for v_group in
        with answered as (
            select *, sum(bars) over (order by no) as bars_until
            from unnest(p_run, p_attempt, p_adjusted, p_requests, p_bars) with ordinality
                as u (run, attempt, adjusted, requests, bars, no)
        ), held as materialized (
            -- Of its series' bars those of others that stand before its own: where there are more of them, they part it
            -- from the run before, be they another's or those of a run that is lost.
            select a.*, r.series_id, r.layer, r.provider, r.slice,
                   a.bars_until - sum(a.bars) over (partition by r.series_id, r.layer, r.provider, a.adjusted order by a.no)
                       as others
            from answered a
            join job_runs_live r on r.id = a.run
            where r.attempt = a.attempt and r.lease_owner = p_worker and r.status = 'running'
        ), known as (
            select h.series_id, h.layer, h.provider, h.adjusted, h.others, range_agg(c.span) as covered
            from held h join unnest(p_covered_run, p_covered) as c (run, span) using (run)
            group by h.series_id, h.layer, h.provider, h.adjusted, h.others
        ), stretch as (
            select h.series_id, h.layer, h.provider, h.adjusted, h.others, min(h.no) as no,
                   array_agg(h.run order by h.no) as runs,
                   (min(h.bars_until - h.bars) + 1)::integer as bars_from, max(h.bars_until)::integer as bars_until,
                   array_agg(h.requests order by h.no) as requests,
                   array_agg(coalesce(jsonb_array_length(f.quarantined), 0) order by h.no) as quarantined,
                   range_agg(h.slice) as asked, bool_or(f.run is not null) as is_faulty
            from held h left join unnest(p_faulty, p_quarantined) as f (run, quarantined) using (run)
            group by h.series_id, h.layer, h.provider, h.adjusted, h.others
        )
        select s.*, coalesce(k.covered, '{}') as covered
        from stretch s left join known k using (series_id, layer, provider, adjusted, others)
        order by s.no
    loop
        select s.revision + 1 into strict v_revision from series s where s.id = v_group.series_id;
        v_written := 0;
        v_added := 0;
        if v_group.bars_from <= v_group.bars_until then
            select w.written, w.added into strict v_written, v_added
            from write_bars(
                v_group.series_id, v_group.layer, v_group.provider, v_group.adjusted, v_revision, clock_timestamp(),
                p_tolerance, p_ts[v_group.bars_from:v_group.bars_until], p_open[v_group.bars_from:v_group.bars_until],
                p_high[v_group.bars_from:v_group.bars_until], p_low[v_group.bars_from:v_group.bars_until],
                p_close[v_group.bars_from:v_group.bars_until], p_volume[v_group.bars_from:v_group.bars_until],
                p_vwap[v_group.bars_from:v_group.bars_until], p_trades[v_group.bars_from:v_group.bars_until]
            ) w;
        end if;
        v_runs := v_runs || v_group.runs;
        v_requests := v_requests || v_group.requests;
        v_quarantined := v_quarantined || v_group.quarantined;
        v_providers := v_providers || v_group.provider;
        if cardinality(v_group.runs) = 1 then
            v_counts := v_counts || v_written;
        elsif v_written = 0 then
            v_counts := v_counts || array_fill(0, array[cardinality(v_group.runs)]);
        else
            v_counts := v_counts || (
                select array_agg((
                    select count(*)::integer from ohlc_bars_v2 b
                    where b.series_id = v_group.series_id and b.layer = v_group.layer and b.revision = v_revision
                      and b.ts >= lower(r.slice) and b.ts < upper(r.slice)
                ) order by u.no)
                from unnest(v_group.runs) with ordinality as u (run, no) join job_runs_live r on r.id = u.run
            );
        end if;

        perform book_answers(
            v_group.series_id, v_group.layer, v_group.provider, v_revision, v_group.runs, v_group.asked, v_group.covered,
            case when v_group.is_faulty then p_faulty end, p_quarantined, p_doubted, p_refused, v_written, v_added,
            (select min(ts) from unnest(p_ts[v_group.bars_from:v_group.bars_until]) as ts),
            (select max(ts) from unnest(p_ts[v_group.bars_from:v_group.bars_until]) as ts), p_young
        );
    end loop;

    perform end_runs(v_runs, 'success', 'success', null, null, v_counts, v_quarantined, v_requests);
    if cardinality(p_faulty) > 0 then
        perform queue_rechecks(p_faulty, p_doubted, p_recheck_in);
    end if;
    perform book_success(v_providers);
    ended := ended || v_runs;
    written := written || v_counts;
end
$$;

-- Ends those of the runs that brought no bars and whose answer left nothing out, whatever series they are of, in one
-- statement. Takes arrays as `finish_runs` does, whose caller holds the series. Answers the runs and who served them.
create function finish_plain_runs(
    p_worker text, p_run bigint[], p_attempt smallint[], p_requests integer[], p_bars integer[],
    p_covered_run bigint[], p_covered tstzrange[], p_faulty bigint[],
    out ended bigint[], out providers text[]
) language plpgsql as $$
declare
    v_series integer[];
    v_group  record;
begin
    with plain as (
        select array_agg(u.run) as run, array_agg(u.attempt) as attempt, array_agg(u.requests) as requests
        from unnest(p_run, p_attempt, p_requests, p_bars) as u (run, attempt, requests, bars)
        where u.bars = 0 and not exists (select from unnest(p_faulty) as f (run) where f.run = u.run)
    ), moved as materialized (
        select e.* from plain cross join lateral end_runs(
            plain.run, 'success', 'success', null, null, null, null, plain.requests, p_worker, plain.attempt
        ) e
    ), known as (
        select m.series_id, m.layer, range_agg(c.span) as spans
        from moved m join unnest(p_covered_run, p_covered) as c (run, span) on c.run = m.id
        group by m.series_id, m.layer
    ), grown as (
        insert into coverage_status as c (series_id, layer, covered, revision)
        select k.series_id, k.layer, k.spans, s.revision + 1 from known k join series s on s.id = k.series_id
        on conflict (series_id, layer) do update
        set covered = c.covered + excluded.covered, revision = excluded.revision, updated_at = now()
        where not c.covered @> excluded.covered
        returning c.series_id
    ), changed as (
        update series s set revision = s.revision + 1 where s.id in (select g.series_id from grown g)
    )
    select coalesce(array_agg(m.id), '{}'), array_agg(distinct m.provider), array_agg(distinct m.series_id)
    into ended, providers, v_series from moved m;

    -- What was said of that time is taken back; mostly nothing was.
    if exists (select from coverage_reasons c where c.series_id = any (v_series)) then
        for v_group in
            select r.series_id, r.layer, range_agg(r.slice) as asked
            from job_runs_ended r where r.id = any (ended) and r.finished_at = now()
            group by r.series_id, r.layer
        loop
            perform clear_reasons(v_group.series_id, v_group.layer, v_group.asked);
        end loop;
    end if;
end
$$;

-- As in 0015; `p_faulty` is null where no run of these has a fault.
drop function book_answers;
create function book_answers(
    p_series integer, p_layer bar_layer, p_provider text, p_revision bigint, p_runs bigint[], p_asked tstzmultirange,
    p_covered tstzmultirange, p_faulty bigint[], p_quarantined jsonb[], p_doubted text[], p_refused text[],
    p_written integer, p_added integer, p_first timestamptz, p_last timestamptz, p_young interval
) returns void language plpgsql as $$
declare
    v_doubted  tstzmultirange := '{}';
    v_believed tstzmultirange := '{}';
    v_refused  tstzmultirange := '{}';
    v_grew     boolean;
begin
    if p_faulty is not null then
        insert into ohlc_bar_quarantine (run_id, series_id, layer, bar, reason, provider)
        select u.run, p_series, p_layer, q -> 'bar', q ->> 'reason', p_provider
        from unnest(p_faulty, p_quarantined) as u (run, quarantined), jsonb_array_elements(u.quarantined) as q
        where u.run = any (p_runs);

        select coalesce(range_agg(span) filter (where kind = 'doubted'), '{}'),
               coalesce(range_agg(span) filter (where kind = 'believed'), '{}')
                   * tstzmultirange(tstzrange(null, now() - p_young)),
               coalesce(range_agg(span) filter (where kind = 'refused'), '{}')
        into v_doubted, v_believed, v_refused
        from unnest(p_faulty, p_doubted, p_refused) as u (run, doubted, refused)
        join job_runs_live r on r.id = u.run
        cross join lateral (
            select 'doubted' as kind, span
            from unnest(u.doubted::tstzmultirange - case when r.is_recheck then u.refused else '{}' end::tstzmultirange) as span
            union all
            select 'believed', span from unnest(u.doubted::tstzmultirange - u.refused::tstzmultirange) as span
            where r.is_recheck
            union all
            select 'refused', span from unnest(u.refused::tstzmultirange) as span where r.is_recheck
        ) told
        where u.run = any (p_runs);
    end if;

    perform clear_reasons(p_series, p_layer, p_asked - v_doubted);
    v_grew := book_coverage(p_series, p_layer, p_revision, 'empty', p_covered, v_doubted, v_believed, p_provider, p_added,
                            p_first, p_last);
    if v_grew or p_written > 0 then
        update series set revision = p_revision where id = p_series;
    end if;
    if not isempty(v_refused) then
        perform book_failure(p_series, p_layer, v_refused, 'failed', p_provider, 'quarantined',
                             'The bars that came for it were refused. The quality report names them.');
    end if;
end
$$;

-- Arrays and limits of any length run by the same plan; making one anew each time would take longer than all else.
alter function finish_runs set plan_cache_mode to force_generic_plan;
