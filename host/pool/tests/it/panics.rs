//! A manager or hook that panics costs its object, nothing else.

use std::panic::{AssertUnwindSafe, catch_unwind};

use mantis_pool::{CloseReason, Config, Pool};

use crate::lab::{Behaviour, Lab, assert_whole, ms, plain, pool, secs, take};

#[tokio::test(start_paused = true)]
async fn in_create() {
    let (lab, pool) = pool(plain(2));
    *lab.on_create.lock() = Behaviour::Panic;
    assert!(catch_unwind(AssertUnwindSafe(|| pool.try_acquire())).is_err());
    assert_eq!(pool.stats().create_failures, 1);
    lab.all_succeed();
    assert!(pool.try_acquire().unwrap().is_none(), "the pool pauses after this failure too");
    tokio::time::advance(ms(100)).await;
    assert_whole(&lab, &pool);
}

#[test]
fn in_recycle() {
    let (lab, pool) = pool(plain(2));
    drop(take(&pool, 2));
    *lab.on_recycle.lock() = Behaviour::Panic;
    assert!(catch_unwind(AssertUnwindSafe(|| pool.try_acquire())).is_err());
    assert_eq!(pool.stats().closed_for(CloseReason::Abandoned), 1);
    assert_whole(&lab, &pool);
}

#[tokio::test(start_paused = true)]
async fn in_validate() {
    let (lab, pool) = pool(Config { validate_after_idle: Some(ms(10)), ..plain(2) });
    drop(take(&pool, 2));
    *lab.on_validate.lock() = Behaviour::Panic;
    tokio::time::advance(ms(10)).await;
    let attempt = tokio::spawn({
        let pool = pool.clone();
        async move { pool.acquire().await.map(drop) }
    });
    assert!(attempt.await.unwrap_err().is_panic());
    assert_whole(&lab, &pool);
}

#[test]
fn in_release_is_contained() {
    let (lab, pool) = pool(plain(1));
    let held = take(&pool, 1);
    *lab.on_release.lock() = Behaviour::Panic;
    drop(held);
    assert_eq!(pool.stats().closed_for(CloseReason::ReleaseFailed), 1);
    assert_whole(&lab, &pool);
}

#[test]
fn in_the_drop_of_an_object_is_contained() {
    let (lab, pool) = pool(plain(2));
    let held = take(&pool, 2);
    *lab.on_drop.lock() = Behaviour::Panic;
    held.into_iter().for_each(mantis_pool::Object::close);
    assert_eq!(pool.stats().total(), 0);
    assert_whole(&lab, &pool);
}

#[test]
fn in_hooks() {
    let lab = Lab::default();
    let pool = Pool::builder(lab.clone())
        .config(plain(1))
        .pre_recycle(|_, metrics| {
            assert!(metrics.recycled_count() != 1, "the hook panics on purpose");
            Ok(())
        })
        .pre_close(|_, _, _| panic!("the last hook panics on purpose"))
        .build()
        .unwrap();
    drop(take(&pool, 1));
    drop(take(&pool, 1));
    assert!(catch_unwind(AssertUnwindSafe(|| pool.try_acquire())).is_err());
    assert_eq!(lab.alive(), 0, "closed, though the hook before closing panicked too");
    assert!(pool.try_acquire().unwrap().is_some());
}

#[test]
fn of_the_caller_releases_what_it_held() {
    let (lab, pool) = pool(plain(1));
    let outcome = catch_unwind(AssertUnwindSafe(|| {
        let _held = take(&pool, 1);
        panic!("the caller panics on purpose");
    }));
    assert!(outcome.is_err());
    assert_eq!(pool.stats().idle, 1);
    assert_whole(&lab, &pool);
}

#[tokio::test(start_paused = true)]
async fn do_not_end_maintenance() {
    let config = Config { min_idle: 2, maintenance_interval: secs(1), create_backoff_initial: ms(10), ..plain(4) };
    let (lab, pool) = pool(config);
    *lab.on_create.lock() = Behaviour::Panic;
    let maintenance = pool.spawn_maintenance();
    tokio::time::sleep(ms(2500)).await;
    assert_eq!(lab.creations_begun(), 8, "at the pace of the back-off");
    lab.all_succeed();
    tokio::time::sleep(secs(1)).await;
    assert_eq!(pool.stats().idle, 2);
    assert!(!maintenance.is_finished());
}
