//! One acquisition has a limit as a whole: slow steps do not add up.

use mantis_pool::{CloseReason, Config, Error, Step};
use tokio::time::Instant;

use crate::lab::{Behaviour, Broken, assert_balanced, assert_whole, ms, plain, pool, secs, take};

#[track_caller]
fn assert_overdue(error: &Error<Broken>, expected: Step, expected_limit: std::time::Duration) {
    match error {
        Error::AcquireTimeout { during, limit, .. } => assert_eq!((*during, *limit), (expected, expected_limit)),
        other => panic!("expected the limit of the whole in step {expected}, got {other:?}"),
    }
    assert_eq!(error.is_overload(), expected == Step::Wait);
}

#[tokio::test(start_paused = true)]
async fn slow_checks_of_many_bad_objects_do_not_add_up() {
    let (lab, pool) = pool(Config { validate_after_idle: Some(secs(30)), wait_timeout: Some(secs(1)), ..plain(30) });
    drop(take(&pool, 30));
    tokio::time::advance(secs(30)).await;
    *lab.on_validate.lock() = Behaviour::FailAfter(ms(300));
    let begin = Instant::now();
    assert_eq!(pool.acquire().await.unwrap().number, 30, "a new one");
    assert_eq!(begin.elapsed(), ms(900), "three checks, not thirty");
    assert_eq!(pool.stats().closed_for(CloseReason::Unhealthy), 3);
    assert_eq!(pool.stats().idle, 28, "the others, and the one that was just released");
    lab.all_succeed();
    assert_balanced(&pool);
}

#[tokio::test(start_paused = true)]
async fn while_checks_fail_slowly_and_nothing_can_be_created() {
    let config = Config { validate_after_idle: Some(secs(30)), acquire_timeout: Some(ms(1000)), ..plain(30) };
    let (lab, pool) = pool(Config { create_backoff_initial: secs(100), create_backoff_max: secs(100), ..config });
    let held = take(&pool, 20);
    *lab.on_create.lock() = Behaviour::Fail;
    assert!(pool.acquire().await.is_err());
    drop(held);
    tokio::time::advance(secs(30)).await;
    *lab.on_validate.lock() = Behaviour::FailAfter(ms(300));
    let begin = Instant::now();
    assert_overdue(&pool.acquire().await.unwrap_err(), Step::Validate, ms(1000));
    assert_eq!(begin.elapsed(), ms(1000));
    assert_eq!(pool.stats().timeouts.acquire, 1);
    lab.all_succeed();
    assert_balanced(&pool);
}

#[tokio::test(start_paused = true)]
async fn waits_recycles_and_creations_count_together() {
    let config = Config { acquire_timeout: Some(ms(1000)), recycle_timeout: Some(ms(600)), ..plain(1) };
    let (lab, pool) = pool(config);
    let held = take(&pool, 1).pop().unwrap();
    let waiter = tokio::spawn({
        let pool = pool.clone();
        async move { (pool.acquire().await.map(drop).unwrap_err(), Instant::now()) }
    });
    let begin = Instant::now();
    tokio::time::sleep(ms(500)).await;
    *lab.on_recycle.lock() = Behaviour::FailAfter(ms(300));
    *lab.on_create.lock() = Behaviour::Take(ms(300));
    drop(held);
    let (error, at) = waiter.await.unwrap();
    assert_overdue(&error, Step::Create, ms(1000));
    assert_eq!(at - begin, ms(1000));
    // The creation went on, and is there for the next.
    tokio::time::sleep(ms(110)).await;
    assert_eq!(lab.created(), 2);
    assert_whole(&lab, &pool);
}

#[tokio::test(start_paused = true)]
async fn a_wait_ends_with_the_whole() {
    let (lab, pool) = pool(Config { acquire_timeout: Some(ms(200)), wait_timeout: Some(secs(5)), ..plain(1) });
    let held = take(&pool, 1);
    let begin = Instant::now();
    assert_overdue(&pool.acquire().await.unwrap_err(), Step::Wait, ms(200));
    assert_eq!(begin.elapsed(), ms(200));
    let stats = pool.stats();
    assert_eq!((stats.waits_timed_out, stats.timeouts.wait, stats.timeouts.acquire), (1, 1, 1));
    drop(held);
    assert_whole(&lab, &pool);
}

#[tokio::test(start_paused = true)]
async fn of_one_call_takes_the_place_of_the_configured_ones() {
    let config = Config { acquire_timeout: Some(secs(2)), wait_timeout: Some(secs(1)), ..plain(1) };
    let (lab, pool) = pool(config);
    let held = take(&pool, 1).pop().unwrap();
    for limit in [ms(0), ms(50), secs(60)] {
        let begin = Instant::now();
        assert_overdue(&pool.acquire_timeout(limit).await.unwrap_err(), Step::Wait, limit);
        assert_eq!(begin.elapsed(), limit);
    }
    drop(held);
    assert!(pool.acquire_timeout(ms(0)).await.is_ok(), "what needs no wait");
    assert!(pool.acquire_timeout(std::time::Duration::MAX).await.is_ok(), "beyond the end of time");
    assert_whole(&lab, &pool);
}

#[tokio::test(start_paused = true)]
async fn after_a_stall_objects_are_judged_by_the_time_of_the_hand_out() {
    let config = Config { validate_after_idle: Some(secs(10)), idle_timeout: Some(secs(600)), ..plain(4) };
    let (lab, pool) = pool(config);
    let validated = || lab.validated.load(std::sync::atomic::Ordering::SeqCst);
    let _maintenance = pool.spawn_maintenance();
    tokio::time::sleep(ms(1)).await;
    drop(take(&pool, 4));
    // The clock jumps and no task has run: so it is for a process that was stopped.
    tokio::time::advance(secs(13)).await;
    let held = take(&pool, 4);
    assert_eq!(validated(), 4);
    drop(held);
    // A waiter that was granted an object long ago looks at the clock when it wakes.
    let held = take(&pool, 4);
    let mut waiter = Box::pin(pool.acquire());
    assert!(crate::lab::poll_once(waiter.as_mut()).is_pending());
    drop(held);
    tokio::time::advance(secs(13)).await;
    assert!(crate::lab::poll_once(waiter.as_mut()).is_ready());
    assert_eq!(validated(), 5);
}
