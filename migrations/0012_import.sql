-- Bars from files.

-- Locks the series until the transaction's end, making it and its instrument where they are new, and moves its layers'
-- bounds. Null where the series holds other hours than `p_hours`, by which the caller has checked its bars.
create function open_series(
    p_symbol text, p_asset_class text, p_calendar text, p_timeframe text, p_hours text, p_settled_through timestamptz,
    p_intraday_from timestamptz
) returns integer language plpgsql as $$
declare
    v_series integer;
begin
    insert into instruments (symbol, asset_class, calendar) values (p_symbol, p_asset_class, p_calendar)
    on conflict do nothing;
    insert into series (symbol, timeframe) values (p_symbol, p_timeframe) on conflict do nothing;
    select id into v_series from series
    where symbol = p_symbol and timeframe = p_timeframe and hours = p_hours for update;
    perform move_layer_bounds(v_series, p_settled_through, p_intraday_from);
    return v_series;
end
$$;

-- Writes bars that nobody was asked for, and books `p_covered`. A file tells nothing of time it has no bars in, so what
-- is said of that stays; nor of what it has no column or value for: `p_volume` is null where it has no volume at all.
create function import_bars(
    p_series integer, p_layer bar_layer, p_provider text, p_adjusted boolean, p_tolerance double precision,
    p_ts timestamptz[], p_open double precision[], p_high double precision[], p_low double precision[],
    p_close double precision[], p_volume double precision[], p_vwap double precision[], p_trades integer[],
    p_covered tstzmultirange
) returns table (written integer, added integer) language plpgsql as $$
#variable_conflict use_column
declare
    v_revision bigint;
    v_first    timestamptz;
    v_last     timestamptz;
    v_written  integer;
    v_added    integer;
    v_grew     boolean;
begin
    select s.revision + 1 into strict v_revision from series s where s.id = p_series for update;

    select min(ts), max(ts) into v_first, v_last from unnest(p_ts) as ts;
    if exists (
        select from ohlc_bars_v2 b
        where b.series_id = p_series and b.layer = p_layer and b.ts between v_first and v_last
          and (p_volume is null or b.vwap is not null or b.trades is not null)
    ) then
        select array_agg(coalesce(i.volume, b.volume, 0) order by i.at), array_agg(coalesce(i.vwap, b.vwap) order by i.at),
               array_agg(coalesce(i.trades, b.trades) order by i.at)
        into p_volume, p_vwap, p_trades
        from unnest(p_ts, p_volume, p_vwap, p_trades) with ordinality as i (ts, volume, vwap, trades, at)
        left join ohlc_bars_v2 b
            on b.series_id = p_series and b.layer = p_layer and b.ts between v_first and v_last and b.ts = i.ts
           and b.adjusted = p_adjusted;
    end if;
    p_volume := coalesce(p_volume, array_fill(0::double precision, array[cardinality(p_ts)]));

    select w.written, w.added into strict v_written, v_added
    from write_bars(p_series, p_layer, p_provider, p_adjusted, v_revision, clock_timestamp(), p_tolerance,
                    p_ts, p_open, p_high, p_low, p_close, p_volume, p_vwap, p_trades) w;

    perform clear_reasons(p_series, p_layer, p_covered);
    v_grew := book_coverage(
        p_series, p_layer, v_revision, 'empty', p_covered, '{}', '{}', p_provider, v_added, v_first, v_last
    );
    if v_grew or v_written > 0 then
        update series s set revision = v_revision where s.id = p_series;
    end if;
    return query select v_written, v_added;
end
$$;
