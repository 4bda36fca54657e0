-- What is done by the clock: who keeps it, which definitions are due, and what is cleared away.

-- One process leads at a time, for as long as it says so again before `until`; `term` grows with every change of leader.
create table leader (
    is_only   boolean primary key default true check (is_only),
    holder    text not null,
    term      bigint not null default 1,
    until     timestamptz not null,
    ticked_at timestamptz
);

-- Leads for another `p_for` if nobody else does; the term, null where another process leads.
create function take_lead(p_process text, p_for interval)
returns bigint language sql as $$
    insert into leader as l (holder, until) values (p_process, clock_timestamp() + p_for)
    on conflict (is_only) do update
    set holder = p_process, until = clock_timestamp() + p_for, term = l.term + (l.holder <> p_process)::int
    where l.holder = p_process or l.until < clock_timestamp()
    returning term
$$;

-- Lets another process lead at once.
create function resign_lead(p_process text)
returns void language sql as $$
    update leader set until = '-infinity' where holder = p_process
$$;

-- True for the leader once a `p_period`: a tick that nobody made is made up for once, and none is made twice.
create function begin_tick(p_process text, p_term bigint, p_period interval)
returns boolean language sql as $$
    with begun as (
        update leader set ticked_at = clock_timestamp()
        where holder = p_process and term = p_term and until > clock_timestamp()
          and (ticked_at is null or ticked_at <= clock_timestamp() - p_period)
        returning 1
    )
    select exists (select from begun)
$$;

-- A definition's schedule is written as `market` reads it: `every 5m`, `open 1m`, `close`, `weekly`.
alter table job_definitions add schedule text;
update job_definitions
set schedule = 'every ' || greatest(extract(epoch from refresh_every)::bigint / 60, 1) || 'm'
where refresh_every is not null;
alter table job_definitions drop column refresh_every;
alter table job_definitions rename column next_refresh_at to next_due_at;
create index job_definitions_due on job_definitions (next_due_at) where enabled and schedule is not null;

-- Takes the definitions that are due, with the time of their series that need not be asked for, so that a tick need not
-- look at each: what is covered, on its way, or was not to be had and is not due again. They are due again in
-- `p_again_in`, unless `put_off` says otherwise first: a tick that dies is made up for.
create function take_due_definitions(p_again_in interval)
returns table (symbol text, timeframe text, hours text, schedule text, slice_size interval, "window" tstzrange,
               known_historical tstzmultirange, known_intraday tstzmultirange)
language plpgsql as $$
#variable_conflict use_column
begin
    return query
    with due as materialized (
        select d.id from job_definitions d
        where d.enabled and d.schedule is not null and d.next_due_at <= now()
        order by d.id for update skip locked
    ), taken as (
        update job_definitions d set next_due_at = now() + p_again_in
        from due where d.id = due.id
        returning d.symbol, d.timeframe, d.schedule, d.slice_size, d."window"
    ), wish as (
        select t.symbol, t.timeframe, min(t.schedule) as schedule, max(t.slice_size) as slice_size,
               range_merge(range_agg(t."window")) as "window"
        from taken t group by t.symbol, t.timeframe
    ), live as materialized (
        select r.series_id, r.layer, range_agg(r.slice) as spans from job_runs_live r group by r.series_id, r.layer
    ), barred as materialized (
        select c.series_id, c.layer, range_agg(c.span) as spans
        from coverage_reasons c where c.ask_again_at > now() group by c.series_id, c.layer
    ), known as (
        select c.series_id, c.layer, c.covered + coalesce(l.spans, '{}') + coalesce(b.spans, '{}') as spans
        from coverage_status c
        left join live l using (series_id, layer)
        left join barred b using (series_id, layer)
    )
    select w.symbol, w.timeframe, coalesce(s.hours, 'regular'), w.schedule, w.slice_size, w."window",
           coalesce(h.spans, '{}'), coalesce(i.spans, '{}')
    from wish w
    left join series s on s.symbol = w.symbol and s.timeframe = w.timeframe
    left join known h on h.series_id = s.id and h.layer = 'historical'
    left join known i on i.series_id = s.id and i.layer = 'intraday';
end
$$;

create function put_off(p_symbol text[], p_timeframe text[], p_next_due_at timestamptz[])
returns void language sql as $$
    update job_definitions d set next_due_at = u.next_due_at
    from unnest(p_symbol, p_timeframe, p_next_due_at) as u (symbol, timeframe, next_due_at)
    where d.symbol = u.symbol and d.timeframe = u.timeframe and d.schedule is not null
$$;

-- Clears away what is no longer needed: runs that ended more than `p_keep` ago, requests that count no more, viewings of
-- processes that are gone. Makes the partitions of the days to come, and has a limit that was learned a day ago tried
-- again. Answers how many partitions were dropped and how many runs fell back to the background.
create function keep_house(p_keep interval)
returns table (dropped integer, fallen integer) language plpgsql as $$
declare
    v_today date := (now() at time zone 'UTC')::date;
    v_left  integer[];
begin
    perform make_run_partitions(v_today, v_today + 14);
    delete from provider_requests where ended_at < now() - interval '1 hour';
    -- Those of runs that went with their definition, and questions of processes that were killed, have ended unbooked.
    update provider_requests q set ended_at = clock_timestamp()
    where q.ended_at is null and q.granted_at < now() - interval '5 minutes'
      and not exists (select from job_runs_live r where r.id = q.run_id and r.status = 'running');
    update provider_budgets set is_learning = true, learned_at = null
    where learned_at < now() - interval '1 day' and window_key is null;
    delete from viewings where until < now();
    -- Who has just asked may not be listening yet.
    select array_agg(distinct series_id) into v_left from job_runs_live
    where status = 'queued' and priority < 10 and created_at < now() - interval '1 minute';
    return query select drop_run_partitions(p_keep), fall_back(v_left);
end
$$;

-- How long a slice may be: what one request of a provider holds and answers in time, as learned.
create table slice_sizes (
    provider   text not null,
    timeframe  text not null,
    layer      bar_layer not null,
    size       interval not null check (size > '0'),
    updated_at timestamptz not null default now(),
    primary key (provider, timeframe, layer)
);

create function set_slice_size(p_provider text, p_timeframe text, p_layer bar_layer, p_former interval, p_size interval)
returns void language sql as $$
    insert into slice_sizes as s (provider, timeframe, layer, size) values (p_provider, p_timeframe, p_layer, p_size)
    on conflict (provider, timeframe, layer) do update set size = excluded.size, updated_at = now()
    where s.size = p_former
$$;

-- Rows that change with every run that ends. Room in their pages lets Postgres reuse the space at once.
alter table series set (fillfactor = 50, autovacuum_vacuum_scale_factor = 0.05, autovacuum_vacuum_cost_delay = 0);
alter table coverage_status set (fillfactor = 50, autovacuum_vacuum_scale_factor = 0.05, autovacuum_vacuum_cost_delay = 0);
alter table provider_budgets set (fillfactor = 50, autovacuum_vacuum_cost_delay = 0);
alter table job_definitions set (fillfactor = 80, autovacuum_vacuum_scale_factor = 0.05);
