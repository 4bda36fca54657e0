-- Bars that have not ended yet, of series that someone looks at while their market is open. They are no coverage and no
-- part of ohlc_bars_v2: a bar goes there once it is closed and a run has fetched it. What is lost here is asked for again
-- within seconds.
create unlogged table forming_bars (
    series_id integer primary key references series on delete cascade,
    next_at   timestamptz not null,
    told      jsonb
);

-- The series that someone looks at and whose forming bar is due. For `p_for` nobody else is given them.
create function take_forming(p_for interval)
returns table (symbol text, timeframe text, hours text) language sql as $$
    with taken as (
        insert into forming_bars as f (series_id, next_at)
        select v.series_id, clock_timestamp() + p_for
        from (select distinct series_id from viewings where until > now()) v
            left join forming_bars known using (series_id)
        where known.next_at is null or known.next_at <= clock_timestamp()
        order by v.series_id
        on conflict (series_id) do update set next_at = excluded.next_at where f.next_at <= clock_timestamp()
        returning f.series_id
    )
    select s.symbol, s.timeframe, s.hours from taken t join series s on s.id = t.series_id
$$;

-- How long to wait between two questions for a forming bar: `p_least`, or so long that all series which someone looks at
-- take half of what the provider allows at most.
create function forming_wait(p_provider text, p_least interval)
returns interval language sql stable as $$
    select greatest(p_least, max(
        b.period * 2 / b.allowed * (select count(distinct v.series_id) from viewings v where v.until > now())
    ))
    from provider_budgets b where b.provider = p_provider and b.allowed > 0
$$;

-- Books what the provider told of the series' forming bar (null: nothing), and when it is asked again.
create function book_forming(p_symbol text, p_timeframe text, p_provider text, p_told jsonb, p_least interval)
returns void language sql as $$
    update forming_bars f
    set told = coalesce(p_told, f.told), next_at = clock_timestamp() + forming_wait(p_provider, p_least)
    from series s where s.symbol = p_symbol and s.timeframe = p_timeframe and f.series_id = s.id
$$;

-- Takes a request for a forming bar; null where none may be made now, or a viewer's chart waits for the provider.
create function take_forming_request(p_provider text)
returns bigint language plpgsql as $$
begin
    if exists (
        select from job_runs_live
        where provider = p_provider and status = 'queued' and not is_held and priority < 10 and run_after <= now()
    ) then
        return null;
    end if;
    return take_request(p_provider);
end
$$;
