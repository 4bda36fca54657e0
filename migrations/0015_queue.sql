-- The queue: enqueue, claim, keep, finish, fail, give back. Locks are taken in this order: series by id, then their runs,
-- then budgets by name; a claim, which holds budgets while it looks for runs, skips locked ones.

alter table job_definitions add weight smallint not null default 1 check (weight between 1 and 100);
comment on column job_definitions.weight is 'how many slices the series gets for one of another, where both wait';

-- Ends runs: moves them from the living to the ended, and with them the requests they hold. `p_outcome` is booked where a
-- run was claimed. The caller holds the series' rows and has checked that the runs are its own to end.
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

-- The turn at which a series comes in: that of the run which is next in the queue. Its further runs follow a share apart, so
-- that each series gets its slices in turn, however many another has waiting.
create function first_turn(p_provider text, p_priority smallint)
returns double precision language plpgsql stable as $$
begin
    return coalesce((
        select turn from job_runs_live
        where provider = p_provider and priority = p_priority and status = 'queued' and not is_held and turn < 'infinity'
        order by turn limit 1
    ), 0);
end
$$;

create function share_of(p_series integer)
returns double precision language plpgsql stable as $$
begin
    return 1.0 / coalesce((
        select max(d.weight) from series s join job_definitions d on d.symbol = s.symbol and d.timeframe = s.timeframe
        where s.id = p_series
    ), 1);
end
$$;

-- Gives a series' queued runs their turns anew, the newest slice first. What it had waited for is not lost.
create function take_turns(p_series integer)
returns void language plpgsql as $$
declare
    v_share double precision := share_of(p_series);
begin
    with queued as materialized (
        select id, provider, priority, turn, slice from job_runs_live where series_id = p_series and status = 'queued'
    ), start as (
        select provider, priority, least(min(turn), first_turn(provider, priority)) as turn
        from queued group by provider, priority
    ), placed as (
        select q.id, q.turn as former,
               s.turn + v_share * (row_number() over (partition by q.provider, q.priority order by upper(q.slice) desc) - 1)
                   as turn
        from queued q join start s using (provider, priority)
    )
    update job_runs_live r set turn = p.turn from placed p where r.id = p.id and p.turn <> p.former;
end
$$;

-- Makes the definitions and the slices that are missing and not on their way, in one statement.
--
-- The plan comes in as parallel arrays, one element for each stretch of session time: the number of the slice it is part
-- of, its layer, start, end, priority, provider and those that may step in (names with commas). Of each slice what is
-- covered, live or not due again (unless `p_retry`) is taken out; the rest becomes one run, or one for each stretch where
-- such time lies in between. Queued runs take the priority they are wanted with now: up where they are wanted sooner,
-- and down where the plan has a visible part and they are not in it. Queued runs whose sessions are no longer recent are
-- called off. The series' row is locked throughout, so that of two who ask at once the second finds what the first made.
drop function ensure_coverage;
create function ensure_coverage(
    p_symbol text, p_timeframe text, p_window tstzrange, p_schedule text, p_next_due_at timestamptz, p_retry boolean,
    p_settled_through timestamptz, p_intraday_from timestamptz, p_job_types text[],
    p_slice integer[], p_layer text[], p_from timestamptz[], p_to timestamptz[], p_priority smallint[],
    p_provider text[], p_chain text[]
) returns table (series_id integer, hydration bigint, created integer) language plpgsql as $$
#variable_conflict use_column
declare
    v_series     series;
    v_created    integer := 0;
    v_moved      integer := 0;
    v_was_idle   boolean;
    v_had_queued boolean;
    v_outdated   bigint[];
begin
    insert into series (symbol, timeframe) values (p_symbol, p_timeframe) on conflict do nothing;
    select * into strict v_series from series s where s.symbol = p_symbol and s.timeframe = p_timeframe for update;
    perform move_layer_bounds(v_series.id, p_settled_through, p_intraday_from);

    select array_agg(id) into v_outdated from (
        select r.id from job_runs_live r
        where r.series_id = v_series.id and r.status = 'queued' and r.layer = 'intraday'
          and lower(r.slice) < greatest(v_series.intraday_from, p_intraday_from)
        for update
    ) outdated;
    if v_outdated is not null then
        perform end_runs(v_outdated, 'cancelled', 'cancelled', 'slice_outdated',
                         'Its sessions have settled meanwhile; the historical layer fetches them.');
    end if;

    insert into job_definitions as d (symbol, timeframe, job_type, "window", schedule, next_due_at)
    select p_symbol, p_timeframe, job_type::bar_layer, p_window, p_schedule, p_next_due_at
    from unnest(p_job_types) as job_type
    on conflict (symbol, timeframe, job_type) do update
    set "window" = range_merge(d."window", excluded."window"), schedule = coalesce(excluded.schedule, d.schedule),
        next_due_at = coalesce(excluded.next_due_at, d.next_due_at), updated_at = now()
    where not d."window" @> excluded."window" or excluded.schedule is distinct from d.schedule;
    insert into provider_budgets (provider)
    select distinct provider from unnest(p_provider) as provider
    where not exists (select from provider_budgets b where b.provider = provider) on conflict do nothing;

    select count(*) = 0, count(*) filter (where r.status = 'queued') > 0 into v_was_idle, v_had_queued
    from job_runs_live r where r.series_id = v_series.id;

    with part as (
        select * from unnest(p_slice, p_layer, p_from, p_to, p_priority, p_provider, p_chain)
            as u (slice_no, layer, starts, ends, priority, provider, chain)
    ), live as (
        select r.layer, range_agg(r.slice) as spans from job_runs_live r where r.series_id = v_series.id group by r.layer
    ), held_back as (
        select c.layer, range_agg(c.span) as spans
        from coverage_reasons c
        where c.series_id = v_series.id and c.ask_again_at > now() and not p_retry group by c.layer
    ), asked as (
        select slice_no, layer::bar_layer as layer, provider, chain, min(priority) as priority,
               range_agg(tstzrange(starts, ends)) as spans
        from part group by slice_no, layer, provider, chain
    ), missing as (
        select a.layer, a.provider, a.chain, a.priority, coalesce(l.spans, '{}') + coalesce(h.spans, '{}') as barred,
               a.spans - coalesce(c.covered, '{}') - coalesce(l.spans, '{}') - coalesce(h.spans, '{}') as spans
        from asked a
        left join live l on l.layer = a.layer
        left join held_back h on h.layer = a.layer
        left join coverage_status c on c.series_id = v_series.id and c.layer = a.layer
    ), piece as (
        select layer, provider, chain, priority, range_merge(spans) as slice
        from missing where not isempty(spans) and not range_merge(spans) && barred
        union all
        select layer, provider, chain, priority, unnest(spans)
        from missing where not isempty(spans) and range_merge(spans) && barred
    ), served as (
        select layer, priority, slice, serving[1] as provider, serving[2:] as chain
        from (
            select layer, priority, slice, case when chain = '' then array[provider]
                   else serving_first(provider || string_to_array(chain, ',')) end as serving
            from piece
        ) chosen
    ), start as materialized (
        select provider, priority, share.of as share, first_turn(provider, priority) as turn
        from (select distinct provider, priority from served) class, share_of(v_series.id) as share (of)
    ), inserted as (
        insert into job_runs_live (definition_id, series_id, layer, slice, status, priority, turn, hydration, provider,
                                   chain, is_held)
        select d.id, v_series.id, s.layer, s.slice, 'queued', s.priority,
               case when v_had_queued then 'infinity' else start.turn + start.share
                   * (row_number() over (partition by s.provider, s.priority order by upper(s.slice) desc) - 1) end,
               v_series.hydration + v_was_idle::int, s.provider, s.chain, v_series.is_paused
        from served s
        join start using (provider, priority)
        join job_definitions d on d.symbol = p_symbol and d.timeframe = p_timeframe and d.job_type = s.layer
        where d.enabled
        order by s.priority, upper(s.slice) desc
        on conflict do nothing
        returning 1
    )
    select count(*) into v_created from inserted;

    if v_created > 0 and v_was_idle then
        update series s set hydration = s.hydration + 1, hydration_started_at = now() where s.id = v_series.id;
        v_series.hydration := v_series.hydration + 1;
    end if;

    if v_had_queued then
        with wanted as (
            select layer::bar_layer as layer, min(priority) as priority, tstzrange(min(starts), max(ends)) as slice
            from unnest(p_slice, p_layer, p_from, p_to, p_priority) as u (slice_no, layer, starts, ends, priority)
            group by slice_no, layer
        ), most_wanted as (
            select min(priority) as priority from wanted
        ), moved as (
            select r.id, coalesce(
                (select min(w.priority) from wanted w where w.layer = r.layer and w.slice && r.slice),
                case when m.priority < 10 then 10 end
            ) as priority
            from job_runs_live r, most_wanted m
            where r.series_id = v_series.id and r.status = 'queued'
        ), changed as (
            update job_runs_live r set priority = m.priority
            from moved m
            where r.id = m.id and m.priority is not null and r.priority <> m.priority
              and (m.priority < r.priority or (select priority < 10 from most_wanted))
            returning 1
        )
        select count(*) into v_moved from changed;
        if v_created > 0 or v_moved > 0 then
            perform take_turns(v_series.id);
        end if;
    end if;

    return query select v_series.id, v_series.hydration, v_created;
end
$$;

-- Takes up to `p_limit` runs for `p_lease`, of each provider no more than it allows now, so that nobody sits on a lease
-- waiting. One scan of job_runs_claim in its order for each provider; the CTEs are materialized because the planner could
-- otherwise repeat a limited subquery and take more than it locked. Budgets that are metered, or of a provider that is
-- tried after an outage, are held meanwhile, so that two processes don't spend the same request.
create function claim_queued_job(p_worker text, p_lease interval, p_limit integer default 1)
returns setof job_runs language plpgsql as $$
begin
    if exists (select from queue_state where is_paused) then
        return;
    end if;
    perform from provider_budgets b
    where (b.is_metered or b.failures >= failures_until_down()) and not b.is_paused
      and coalesce(b.blocked_until <= now(), true)
      and coalesce(b.down_until <= now(), true)
      and exists (select from job_runs_live r where r.provider = b.provider and r.status = 'queued' and not r.is_held)
    order by b.provider for update;
    return query
    with serving as materialized (
        select b.provider, b.is_metered, least(usable_requests(b), p_limit) as usable from provider_budgets b
        where exists (
            select from job_runs_live r where r.provider = b.provider and r.status = 'queued' and not r.is_held
        )
    ), candidate as materialized (
        select c.* from serving s cross join lateral (
            select r.id, r.priority, r.turn, s.is_metered from job_runs_live r
            where r.provider = s.provider and r.status = 'queued' and not r.is_held and r.run_after <= now()
            order by r.priority, r.turn, r.id
            limit s.usable
            for update skip locked
        ) c
        where s.usable > 0
    ), picked as materialized (
        select id, is_metered from candidate order by priority, turn, id limit p_limit
    ), claimed as (
        update job_runs_live r
        set status = 'running', attempt = attempt + 1, claims = claims + 1, lease_owner = p_worker,
            lease_until = clock_timestamp() + p_lease, progress = 0, started_at = now(), updated_at = now()
        from picked where r.id = picked.id
        returning r.*
    ), granted as (
        insert into provider_requests (provider, run_id)
        select c.provider, c.id from claimed c join picked p using (id) where p.is_metered
    )
    select * from claimed;
end
$$;

-- Keeps runs for another `p_lease` and books their progress. Answers those that are no longer the worker's: work on them
-- must stop. A row that another statement is just changing is left for the next time.
drop function renew_lease;
create function renew_leases(
    p_worker text, p_run bigint[], p_attempt smallint[], p_progress smallint[], p_lease interval
) returns setof bigint language plpgsql as $$
begin
    with mine as materialized (
        select r.id, u.progress
        from unnest(p_run, p_attempt, p_progress) as u (run, attempt, progress)
        cross join lateral (select * from job_runs_live l where l.id = u.run for update skip locked) r
        where r.attempt = u.attempt and r.lease_owner = p_worker and r.status = 'running'
    )
    update job_runs_live r
    set lease_until = clock_timestamp() + p_lease, progress = greatest(r.progress, mine.progress), updated_at = now()
    from mine where r.id = mine.id;
    return query
    select u.run from unnest(p_run, p_attempt) as u (run, attempt)
    where not exists (
        select from job_runs_live r
        where r.id = u.run and r.attempt = u.attempt and r.lease_owner = p_worker and r.status = 'running'
    );
end
$$;

-- Gives a run back unharmed: the worker is being stopped. The attempt is not spent.
drop function release_run;
create function release_run(p_run bigint, p_attempt smallint, p_worker text)
returns boolean language plpgsql as $$
begin
    update job_runs_live
    set status = 'queued', attempt = attempt - 1, outcomes = outcomes || 'released'::text, lease_owner = null,
        lease_until = null, run_after = now(), progress = 0, updated_at = now()
    where id = p_run and attempt = p_attempt and lease_owner = p_worker and status = 'running';
    if not found then
        return false;
    end if;
    perform end_run_requests(array[p_run], null);
    return true;
end
$$;

-- Writes the bars of answered runs, moves coverage and revisions and ends the runs, all or nothing. Arrays are parallel,
-- one element a run; the bars of all stand one after another, those of the i-th run up to `p_bars_until[i]`, and runs of
-- one series and layer stand together. Bars that are equal are left alone; a changed one keeps its old value. A run whose
-- lease is lost is left out, and so are its bars: who takes a run away holds its series, as this does. Doubted time is
-- asked for once more in `p_recheck_in`; what a second answer leaves out too is believed if it is older than `p_young`.
drop function finish_run;
create function finish_runs(
    p_worker text, p_run bigint[], p_attempt smallint[], p_adjusted boolean[], p_requests integer[],
    p_quarantined jsonb[], p_covered text[], p_doubted text[], p_refused text[], p_bars_until integer[],
    p_ts timestamptz[], p_open double precision[], p_high double precision[], p_low double precision[],
    p_close double precision[], p_volume double precision[], p_vwap double precision[], p_trades integer[],
    p_tolerance double precision, p_recheck_in interval, p_young interval
) returns table (run bigint, written integer) language plpgsql as $$
#variable_conflict use_column
declare
    v_group       record;
    v_revision    bigint;
    v_written     integer;
    v_added       integer;
    v_has_faults  boolean := false;
    v_runs        bigint[] := '{}';
    v_counts      integer[] := '{}';
    v_quarantined integer[] := '{}';
    v_requests    integer[] := '{}';
    v_providers   text[] := '{}';
begin
    perform from series s where s.id in (select r.series_id from job_runs_live r where r.id = any (p_run))
    order by s.id for update;

    for v_group in
        with answered as (
            select *, lag(bars_until, 1, 0) over (order by no) + 1 as bars_from
            from unnest(p_run, p_attempt, p_adjusted, p_requests, p_quarantined, p_covered, p_doubted, p_refused,
                        p_bars_until) with ordinality
                as u (run, attempt, adjusted, requests, quarantined, covered, doubted, refused, bars_until, no)
        ), held as materialized (
            select a.*, r.series_id, r.layer, r.provider, r.slice, r.is_recheck
            from answered a
            join job_runs_live r on r.id = a.run
            where r.attempt = a.attempt and r.lease_owner = p_worker and r.status = 'running'
        ), stretch as (
            -- A lost run parts its neighbours, so that its bars are in no stretch.
            select *, no - row_number() over (partition by series_id, layer, provider, adjusted order by no) as island
            from held
        )
        select h.series_id, h.layer, h.provider, h.adjusted, array_agg(h.run order by h.no) as runs,
               min(h.bars_from) as bars_from, max(h.bars_until) as bars_until,
               array_agg(h.requests order by h.no) as requests,
               array_agg(jsonb_array_length(h.quarantined) order by h.no) as quarantined,
               range_agg(h.slice) as asked, array_agg(h.covered) as covered,
               bool_or(h.doubted <> '{}' or h.quarantined <> '[]') as has_faults
        from stretch h
        group by h.series_id, h.layer, h.provider, h.adjusted, h.island
        order by min(h.no)
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
            p_run, p_doubted, p_refused, p_quarantined, v_group.has_faults, v_written, v_added,
            (select min(ts) from unnest(p_ts[v_group.bars_from:v_group.bars_until]) as ts),
            (select max(ts) from unnest(p_ts[v_group.bars_from:v_group.bars_until]) as ts), p_young
        );
        v_has_faults := v_has_faults or v_group.has_faults;
    end loop;

    perform end_runs(v_runs, 'success', 'success', null, null, v_counts, v_quarantined, v_requests);
    if v_has_faults then
        perform queue_rechecks(p_run, p_doubted, p_recheck_in);
    end if;
    perform book_success(v_providers);
    return query select * from unnest(v_runs, v_counts);
end
$$;

-- The coverage that answered runs of one series, layer and provider tell, and what was refused. The revision moves on where
-- anything changed.
create function book_answers(
    p_series integer, p_layer bar_layer, p_provider text, p_revision bigint, p_runs bigint[], p_asked tstzmultirange,
    p_covered text[], p_run bigint[], p_doubted text[], p_refused text[], p_quarantined jsonb[], p_has_faults boolean,
    p_written integer, p_added integer, p_first timestamptz, p_last timestamptz, p_young interval
) returns void language plpgsql as $$
declare
    v_covered  tstzmultirange;
    v_doubted  tstzmultirange := '{}';
    v_believed tstzmultirange := '{}';
    v_refused  tstzmultirange := '{}';
    v_grew     boolean;
begin
    select coalesce(range_agg(span), '{}') into v_covered
    from unnest(p_covered) as covered, unnest(covered::tstzmultirange) as span;
    if p_has_faults then
        insert into ohlc_bar_quarantine (run_id, series_id, layer, bar, reason, provider)
        select u.run, p_series, p_layer, q -> 'bar', q ->> 'reason', p_provider
        from unnest(p_run, p_quarantined) as u (run, quarantined), jsonb_array_elements(u.quarantined) as q
        where u.run = any (p_runs);

        select coalesce(range_agg(span) filter (where kind = 'doubted'), '{}'),
               coalesce(range_agg(span) filter (where kind = 'believed'), '{}')
                   * tstzmultirange(tstzrange(null, now() - p_young)),
               coalesce(range_agg(span) filter (where kind = 'refused'), '{}')
        into v_doubted, v_believed, v_refused
        from unnest(p_run, p_doubted, p_refused) as u (run, doubted, refused)
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
    v_grew := book_coverage(p_series, p_layer, p_revision, 'empty', v_covered, v_doubted, v_believed, p_provider, p_added,
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

-- Time that runs which have just ended doubt is asked for once more: each stretch of it, or all between the first and the
-- last of many. What was believed before is not.
create function queue_rechecks(p_run bigint[], p_doubted text[], p_recheck_in interval)
returns void language plpgsql as $$
begin
    insert into job_runs_live (definition_id, series_id, layer, slice, status, priority, turn, hydration, provider, chain,
                               run_after, is_recheck)
    select r.definition_id, r.series_id, r.layer, part.slice, 'queued', r.priority, r.turn, r.hydration, r.provider,
           r.chain, now() + p_recheck_in, true
    from unnest(p_run, p_doubted) as u (run, doubted)
    join job_runs_ended r on r.id = u.run and r.finished_at = now()
    join coverage_status c on c.series_id = r.series_id and c.layer = r.layer
    cross join lateral (select u.doubted::tstzmultirange - c.covered as spans) left_out
    cross join lateral (
        select span as slice from unnest(left_out.spans) as span
        where (select count(*) from unnest(left_out.spans)) <= 4
        union all
        select range_merge(left_out.spans) where (select count(*) from unnest(left_out.spans)) > 4
    ) part
    where u.doubted <> '{}' and not r.is_recheck
    on conflict do nothing;
end
$$;

-- Ends a try without bars. What becomes of the run depends on the error's class and on what is left:
--   an attempt, for what may pass (`transient`; `throttled` spends none): tried again in `p_retry_in`, after others;
--   a provider that may step in, at once where the first is down: it is asked next, and where the plan of the first is at
--   fault (`plan`), for the series' other queued runs too;
--   a slice that can be parted (`p_split_at`) at a provider that answers others: each half becomes a run of two attempts,
--   so that one bad minute does not cost a day;
--   nothing: it has failed, and `p_reason` is said of its session time.
-- Answers what became of it: `queued`, `moved`, `split` or `failed`; null where the lease is lost.
drop function fail_run;
create function fail_run(
    p_run bigint, p_attempt smallint, p_worker text, p_code text, p_message text, p_class text, p_retry_in interval,
    p_reason text, p_sessions tstzmultirange, p_split_at timestamptz
) returns text language plpgsql as $$
declare
    v_run job_runs_live;
begin
    perform from series where id = (select series_id from job_runs_live where id = p_run) for update;
    select * into v_run from job_runs_live
    where id = p_run and attempt = p_attempt and lease_owner = p_worker and status = 'running' for update;
    if not found then
        return null;
    end if;
    perform end_run_requests(array[p_run], array[case when p_class = 'throttled' then 0 else 1 end]);

    if (p_class = 'throttled' and v_run.claims < 100)
       or (p_class = 'transient' and v_run.attempt < v_run.max_attempts
           and not (cardinality(v_run.chain) > 0 and is_down(v_run.provider) and not is_down(v_run.chain[1]))) then
        update job_runs_live
        set status = 'queued', attempt = attempt - (p_class = 'throttled')::int, outcomes = outcomes || p_code,
            run_after = now() + p_retry_in, progress = 0, lease_owner = null, lease_until = null, error_code = p_code,
            error_message = left(p_message, 1000), turn = turn + (p_class = 'transient')::int, updated_at = now()
        where id = p_run;
        return 'queued';
    end if;

    if cardinality(v_run.chain) > 0 then
        update job_runs_live r
        set status = 'queued', provider = chain[1], chain = chain[2:], attempt = 0,
            outcomes = case when r.id = p_run then outcomes || p_code else outcomes end, run_after = now(), progress = 0,
            lease_owner = null, lease_until = null, error_code = p_code, error_message = left(p_message, 1000),
            updated_at = now()
        where r.id = p_run or (
            p_class = 'plan' and r.series_id = v_run.series_id and r.layer = v_run.layer and r.status = 'queued'
            and r.provider = v_run.provider and cardinality(r.chain) > 0
        );
        insert into provider_budgets (provider) values (v_run.chain[1]) on conflict do nothing;
        return 'moved';
    end if;

    if p_split_at > lower(v_run.slice) and p_split_at < upper(v_run.slice) and exists (
        -- Successes are booked every five seconds, and may have come five seconds before it was parted. That something is
        -- too large to be read, or to be stored, is an answer.
        select from provider_budgets where provider = v_run.provider
          and (last_success_at >= v_run.created_at - interval '10 seconds'
               or p_code in ('provider_too_large', 'storage_refused'))
    ) then
        perform end_runs(array[p_run], 'cancelled', p_code, 'slice_split', 'Parted in two, since it failed whole: ' || p_message);
        insert into job_runs_live (definition_id, series_id, layer, slice, status, priority, turn, hydration, provider,
                                   run_after, is_recheck, max_attempts)
        select v_run.definition_id, v_run.series_id, v_run.layer, half, 'queued', v_run.priority, v_run.turn,
               v_run.hydration, v_run.provider, now() + coalesce(p_retry_in, '0'),
               v_run.is_recheck, 2
        from unnest(array[tstzrange(lower(v_run.slice), p_split_at), tstzrange(p_split_at, upper(v_run.slice))]) as half;
        return 'split';
    end if;

    perform end_runs(array[p_run], 'failed', p_code, p_code, p_message);
    perform book_failure(v_run.series_id, v_run.layer, p_sessions, p_reason, v_run.provider, p_code, p_message);
    return 'failed';
end
$$;

-- Gives runs whose lease has run out back to the queue, or ends them where no attempt is left. Answers the series.
create or replace function reap_expired_leases()
returns table (symbol text, timeframe text) language plpgsql as $$
#variable_conflict use_column
declare
    v_run     job_runs_live;
    v_series  integer[];
    v_message text := 'The worker that fetched this slice stopped without a word. '
        || 'It is tried again by itself while attempts are left; after that, use Retry.';
begin
    select array_agg(distinct series_id) into v_series from job_runs_live where lease_until < now();
    if v_series is null then
        return;
    end if;
    perform from series s where s.id = any (v_series) order by s.id for update;
    for v_run in
        select * from job_runs_live
        where lease_until < now() and series_id = any (v_series)
        order by id for update skip locked
    loop
        if v_run.attempt < v_run.max_attempts then
            perform end_run_requests(array[v_run.id], null);
            update job_runs_live
            set status = 'queued', outcomes = outcomes || 'lease_expired'::text, lease_owner = null, lease_until = null,
                progress = 0, run_after = now(), error_code = 'lease_expired', error_message = v_message, updated_at = now()
            where id = v_run.id;
        else
            perform end_runs(array[v_run.id], 'failed', 'lease_expired', 'lease_expired', v_message);
            perform book_failure(v_run.series_id, v_run.layer, tstzmultirange(v_run.slice), 'failed', v_run.provider,
                                 'lease_expired', v_message);
        end if;
    end loop;
    return query select s.symbol, s.timeframe from series s where s.id = any (v_series);
end
$$;

-- Milliseconds until something in the queue is due by itself: a delayed run, a provider that may be asked again, a
-- lease's end. What became due within the last quarter of a second counts as due now: a claim may just have missed it.
-- Null where nothing is.
create or replace function queue_due_in()
returns double precision language sql stable as $$
    select extract(epoch from least(
        (select r.run_after from job_runs_live r
         where r.status = 'queued' and r.run_after > r.created_at and r.run_after > now() - interval '250 ms'
           and not r.is_held and not exists (
               select from provider_budgets b
               where b.provider = r.provider and greatest(b.blocked_until, b.down_until) > now()
           )
         order by r.run_after limit 1),
        (select min(case
            when greatest(b.blocked_until, b.down_until) > now() - interval '250 ms'
                then greatest(b.blocked_until, b.down_until)
            when b.window_key is not null then case when b.resets_at > now() - interval '250 ms' then b.resets_at end
            else (
                select min(q.ended_at) + b.period from provider_requests q
                where q.provider = b.provider and q.ended_at > now() - b.period - interval '250 ms'
            ) end)
         from provider_budgets b
         where not b.is_paused
           and (b.is_metered or greatest(b.blocked_until, b.down_until) > now() - interval '250 ms')
           and exists (select from job_runs_live r where r.provider = b.provider and r.status = 'queued' and not r.is_held)),
        (select lease_until from job_runs_live where lease_until is not null order by lease_until limit 1)
    ) - clock_timestamp()) * 1000
$$;

-- As in 0010; runs on their way are called off as everywhere.
create or replace function set_series_hours(p_symbol text, p_timeframe text, p_hours text)
returns boolean language plpgsql as $$
declare
    v_series series;
    v_live   bigint[];
begin
    insert into series (symbol, timeframe) values (p_symbol, p_timeframe) on conflict do nothing;
    select * into strict v_series from series s where s.symbol = p_symbol and s.timeframe = p_timeframe for update;
    if v_series.hours = p_hours then
        return false;
    end if;
    select array_agg(id) into v_live from (
        select id from job_runs_live where series_id = v_series.id order by id for update
    ) live;
    perform end_runs(v_live, 'cancelled', 'cancelled', 'hours_changed', 'The series was set to ' || p_hours || ' hours.');
    update coverage_status set covered = '{}', revision = v_series.revision + 1, updated_at = now()
    where series_id = v_series.id;
    delete from coverage_reasons where series_id = v_series.id;
    update series
    set hours = p_hours, revision = revision + 1, full_before = revision + 1
    where id = v_series.id;
    return true;
end
$$;

-- Arrays and limits of any length run by the same plan; making one anew each time would take longer than all else.
alter function ensure_coverage set plan_cache_mode to force_generic_plan;
alter function claim_queued_job set plan_cache_mode to force_generic_plan;
alter function finish_runs set plan_cache_mode to force_generic_plan;
