-- What is known of a series, and what is not.

-- A row changes only in the transaction that writes the bars it speaks of.
create table coverage_status (
    series_id  integer not null references series,
    layer      bar_layer not null,
    covered    tstzmultirange not null default '{}',
    bar_count  bigint not null default 0,
    first_ts   timestamptz,
    last_ts    timestamptz,
    revision   bigint not null default 0,
    updated_at timestamptz not null default now(),
    primary key (series_id, layer)
);

-- Session time that is asked for and not covered. `p_sessions` is the asked window cut to sessions, in whole bars.
create function get_coverage_gaps(p_series integer, p_layer bar_layer, p_sessions tstzmultirange)
returns setof tstzrange language sql stable as $$
    select unnest(p_sessions - coalesce(
        (select covered from coverage_status where series_id = p_series and layer = p_layer), '{}'
    ))
$$;
