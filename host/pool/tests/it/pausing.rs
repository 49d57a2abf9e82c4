//! A paused pool holds everything back, and loses nothing by it.

use mantis_pool::{Config, Error, PoolState, Step};

use crate::lab::{assert_whole, ms, plain, pool, secs, take};

#[tokio::test(start_paused = true)]
async fn holds_back_idle_objects_and_room() {
    let (lab, pool) = pool(plain(2));
    drop(take(&pool, 1));
    pool.pause();
    assert_eq!(pool.state(), PoolState::Paused);
    assert!(pool.try_acquire().unwrap().is_none());
    let waiters: Vec<_> = (0..2)
        .map(|_| {
            let pool = pool.clone();
            tokio::spawn(async move { pool.acquire().await.unwrap() })
        })
        .collect();
    tokio::time::sleep(secs(1)).await;
    assert_eq!((pool.stats().waiters, lab.created()), (2, 1));
    pool.resume();
    for waiter in waiters {
        drop(waiter.await.unwrap());
    }
    assert_eq!(pool.stats().wait_time_max, secs(1));
    assert_whole(&lab, &pool);
}

#[tokio::test(start_paused = true)]
async fn a_wait_during_a_pause_times_out() {
    let (_, pool) = pool(Config { wait_timeout: Some(ms(200)), ..plain(2) });
    pool.pause();
    assert!(matches!(pool.acquire().await, Err(Error::Timeout { step: Step::Wait, .. })));
}

#[test]
fn released_objects_become_idle() {
    let (lab, pool) = pool(plain(2));
    let held = take(&pool, 2);
    pool.pause();
    drop(held);
    assert_eq!(pool.stats().idle, 2);
    pool.resume();
    assert_whole(&lab, &pool);
}

#[tokio::test(start_paused = true)]
async fn maintenance_creates_and_checks_nothing_but_reaps() {
    let config = Config {
        idle_timeout: Some(secs(60)),
        health_check_interval: Some(secs(30)),
        max_lifetime: Some(secs(300)),
        ..plain(4)
    };
    let (lab, pool) = pool(config);
    drop(take(&pool, 2));
    pool.resize(1, 4).unwrap();
    pool.pause();
    pool.maintain().await;
    tokio::time::advance(secs(60)).await;
    let report = pool.maintain().await;
    assert_eq!((report.idle_timeouts, report.created, report.healthy), (1, 0, 0));
    tokio::time::advance(secs(240)).await;
    let report = pool.maintain().await;
    assert_eq!((report.lifetimes, report.created), (1, 0));
    assert_eq!(lab.alive(), 0);
}

#[test]
fn only_an_open_pool_pauses_and_only_a_paused_one_resumes() {
    let (_, pool) = pool(plain(1));
    pool.resume();
    assert_eq!(pool.state(), PoolState::Open);
    pool.pause();
    pool.pause();
    pool.resume();
    assert_eq!(pool.state(), PoolState::Open);
    pool.close();
    pool.pause();
    pool.resume();
    assert_eq!(pool.state(), PoolState::Closed);
}
