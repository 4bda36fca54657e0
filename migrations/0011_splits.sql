-- Share splits. Bars are stored as traded; prices from before a split are adjusted on reading, by the splits in effect.

-- A split takes effect at `execution_at`, the start of the exchange's day; `applied_at` says when readers were told.
create table splits (
    symbol       text not null references instruments,
    execution_at timestamptz not null,
    split_from   double precision not null check (split_from > 0 and split_from < 'infinity'),
    split_to     double precision not null check (split_to > 0 and split_to < 'infinity'),
    source       text not null,
    recorded_at  timestamptz not null default now(),
    applied_at   timestamptz,
    primary key (symbol, execution_at)
);
create index splits_due on splits (execution_at) where applied_at is null;

alter table instruments add splits_checked_at timestamptz;

-- Puts the splits into effect whose time has come, and has their series read in full from now on. Answers the series.
create function apply_due_splits()
returns table (symbol text, timeframe text) language sql as $$
    with due as (
        update splits set applied_at = now() where applied_at is null and execution_at <= now() returning symbol
    )
    update series s set revision = s.revision + 1, full_before = s.revision + 1
    where s.symbol in (select symbol from due)
    returning s.symbol, s.timeframe
$$;

-- Records what a source says of a symbol's splits; one that it says otherwise than before is put into effect anew.
-- Answers how many were new or other.
create function record_splits(
    p_symbol text, p_at timestamptz[], p_from double precision[], p_to double precision[], p_source text
) returns integer language plpgsql as $$
declare
    v_changed integer;
begin
    insert into splits as s (symbol, execution_at, split_from, split_to, source)
    select p_symbol, at, old, new, p_source from unnest(p_at, p_from, p_to) as u (at, old, new)
    on conflict (symbol, execution_at) do update
    set split_from = excluded.split_from, split_to = excluded.split_to, source = excluded.source, recorded_at = now(),
        applied_at = null
    where (s.split_from, s.split_to) is distinct from (excluded.split_from, excluded.split_to);
    get diagnostics v_changed = row_count;
    update instruments set splits_checked_at = now() where symbol = p_symbol;
    return v_changed;
end
$$;
