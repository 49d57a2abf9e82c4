//! Draining serves waiters and refuses newcomers; closing refuses all. Either ends with no object left.

use std::sync::atomic::Ordering::SeqCst;

use mantis_pool::{CloseReason, Config, Error, Object, Pool, PoolState};
use tokio::{task::JoinHandle, time::Instant};

use crate::lab::{Behaviour, Broken, Lab, assert_balanced, ms, plain, pool, secs, take};

async fn spawn_waiters(pool: &Pool<Lab>, count: usize) -> Vec<JoinHandle<Result<Object<Lab>, Error<Broken>>>> {
    let waiters = (0..count)
        .map(|_| {
            let pool = pool.clone();
            tokio::spawn(async move { pool.acquire().await })
        })
        .collect();
    while pool.stats().waiters < count {
        tokio::task::yield_now().await;
    }
    waiters
}

#[tokio::test(start_paused = true)]
async fn close_wakes_waiters_at_once() {
    let (lab, pool) = pool(plain(2));
    let mut held = take(&pool, 2);
    let waiters = spawn_waiters(&pool, 5).await;
    let begin = Instant::now();
    pool.close();
    for waiter in waiters {
        assert!(matches!(waiter.await.unwrap(), Err(Error::Closed)));
    }
    assert_eq!(begin.elapsed(), ms(0));
    assert!(matches!(pool.acquire().await, Err(Error::Closed)));
    assert!(matches!(pool.try_acquire(), Err(Error::Closed)));
    assert_eq!((pool.stats().waits_refused, lab.alive()), (5, 2));
    drop(held.pop());
    assert_eq!(lab.alive(), 1, "closed when released");
    let drained = tokio::spawn({
        let pool = pool.clone();
        async move { pool.drain().await }
    });
    tokio::time::sleep(secs(1)).await;
    assert!(!drained.is_finished());
    drop(held);
    drained.await.unwrap();
    assert_eq!((lab.alive(), pool.stats().total()), (0, 0));
    assert_balanced(&pool);
}

#[test]
fn close_closes_idle_objects_before_it_returns() {
    let (lab, pool) = pool(plain(3));
    drop(take(&pool, 3));
    pool.close();
    assert_eq!(lab.alive(), 0);
    assert_eq!(pool.stats().closed_for(CloseReason::Shutdown), 3);
}

#[tokio::test(start_paused = true)]
async fn close_during_a_creation_closes_what_it_makes() {
    let (lab, pool) = pool(plain(1));
    *lab.on_create.lock() = Behaviour::Take(ms(100));
    let creator = tokio::spawn({
        let pool = pool.clone();
        async move { pool.acquire().await }
    });
    tokio::time::sleep(ms(50)).await;
    pool.close();
    assert!(matches!(creator.await.unwrap(), Err(Error::Closed)));
    assert_eq!((lab.created(), lab.alive()), (1, 0));
    assert_balanced(&pool);
}

#[tokio::test(start_paused = true)]
async fn drain_serves_waiters_and_refuses_newcomers() {
    let (lab, pool) = pool(plain(2));
    let held = take(&pool, 2);
    let waiters = spawn_waiters(&pool, 3).await;
    let drained = tokio::spawn({
        let pool = pool.clone();
        async move { pool.drain().await }
    });
    tokio::time::sleep(ms(1)).await;
    assert_eq!(pool.state(), PoolState::Draining);
    assert!(matches!(pool.acquire().await, Err(Error::Closed)));
    assert!(matches!(pool.try_acquire(), Err(Error::Closed)));
    drop(held);
    for waiter in waiters {
        assert!(!drained.is_finished());
        drop(waiter.await.unwrap().unwrap());
    }
    drained.await.unwrap();
    assert_eq!(pool.state(), PoolState::Closed);
    assert_eq!((lab.created(), lab.alive()), (2, 0));
    assert_balanced(&pool);
}

#[tokio::test(start_paused = true)]
async fn drain_ends_a_pause() {
    let (lab, pool) = pool(plain(1));
    pool.pause();
    let waiters = spawn_waiters(&pool, 2).await;
    let drained = tokio::spawn({
        let pool = pool.clone();
        async move { pool.drain().await }
    });
    for waiter in waiters {
        drop(waiter.await.unwrap().unwrap());
    }
    drained.await.unwrap();
    assert_eq!(lab.alive(), 0);
}

#[tokio::test]
async fn drain_of_an_unused_pool_is_ready() {
    let (_, pool) = pool(plain(1));
    pool.drain().await;
    pool.drain().await;
    assert_eq!(pool.state(), PoolState::Closed);
}

#[tokio::test(start_paused = true)]
async fn drain_waits_for_an_object_being_created() {
    let (lab, pool) = pool(plain(1));
    *lab.on_create.lock() = Behaviour::Take(ms(100));
    let creator = tokio::spawn({
        let pool = pool.clone();
        async move { pool.acquire().await.map(drop) }
    });
    tokio::time::sleep(ms(50)).await;
    let begin = Instant::now();
    pool.drain().await;
    assert_eq!(begin.elapsed(), ms(50));
    creator.await.unwrap().unwrap();
    assert_eq!((lab.created(), lab.alive()), (1, 0));
}

#[tokio::test(start_paused = true)]
async fn dropping_the_last_handle_ends_maintenance_at_once() {
    let (lab, pool) = pool(Config { min_idle: 2, ..plain(4) });
    let maintenance = pool.spawn_maintenance();
    tokio::time::sleep(ms(1)).await;
    assert_eq!(pool.stats().idle, 2);
    let begin = Instant::now();
    drop(pool.clone());
    assert_eq!(pool.state(), PoolState::Open, "not the last");
    drop(pool);
    maintenance.await.unwrap();
    assert_eq!(begin.elapsed(), ms(0));
    assert_eq!(lab.alive(), 0);
}

#[tokio::test(start_paused = true)]
async fn dropping_the_last_handle_during_a_pass_leaks_nothing() {
    let (lab, pool) = pool(Config { min_idle: 20, ..plain(20) });
    *lab.on_create.lock() = Behaviour::Take(ms(100));
    let maintenance = pool.spawn_maintenance();
    tokio::time::sleep(ms(150)).await;
    drop(pool);
    maintenance.await.unwrap();
    assert_eq!(lab.alive(), 0);
    assert_eq!(lab.creations_begun.load(SeqCst), 16, "those under way were the last");
}

#[tokio::test(start_paused = true)]
async fn draining_and_closing_end_maintenance() {
    let (_, pool) = pool(plain(1));
    let maintenance = pool.spawn_maintenance();
    tokio::time::sleep(ms(1)).await;
    let held = take(&pool, 1);
    let drained = tokio::spawn({
        let pool = pool.clone();
        async move { pool.drain().await }
    });
    maintenance.await.unwrap();
    assert!(!drained.is_finished());
    drop(held);
    drained.await.unwrap();
    pool.run_maintenance().await; // of a closed pool: ready
}
