-- The least a queue needs: a row a job, and an index of those that wait. A fill factor below 100 would gain nothing: a
-- status that is in an index's predicate is never updated in place (HOT).
drop schema if exists floor cascade;
create schema floor;
create table floor.jobs (
    id          bigint generated always as identity primary key,
    status      text not null default 'queued',
    run_at      timestamptz not null default now(),
    payload     jsonb not null,
    finished_at timestamptz
);
create index jobs_waiting on floor.jobs (run_at, id) where status = 'queued';
