with next as materialized (
    select id from floor.jobs where status = 'queued' and run_at <= now()
    order by run_at, id limit 50 for update skip locked
), claimed as (
    update floor.jobs j set status = 'running' from next where j.id = next.id returning j.id, j.payload
)
select array_agg(id) as ids, array_agg(payload) as payloads from claimed \gset
update floor.jobs set status = 'success', finished_at = now() where id = any (:ids) and status = 'running';
