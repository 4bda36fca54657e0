-- A claim names the series of what it takes by itself: its caller's statement may have begun before the series came, and
-- would leave out runs that were taken.
drop function claim_queued_job;
create function claim_queued_job(p_worker text, p_lease interval, p_limit integer default 1)
returns table (
    id bigint, symbol text, timeframe text, hours text, layer bar_layer, slice tstzrange, attempt smallint, provider text
) language plpgsql as $$
#variable_conflict use_column
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
        returning r.id, r.series_id, r.layer, r.slice, r.attempt, r.provider
    ), granted as (
        insert into provider_requests (provider, run_id)
        select c.provider, c.id from claimed c join picked p using (id) where p.is_metered
    )
    select c.id, s.symbol, s.timeframe, s.hours, c.layer, c.slice, c.attempt, c.provider
    from claimed c join series s on s.id = c.series_id;
end
$$;
alter function claim_queued_job set plan_cache_mode to force_generic_plan;
