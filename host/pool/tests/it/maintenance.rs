//! Maintenance keeps `min_idle`, closes what is idle for too long, and checks the health of the rest.

use std::sync::atomic::Ordering::SeqCst;

use mantis_pool::{CloseReason, Config, Error, IdleOrder};
use tokio::time::Instant;

use crate::lab::{Behaviour, assert_balanced, assert_whole, ms, plain, pool, secs, take};

#[tokio::test]
async fn fills_up_to_min_idle() {
    let (lab, pool) = pool(Config { min_idle: 3, ..plain(5) });
    assert_eq!(lab.created(), 0, "building creates nothing");
    assert_eq!(pool.maintain().await.created, 3);
    assert_eq!(pool.maintain().await.created, 0);
    let held = take(&pool, 3);
    assert_eq!(pool.maintain().await.created, 2, "up to `max`");
    drop(held);
    assert_whole(&lab, &pool);
}

#[tokio::test(start_paused = true)]
async fn reports_a_failure_to_fill_and_retries_later() {
    let (lab, pool) = pool(Config { min_idle: 3, ..plain(5) });
    *lab.on_create.lock() = Behaviour::Fail;
    let report = pool.maintain().await;
    assert!(matches!(report.create_error, Some(Error::Create(_))));
    lab.all_succeed();
    assert_eq!(pool.maintain().await.created, 0, "still backing off");
    tokio::time::advance(ms(100)).await;
    assert_eq!(pool.maintain().await.created, 3);
    assert_whole(&lab, &pool);
}

#[tokio::test(start_paused = true)]
async fn reaps_down_to_min_idle_and_never_below() {
    for order in [IdleOrder::Lifo, IdleOrder::Fifo] {
        let (lab, pool) = pool(Config { min_idle: 2, idle_timeout: Some(secs(300)), idle_order: order, ..plain(8) });
        drop(take(&pool, 6));
        let held = take(&pool, 1);
        assert_eq!(pool.maintain().await.idle_timeouts, 0);
        tokio::time::advance(ms(299_999)).await;
        assert_eq!(pool.maintain().await.idle_timeouts, 0);
        tokio::time::advance(ms(1)).await;
        assert_eq!(pool.maintain().await.idle_timeouts, 3);
        let stats = pool.stats();
        assert_eq!((stats.idle, stats.active), (2, 1));
        assert_eq!(stats.closed_for(CloseReason::IdleTimeout), 3);
        tokio::time::advance(secs(3000)).await;
        assert_eq!(pool.maintain().await.idle_timeouts, 0);
        drop(held);
        assert_whole(&lab, &pool);
    }
}

#[tokio::test(start_paused = true)]
async fn reaps_the_coldest() {
    let (_, pool) = pool(Config { idle_timeout: Some(secs(10)), ..plain(4) });
    drop(take(&pool, 4));
    pool.maintain().await;
    for _ in 0..3 {
        tokio::time::advance(secs(4)).await;
        drop(take(&pool, 2)); // the two on top
        pool.maintain().await;
    }
    assert_eq!(pool.stats().idle, 2);
    let mut kept: Vec<_> = take(&pool, 2).iter().map(|object| object.number).collect();
    kept.sort_unstable();
    assert_eq!(kept, [2, 3]);
}

#[tokio::test(start_paused = true)]
async fn use_restarts_the_idle_time() {
    let (_, pool) = pool(Config { idle_timeout: Some(secs(10)), ..plain(1) });
    drop(take(&pool, 1));
    for _ in 0..5 {
        pool.maintain().await;
        tokio::time::advance(secs(6)).await;
        drop(take(&pool, 1));
    }
    assert_eq!(pool.stats().closed(), 0);
}

#[tokio::test(start_paused = true)]
async fn an_object_held_for_long_is_not_idle_for_long() {
    let (_, pool) = pool(Config { idle_timeout: Some(secs(10)), ..plain(1) });
    let held = take(&pool, 1);
    tokio::time::advance(secs(100)).await;
    drop(held);
    assert_eq!(pool.maintain().await.idle_timeouts, 0);
    tokio::time::advance(secs(10)).await;
    assert_eq!(pool.maintain().await.idle_timeouts, 1);
}

#[tokio::test(start_paused = true)]
async fn checks_the_health_of_idle_objects_when_due() {
    let (lab, pool) = pool(Config { health_check_interval: Some(secs(30)), min_idle: 4, ..plain(4) });
    let held = take(&pool, 1);
    pool.maintain().await;
    tokio::time::advance(ms(29_999)).await;
    let report = pool.maintain().await;
    assert_eq!((report.healthy, report.unhealthy), (0, 0));
    tokio::time::advance(ms(1)).await;
    assert_eq!(pool.maintain().await.healthy, 3);
    assert_eq!(pool.maintain().await.healthy, 0, "not due again");
    tokio::time::advance(secs(30)).await;
    *lab.on_validate.lock() = Behaviour::Fail;
    let report = pool.maintain().await;
    assert_eq!((report.unhealthy, report.created), (3, 3), "replaced in the same pass");
    assert_eq!(pool.stats().health_check_failures(), 3);
    drop(held);
    assert_whole(&lab, &pool);
}

#[tokio::test(start_paused = true)]
async fn a_checked_object_need_not_be_validated_again_at_once() {
    let (lab, pool) =
        pool(Config { health_check_interval: Some(secs(30)), validate_after_idle: Some(secs(30)), ..plain(1) });
    drop(take(&pool, 1));
    tokio::time::advance(secs(30)).await;
    assert_eq!(pool.maintain().await.healthy, 1);
    drop(take(&pool, 1));
    assert_eq!(lab.validated.load(SeqCst), 1);
}

#[tokio::test(start_paused = true)]
async fn a_check_leaves_the_order_as_it_was() {
    for order in [IdleOrder::Lifo, IdleOrder::Fifo] {
        let config = Config { health_check_interval: Some(secs(30)), idle_order: order, ..plain(20) };
        let ((_, checked), (_, untouched)) = (pool(config.clone()), pool(config));
        for pool in [&checked, &untouched] {
            drop(take(pool, 20));
        }
        tokio::time::advance(secs(30)).await;
        assert_eq!(checked.maintain().await.healthy, 20);
        let numbers = |pool| take(pool, 20).iter().map(|object| object.number).collect::<Vec<_>>();
        assert_eq!(numbers(&checked), numbers(&untouched));
    }
}

#[tokio::test(start_paused = true)]
async fn most_objects_stay_at_hand_during_checks() {
    let (lab, pool) = pool(Config { health_check_interval: Some(secs(30)), ..plain(16) });
    drop(take(&pool, 16));
    tokio::time::advance(secs(30)).await;
    *lab.on_validate.lock() = Behaviour::Take(ms(10));
    let pass = tokio::spawn({
        let pool = pool.clone();
        async move { pool.maintain().await }
    });
    tokio::time::sleep(ms(1)).await;
    assert_eq!((pool.stats().idle, pool.stats().active), (14, 2));
    assert_eq!(pass.await.unwrap().healthy, 16);
}

#[tokio::test(start_paused = true)]
async fn a_hanging_backend_does_not_delay_maintenance_for_long() {
    let config =
        Config { health_check_interval: Some(secs(30)), validate_timeout: Some(secs(5)), min_idle: 1, ..plain(100) };
    let (lab, pool) = pool(config);
    drop(take(&pool, 100));
    tokio::time::advance(secs(30)).await;
    *lab.on_validate.lock() = Behaviour::Hang;
    let begin = Instant::now();
    let report = pool.maintain().await;
    assert!(begin.elapsed() <= secs(30 + 60), "{:?}", begin.elapsed());
    assert!(report.unhealthy >= 6, "{}", report.unhealthy);
    assert_balanced(&pool);
}

#[tokio::test(start_paused = true)]
async fn runs_at_once_and_at_every_interval() {
    let config = Config { health_check_interval: Some(secs(7)), maintenance_interval: secs(7), ..plain(4) };
    let (lab, pool) = pool(config);
    drop(take(&pool, 1));
    let _maintenance = pool.spawn_maintenance();
    tokio::time::sleep(ms(1)).await;
    for round in 0..5 {
        assert_eq!(lab.validated.load(SeqCst), round, "one in each pass");
        tokio::time::sleep(ms(6_990)).await;
        assert_eq!(lab.validated.load(SeqCst), round);
        tokio::time::sleep(ms(10)).await;
    }
}

#[tokio::test(start_paused = true)]
async fn refills_at_once_and_side_by_side() {
    let (lab, pool) = pool(Config { min_idle: 10, ..plain(40) });
    *lab.on_create.lock() = Behaviour::Take(secs(1));
    let _maintenance = pool.spawn_maintenance();
    tokio::time::sleep(ms(1)).await;
    assert_eq!((pool.stats().creating, lab.creations_begun()), (8, 8), "eight side by side");
    tokio::time::sleep(ms(2_010)).await;
    assert_eq!((pool.stats().idle, lab.created()), (10, 10));
    // Both what is lent and what is closed is made up for at once, not at the next pass.
    let held = take(&pool, 6);
    tokio::time::sleep(ms(1_011)).await;
    assert_eq!(pool.stats().idle, 10);
    take(&pool, 5).into_iter().for_each(mantis_pool::Object::close);
    tokio::time::sleep(ms(1_011)).await;
    assert_eq!((pool.stats().idle, lab.created()), (10, 21));
    pool.resize(15, 40).unwrap();
    tokio::time::sleep(ms(1_011)).await;
    assert_eq!((pool.stats().idle, lab.created()), (15, 26));
    drop(held);
    assert_eq!(pool.stats().idle, 21);
}

#[tokio::test(start_paused = true)]
async fn a_refill_that_failed_is_tried_again_when_the_pause_is_over() {
    let (lab, pool) = pool(Config { min_idle: 2, ..plain(4) });
    *lab.on_create.lock() = Behaviour::Fail;
    let _maintenance = pool.spawn_maintenance();
    tokio::time::sleep(ms(350)).await; // attempts at 0, 100 and 300 ms
    assert!((3..=6).contains(&lab.creations_begun()), "{}", lab.creations_begun());
    lab.all_succeed();
    tokio::time::sleep(ms(400)).await;
    assert_eq!(pool.stats().idle, 2);
    assert_whole(&lab, &pool);
}

#[tokio::test(start_paused = true)]
async fn a_refill_never_goes_beyond_max_or_beside_a_pause() {
    let (lab, pool) = pool(Config { min_idle: 4, ..plain(5) });
    let _maintenance = pool.spawn_maintenance();
    tokio::time::sleep(ms(50)).await;
    let held = take(&pool, 4);
    tokio::time::sleep(ms(50)).await;
    assert_eq!((pool.stats().total(), pool.stats().idle), (5, 1));
    pool.pause();
    held.into_iter().for_each(mantis_pool::Object::close);
    tokio::time::sleep(secs(100)).await;
    assert_eq!(lab.created(), 5);
    pool.resume();
    tokio::time::sleep(ms(50)).await;
    assert_eq!(pool.stats().idle, 4);
    assert_whole(&lab, &pool);
}

#[tokio::test(start_paused = true)]
async fn idle_times_shorter_than_the_interval_are_kept() {
    let (lab, pool) = pool(Config { idle_timeout: Some(secs(2)), min_idle: 1, ..plain(6) });
    let _maintenance = pool.spawn_maintenance();
    tokio::time::sleep(ms(500)).await;
    let late = take(&pool, 2);
    drop(take(&pool, 3));
    tokio::time::sleep(ms(1_000)).await;
    drop(late);
    tokio::time::sleep(ms(995)).await;
    assert!(pool.stats().idle >= 5, "none is due");
    tokio::time::sleep(ms(10)).await;
    assert_eq!(pool.stats().idle, 2, "those released last are not due");
    tokio::time::sleep(ms(1_000)).await;
    assert_eq!(pool.stats().idle, 1, "`min_idle` stays");
    assert_whole(&lab, &pool);
}

#[tokio::test(start_paused = true)]
async fn an_object_idle_for_too_long_is_not_handed_out() {
    let (lab, pool) = pool(Config { idle_timeout: Some(secs(5)), ..plain(4) });
    drop(take(&pool, 4));
    tokio::time::advance(secs(13)).await; // no maintenance, or a stall
    assert_eq!(take(&pool, 1)[0].number, 4);
    assert_eq!(pool.stats().closed_for(CloseReason::IdleTimeout), 4);
    let held = take(&pool, 1);
    tokio::time::advance(secs(13)).await;
    drop(held);
    tokio::time::advance(ms(4_999)).await;
    assert_eq!(take(&pool, 1)[0].number, 4, "idle time begins with the release");
    assert_whole(&lab, &pool);
}

#[tokio::test(start_paused = true)]
async fn leaves_creation_to_waiters() {
    let (lab, pool) = pool(Config { min_idle: 2, ..plain(4) });
    pool.pause();
    let waiter = tokio::spawn({
        let pool = pool.clone();
        async move { pool.acquire().await.map(drop) }
    });
    tokio::time::sleep(ms(1)).await;
    assert_eq!(pool.maintain().await.created, 0);
    pool.resume();
    waiter.await.unwrap().unwrap();
    assert_eq!(lab.created(), 1);
}
