//! A Postgres of a test's own, which may be stopped as by a power cut and started again.

use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};

use sqlx::PgPool;
use sqlx::postgres::PgPoolOptions;
use tidemark_server::db;
use tidemark_server::postgres::PrivatePostgres;

use super::processes::{is_gone, signal};
use super::{DEADLINE, eventually};

/// A cluster in a folder that is removed with it.
pub struct OwnPostgres {
    folder: PathBuf,
    running: Option<PrivatePostgres>,
    url: String,
}

impl OwnPostgres {
    /// A new one, empty.
    pub async fn start() -> Self {
        static STARTED: AtomicU32 = AtomicU32::new(0);
        let number = STARTED.fetch_add(1, Ordering::Relaxed);
        let folder = std::env::temp_dir().join(format!("tidemark-test-postgres-{}-{number}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let running = PrivatePostgres::start(&folder).await.unwrap();
        let url = running.url();
        Self { folder, running: Some(running), url }
    }

    /// Where its database is; the same after each start.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// A pool on its database, with the tables.
    pub async fn migrated(&self) -> PgPool {
        let pool = PgPoolOptions::new().max_connections(4).acquire_timeout(DEADLINE).connect(&self.url).await.unwrap();
        db::MIGRATIONS.run(&pool).await.unwrap();
        pool
    }

    /// Stops it at once (SIGQUIT): nothing is written that is not, and the next start recovers.
    pub async fn stop_immediately(&mut self) {
        self.stop_by("QUIT").await;
    }

    /// Stops it in order (SIGINT), whoever is connected.
    pub async fn stop_fast(&mut self) {
        self.stop_by("INT").await;
    }

    async fn stop_by(&mut self, name: &str) {
        let id = self.postmaster().expect("it runs");
        let running = std::fs::read(self.pid_file()).unwrap();
        signal(id, name);
        eventually(|| async { is_gone(id).then_some(()) }).await;
        // A power cut leaves the file behind, and by it the next start takes the same port.
        std::fs::write(self.pid_file(), running).unwrap();
        self.running = None;
    }

    /// Starts it again.
    pub async fn start_again(&mut self) {
        let running = PrivatePostgres::start(&self.folder).await.unwrap();
        assert_eq!(running.url(), self.url);
        self.running = Some(running);
    }

    fn pid_file(&self) -> PathBuf {
        self.folder.join("postgres/data/postmaster.pid")
    }

    fn postmaster(&self) -> Option<u32> {
        let file = std::fs::read_to_string(self.pid_file()).ok()?;
        file.lines().next()?.trim().parse().ok()
    }
}

impl Drop for OwnPostgres {
    fn drop(&mut self) {
        if let Some(id) = self.postmaster().filter(|id| !is_gone(*id)) {
            signal(id, "QUIT");
            let started = std::time::Instant::now();
            while !is_gone(id) && started.elapsed() < DEADLINE {
                std::thread::yield_now();
            }
        }
        drop(std::fs::remove_dir_all(&self.folder));
    }
}
