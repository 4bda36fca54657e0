-- Why time without bars is without bars, and what is done about it.

-- `empty`: a provider answered no bars for it. After one such answer (`checks` = 1) it is asked once more before it is
-- believed and counts as covered. `outside`: the provider's plan or depth does not reach it. `failed`: given up, with the
-- code and sentence of the last try. Time that was not to be had is not asked for again before `ask_again_at`, unless
-- someone asks for just that. Spans of one series and layer do not overlap: `set_reason` sees to it.
create table coverage_reasons (
    id               bigint generated always as identity primary key,
    series_id        integer not null references series,
    layer            bar_layer not null,
    span             tstzrange not null check (not isempty(span)),
    reason           text not null check (reason in ('empty', 'outside', 'failed')),
    checks           integer not null default 1,
    first_checked_at timestamptz not null default now(),
    checked_at       timestamptz not null default now(),
    ask_again_at     timestamptz,
    provider         text not null,
    code             text,
    message          text
);
create index coverage_reasons_series on coverage_reasons (series_id, layer);

-- An answer that leaves out time in which bars may have traded is checked by a second run of just that time.
alter table job_runs add is_recheck boolean not null default false;

-- Takes what is said of `p_spans` back; what reaches beyond stays said of the rest.
create function clear_reasons(p_series integer, p_layer bar_layer, p_spans tstzmultirange)
returns void language sql as $$
    with hit as (
        delete from coverage_reasons
        where series_id = p_series and layer = p_layer and span && p_spans
        returning *
    )
    insert into coverage_reasons (series_id, layer, span, reason, checks, first_checked_at, checked_at, ask_again_at,
                                  provider, code, message)
    select series_id, layer, rest, reason, checks, first_checked_at, checked_at, ask_again_at, provider, code, message
    from hit, unnest(tstzmultirange(span) - p_spans) as rest
$$;

-- Says why `p_spans` are without bars, in place of what was said before. Checks for the same reason are counted on.
create function set_reason(
    p_series integer, p_layer bar_layer, p_spans tstzmultirange, p_reason text, p_ask_again_at timestamptz,
    p_provider text, p_code text, p_message text
) returns void language plpgsql as $$
declare
    v_checks integer;
    v_first  timestamptz;
begin
    select max(checks), min(first_checked_at) into v_checks, v_first
    from coverage_reasons
    where series_id = p_series and layer = p_layer and span && p_spans and reason = p_reason;
    perform clear_reasons(p_series, p_layer, p_spans);
    insert into coverage_reasons (series_id, layer, span, reason, checks, first_checked_at, ask_again_at, provider,
                                  code, message)
    select p_series, p_layer, span, p_reason, coalesce(v_checks, 0) + 1, coalesce(v_first, now()), p_ask_again_at,
           p_provider, p_code, left(p_message, 1000)
    from unnest(p_spans) as span;
end
$$;

-- When a slice that failed for the `p_checks`th time may be asked for again by itself: five minutes, doubled each time,
-- a day at most.
create function ask_again_after(p_checks integer)
returns interval language sql immutable as $$
    select least(interval '5 minutes' * power(2, least(p_checks, 16) - 1), interval '1 day')
$$;

-- Says that session time was given up: what of it is not covered is `failed`, or `outside` where the plan is at fault.
-- The plan is asked again after a week. The caller holds the series' row.
create function book_failure(
    p_series integer, p_layer bar_layer, p_sessions tstzmultirange, p_reason text, p_provider text, p_code text,
    p_message text
) returns void language plpgsql as $$
declare
    v_missing tstzmultirange;
    v_checks  integer;
begin
    v_missing := p_sessions - coalesce(
        (select covered from coverage_status where series_id = p_series and layer = p_layer), '{}'
    );
    if isempty(v_missing) then
        return;
    end if;
    select coalesce(max(checks), 0) + 1 into v_checks
    from coverage_reasons
    where series_id = p_series and layer = p_layer and span && v_missing and reason = p_reason;
    perform set_reason(
        p_series, p_layer, v_missing, p_reason,
        now() + case p_reason when 'outside' then interval '7 days' else ask_again_after(v_checks) end,
        p_provider, p_code, p_message
    );
    update series set revision = revision + 1 where id = p_series;
end
$$;
