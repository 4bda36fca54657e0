-- What operators do to the queue by hand, and the record of it.

create table operator_actions (
    id       bigint generated always as identity primary key,
    at       timestamptz not null default now(),
    who      text not null,
    action   text not null check (action in ('pause', 'resume', 'cancel', 'retry')),
    scope    text not null check (scope in ('run', 'series', 'provider', 'all')),
    target   text not null,
    affected integer not null
);

-- Runs within a scope. `p_target` is a run's number, a series (`AAPL h1`), a provider; of `all` it says nothing.
create function runs_in_scope(p_scope text, p_target text)
returns table (id bigint, series_id integer) language sql stable as $$
    select r.id, r.series_id from job_runs_live r
    where case p_scope
        when 'run' then r.id = p_target::bigint
        when 'series' then r.series_id = (select s.id from series s where s.symbol || ' ' || s.timeframe = p_target)
        when 'provider' then r.provider = p_target
        else true
    end
$$;

-- Pauses, resumes, cancels or retries, in one transaction with the record of who did. Workers, once told, stop what is no
-- longer theirs. Pausing a run or a series holds its runs; pausing a provider, or everything, stops claiming; either
-- way what is being fetched is given back unharmed. A retry makes failed and cancelled runs of the last week anew where
-- their time is still missing, and lets delayed ones go now. Answers the series it touched.
create function control_queue(p_action text, p_scope text, p_target text, p_who text)
returns table (symbol text, timeframe text, affected integer) language plpgsql as $$
#variable_conflict use_column
declare
    v_series   integer[];
    v_runs     bigint[];
    v_affected integer := 0;
begin
    if p_action = 'retry' then
        select array_agg(distinct e.series_id) into v_series from runs_to_retry(p_scope, p_target) e;
    end if;
    select v_series || array_agg(distinct r.series_id) into v_series from runs_in_scope(p_scope, p_target) r;
    if p_scope = 'series' then
        v_series := v_series || (select array_agg(s.id) from series s where s.symbol || ' ' || s.timeframe = p_target);
    end if;
    perform from series s where s.id = any (v_series) order by s.id for update;
    select array_agg(held.id) into v_runs from (
        select r.id from job_runs_live r
        where r.id in (select scope.id from runs_in_scope(p_scope, p_target) scope) and r.series_id = any (v_series)
        order by r.id for update
    ) held;

    if p_action in ('pause', 'resume') then
        if p_scope = 'series' then
            update series set is_paused = p_action = 'pause' where id = any (v_series);
        elsif p_scope = 'provider' then
            update provider_budgets set is_paused = p_action = 'pause', updated_at = now() where provider = p_target;
        elsif p_scope = 'all' then
            update queue_state set is_paused = p_action = 'pause';
        end if;
    end if;
    if p_action = 'pause' then
        update job_runs_live
        set status = 'queued', attempt = attempt - 1, outcomes = outcomes || 'paused'::text, lease_owner = null,
            lease_until = null, progress = 0, updated_at = now()
        where id = any (v_runs) and status = 'running';
        perform end_run_requests(v_runs, null);
    end if;
    if p_action in ('pause', 'resume') and p_scope in ('run', 'series') then
        update job_runs_live set is_held = p_action = 'pause', updated_at = now() where id = any (v_runs);
    end if;
    v_affected := coalesce(cardinality(v_runs), 0);
    if p_action = 'cancel' then
        perform end_runs(v_runs, 'cancelled', 'cancelled', 'cancelled', 'Cancelled by ' || p_who || '.');
    elsif p_action = 'retry' then
        update job_runs_live set run_after = now(), updated_at = now()
        where id = any (v_runs) and status = 'queued' and run_after > now();
        get diagnostics v_affected = row_count;
        v_affected := v_affected + retry_runs(p_scope, p_target);
    end if;

    insert into operator_actions (who, action, scope, target, affected)
    values (p_who, p_action, p_scope, p_target, v_affected);
    return query select s.symbol, s.timeframe, v_affected from series s where s.id = any (v_series);
    if not found then
        return query select null::text, null::text, v_affected;
    end if;
end
$$;

-- Failed and cancelled runs of a scope whose time is neither covered nor on its way, the last of each slice. Of `series`,
-- `provider` and `all` those of the last week.
create function runs_to_retry(p_scope text, p_target text)
returns setof job_runs_ended language sql stable as $$
    select distinct on (r.series_id, r.layer, r.slice) r.*
    from job_runs_ended r join series s on s.id = r.series_id
    where r.status in ('failed', 'cancelled') and r.error_code not in ('slice_split', 'slice_outdated', 'hours_changed')
      and case p_scope
          when 'run' then r.id = p_target::bigint
          when 'series' then s.symbol || ' ' || s.timeframe = p_target
          when 'provider' then r.provider = p_target
          else true
      end
      and (p_scope = 'run' or r.finished_at > now() - interval '7 days')
      and not exists (
          select from coverage_status c where c.series_id = r.series_id and c.layer = r.layer and c.covered @> r.slice
      )
      and not exists (
          select from job_runs_live l where l.series_id = r.series_id and l.layer = r.layer and l.slice && r.slice
      )
      and exists (select from job_definitions d where d.id = r.definition_id and d.enabled)
    order by r.series_id, r.layer, r.slice, r.finished_at desc
$$;

create function retry_runs(p_scope text, p_target text)
returns integer language plpgsql as $$
declare
    v_again   job_runs_ended;
    v_retried integer := 0;
    v_series  series;
begin
    for v_again in select * from runs_to_retry(p_scope, p_target) order by finished_at desc loop
        -- One that was made just now may overlap another that failed.
        continue when exists (
            select from job_runs_live l
            where l.series_id = v_again.series_id and l.layer = v_again.layer and l.slice && v_again.slice
        );
        select * into strict v_series from series where id = v_again.series_id;
        if not exists (select from job_runs_live where series_id = v_series.id) then
            update series set hydration = hydration + 1, hydration_started_at = now() where id = v_series.id
            returning * into v_series;
        end if;
        insert into job_runs_live (definition_id, series_id, layer, slice, status, priority, turn, hydration, provider,
                                   chain, is_held, is_recheck)
        values (v_again.definition_id, v_again.series_id, v_again.layer, v_again.slice, 'queued', v_again.priority,
                first_turn(v_again.provider, v_again.priority), v_series.hydration, v_again.provider, v_again.chain,
                v_series.is_paused, v_again.is_recheck);
        v_retried := v_retried + 1;
    end loop;
    return v_retried;
end
$$;

-- Who is looking at which series: told by each process that serves them, and believed until `until`.
create table viewings (
    series_id integer not null references series on delete cascade,
    process   text not null,
    until     timestamptz not null,
    primary key (series_id, process)
);

-- Books that the process's viewers look at these series for another `p_for`, and at none else. Runs that nobody waits for
-- any more fall back to the background. Answers how many did.
create function book_viewings(p_process text, p_symbol text[], p_timeframe text[], p_for interval)
returns integer language plpgsql as $$
declare
    v_left integer[];
begin
    insert into viewings as v (series_id, process, until)
    select s.id, p_process, now() + p_for
    from unnest(p_symbol, p_timeframe) as u (symbol, timeframe) join series s using (symbol, timeframe)
    order by s.id
    on conflict (series_id, process) do update set until = excluded.until;
    with gone as (
        delete from viewings v
        where v.process = p_process and not exists (
            select from unnest(p_symbol, p_timeframe) as u (symbol, timeframe) join series s using (symbol, timeframe)
            where s.id = v.series_id
        )
        returning series_id
    )
    select array_agg(series_id) into v_left from gone;
    return fall_back(v_left);
end
$$;

-- Puts queued runs of these series that nobody looks at any more among the background ones; how many.
create function fall_back(p_series integer[])
returns integer language plpgsql as $$
declare
    v_series  integer;
    v_count   integer;
    v_fallen  integer := 0;
begin
    for v_series in
        select s.id from series s
        where s.id = any (p_series)
          and not exists (select from viewings v where v.series_id = s.id and v.until > now())
          and exists (
              select from job_runs_live r where r.series_id = s.id and r.status = 'queued' and r.priority < 10
          )
        order by s.id for update
    loop
        update job_runs_live set priority = 10, updated_at = now()
        where series_id = v_series and status = 'queued' and priority < 10;
        get diagnostics v_count = row_count;
        perform take_turns(v_series);
        v_fallen := v_fallen + v_count;
    end loop;
    return v_fallen;
end
$$;
