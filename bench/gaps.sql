-- What gaps cost: 10,000 series whose coverage is in 1,000 fragments each, and how that grows with fragments. Run on an
-- empty, migrated database: `psql -f bench/gaps.sql`.
\set ON_ERROR_STOP on
\timing off
set client_min_messages = warning;

insert into instruments (symbol, asset_class, calendar) select 'ZZ' || i, 'crypto', '24x7' from generate_series(1, 10000) i;
insert into series (symbol, timeframe) select 'ZZ' || i, 'h1' from generate_series(1, 10000) i;

-- `fragments` stretches of two hours, three hours apart, from 2024 on.
create function fragmented(fragments integer) returns tstzmultirange language sql immutable as $$
    select range_agg(tstzrange(at, at + interval '2 hours'))
    from generate_series(0, fragments - 1) i, lateral (select timestamptz '2024-01-01 00:00+00' + i * interval '3 hours' as at) t
$$;
insert into coverage_status (series_id, layer, covered) select id, 'historical', fragmented(1000) from series;
analyze coverage_status;

create temp table took (what text, fragments integer, series integer, gaps bigint, millis numeric);

create function clocked(what text, fragments integer, series integer, asked tstzmultirange, runs integer) returns void language plpgsql as $$
declare
    v_started timestamptz;
    v_gaps    bigint;
begin
    for run in 1..runs loop
        v_started := clock_timestamp();
        select count(*) into v_gaps
        from (select id from series order by id limit clocked.series) s,
             lateral get_coverage_gaps(s.id, 'historical', asked) gap;
        insert into took values (what, fragments, series, v_gaps, extract(epoch from clock_timestamp() - v_started) * 1000);
    end loop;
end
$$;

create function clocked_plan() returns setof text language plpgsql as $$
begin
    return query execute 'explain (analyze, costs off, timing off)
        select count(*) from (select id from series order by id) s,
            lateral get_coverage_gaps(s.id, ''historical'', tstzmultirange(tstzrange(''2024-01-01 00:00+00'', ''2024-05-05 00:00+00''))) gap';
end
$$;

select from clocked('all series at once', 1000, 10000, tstzmultirange(tstzrange('2024-01-01 00:00+00', '2024-05-05 00:00+00')), 3);
do $$
begin
    for power in 1..5 loop
        update coverage_status set covered = fragmented((10 ^ power)::integer) where series_id = 1;
        perform clocked('one series', (10 ^ power)::integer, 1, tstzmultirange(tstzrange('2024-01-01 00:00+00', '2024-01-01 00:00+00'::timestamptz + (10 ^ power)::integer * interval '3 hours')), 9);
    end loop;
end
$$;

\echo '| what | series | fragments each | gaps | median ms |'
\echo '|---|---|---|---|---|'
select '| ' || concat_ws(' | ', what, series, fragments, max(gaps),
                         round(percentile_cont(0.5) within group (order by millis)::numeric, 2)) || ' |'
from took group by what, series, fragments order by what, fragments;
\echo
select '    ' || line from (
    select clocked_plan() as line
) plan;
