//! Whoever holds an object for too long is found by where it was acquired.

use mantis_pool::{Config, Object};

use crate::lab::{ms, plain, pool, secs, take};

#[tokio::test(start_paused = true)]
async fn names_the_places_longest_first() {
    let (_, pool) = pool(Config { leak_threshold: Some(secs(60)), ..plain(4) });
    let (waiting_line, waiting) = (line!(), pool.acquire());
    let first = waiting.await.unwrap();
    tokio::time::advance(secs(30)).await;
    let (trying_line, second) = (line!(), pool.try_acquire().unwrap().unwrap());
    drop(take(&pool, 1));
    tokio::time::advance(secs(30)).await;
    assert_eq!(pool.leaks(), [], "not longer than the threshold");
    tokio::time::advance(secs(31)).await;
    let leaks = pool.leaks();
    let found: Vec<_> = leaks.iter().map(|leak| (leak.acquired_at.line(), leak.held_for)).collect();
    assert_eq!(found, [(waiting_line, secs(91)), (trying_line, secs(61))]);
    assert!(leaks.iter().all(|leak| leak.acquired_at.file().ends_with("leaks.rs")));
    assert!(leaks[0].to_string().contains("held for 91s"), "{}", leaks[0]);
    drop(first);
    assert_eq!(pool.leaks().len(), 1);
    drop(Object::detach(second));
    assert_eq!(pool.leaks(), [], "a detached object is nobody's leak");
}

#[tokio::test(start_paused = true)]
async fn a_forgotten_guard_shows() {
    let (_, pool) = pool(Config { leak_threshold: Some(secs(1)), ..plain(1) });
    std::mem::forget(take(&pool, 1));
    tokio::time::advance(ms(1001)).await;
    assert_eq!(pool.leaks().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn after_a_wait_time_counts_from_the_hand_out() {
    let (_, pool) = pool(Config { leak_threshold: Some(secs(1)), ..plain(1) });
    let held = take(&pool, 1);
    let waiter = tokio::spawn({
        let pool = pool.clone();
        async move { pool.acquire().await.unwrap() }
    });
    tokio::time::sleep(secs(5)).await;
    drop(held);
    let _held = waiter.await.unwrap();
    assert_eq!(pool.leaks(), []);
}

#[tokio::test(start_paused = true)]
async fn without_a_threshold_nothing_is_recorded() {
    let (_, pool) = pool(plain(1));
    let _held = take(&pool, 1);
    tokio::time::advance(secs(1_000_000)).await;
    assert_eq!(pool.leaks(), []);
}
