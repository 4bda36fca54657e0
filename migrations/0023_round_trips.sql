-- What a claim and an end cost beside the rows they write: fewer statements, fewer nodes in each, and no check made twice.
-- Most of it is the starting of statements, not their running.

-- What is checked of a living run need not be checked again of the same run once it has ended; that it has ended, and when,
-- its partition's bounds say.
alter table job_runs
    drop constraint job_runs_slice_check1,
    drop constraint job_runs_check3,
    drop constraint job_runs_check4,
    drop constraint job_runs_check5,
    drop constraint job_runs_progress_check1;
alter table job_runs_live
    add constraint job_runs_live_row check (
        not isempty(slice) and lower_inc(slice) and not upper_inc(slice) and attempt <= max_attempts
        and progress between 0 and 100 and finished_at is null
    ),
    add constraint job_runs_live_lease check ((status = 'running') = (lease_owner is not null and lease_until is not null));

-- Whether what may be asked of the provider has to be counted: it is metered, or tried after an outage.
create function is_counted(b provider_budgets)
returns boolean language sql immutable as $$ select b.is_metered or b.failures >= failures_until_down() $$;

-- As in 0015 and 0021: takes up to `p_limit` runs for `p_lease`, of each provider no more than it allows now. One scan of
-- job_runs_claim in its order for each provider. What is taken is known by its place: it is locked, and can't move.
drop function claim_queued_job;
create function claim_queued_job(p_worker text, p_lease interval, p_limit integer default 1)
returns table (
    id bigint, series_id integer, symbol text, timeframe text, hours text, layer bar_layer, slice tstzrange,
    attempt smallint, provider text
) language plpgsql as $$
#variable_conflict use_column
declare
    v_providers  text[];
    v_usable     integer[];
    v_is_counted boolean;
    v_places     tid[];
begin
    select array_agg(b.provider), array_agg(p_limit), bool_or(is_counted(b)) into v_providers, v_usable, v_is_counted
    from provider_budgets b
    where not b.is_paused and coalesce(b.blocked_until <= now(), true) and coalesce(b.down_until <= now(), true)
      and not (select is_paused from queue_state)
      -- Nobody waits for the row of a provider for which nothing does. Not `exists`: the planner might answer it by reading
      -- all that is queued.
      and (not is_counted(b) or (
          select r.id from job_runs_live r where r.provider = b.provider and r.status = 'queued' and not r.is_held
          order by r.priority, r.turn, r.id limit 1
      ) is not null);
    if v_providers is null then
        return;
    end if;
    if v_is_counted then
        -- Held from here on, so that two processes don't spend the same request.
        perform from provider_budgets b
        where b.provider = any (v_providers) and is_counted(b)
        order by b.provider for update;
        select array_agg(b.provider), array_agg(least(usable_requests(b), p_limit)) into v_providers, v_usable
        from provider_budgets b where b.provider = any (v_providers);
    end if;

    v_places := array(
        select c.place from unnest(v_providers, v_usable) as s (provider, usable) cross join lateral (
            select r.ctid as place, r.priority, r.turn, r.id from job_runs_live r
            where r.provider = s.provider and r.status = 'queued' and not r.is_held and r.run_after <= now()
            order by r.priority, r.turn, r.id
            limit s.usable
            for update skip locked
        ) c
        order by c.priority, c.turn, c.id limit p_limit
    );
    if v_places = '{}' then
        return;
    end if;
    if v_is_counted then
        insert into provider_requests (provider, run_id)
        select r.provider, r.id from job_runs_live r join provider_budgets b using (provider)
        where r.ctid = any (v_places) and b.is_metered;
    end if;
    return query
    update job_runs_live r
    set status = 'running', attempt = attempt + 1, claims = claims + 1, lease_owner = p_worker,
        lease_until = clock_timestamp() + p_lease, progress = 0, started_at = now(), updated_at = now()
    from series s
    where r.ctid = any (v_places) and s.id = r.series_id
    returning r.id, r.series_id, s.symbol, s.timeframe, s.hours, r.layer, r.slice, r.attempt, r.provider;
end
$$;
alter function claim_queued_job set plan_cache_mode to force_generic_plan;

-- As in 0015, without what 0022 added for the ends of plain runs, which now stand in one statement with all that follows.
drop function end_runs;
create function end_runs(
    p_run bigint[], p_status text, p_outcome text, p_code text, p_message text, p_written integer[] default null,
    p_quarantined integer[] default null, p_requests integer[] default null
) returns void language plpgsql as $$
begin
    with ended as (
        delete from job_runs_live r
        using unnest(p_run, p_written, p_quarantined, p_requests) as u (id, written, quarantined, requests)
        where r.id = u.id
        returning r.*, u.written as now_written, u.quarantined as now_quarantined, u.requests as now_requests
    )
    insert into job_runs_ended (
        id, definition_id, series_id, layer, slice, status, priority, turn, hydration, attempt, max_attempts, claims,
        outcomes, run_after, is_recheck, provider, chain, progress, rows_written, rows_quarantined, requests, error_code,
        error_message, created_at, started_at, finished_at, updated_at
    )
    select id, definition_id, series_id, layer, slice, p_status, priority, turn, hydration, attempt, max_attempts, claims,
           case when status = 'running' then outcomes || p_outcome else outcomes end, run_after, is_recheck, provider,
           chain, case when p_status = 'success' then 100 else progress end, coalesce(now_written, 0),
           coalesce(now_quarantined, 0), coalesce(now_requests, requests), p_code, left(p_message, 1000), created_at,
           started_at, now(), now()
    from ended;
    perform end_run_requests(p_run, p_requests);
end
$$;

-- Whether an answer of the provider is worth booking; mostly it is not, and then nobody waits for its row.
create function is_success_news(b provider_budgets)
returns boolean language sql stable as $$
    select b.failures > 0 or b.is_learning or b.last_success_at is null or b.last_success_at < now() - interval '5 seconds'
$$;

-- As in 0022: ends those of the runs that brought no bars and whose answer left nothing out, in one statement, whatever
-- series they are of. The caller holds the series `p_series`. Answers the runs that ended, and the providers whose success
-- is to be booked.
drop function finish_plain_runs;
create function finish_plain_runs(
    p_worker text, p_series integer[], p_run bigint[], p_attempt smallint[], p_requests integer[], p_bars integer[],
    p_covered_run bigint[], p_covered tstzrange[], p_faulty bigint[],
    out ended bigint[], out providers text[]
) language plpgsql as $$
declare
    v_run          bigint[] := p_run;
    v_attempt      smallint[] := p_attempt;
    v_requests     integer[] := p_requests;
    v_has_requests boolean;
    v_has_reasons  boolean;
    v_group        record;
begin
    ended := '{}';
    providers := '{}';
    if cardinality(p_faulty) > 0 or 0 < any (p_bars) then
        select array_agg(u.run), array_agg(u.attempt), array_agg(u.requests) into v_run, v_attempt, v_requests
        from unnest(p_run, p_attempt, p_requests, p_bars) as u (run, attempt, requests, bars)
        where u.bars = 0 and u.run <> all (p_faulty);
        if v_run is null then
            return;
        end if;
    end if;
    with gone as (
        delete from job_runs_live r using unnest(v_run, v_attempt, v_requests) as u (run, attempt, now_requests)
        where r.id = u.run and r.attempt = u.attempt and r.lease_owner = p_worker and r.status = 'running'
        returning r.*, u.now_requests
    ), moved as (
        insert into job_runs_ended (
            id, definition_id, series_id, layer, slice, status, priority, turn, hydration, attempt, max_attempts, claims,
            outcomes, run_after, is_recheck, provider, chain, progress, requests, created_at, started_at, finished_at
        )
        select id, definition_id, series_id, layer, slice, 'success', priority, turn, hydration, attempt, max_attempts,
               claims, outcomes || 'success'::text, run_after, is_recheck, provider, chain, 100,
               coalesce(now_requests, requests), created_at, started_at, now()
        from gone
    ), known as (
        select g.series_id, g.layer, range_agg(c.span) as spans
        from gone g join unnest(p_covered_run, p_covered) as c (run, span) on c.run = g.id
        group by g.series_id, g.layer
    ), grown as (
        insert into coverage_status as c (series_id, layer, covered, revision)
        select k.series_id, k.layer, k.spans, s.revision + 1 from known k join series s on s.id = k.series_id
        on conflict (series_id, layer) do update
        set covered = c.covered + excluded.covered, revision = excluded.revision, updated_at = now()
        where not c.covered @> excluded.covered
        returning c.series_id
    ), changed as (
        update series s set revision = s.revision + 1 from grown g where s.id = g.series_id
    )
    select coalesce(array_agg(g.id), '{}'), array_agg(g.now_requests), array_agg(distinct g.provider)
    into ended, v_requests, providers from gone g;

    select (select q.run_id from provider_requests q where q.ended_at is null order by q.run_id limit 1) is not null,
           exists (select from coverage_reasons c where c.series_id = any (p_series)),
           array(select b.provider from provider_budgets b where b.provider = any (providers) and is_success_news(b))
    into v_has_requests, v_has_reasons, providers;
    if v_has_requests then
        perform end_run_requests(ended, v_requests);
    end if;
    -- What was said of that time is taken back; mostly nothing was.
    if v_has_reasons then
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

-- As in 0022, told by its caller which series the runs are of: `p_series`, each once.
drop function finish_runs;
create function finish_runs(
    p_worker text, p_series integer[], p_run bigint[], p_attempt smallint[], p_adjusted boolean[], p_requests integer[], p_bars integer[],
    p_covered_run bigint[], p_covered tstzrange[],
    p_faulty bigint[], p_quarantined jsonb[], p_doubted text[], p_refused text[],
    p_ts timestamptz[], p_open double precision[], p_high double precision[], p_low double precision[],
    p_close double precision[], p_volume double precision[], p_vwap double precision[], p_trades integer[],
    p_tolerance double precision, p_recheck_in interval, p_young interval,
    out ended bigint[], out written integer[]
) language plpgsql as $$
declare
    v_plain       record;
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
    perform from series s where s.id = any (p_series) order by s.id for update;

    v_plain := finish_plain_runs(
        p_worker, p_series, p_run, p_attempt, p_requests, p_bars, p_covered_run, p_covered, p_faulty
    );
    ended := v_plain.ended;
    v_providers := v_plain.providers;
    written := array_fill(0, array[cardinality(ended)]);
    if cardinality(ended) = cardinality(p_run) then
        if v_providers <> '{}' then
            perform book_success(v_providers);
        end if;
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
alter function finish_runs set plan_cache_mode to force_generic_plan;
