-- What becomes of runs whose worker died.

-- How long a run waits after its worker died in that attempt: not at all the first time, since one death costs one lease
-- and no more; then longer each time, so that processes that keep dying do not use up a run's attempts within seconds.
create function lost_lease_wait(p_attempt smallint) returns interval language sql immutable as $$
    select case when p_attempt < 2 then interval '0' else interval '1 second' * power(4, p_attempt - 2) end
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
                progress = 0, run_after = now() + lost_lease_wait(v_run.attempt), error_code = 'lease_expired', error_message = v_message, updated_at = now()
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
