-- What is charted: instruments, and a series for each timeframe of one.

create type bar_layer as enum ('historical', 'intraday', 'forecast');

create table instruments (
    symbol      text primary key check (symbol ~ '^[A-Z0-9][A-Z0-9.:-]{0,23}$'),
    name        text,
    asset_class text not null check (asset_class in ('equity', 'crypto')),
    calendar    text not null check (calendar in ('XNYS', '24x7')),
    currency    text not null default 'USD',
    created_at  timestamptz not null default now()
);

-- `revision` grows by one with every change of the series' bars or coverage, under this row's lock, so that a reader who
-- holds revision r has seen everything up to r. `hydration` counts the spells of fetching between two times of rest.
create table series (
    id        integer generated always as identity primary key,
    symbol    text not null references instruments,
    timeframe text not null check (timeframe in ('m1', 'm5', 'm15', 'm30', 'h1', 'h4', 'd1', 'w1')),
    revision  bigint not null default 0,
    hydration bigint not null default 0,
    unique (symbol, timeframe)
);
