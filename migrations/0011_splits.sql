-- Share splits. Bars are stored as traded; prices from before a split are adjusted on reading, by the splits in effect.

-- A split takes effect at `execution_at`, the start of the exchange's day; `applied_at` says when readers were told. One
-- that its source takes back, or tells otherwise, is withdrawn and stays for those who read as of before.
create table splits (
    id           bigint generated always as identity primary key,
    symbol       text not null references instruments,
    execution_at timestamptz not null,
    split_from   double precision not null check (split_from > 0 and split_from < 'infinity'),
    split_to     double precision not null check (split_to > 0 and split_to < 'infinity'),
    source       text not null,
    recorded_at  timestamptz not null default now(),
    applied_at   timestamptz,
    withdrawn_at timestamptz
);
create unique index splits_told on splits (symbol, execution_at) where withdrawn_at is null;
create index splits_due on splits (execution_at) where applied_at is null and withdrawn_at is null;

alter table instruments add splits_checked_at timestamptz;

-- Has the symbols' series read in full from now on.
create function read_otherwise(p_symbols text[])
returns table (symbol text, timeframe text) language sql as $$
    with held as materialized (
        select id from series where symbol = any (p_symbols) order by id for update
    )
    update series s set revision = s.revision + 1, full_before = s.revision + 1
    from held where s.id = held.id
    returning s.symbol, s.timeframe
$$;

-- Puts the splits into effect whose time has come. Answers the series that are read otherwise since.
create function apply_due_splits()
returns table (symbol text, timeframe text) language plpgsql as $$
#variable_conflict use_column
declare
    v_symbols text[];
begin
    with due as (
        update splits set applied_at = clock_timestamp()
        where applied_at is null and withdrawn_at is null and execution_at <= now() returning symbol
    )
    select array_agg(distinct symbol) into v_symbols from due;
    return query select r.symbol, r.timeframe from read_otherwise(v_symbols) r;
end
$$;

-- Records what a source says of a symbol's splits. What it said before and says no more, or says otherwise, is withdrawn;
-- `p_is_whole` tells that it says all it knows. What a file says stands against everyone else. Answers how many splits
-- are new, other or gone.
create function record_splits(
    p_symbol text, p_at timestamptz[], p_from double precision[], p_to double precision[], p_source text,
    p_is_whole boolean
) returns integer language plpgsql as $$
declare
    v_withdrawn integer;
    v_applied   boolean;
    v_added     integer;
begin
    with told as (
        select distinct on (at) at, old, new from unnest(p_at, p_from, p_to) as u (at, old, new) order by at, old, new
    ), gone as (
        update splits s set withdrawn_at = clock_timestamp()
        where s.symbol = p_symbol and s.withdrawn_at is null
          and (s.source = p_source or (p_source = 'file' and s.execution_at in (select at from told)))
          and not exists (select from told t where (t.at, t.old, t.new) = (s.execution_at, s.split_from, s.split_to))
          and (p_is_whole or s.execution_at in (select at from told))
        returning s.applied_at is not null as was_applied
    )
    select count(*), coalesce(bool_or(was_applied), false) into v_withdrawn, v_applied from gone;

    insert into splits (symbol, execution_at, split_from, split_to, source)
    select distinct on (at) p_symbol, at, old, new, p_source
    from unnest(p_at, p_from, p_to) as u (at, old, new) order by at, old, new
    on conflict (symbol, execution_at) where withdrawn_at is null do nothing;
    get diagnostics v_added = row_count;

    update instruments set splits_checked_at = now() where symbol = p_symbol;
    if v_applied then
        perform read_otherwise(array[p_symbol]);
    end if;
    return v_withdrawn + v_added;
end
$$;
