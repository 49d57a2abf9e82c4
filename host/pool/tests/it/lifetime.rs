//! Objects end when they are too old, each at its own time, and are checked when they have been idle.

use mantis_pool::{CloseReason, Config, Object};

use crate::lab::{Behaviour, assert_whole, ms, plain, pool, secs, take};

#[tokio::test(start_paused = true)]
async fn an_old_object_is_not_handed_out() {
    let (lab, pool) = pool(Config { max_lifetime: Some(secs(100)), ..plain(1) });
    drop(take(&pool, 1));
    tokio::time::advance(ms(99_999)).await;
    assert_eq!(take(&pool, 1)[0].number, 0);
    tokio::time::advance(ms(1)).await;
    assert_eq!(take(&pool, 1)[0].number, 1);
    assert_eq!(pool.stats().closed_for(CloseReason::Lifetime), 1);
    assert_whole(&lab, &pool);
}

#[tokio::test(start_paused = true)]
async fn an_object_in_use_is_left_alone() {
    let (lab, pool) = pool(Config { max_lifetime: Some(secs(100)), ..plain(1) });
    let held = take(&pool, 1);
    tokio::time::advance(secs(1000)).await;
    pool.maintain().await;
    assert_eq!(lab.alive(), 1);
    drop(held);
    assert_eq!(pool.maintain().await.lifetimes, 1);
    assert_eq!(lab.alive(), 0);
}

#[tokio::test(start_paused = true)]
async fn jitter_spreads_the_ends_and_never_exceeds_the_limit() {
    let config = Config { max_lifetime: Some(secs(1000)), lifetime_jitter_percent: 20, ..plain(100) };
    let (lab, pool) = pool(config);
    drop(take(&pool, 100));
    tokio::time::advance(ms(799_900)).await;
    assert_eq!(pool.maintain().await.lifetimes, 0, "none before 80 percent");
    tokio::time::advance(secs(100)).await;
    let half = pool.maintain().await.lifetimes;
    assert!((20..=80).contains(&half), "about half after 90 percent: {half}");
    tokio::time::advance(ms(100_100)).await;
    assert_eq!(pool.maintain().await.lifetimes, 100 - half, "all after 100 percent");
    assert_eq!(lab.alive(), 0);
}

#[tokio::test(start_paused = true)]
async fn an_idle_object_is_validated_before_it_is_handed_out() {
    let (lab, pool) = pool(Config { validate_after_idle: Some(secs(30)), ..plain(1) });
    let validated = || lab.validated.load(std::sync::atomic::Ordering::SeqCst);
    drop(take(&pool, 1));
    tokio::time::advance(ms(29_999)).await;
    drop(take(&pool, 1));
    assert_eq!(validated(), 0, "used just now");
    tokio::time::advance(secs(30)).await;
    drop(take(&pool, 1));
    assert_eq!(validated(), 1);
    drop(take(&pool, 1));
    assert_eq!(validated(), 1, "seen well just now");
}

#[tokio::test(start_paused = true)]
async fn an_unhealthy_object_is_replaced_without_the_caller_noticing() {
    let (lab, pool) = pool(Config { validate_after_idle: Some(secs(30)), ..plain(3) });
    drop(take(&pool, 3));
    tokio::time::advance(secs(30)).await;
    *lab.on_validate.lock() = Behaviour::Fail;
    assert_eq!(pool.acquire().await.unwrap().number, 3);
    let stats = pool.stats();
    assert_eq!((stats.health_check_failures(), stats.total()), (3, 1), "the others were no better");
    assert_whole(&lab, &pool);
}

#[tokio::test(start_paused = true)]
async fn a_recycle_failure_tries_the_next_idle_object() {
    let (lab, pool) = pool(plain(3));
    drop(take(&pool, 2));
    *lab.on_recycle.lock() = Behaviour::Fail;
    assert_eq!(pool.acquire().await.unwrap().number, 2, "a new one, after the idle ones failed");
    assert_eq!(pool.stats().closed_for(CloseReason::RecycleFailed), 2);
    assert_whole(&lab, &pool);
}

#[tokio::test(start_paused = true)]
async fn without_limits_nothing_ages() {
    let (lab, pool) = pool(plain(1));
    let object = take(&pool, 1).pop().unwrap();
    assert_eq!(Object::metrics(&object).recycled_count(), 0);
    drop(object);
    tokio::time::advance(secs(1_000_000)).await;
    pool.maintain().await;
    let object = take(&pool, 1).pop().unwrap();
    assert_eq!((object.number, Object::metrics(&object).recycled_count()), (0, 1));
    assert_eq!(lab.validated.load(std::sync::atomic::Ordering::SeqCst), 0);
}

#[tokio::test(start_paused = true)]
async fn limits_hold_with_maintenance_and_after_it() {
    let (lab, pool) = pool(Config { validate_after_idle: Some(secs(30)), max_lifetime: Some(secs(100)), ..plain(1) });
    let validated = || lab.validated.load(std::sync::atomic::Ordering::SeqCst);
    let maintenance = pool.spawn_maintenance();
    tokio::time::sleep(ms(700)).await;
    drop(take(&pool, 1));
    tokio::time::sleep(ms(29_000)).await;
    drop(take(&pool, 1));
    assert_eq!(validated(), 0);
    tokio::time::sleep(ms(30_500)).await;
    drop(take(&pool, 1));
    assert_eq!(validated(), 1);
    tokio::time::sleep(ms(41_000)).await;
    assert_eq!(take(&pool, 1)[0].number, 1, "the first one is too old");

    maintenance.abort();
    assert!(maintenance.await.unwrap_err().is_cancelled());
    tokio::time::advance(secs(30)).await;
    drop(take(&pool, 1));
    assert_eq!(validated(), 2, "maintenance is not needed for it");
}

#[tokio::test(start_paused = true)]
async fn short_limits_are_exact_with_maintenance() {
    let (lab, pool) = pool(Config { validate_after_idle: Some(ms(50)), ..plain(1) });
    let _maintenance = pool.spawn_maintenance();
    tokio::time::sleep(ms(1)).await;
    drop(take(&pool, 1));
    tokio::time::sleep(ms(50)).await;
    drop(take(&pool, 1));
    assert_eq!(lab.validated.load(std::sync::atomic::Ordering::SeqCst), 1);
}
