-- Runs, parted into those that live and those that have ended: the queue is as small as what is in it, however much was
-- done, and what has ended goes away a day at a time. Ending a run deletes it from job_runs_live and inserts it into
-- job_runs_ended; `end_runs` alone does that.

alter table job_runs rename to job_runs_former;
drop function claim_queued_job;
drop index job_runs_live_slice, job_runs_claim, job_runs_due, job_runs_lease, job_runs_hydration;
create sequence job_run_ids;

-- `turn` is a run's place among those of its priority, see `first_turn`. `claims` counts how often it was claimed, and
-- `outcomes` holds how each claim ended: `success`, an error's code, `lease_expired`, `released`, `paused`, `cancelled`.
-- `attempt` counts those that count against `max_attempts`. `chain` names the providers that may step in, in order. A run
-- that is held waits until someone lets it go.
create table job_runs (
    id               bigint not null default nextval('job_run_ids'),
    definition_id    bigint not null,
    series_id        integer not null,
    layer            bar_layer not null,
    slice            tstzrange not null check (not isempty(slice) and lower_inc(slice) and not upper_inc(slice)),
    status           text not null default 'queued',
    priority         smallint not null,
    turn             double precision not null default 0,
    hydration        bigint not null,
    attempt          smallint not null default 0 check (attempt <= max_attempts),
    max_attempts     smallint not null default 5,
    claims           integer not null default 0,
    outcomes         text[] not null default '{}',
    run_after        timestamptz not null default now(),
    is_held          boolean not null default false,
    is_recheck       boolean not null default false,
    lease_owner      text,
    lease_until      timestamptz,
    provider         text not null,
    chain            text[] not null default '{}',
    progress         smallint not null default 0 check (progress between 0 and 100),
    rows_written     integer not null default 0,
    rows_quarantined integer not null default 0,
    requests         integer not null default 0,
    error_code       text,
    error_message    text,
    created_at       timestamptz not null default now(),
    started_at       timestamptz,
    finished_at      timestamptz,
    updated_at       timestamptz not null default now(),
    check ((status = 'running') = (lease_owner is not null and lease_until is not null)),
    check ((status in ('success', 'failed', 'cancelled')) = (finished_at is not null))
) partition by list (status);

-- Rows come, are updated once or twice and go, so that what is dead must be cleared away soon.
create table job_runs_live partition of job_runs (
    primary key (id),
    foreign key (definition_id) references job_definitions on delete cascade,
    foreign key (series_id) references series
) for values in ('queued', 'running')
with (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 500,
      autovacuum_analyze_scale_factor = 0.1, autovacuum_vacuum_cost_delay = 0);

create table job_runs_ended partition of job_runs for values in ('success', 'failed', 'cancelled')
partition by range (finished_at);
create index job_runs_ended_id on job_runs_ended (id);
create index job_runs_ended_hydration on job_runs_ended (series_id, hydration);

-- No slice is fetched twice at once. Slices of one series that overlap are kept out by `ensure_coverage`, which takes
-- live ones out under the series' lock.
create unique index job_runs_live_slice on job_runs_live (series_id, layer, lower(slice), upper(slice));
-- The hot path, in the order of claiming.
create index job_runs_claim on job_runs_live (provider, priority, turn, id) where status = 'queued' and not is_held;
create index job_runs_delayed on job_runs_live (run_after) where status = 'queued' and run_after > created_at;
-- Not by status: the planner would take it for the shortest way to any run that is running.
create index job_runs_lease on job_runs_live (lease_until) where lease_until is not null;

-- Makes the partitions of runs that end on the days from `p_first` to `p_last`, in UTC.
create function make_run_partitions(p_first date, p_last date)
returns void language plpgsql as $$
declare
    v_day  date;
    v_name text;
begin
    for v_day in select generate_series(p_first, p_last, interval '1 day')::date loop
        v_name := 'job_runs_ended_' || to_char(v_day, 'YYYYMMDD');
        if to_regclass(v_name) is null then
            execute format(
                'create table if not exists %I partition of job_runs_ended for values from (%L) to (%L)',
                v_name, v_day || ' 00:00+00', v_day + 1 || ' 00:00+00'
            );
        end if;
    end loop;
end
$$;

-- Drops the partitions whose runs all ended more than `p_keep` ago; the number of them. A table that is in use is left
-- for the next time.
create function drop_run_partitions(p_keep interval)
returns integer language plpgsql as $$
declare
    v_name    text;
    v_dropped integer := 0;
begin
    set local lock_timeout = '500ms';
    for v_name in
        -- Not in one: the planner might read a day from the names of other tables.
        with partition as materialized (
            select c.relname from pg_inherits i join pg_class c on c.oid = i.inhrelid
            where i.inhparent = 'job_runs_ended'::regclass
        )
        select relname from partition
        where to_date(right(relname, 8), 'YYYYMMDD') + 1 <= ((now() - p_keep) at time zone 'UTC')::date
        order by 1
    loop
        begin
            execute format('drop table %I', v_name);
            v_dropped := v_dropped + 1;
        exception when lock_not_available then
            null;
        end;
    end loop;
    return v_dropped;
end
$$;

do $$
begin
    perform make_run_partitions(
        coalesce((select min(finished_at) at time zone 'UTC' from job_runs_former)::date, (now() at time zone 'UTC')::date),
        (now() at time zone 'UTC')::date + 14
    );
end
$$;

insert into job_runs (
    id, definition_id, series_id, layer, slice, status, priority, hydration, attempt, max_attempts, claims, outcomes,
    run_after, is_recheck, lease_owner, lease_until, provider, progress, rows_written, rows_quarantined, error_code,
    error_message, created_at, started_at, finished_at, updated_at
)
select id, definition_id, series_id, layer, slice, status, priority, hydration, attempt, max_attempts, attempt,
       array_fill(coalesce(error_code, 'success'), array[greatest(attempt - (status = 'running')::int, 0)]),
       run_after, is_recheck, lease_owner, lease_until, provider, progress, rows_written, rows_quarantined, error_code,
       error_message, created_at, started_at, finished_at, updated_at
from job_runs_former;
select setval('job_run_ids', (select coalesce(max(id), 0) + 1 from job_runs_former), false);
drop table job_runs_former;

-- When the series' present hydration began: none of its runs ended before, so that older partitions are not looked into.
alter table series add hydration_started_at timestamptz not null default '-infinity';
-- New runs of a paused series are held.
alter table series add is_paused boolean not null default false;

create or replace function job_slice_exists(p_symbol text, p_timeframe text, p_job_type bar_layer, p_slice tstzrange)
returns boolean language sql stable as $$
    select exists (
        select from series s
        where s.symbol = p_symbol and s.timeframe = p_timeframe
          and (
              exists (
                  select from job_runs_live r
                  where r.series_id = s.id and r.layer = p_job_type and r.slice @> p_slice
              )
              or exists (
                  select from coverage_status c
                  where c.series_id = s.id and c.layer = p_job_type and c.covered @> p_slice
              )
          )
    )
$$;

-- As in 0010, with a plan that is kept.
create or replace function move_layer_bounds(
    p_series integer, p_settled_through timestamptz, p_intraday_from timestamptz
) returns void language plpgsql as $$
begin
    update series
    set settled_through = greatest(settled_through, p_settled_through),
        intraday_from = greatest(intraday_from, p_intraday_from)
    where id = p_series and (settled_through < p_settled_through or intraday_from < p_intraday_from);
end
$$;

-- As in 0009. Mostly there is nothing to take back.
create or replace function clear_reasons(p_series integer, p_layer bar_layer, p_spans tstzmultirange)
returns void language plpgsql as $$
begin
    if not exists (select from coverage_reasons where series_id = p_series and layer = p_layer and span && p_spans) then
        return;
    end if;
    with hit as (
        delete from coverage_reasons
        where series_id = p_series and layer = p_layer and span && p_spans
        returning *
    )
    insert into coverage_reasons (series_id, layer, span, reason, checks, first_checked_at, checked_at, ask_again_at,
                                  provider, code, message)
    select series_id, layer, rest, reason, checks, first_checked_at, checked_at, ask_again_at, provider, code, message
    from hit, unnest(tstzmultirange(span) - p_spans) as rest;
end
$$;
