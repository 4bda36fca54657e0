-- For tests: writes down every change of a run and of a bar, with who made it. Names come from JSON, so that a column
-- more or less changes nothing here. The triggers are on the partitioned tables and hold for their partitions.

create schema witness;

-- One row for each change of a run. A run that moves to another partition is deleted and inserted in one transaction;
-- that is one change, from `before` to `after`. `backend` is one connection of one process.
create table witness.run_changes (
    id      bigint generated always as identity primary key,
    at      timestamptz not null default clock_timestamp(),
    txid    xid8 not null default pg_current_xact_id(),
    backend text not null default format('%s:%s', pg_backend_pid(), inet_client_port()),
    run_id  bigint not null,
    before  jsonb,
    after   jsonb
);
create index on witness.run_changes (run_id, id);
create index on witness.run_changes (txid);

create table witness.bar_changes (
    id        bigint generated always as identity primary key,
    at        timestamptz not null default clock_timestamp(),
    txid      xid8 not null default pg_current_xact_id(),
    backend   text not null default format('%s:%s', pg_backend_pid(), inet_client_port()),
    operation text not null,
    series_id integer not null,
    layer     text not null,
    ts        timestamptz not null,
    provider  text not null
);
create index on witness.bar_changes (txid);

-- Session time of each series, which the database does not know; written before the invariants are asked for.
create table witness.session_time (series_id integer primary key, spans tstzmultirange not null);

create function witness.see_run() returns trigger language plpgsql security definer as $$
declare
    v_gone witness.run_changes;
begin
    if tg_op = 'INSERT' then
        -- The other half of a move, if this is one.
        delete from witness.run_changes
        where id = (
            select max(c.id) from witness.run_changes c
            where c.run_id = new.id and c.txid = pg_current_xact_id() and c.after is null
        )
        returning * into v_gone;
        insert into witness.run_changes (run_id, before, after) values (new.id, v_gone.before, to_jsonb(new));
    elsif tg_op = 'UPDATE' then
        insert into witness.run_changes (run_id, before, after) values (new.id, to_jsonb(old), to_jsonb(new));
    else
        insert into witness.run_changes (run_id, before) values (old.id, to_jsonb(old));
    end if;
    return null;
end
$$;

create function witness.see_bar() returns trigger language plpgsql security definer as $$
declare
    v_bar ohlc_bars_v2 := coalesce(new, old);
begin
    insert into witness.bar_changes (operation, series_id, layer, ts, provider)
    values (tg_op, v_bar.series_id, v_bar.layer, v_bar.ts, v_bar.provider);
    return null;
end
$$;

create trigger witness after insert or update or delete on job_runs for each row execute function witness.see_run();
create trigger witness after insert or update or delete on ohlc_bars_v2 for each row execute function witness.see_bar();
