-- Taking runs, keeping them and giving them back. All times are the database's.

-- Takes up to `p_limit` runs for `p_lease`. One scan of job_runs_claim in its order; the CTE is materialized because the
-- planner could otherwise repeat the limited subquery and take more than it locked. Runs of a provider that is blocked
-- stay where they are; `coalesce` keeps the planner from taking that for a filter that hardly lets a row through, which
-- would make it sort the whole queue.
create function claim_queued_job(p_worker text, p_lease interval, p_limit integer default 1)
returns setof job_runs language sql as $$
    with picked as materialized (
        select id from job_runs
        where status = 'queued' and run_after <= now()
          and not coalesce(provider = any (array(select provider from provider_budgets where blocked_until > now())), false)
        order by priority, upper(slice) desc, id
        limit p_limit
        for update skip locked
    )
    update job_runs r
    set status = 'running', attempt = attempt + 1, lease_owner = p_worker, lease_until = clock_timestamp() + p_lease,
        progress = 0, started_at = now(), updated_at = now()
    from picked where r.id = picked.id
    returning r.*
$$;

-- Keeps a run for another `p_lease` and books its progress. False where the lease is lost: then the work must stop.
create function renew_lease(p_run bigint, p_attempt smallint, p_worker text, p_lease interval, p_progress smallint)
returns boolean language sql as $$
    with renewed as (
        update job_runs
        set lease_until = clock_timestamp() + p_lease, progress = greatest(progress, p_progress), updated_at = now()
        where id = p_run and attempt = p_attempt and lease_owner = p_worker and status = 'running'
        returning 1
    )
    select exists (select from renewed)
$$;

-- Gives runs whose lease has run out back to the queue, or ends them where no attempt is left. Answers the series.
create function reap_expired_leases()
returns table (symbol text, timeframe text) language sql as $$
    with expired as materialized (
        select id from job_runs where status = 'running' and lease_until < now() for update skip locked
    ), reaped as (
        update job_runs r
        set status = case when attempt < max_attempts then 'queued' else 'failed' end,
            finished_at = case when attempt < max_attempts then null else now() end,
            lease_owner = null, lease_until = null, run_after = now(), updated_at = now(),
            error_code = 'lease_expired',
            error_message = 'The worker that fetched this slice stopped without a word. '
                || 'It is tried again by itself while attempts are left; after that, use Retry.'
        from expired where r.id = expired.id
        returning r.series_id
    )
    select s.symbol, s.timeframe from series s where s.id in (select series_id from reaped)
$$;

-- Gives a run back unharmed: the worker is being stopped. The attempt is not spent.
create function release_run(p_run bigint, p_attempt smallint, p_worker text)
returns boolean language sql as $$
    with released as (
        update job_runs
        set status = 'queued', attempt = attempt - 1, lease_owner = null, lease_until = null, run_after = now(),
            progress = 0, updated_at = now()
        where id = p_run and attempt = p_attempt and lease_owner = p_worker and status = 'running'
        returning 1
    )
    select exists (select from released)
$$;

-- Milliseconds until something in the queue is due by itself: a delayed run, a provider's end of block, a lease's end.
-- Null where nothing is.
create function queue_due_in()
returns double precision language sql stable as $$
    select extract(epoch from least(
        (select greatest(
            (select run_after from job_runs where status = 'queued' order by run_after limit 1),
            (select min(blocked_until) from provider_budgets where blocked_until > now())
        )),
        (select lease_until from job_runs where status = 'running' order by lease_until limit 1)
    ) - clock_timestamp()) * 1000
$$;
