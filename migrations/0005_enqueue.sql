-- Making slices of what is missing.

-- Whether the slice is on its way or covered already.
create function job_slice_exists(p_symbol text, p_timeframe text, p_job_type bar_layer, p_slice tstzrange)
returns boolean language sql stable as $$
    select exists (
        select from series s
        where s.symbol = p_symbol and s.timeframe = p_timeframe
          and (
              exists (
                  select from job_runs r
                  where r.series_id = s.id and r.layer = p_job_type and r.slice @> p_slice
                    and r.status in ('queued', 'running')
              )
              or exists (
                  select from coverage_status c
                  where c.series_id = s.id and c.layer = p_job_type and c.covered @> p_slice
              )
          )
    )
$$;

-- Makes the definitions and the slices that are missing and not on their way, in one statement, and wakes a worker.
--
-- The plan comes in as parallel arrays, one element for each stretch of session time: the number of the slice it is part
-- of, its layer, start, end, priority and provider. Of each slice what is covered or live is taken out; the rest becomes
-- one run, or one for each stretch where a live run lies in between. A queued run that is wanted sooner than it was is
-- moved up. The series' row is locked throughout, so that of two who ask at once the second finds what the first made.
create function ensure_coverage(
    p_symbol text, p_timeframe text, p_window tstzrange, p_refresh_every interval,
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

    insert into job_definitions as d (symbol, timeframe, job_type, "window", refresh_every, next_refresh_at)
    select p_symbol, p_timeframe, layer::bar_layer, p_window, p_refresh_every, now() + p_refresh_every
    from unnest(p_layer) as layer group by layer
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
    ), asked as (
        select slice_no, layer::bar_layer as layer, provider, min(priority) as priority,
               range_agg(tstzrange(starts, ends)) as spans
        from part group by slice_no, layer, provider
    ), missing as (
        select a.layer, a.provider, a.priority, coalesce(l.spans, '{}') as live,
               a.spans - coalesce(c.covered, '{}') - coalesce(l.spans, '{}') as spans
        from asked a
        left join live l on l.layer = a.layer
        left join coverage_status c on c.series_id = v_series.id and c.layer = a.layer
    ), piece as (
        select layer, provider, priority, range_merge(spans) as slice
        from missing where not isempty(spans) and not range_merge(spans) && live
        union all
        select layer, provider, priority, unnest(spans)
        from missing where not isempty(spans) and range_merge(spans) && live
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
