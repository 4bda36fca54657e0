-- Bars: the current value of each, what it was before, and what was refused.

create table ohlc_bars_v2 (
    series_id  integer not null references series,
    layer      bar_layer not null,
    ts         timestamptz not null,
    open       double precision not null,
    high       double precision not null,
    low        double precision not null,
    close      double precision not null,
    volume     double precision not null,
    vwap       double precision,
    trades     integer,
    band_low   double precision,
    band_high  double precision,
    version    integer not null default 1,
    revision   bigint not null,
    provider   text not null,
    adjusted   boolean not null,
    fetched_at timestamptz not null default now(),
    primary key (series_id, layer, ts),
    -- NaN sorts above every number, so the upper bounds keep it out too.
    constraint ohlc_is_a_bar check (
        0 < low and low <= open and open <= high and low <= close and close <= high
        and high < 'infinity' and volume >= 0 and volume < 'infinity'
    ),
    constraint only_a_forecast_has_a_band check ((layer = 'forecast') = (band_low is not null and band_high is not null))
) partition by range (ts);

-- A partition a year over the calendars' span; what lies outside of it is refused at the edge and would fail here.
do $$
begin
    for year in 1990..2035 loop
        execute format(
            'create table ohlc_bars_v2_%s partition of ohlc_bars_v2 for values from (%L) to (%L)',
            year, format('%s-01-01 00:00+00', year), format('%s-01-01 00:00+00', year + 1)
        );
    end loop;
end
$$;

-- The value a bar had until `replaced_at`.
create table ohlc_bar_revisions (
    series_id   integer not null,
    layer       bar_layer not null,
    ts          timestamptz not null,
    version     integer not null,
    open        double precision not null,
    high        double precision not null,
    low         double precision not null,
    close       double precision not null,
    volume      double precision not null,
    vwap        double precision,
    trades      integer,
    band_low    double precision,
    band_high   double precision,
    provider    text not null,
    adjusted    boolean not null,
    fetched_at  timestamptz not null,
    replaced_at timestamptz not null default now(),
    primary key (series_id, layer, ts, version)
);

-- Bars that failed validation, with the reason's stable code. They never stop their slice.
create table ohlc_bar_quarantine (
    id          bigint generated always as identity primary key,
    run_id      bigint not null,
    series_id   integer not null,
    layer       bar_layer not null,
    bar         jsonb not null,
    reason      text not null,
    provider    text not null,
    created_at  timestamptz not null default now()
);
create index ohlc_bar_quarantine_series on ohlc_bar_quarantine (series_id, id);
