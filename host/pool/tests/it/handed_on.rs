//! A creation does not end with the caller for whom it began.

use mantis_pool::{Config, Error, Object, Pool, PoolState, Step};
use parking_lot::Mutex;
use std::sync::Arc;

use crate::lab::{Behaviour, Lab, assert_balanced, assert_whole, ms, plain, poll_once, pool, secs, take};

#[tokio::test(start_paused = true)]
async fn callers_in_a_hurry_get_an_object_in_the_end() {
    let (lab, pool) = pool(plain(8));
    *lab.on_create.lock() = Behaviour::Take(ms(100));
    let mut served = None;
    for caller in 0..20 {
        if let Ok(object) = tokio::time::timeout(ms(50), pool.acquire()).await {
            served.get_or_insert(caller);
            drop(object.unwrap());
        }
    }
    assert!(served.is_some_and(|caller| caller <= 3), "the first one's object is there after 100 ms: {served:?}");
    assert!(lab.creations_begun() <= 4, "{} begun", lab.creations_begun());
    tokio::time::sleep(ms(100)).await;
    assert_eq!(lab.created(), lab.creations_begun(), "none was in vain");
    assert_eq!(pool.stats().create_failures, 0);
    assert_whole(&lab, &pool);
}

#[tokio::test(start_paused = true)]
async fn one_that_goes_on_serves_who_waits() {
    let (lab, pool) = pool(plain(1));
    *lab.on_create.lock() = Behaviour::Take(ms(100));
    assert!(tokio::time::timeout(ms(50), pool.acquire()).await.is_err());
    assert_eq!(pool.stats().creating, 1, "it keeps its place");
    let begin = tokio::time::Instant::now();
    assert_eq!(pool.acquire().await.unwrap().number, 0);
    assert_eq!(begin.elapsed(), ms(50));
    assert_whole(&lab, &pool);
}

#[tokio::test(start_paused = true)]
async fn it_keeps_its_limit_of_time_and_its_failure_is_seen() {
    let (lab, seen) = (Lab::default(), Arc::new(Mutex::new(Vec::new())));
    let pool = Pool::builder(lab.clone())
        .config(Config { create_timeout: Some(ms(300)), wait_timeout: None, ..plain(1) })
        .on_error({
            let seen = Arc::clone(&seen);
            move |unseen| seen.lock().push((unseen.step, unseen.error.to_string(), unseen.metrics.is_some()))
        })
        .build()
        .unwrap();
    *lab.on_create.lock() = Behaviour::Hang;
    assert!(tokio::time::timeout(ms(50), pool.acquire()).await.is_err());
    let begin = tokio::time::Instant::now();
    let error = pool.acquire().await.unwrap_err();
    assert!(matches!(error, Error::Timeout { step: Step::Create, .. }), "who waits shares it: {error:?}");
    assert_eq!(begin.elapsed(), ms(250));
    assert_eq!(pool.stats().create_failures, 1);
    tokio::time::sleep(ms(1)).await;
    let seen = seen.lock().clone();
    assert_eq!(seen.len(), 1, "{seen:?}");
    assert!(seen[0].0 == Step::Create && seen[0].1.contains("longer than 300ms") && !seen[0].2, "{seen:?}");
    tokio::time::advance(secs(5)).await;
    assert_whole(&lab, &pool);
}

#[tokio::test(start_paused = true)]
async fn one_that_panics_frees_its_place() {
    let (lab, pool) = pool(plain(1));
    *lab.on_create.lock() = Behaviour::PanicAfter(ms(100));
    assert!(tokio::time::timeout(ms(50), pool.acquire()).await.is_err());
    tokio::time::sleep(ms(60)).await;
    let stats = pool.stats();
    assert_eq!((stats.creating, stats.create_failures), (0, 1));
    // One whose poll panics in the caller's hands is not polled again.
    tokio::time::advance(secs(5)).await;
    *lab.on_create.lock() = Behaviour::Panic;
    let caller = tokio::spawn({
        let pool = pool.clone();
        async move { pool.acquire().await.map(drop) }
    });
    assert!(caller.await.unwrap_err().is_panic());
    tokio::time::advance(secs(5)).await;
    assert_whole(&lab, &pool);
}

#[tokio::test(start_paused = true)]
async fn the_end_of_the_pool_ends_it() {
    for close in [true, false] {
        let (lab, pool) = pool(Config { create_timeout: None, ..plain(2) });
        *lab.on_create.lock() = Behaviour::Hang;
        assert!(tokio::time::timeout(ms(50), pool.acquire()).await.is_err());
        if close {
            pool.close();
        }
        tokio::time::timeout(secs(1), pool.drain()).await.expect("nobody wants it any more");
        assert_eq!((pool.state(), pool.stats().creating), (PoolState::Closed, 0));
        assert_balanced(&pool);
    }
    let (lab, pool) = pool(Config { create_timeout: None, ..plain(2) });
    *lab.on_create.lock() = Behaviour::Hang;
    assert!(tokio::time::timeout(ms(50), pool.acquire()).await.is_err());
    let manager_is_held = Arc::downgrade(&lab.0);
    drop((lab, pool));
    tokio::time::sleep(ms(1)).await;
    assert!(manager_is_held.upgrade().is_none(), "the task does not keep the pool");
}

#[tokio::test(start_paused = true)]
async fn a_pool_that_drains_still_serves_who_waited() {
    let (lab, pool) = pool(plain(1));
    *lab.on_create.lock() = Behaviour::Take(ms(100));
    assert!(tokio::time::timeout(ms(50), pool.acquire()).await.is_err());
    let waiter = tokio::spawn({
        let pool = pool.clone();
        async move { pool.acquire().await.map(Object::close) }
    });
    tokio::time::sleep(ms(1)).await;
    pool.drain().await;
    waiter.await.unwrap().unwrap();
}

#[test]
fn outside_a_runtime_it_ends() {
    let (lab, pool) = pool(Config { create_timeout: None, ..plain(1) });
    *lab.on_create.lock() = Behaviour::Yield(3);
    let mut acquire = Box::pin(pool.acquire());
    assert!(poll_once(acquire.as_mut()).is_pending());
    drop(acquire);
    assert_eq!(pool.stats().creating, 0);
    assert_whole(&lab, &pool);
}

#[tokio::test(start_paused = true)]
async fn never_more_than_max_are_under_way() {
    let (lab, pool) = pool(plain(3));
    *lab.on_create.lock() = Behaviour::Take(secs(5));
    for _ in 0..50 {
        assert!(tokio::time::timeout(ms(10), pool.acquire()).await.is_err());
    }
    assert_eq!((lab.creations_begun(), pool.stats().creating), (3, 3));
    tokio::time::sleep(secs(5)).await;
    assert_eq!(take(&pool, 3).len(), 3);
    assert_whole(&lab, &pool);
}
