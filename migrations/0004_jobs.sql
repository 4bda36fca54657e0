-- The queue: standing wishes, the slices being fetched for them, and what providers still allow.

-- A standing wish: keep this series covered over this window. With `refresh_every` the tick asks again by itself, up to
-- the present.
create table job_definitions (
    id              bigint generated always as identity primary key,
    symbol          text not null references instruments,
    timeframe       text not null,
    job_type        bar_layer not null,
    "window"        tstzrange not null check (not isempty("window")),
    priority        smallint not null default 10,
    enabled         boolean not null default true,
    slice_size      interval check (slice_size > '0'),
    refresh_every   interval check (refresh_every >= '1 minute'),
    next_refresh_at timestamptz,
    created_at      timestamptz not null default now(),
    updated_at      timestamptz not null default now(),
    unique (symbol, timeframe, job_type)
);
create index job_definitions_due on job_definitions (next_refresh_at) where enabled and refresh_every is not null;

create table job_runs (
    id               bigint generated always as identity primary key,
    definition_id    bigint not null references job_definitions on delete cascade,
    series_id        integer not null references series,
    layer            bar_layer not null,
    slice            tstzrange not null check (not isempty(slice) and lower_inc(slice) and not upper_inc(slice)),
    status           text not null default 'queued'
                     check (status in ('queued', 'running', 'success', 'failed', 'cancelled')),
    priority         smallint not null,
    hydration        bigint not null,
    attempt          smallint not null default 0 check (attempt <= max_attempts),
    max_attempts     smallint not null default 5,
    run_after        timestamptz not null default now(),
    lease_owner      text,
    lease_until      timestamptz,
    provider         text not null,
    progress         smallint not null default 0 check (progress between 0 and 100),
    rows_written     integer not null default 0,
    rows_quarantined integer not null default 0,
    error_code       text,
    error_message    text,
    created_at       timestamptz not null default now(),
    started_at       timestamptz,
    finished_at      timestamptz,
    updated_at       timestamptz not null default now(),
    check ((status = 'running') = (lease_owner is not null and lease_until is not null)),
    check ((status in ('success', 'failed', 'cancelled')) = (finished_at is not null))
) with (fillfactor = 80, autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_cost_delay = 1);

-- No slice is fetched twice at once. Slices of one series that overlap are kept out by `ensure_coverage`, which takes
-- live ones out under the series' lock.
create unique index job_runs_live_slice on job_runs (series_id, layer, slice) where status in ('queued', 'running');
-- The hot path, in the order of claiming: however many runs have ended, they are not in it.
create index job_runs_claim on job_runs (priority, upper(slice) desc, id) where status = 'queued';
create index job_runs_due on job_runs (run_after) where status = 'queued';
create index job_runs_lease on job_runs (lease_until) where status = 'running';
create index job_runs_hydration on job_runs (series_id, hydration);

-- What a provider still allows, shared by every process. Nothing of it is claimed before `blocked_until`.
create table provider_budgets (
    provider      text primary key,
    allowed       integer,
    available     integer,
    resets_at     timestamptz,
    blocked_until timestamptz,
    reason        text,
    updated_at    timestamptz not null default now()
);
