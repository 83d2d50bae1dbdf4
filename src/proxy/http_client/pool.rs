//! Connections that wait for the next request.

use super::connection::Connection;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};
use tokio::runtime::Handle;

/// How long a connection is kept that nothing is sent on: less than servers wait before they close it (Node.js and
/// uvicorn 5 seconds), since what is sent while they do is lost.
const IDLE: Duration = Duration::from_secs(4);

/// Kept connections; the one that was used last is used next.
#[derive(Debug, Clone, Default)]
pub struct Pool(Arc<Mutex<Kept>>);

#[derive(Debug, Default)]
struct Kept {
    idle: Vec<(Instant, Connection)>,
    /// Somebody closes what is kept for too long.
    is_swept: bool,
}

impl Pool {
    /// One that can be sent on, as far as can be known.
    pub async fn take(&self) -> Option<Connection> {
        loop {
            // Without a budget left, a dead connection looks alive.
            tokio::task::coop::consume_budget().await;
            let (since, mut connection) = self.kept().idle.pop()?;
            if since.elapsed() < IDLE && connection.is_ready().await {
                return Some(connection);
            }
        }
    }

    pub fn keep(&self, connection: Connection) {
        // Outside of the runtime, which is ending then, nobody sends any more.
        let Ok(runtime) = Handle::try_current() else {
            return;
        };
        let mut kept = self.kept();
        kept.idle.push((Instant::now(), connection));
        if !kept.is_swept {
            kept.is_swept = true;
            runtime.spawn(sweep(Arc::downgrade(&self.0)));
        }
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        lock(&self.0)
    }
}

/// Closes what nothing was sent on for too long, until nothing is left.
async fn sweep(pool: Weak<Mutex<Kept>>) {
    loop {
        tokio::time::sleep(IDLE / 4).await;
        let Some(pool) = pool.upgrade() else { return };
        let mut kept = lock(&pool);
        let fresh = kept
            .idle
            .partition_point(|(since, _)| since.elapsed() >= IDLE);
        // They close outside of the lock.
        let old: Vec<_> = kept.idle.drain(..fresh).collect();
        kept.is_swept = !kept.idle.is_empty();
        let is_over = !kept.is_swept;
        drop(kept);
        drop(old);
        if is_over {
            return;
        }
    }
}

/// Nothing that can panic runs under the lock, so a poisoned one is as good as any.
fn lock(kept: &Mutex<Kept>) -> MutexGuard<'_, Kept> {
    kept.lock().unwrap_or_else(PoisonError::into_inner)
}
