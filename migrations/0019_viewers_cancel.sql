-- What someone who looks at a chart may call off.

-- Ends what is queued of a series, except what a schedule asks for; what is being fetched goes on, since it is paid for.
-- Answers how many runs that were; null, with nothing done, where someone looks at the series through another process.
create function cancel_asked(p_symbol text, p_timeframe text, p_process text)
returns integer language plpgsql as $$
declare
    v_series integer;
    v_runs   bigint[];
begin
    select id into v_series from series where symbol = p_symbol and timeframe = p_timeframe for update;
    if exists (
        select from viewings where series_id = v_series and process <> p_process and until > now()
    ) then
        return null;
    end if;
    select array_agg(held.id) into v_runs from (
        select r.id from job_runs_live r join job_definitions d on d.id = r.definition_id
        where r.series_id = v_series and r.status = 'queued' and d.schedule is null
        order by r.id for update of r
    ) held;
    perform end_runs(v_runs, 'cancelled', 'cancelled', 'cancelled', 'Cancelled by a viewer.');
    return coalesce(cardinality(v_runs), 0);
end
$$;
