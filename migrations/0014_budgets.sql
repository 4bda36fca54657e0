-- What providers allow, reckoned in one place for every process. Times are the database's.

-- `allowed` requests may be made in a `period`; null where no limit is known. Where that is a guess (`is_learning`), one
-- request at a time goes beyond it: an answer doubles it, a refusal settles it. `available`, `window_key` and `resets_at`
-- are what the provider's headers said of its present window. `failures` in a row make a provider count as down until
-- `down_until`; then one request at a time finds out whether it is back.
alter table provider_budgets
    add period interval not null default '1 minute' check (period > '0'),
    add is_learning boolean not null default false,
    add learned_at timestamptz,
    add window_key bigint,
    add concurrency integer check (concurrency > 0),
    add failures integer not null default 0,
    add down_until timestamptz,
    add is_paused boolean not null default false,
    add last_success_at timestamptz,
    add is_metered boolean not null generated always as (allowed is not null or concurrency is not null) stored;

-- Requests to metered providers: a claimed run, or a question on a symbol. One counts from its grant until a period after
-- its end, whichever kind of window the provider has: the provider counted it before its answer came.
create table provider_requests (
    id         bigint generated always as identity primary key,
    provider   text not null,
    run_id     bigint,
    requests   integer not null default 1,
    granted_at timestamptz not null default clock_timestamp(),
    ended_at   timestamptz
) with (autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 500);
create index provider_requests_ended on provider_requests (provider, ended_at);
create index provider_requests_run on provider_requests (run_id) where ended_at is null;

create table queue_state (
    is_only   boolean primary key default true check (is_only),
    is_paused boolean not null default false
);
insert into queue_state default values;

-- How many failures in a row make a provider count as down.
create function failures_until_down() returns integer language sql immutable as $$ select 5 $$;

-- Whether the requests of the last period came after as long a quiet. Only then the provider counts them all in one window,
-- and what it says to them tells its limit; else some may have been in the window before.
create function is_one_window(p_provider text, p_period interval)
returns boolean language sql stable as $$
    select not exists (
        select from provider_requests q
        where q.provider = p_provider and q.ended_at <= now() - p_period and q.ended_at > (
            select min(granted_at) from provider_requests
            where provider = p_provider and coalesce(ended_at > now() - p_period, true)
        ) - p_period
    )
$$;

-- How many requests may be made of a provider now. The caller holds the row of a metered one, so that nobody else spends
-- them meanwhile.
create function usable_requests(b provider_budgets)
returns integer language plpgsql stable as $$
declare
    v_flying integer;
    v_used   bigint;
    v_usable bigint := 1000000;
begin
    if b.is_paused or b.blocked_until > now() or b.down_until > now() then
        return 0;
    end if;
    if b.failures >= failures_until_down() and exists (
        select from job_runs_live where lease_until is not null and provider = b.provider
    ) then
        return 0;
    end if;
    if b.is_metered then
        select coalesce(sum(requests), 0) into v_flying
        from provider_requests where provider = b.provider and ended_at is null;
        if b.concurrency is not null then
            v_usable := b.concurrency - v_flying;
        end if;
        if b.resets_at > now() and b.available is not null then
            v_usable := least(v_usable, b.available - v_flying);
        elsif b.window_key is not null then
            v_usable := least(v_usable, b.allowed - v_flying);
        elsif b.allowed is not null then
            select v_flying + coalesce(sum(requests), 0) into v_used
            from provider_requests where provider = b.provider and ended_at > now() - b.period;
            v_usable := least(v_usable, case when b.is_learning and v_used >= b.allowed and v_flying = 0
                                                  and is_one_window(b.provider, b.period) then 1
                                             else b.allowed - v_used end);
        end if;
    end if;
    if b.failures >= failures_until_down() then
        v_usable := least(v_usable, 1);
    end if;
    return greatest(v_usable, 0);
end
$$;

-- Why runs of a provider wait, for a reader; null where they need not.
create function why_waiting(b provider_budgets)
returns text language sql stable as $$
    select case
        when b.is_paused then b.provider || ' is paused by an operator.'
        when b.blocked_until > now() then b.reason
        when b.down_until > now() then b.provider || ' does not answer; it is asked again in '
            || ceil(extract(epoch from b.down_until - now())) || ' s.'
        when b.is_metered and usable_requests(b) = 0 then b.provider || ' allows ' || coalesce(b.allowed, b.concurrency)
            || case when b.allowed is null then ' requests at once.' else ' requests in '
            || ceil(extract(epoch from b.period)) || ' s.' end
    end
$$;

-- Sets what is known of a provider's limit beforehand. What was learned since stays.
create function set_provider_limit(
    p_provider text, p_allowed integer, p_period interval, p_concurrency integer, p_is_learning boolean
) returns void language sql as $$
    insert into provider_budgets as b (provider, allowed, period, concurrency, is_learning)
    values (p_provider, p_allowed, p_period, p_concurrency, p_is_learning)
    on conflict (provider) do update
    set allowed = excluded.allowed, period = excluded.period, concurrency = excluded.concurrency,
        is_learning = excluded.is_learning, learned_at = null, window_key = null, available = null, resets_at = null
    where not excluded.is_learning
       or (not b.is_learning and b.learned_at is null and b.window_key is null)
$$;

-- Takes a request that is no run's; its number, or null where none may be made now.
create function take_request(p_provider text)
returns bigint language plpgsql as $$
declare
    v_budget provider_budgets;
    v_id     bigint;
begin
    select * into v_budget from provider_budgets where provider = p_provider for update;
    if not found then
        return 0;
    end if;
    if usable_requests(v_budget) = 0 then
        return null;
    end if;
    if not v_budget.is_metered then
        return 0;
    end if;
    insert into provider_requests (provider) values (p_provider) returning id into v_id;
    return v_id;
end
$$;

create function end_request(p_id bigint)
returns void language sql as $$
    update provider_requests set ended_at = clock_timestamp() where id = p_id and ended_at is null
$$;

-- Books that requests of runs have ended: how many each took, 0 where it was turned away and did not count, 1 where null.
create function end_run_requests(p_run bigint[], p_requests integer[])
returns void language plpgsql as $$
begin
    update provider_requests q
    set ended_at = clock_timestamp(), requests = coalesce(u.requests, 1)
    from unnest(p_run, p_requests) as u (run, requests)
    where q.run_id = u.run and q.ended_at is null;
end
$$;

-- Books that a provider answered: it is not down, and a guess at its limit that it went beyond was too low. Mostly there is
-- nothing to book, and then nobody waits for its row.
create function book_success(p_providers text[])
returns void language plpgsql as $$
declare
    v_budget provider_budgets;
    v_used   bigint := 0;
begin
    for v_budget in
        select * from provider_budgets
        where provider = any (p_providers)
          and (failures > 0 or is_learning or last_success_at is null or last_success_at < now() - interval '5 seconds')
        order by provider for update
    loop
        if v_budget.is_learning then
            select coalesce(sum(requests), 0) into v_used from provider_requests
            where provider = v_budget.provider and ended_at > now() - v_budget.period
              and is_one_window(v_budget.provider, v_budget.period);
        end if;
        update provider_budgets
        set failures = 0, down_until = null, last_success_at = now(),
            allowed = case when is_learning and allowed < v_used then allowed * 2 else allowed end
        where provider = v_budget.provider;
    end loop;
end
$$;

-- Books that a provider could not be reached or failed by itself. `failures_until_down` of them in a row, and it is left
-- alone for `p_pause`, doubled with each further one, five minutes at most; those of its queued runs that another
-- provider serves too go to that one. True where it counts as down since.
create function book_provider_failure(p_provider text, p_pause interval)
returns boolean language plpgsql as $$
declare
    v_budget provider_budgets;
begin
    insert into provider_budgets (provider) values (p_provider) on conflict do nothing;
    select * into strict v_budget from provider_budgets where provider = p_provider for update;
    if v_budget.down_until > now() then
        return false;
    end if;
    update provider_budgets
    set failures = v_budget.failures + 1,
        down_until = case when v_budget.failures + 1 >= failures_until_down() then now() + least(
            p_pause * power(2, least(v_budget.failures + 1 - failures_until_down(), 16)), interval '5 minutes'
        ) end,
        updated_at = now()
    where provider = p_provider;
    if v_budget.failures + 1 < failures_until_down() then
        return false;
    end if;
    update job_runs_live r
    set provider = next.chain[1], chain = next.chain[2:] || r.provider, attempt = 0, updated_at = now()
    from (
        select q.id, serving_first(q.chain) as chain from job_runs_live q
        where q.status = 'queued' and q.provider = p_provider and cardinality(q.chain) > 0
        order by q.id for update skip locked
    ) next
    where r.id = next.id and not is_down(next.chain[1]);
    return true;
end
$$;

create function is_down(p_provider text)
returns boolean language sql stable as $$
    select exists (
        select from provider_budgets b where b.provider = p_provider and b.failures >= failures_until_down()
    )
$$;

-- The providers in their order, those that are down last.
create function serving_first(p_chain text[])
returns text[] language sql stable as $$
    select coalesce(array_agg(provider order by is_down(provider), place), '{}')
    from unnest(p_chain) with ordinality as u (provider, place)
$$;

-- Books what a provider told of its limit, and holds its runs back for `p_block_for` where it turned a request away.
-- `p_window_key` names its window and `p_resets_in` is how long that lasts, up to a second too long since a provider tells
-- its time in whole seconds; of two answers in one window the lower counts.
-- A guess is replaced by what went through where that was less, and settled where it was as much: less was turned away
-- because of others who use the same key, or of a fault.
drop function book_allowance;
create function book_allowance(
    p_provider text, p_allowed integer, p_available integer, p_window_key bigint, p_resets_in interval,
    p_block_for interval, p_reason text
) returns void language plpgsql as $$
declare
    v_budget provider_budgets;
    v_passed bigint;
begin
    insert into provider_budgets (provider) values (p_provider) on conflict do nothing;
    select * into strict v_budget from provider_budgets where provider = p_provider for update;
    if p_allowed is not null and p_allowed > 0 then
        update provider_budgets
        set allowed = p_allowed, is_learning = false, learned_at = now(), window_key = p_window_key,
            resets_at = case when v_budget.window_key = p_window_key
                                  then least(v_budget.resets_at, clock_timestamp() + p_resets_in)
                             else clock_timestamp() + p_resets_in end,
            available = case when v_budget.window_key = p_window_key then least(v_budget.available, p_available)
                             else p_available end,
            updated_at = now()
        where provider = p_provider and (v_budget.window_key is null or v_budget.window_key <= p_window_key);
    elsif p_block_for is not null and (v_budget.is_learning or v_budget.learned_at > now() - v_budget.period) then
        -- Those under way may pass, but for the one that was just turned away; those which do not will say so.
        select coalesce(sum(requests), 0) - (count(*) filter (where ended_at is null) > 0)::int into v_passed
        from provider_requests
        where provider = p_provider and coalesce(ended_at > now() - v_budget.period, true);
        update provider_budgets
        set allowed = greatest(least(v_passed, v_budget.allowed), 1),
            is_learning = v_budget.is_learning and v_passed < v_budget.allowed,
            learned_at = case when v_passed >= v_budget.allowed then now() else v_budget.learned_at end
        where provider = p_provider;
    end if;
    if p_block_for is not null then
        update provider_budgets
        set blocked_until = greatest(blocked_until, now() + p_block_for), reason = p_reason, updated_at = now()
        where provider = p_provider;
    end if;
end
$$;
