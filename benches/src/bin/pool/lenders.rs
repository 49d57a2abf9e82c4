//! The pools that are compared, and the objects that they lend.

use std::convert::Infallible;
use std::future::{Future, ready};
use std::ops::{Deref, DerefMut};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use crossbeam_queue::ArrayQueue;
use mantis_db::{Database, Session, SessionManager};
use parking_lot::Mutex;
use tokio::sync::Semaphore;

/// How long a caller waits for an object, in every pool.
pub(crate) const WAIT_TIMEOUT: Duration = Duration::from_secs(10);

/// What a pool lends.
pub(crate) trait Lent: Send + 'static {
    /// The use of one loan.
    fn work(&mut self) -> impl Future<Output = Result<()>> + Send;

    /// Resets what must not outlive the loan.
    fn reset(&mut self);
}

impl Lent for u64 {
    fn work(&mut self) -> impl Future<Output = Result<()>> + Send {
        *self += 1;
        ready(Ok(()))
    }

    fn reset(&mut self) {}
}

/// The key that each loan of a session reads.
pub(crate) const KEY: &[u8] = b"key:00000000000000000007";

impl Lent for Session {
    async fn work(&mut self) -> Result<()> {
        let entry = self.kv("default")?.get(KEY).await?;
        anyhow::ensure!(entry.is_some(), "the key is missing");
        Ok(())
    }

    fn reset(&mut self) {
        self.rollback();
    }
}

/// A pool, as its users see it.
pub(crate) trait Lender: Clone + Send + Sync + 'static {
    type Object: Lent;
    type Lease<'l>: DerefMut<Target = Self::Object> + Send
    where
        Self: 'l;

    fn acquire(&self) -> impl Future<Output = Result<Self::Lease<'_>>> + Send;
}

impl<M: mantis_pool::Manager<Object: Lent>> Lender for mantis_pool::Pool<M> {
    type Object = M::Object;
    type Lease<'l> = mantis_pool::Object<M>;

    async fn acquire(&self) -> Result<Self::Lease<'_>> {
        Ok(Self::acquire(self).await?)
    }
}

impl<M> Lender for deadpool::managed::Pool<M>
where
    M: deadpool::managed::Manager<Type: Lent, Error = Infallible> + 'static,
{
    type Object = M::Type;
    type Lease<'l> = ResetOnDrop<deadpool::managed::Object<M>, M::Type>;

    async fn acquire(&self) -> Result<Self::Lease<'_>> {
        Ok(ResetOnDrop(self.get().await?))
    }
}

impl<M: bb8::ManageConnection<Connection: Lent, Error = Infallible>> Lender for bb8::Pool<M> {
    type Object = M::Connection;
    type Lease<'l> = ResetOnDrop<bb8::PooledConnection<'l, M>, M::Connection>;

    async fn acquire(&self) -> Result<Self::Lease<'_>> {
        Ok(ResetOnDrop(self.get().await?))
    }
}

/// The lease of a pool that has no step at release: a session must not keep its transaction open until its next use.
pub(crate) struct ResetOnDrop<L: DerefMut<Target = T>, T: Lent>(L);

impl<L: DerefMut<Target = T>, T: Lent> Deref for ResetOnDrop<L, T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

impl<L: DerefMut<Target = T>, T: Lent> DerefMut for ResetOnDrop<L, T> {
    fn deref_mut(&mut self) -> &mut T {
        &mut self.0
    }
}

impl<L: DerefMut<Target = T>, T: Lent> Drop for ResetOnDrop<L, T> {
    fn drop(&mut self) {
        self.0.reset();
    }
}

/// A tokio semaphore and a list of free objects: what a program writes that takes no crate.
pub(crate) struct FreeList<T: Lent>(Arc<Inner<T>>);

struct Inner<T: Lent> {
    permits: Semaphore,
    free: Free<T>,
    make: Box<dyn Fn() -> T + Send + Sync>,
}

/// Where free objects are.
#[allow(clippy::large_enum_variant, reason = "there is one for each contestant")]
pub(crate) enum Free<T> {
    Stack(Mutex<Vec<T>>),
    Queue(ArrayQueue<T>),
    /// Nowhere: each loan makes its object.
    Nowhere,
}

impl<T: Lent> FreeList<T> {
    pub(crate) fn new(max: usize, free: Free<T>, make: impl Fn() -> T + Send + Sync + 'static) -> Self {
        Self(Arc::new(Inner { permits: Semaphore::new(max), free, make: Box::new(make) }))
    }
}

impl<T: Lent> Clone for FreeList<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<T: Lent> Lender for FreeList<T> {
    type Object = T;
    type Lease<'l> = FreeListLease<T>;

    async fn acquire(&self) -> Result<FreeListLease<T>> {
        let permit = match self.0.permits.try_acquire() {
            Ok(permit) => permit,
            Err(_) => tokio::time::timeout(WAIT_TIMEOUT, self.0.permits.acquire()).await??,
        };
        let free = match &self.0.free {
            Free::Stack(free) => free.lock().pop(),
            Free::Queue(free) => free.pop(),
            Free::Nowhere => None,
        };
        let object = free.unwrap_or_else(|| (self.0.make)());
        permit.forget();
        Ok(FreeListLease { object: Some(object), pool: Arc::clone(&self.0) })
    }
}

pub(crate) struct FreeListLease<T: Lent> {
    object: Option<T>,
    pool: Arc<Inner<T>>,
}

impl<T: Lent> Deref for FreeListLease<T> {
    type Target = T;

    fn deref(&self) -> &T {
        self.object.as_ref().expect("a lease holds its object until it is dropped")
    }
}

impl<T: Lent> DerefMut for FreeListLease<T> {
    fn deref_mut(&mut self) -> &mut T {
        self.object.as_mut().expect("a lease holds its object until it is dropped")
    }
}

impl<T: Lent> Drop for FreeListLease<T> {
    fn drop(&mut self) {
        let Some(mut object) = self.object.take() else { return };
        object.reset();
        match &self.pool.free {
            Free::Stack(free) => free.lock().push(object),
            Free::Queue(free) => drop(free.push(object)),
            Free::Nowhere => drop(object),
        }
        self.pool.permits.add_permits(1);
    }
}

/// Makes numbers, which are free, so that only the pool is measured.
pub(crate) struct Numbers;

impl mantis_pool::Manager for Numbers {
    type Object = u64;
    type Error = Infallible;

    async fn create(&self) -> Result<u64, Infallible> {
        Ok(0)
    }
}

impl deadpool::managed::Manager for Numbers {
    type Type = u64;
    type Error = Infallible;

    async fn create(&self) -> Result<u64, Infallible> {
        Ok(0)
    }

    async fn recycle(
        &self,
        _: &mut u64,
        _: &deadpool::managed::Metrics,
    ) -> deadpool::managed::RecycleResult<Infallible> {
        Ok(())
    }
}

impl bb8::ManageConnection for Numbers {
    type Connection = u64;
    type Error = Infallible;

    async fn connect(&self) -> Result<u64, Infallible> {
        Ok(0)
    }

    async fn is_valid(&self, _: &mut u64) -> Result<(), Infallible> {
        Ok(())
    }

    fn has_broken(&self, _: &mut u64) -> bool {
        false
    }
}

/// Makes sessions for deadpool, as [`SessionManager`] does for mantis-pool.
pub(crate) struct Sessions(pub(crate) Database);

impl deadpool::managed::Manager for Sessions {
    type Type = Session;
    type Error = Infallible;

    async fn create(&self) -> Result<Session, Infallible> {
        Ok(self.0.session())
    }

    async fn recycle(
        &self,
        _: &mut Session,
        _: &deadpool::managed::Metrics,
    ) -> deadpool::managed::RecycleResult<Infallible> {
        Ok(())
    }
}

/// A pool of sessions with the settings of the server.
pub(crate) fn sessions(database: &Database, max: usize) -> Result<mantis_pool::Pool<SessionManager>> {
    let config = mantis_pool::Config { max, wait_timeout: Some(WAIT_TIMEOUT), ..mantis_pool::Config::default() };
    Ok(mantis_pool::Pool::new(SessionManager::new(database.clone()), config)?)
}
