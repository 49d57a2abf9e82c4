//! Acquiring without waiting, and without a runtime.

use mantis_pool::{CloseReason, Object};

use crate::lab::{Behaviour, assert_whole, plain, pool, take};

#[test]
fn takes_or_creates_up_to_max() {
    let (lab, pool) = pool(plain(2));
    let held = take(&pool, 2);
    assert!(pool.try_acquire().unwrap().is_none());
    drop(held);
    assert_whole(&lab, &pool);
}

#[test]
fn creates_nothing_that_would_be_cut_short_twice() {
    let (lab, pool) = pool(plain(2));
    *lab.on_create.lock() = Behaviour::Yield(1);
    assert!(pool.try_acquire().unwrap().is_none());
    assert!(pool.try_acquire().unwrap().is_none());
    assert_eq!(lab.creations_begun(), 1, "the pool remembers that creating takes time");
    assert_eq!(pool.stats().create_failures, 0);
}

#[test]
fn leaves_idle_objects_alone_that_take_time_to_recycle() {
    let (lab, pool) = pool(plain(3));
    drop(take(&pool, 3));
    *lab.on_recycle.lock() = Behaviour::Yield(1);
    for _ in 0..5 {
        assert!(pool.try_acquire().unwrap().is_none());
    }
    assert_eq!(pool.stats().closed_for(CloseReason::Abandoned), 1, "only the first was cut short");
    assert_eq!(pool.stats().idle, 2);
}

#[tokio::test]
async fn acquire_still_waits_for_such_steps() {
    let (lab, pool) = pool(plain(1));
    *lab.on_create.lock() = Behaviour::Yield(1);
    assert!(pool.try_acquire().unwrap().is_none());
    drop(pool.acquire().await.unwrap());
    *lab.on_recycle.lock() = Behaviour::Yield(1);
    drop(pool.acquire().await.unwrap());
    assert_eq!(lab.created(), 1);
}

#[tokio::test]
async fn a_step_that_is_ready_again_is_used_again() {
    let (lab, pool) = pool(plain(1));
    *lab.on_create.lock() = Behaviour::Yield(1);
    pool.acquire().await.map(Object::close).unwrap();
    *lab.on_create.lock() = Behaviour::Succeed;
    assert!(pool.try_acquire().unwrap().is_none());
    pool.acquire().await.map(Object::close).unwrap();
    assert!(pool.try_acquire().unwrap().is_some());
}

#[test]
fn the_future_of_acquire_is_small_enough_to_pass_around() {
    let (_, pool) = pool(plain(1));
    let size = size_of_val(&pool.acquire());
    assert!(size <= 1024, "{size} bytes");
}
