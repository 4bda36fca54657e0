with next as materialized (
    select id from floor.jobs where status = 'queued' and run_at <= now()
    order by run_at, id limit 1 for update skip locked
)
update floor.jobs j set status = 'running' from next where j.id = next.id returning j.id, j.payload \gset
update floor.jobs set status = 'success', finished_at = now() where id = :id and status = 'running';
