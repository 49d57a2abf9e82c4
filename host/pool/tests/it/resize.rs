//! Sizes change while objects are out.

use mantis_pool::{CloseReason, ConfigError, PoolState};

use crate::lab::{assert_balanced, assert_whole, plain, pool, secs, take};

#[tokio::test]
async fn up_serves_waiters_at_once() {
    let (lab, pool) = pool(plain(1));
    let held = take(&pool, 1);
    let waiters: Vec<_> = (0..3)
        .map(|_| {
            let pool = pool.clone();
            tokio::spawn(async move { pool.acquire().await.unwrap() })
        })
        .collect();
    while pool.stats().waiters < 3 {
        tokio::task::yield_now().await;
    }
    pool.resize(0, 3).unwrap();
    while pool.stats().active < 3 {
        tokio::task::yield_now().await;
    }
    assert_eq!(pool.stats().waiters, 1);
    drop(held);
    for waiter in waiters {
        drop(waiter.await.unwrap());
    }
    assert_whole(&lab, &pool);
}

#[test]
fn down_closes_idle_objects_coldest_first() {
    let (lab, pool) = pool(plain(4));
    drop(take(&pool, 4)); // 3 was released last
    pool.resize(0, 2).unwrap();
    assert_eq!(lab.alive(), 2);
    assert_eq!(pool.stats().closed_for(CloseReason::Shrunk), 2);
    let kept: Vec<_> = take(&pool, 2).iter().map(|object| object.number).collect();
    assert_eq!(kept, [3, 2]);
    assert_whole(&lab, &pool);
}

#[test]
fn down_closes_busy_objects_when_they_are_released() {
    let (lab, pool) = pool(plain(4));
    let mut held = take(&pool, 4);
    pool.resize(0, 2).unwrap();
    assert_eq!(lab.alive(), 4, "nothing is taken from its user");
    drop(held.pop());
    assert_eq!(lab.alive(), 3);
    assert!(pool.try_acquire().unwrap().is_none());
    drop(held.pop());
    assert_eq!(lab.alive(), 2);
    drop(held.pop());
    assert_eq!((lab.alive(), pool.stats().idle), (2, 1), "now within bounds");
    assert_balanced(&pool);
    drop(held);
    assert_eq!(pool.stats().max, 2);
    pool.resize(0, 4).unwrap();
    assert_whole(&lab, &pool);
}

#[tokio::test(start_paused = true)]
async fn down_lets_waiters_wait_until_there_is_room() {
    let (lab, pool) = pool(plain(3));
    let mut held = take(&pool, 3);
    pool.resize(0, 1).unwrap();
    let waiter = tokio::spawn({
        let pool = pool.clone();
        async move { pool.acquire().await.unwrap().number }
    });
    tokio::time::sleep(secs(1)).await;
    drop(held.pop());
    drop(held.pop());
    tokio::time::sleep(secs(1)).await;
    assert!(!waiter.is_finished());
    drop(held.pop());
    assert_eq!(waiter.await.unwrap(), 0, "the last one left");
    assert_eq!(lab.alive(), 1);
}

#[tokio::test]
async fn min_idle_applies_from_the_next_maintenance() {
    let (_, pool) = pool(plain(5));
    pool.resize(3, 5).unwrap();
    assert_eq!(pool.stats().min_idle, 3);
    assert_eq!(pool.maintain().await.created, 3);
    assert_eq!(pool.stats().idle, 3);
}

#[test]
fn invalid_sizes_are_refused_and_change_nothing() {
    let (_, pool) = pool(plain(4));
    assert_eq!(pool.resize(0, 0), Err(ConfigError::MaxIsZero));
    assert_eq!(pool.resize(5, 4), Err(ConfigError::MinAboveMax { min_idle: 5, max: 4 }));
    assert_eq!((pool.stats().min_idle, pool.stats().max), (0, 4));
    assert_eq!(pool.resize(8, 8), Ok(()));
    assert_eq!(pool.state(), PoolState::Open);
}
