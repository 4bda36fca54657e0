//! A pool that is not waited for without end. A peer that is gone without a word leaves connections on which no answer
//! ever comes; sqlx would wait for one, and a pool of them would never have a connection again.

use std::time::Duration;

use futures::future::BoxFuture;
use futures::stream::BoxStream;
use futures::{StreamExt, TryStreamExt, stream};
use sqlx::pool::PoolConnection;
use sqlx::postgres::{PgQueryResult, PgRow, PgStatement, PgTypeInfo};
use sqlx::{Either, Error, Execute, Executor, PgPool, Postgres, SqlStr};

/// How long a statement may take before its connection counts as dead. What was asked may have been done all the same, as
/// with any connection that breaks.
const PATIENCE: Duration = Duration::from_secs(10);

/// Asks over a connection of the pool, for statements that take no longer than [`PATIENCE`] by themselves and answer with
/// few rows. A connection on which no answer came, or was waited for no longer, is closed.
#[derive(Clone, Copy, Debug)]
pub struct Patient<'p>(pub &'p PgPool);

/// A connection that is asked something. It is not used again unless the answer was read.
struct Asked(Option<PoolConnection<Postgres>>);

impl Drop for Asked {
    fn drop(&mut self) {
        if let Some(connection) = &mut self.0 {
            connection.close_on_drop();
        }
    }
}

async fn ask<T>(
    pool: PgPool,
    question: impl AsyncFnOnce(&mut PoolConnection<Postgres>) -> Result<T, Error>,
) -> Result<T, Error> {
    let mut asked = Asked(Some(pool.acquire().await?));
    let Some(connection) = &mut asked.0 else { return Err(Error::PoolClosed) };
    let answer = tokio::time::timeout(PATIENCE, question(connection)).await.map_err(|_| Error::PoolTimedOut)?;
    drop(asked.0.take());
    answer
}

impl<'p> Executor<'p> for Patient<'_> {
    type Database = Postgres;

    fn fetch_many<'e, 'q: 'e, E>(self, query: E) -> BoxStream<'e, Result<Either<PgQueryResult, PgRow>, Error>>
    where
        'p: 'e,
        E: 'q + Execute<'q, Postgres>,
    {
        let pool = self.0.clone();
        let rows = async move {
            let rows = ask(pool, async |asked| asked.fetch_many(query).try_collect::<Vec<_>>().await).await?;
            Ok::<_, Error>(stream::iter(rows.into_iter().map(Ok)))
        };
        stream::once(rows).try_flatten().boxed()
    }

    fn fetch_optional<'e, 'q: 'e, E>(self, query: E) -> BoxFuture<'e, Result<Option<PgRow>, Error>>
    where
        'p: 'e,
        E: 'q + Execute<'q, Postgres>,
    {
        let pool = self.0.clone();
        Box::pin(ask(pool, async |asked| asked.fetch_optional(query).await))
    }

    fn prepare_with<'e>(self, sql: SqlStr, parameters: &'e [PgTypeInfo]) -> BoxFuture<'e, Result<PgStatement, Error>>
    where
        'p: 'e,
    {
        let pool = self.0.clone();
        Box::pin(async move { pool.acquire().await?.prepare_with(sql, parameters).await })
    }

    fn describe<'e>(self, sql: SqlStr) -> BoxFuture<'e, Result<sqlx::Describe<Postgres>, Error>>
    where
        'p: 'e,
    {
        let pool = self.0.clone();
        Box::pin(async move { pool.acquire().await?.describe(sql).await })
    }
}
