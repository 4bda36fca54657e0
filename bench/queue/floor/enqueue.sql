insert into floor.jobs (payload) select jsonb_build_object('id', i) from generate_series(1, :jobs) i;
