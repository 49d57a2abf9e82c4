//! Idle objects that a user no longer wants are closed, the others stay as they were.

use std::panic::{AssertUnwindSafe, catch_unwind};

use mantis_pool::{CloseReason, Config, IdleOrder, PoolState, Retained};

use crate::lab::{assert_balanced, assert_whole, plain, poll_once, pool, take};

#[track_caller]
fn assert_counts(retained: Retained, kept: usize, closed: usize) {
    assert_eq!((retained.kept, retained.closed), (kept, closed));
}

#[test]
fn closes_what_is_refused_and_keeps_the_order() {
    for order in [IdleOrder::Lifo, IdleOrder::Fifo] {
        let (lab, pool) = pool(Config { idle_order: order, ..plain(8) });
        let held = take(&pool, 1);
        drop(take(&pool, 6));
        let mut asked = Vec::new();
        let retained = pool.retain(|item, metrics| {
            asked.push((item.number, metrics.recycled_count()));
            item.number % 2 == 0
        });
        assert_counts(retained, 3, 3);
        assert_eq!(asked, [1, 2, 3, 4, 5, 6].map(|number| (number, 0)), "coldest first, none on loan");
        assert_eq!(pool.stats().closed_for(CloseReason::NotRetained), 3);
        let numbers: Vec<_> = take(&pool, 3).iter().map(|object| object.number).collect();
        assert_eq!(numbers, if order == IdleOrder::Lifo { [6, 4, 2] } else { [2, 4, 6] });
        drop(held);
        assert_whole(&lab, &pool);
    }
}

#[test]
fn the_predicate_may_use_the_pool_and_wait_for_nothing() {
    let (lab, pool) = pool(Config { wait_timeout: None, ..plain(2) });
    drop(take(&pool, 2));
    let mut waiter = Box::pin(pool.acquire());
    let retained = pool.retain(|_, _| {
        assert!(pool.try_acquire().unwrap().is_none(), "all are being asked about");
        let _ = poll_once(waiter.as_mut());
        true
    });
    assert_counts(retained, 2, 0);
    assert!(poll_once(waiter.as_mut()).is_ready(), "who waited meanwhile is served");
    drop(waiter);
    assert_whole(&lab, &pool);
}

#[test]
fn a_panic_loses_nothing() {
    let (lab, pool) = pool(plain(4));
    drop(take(&pool, 4));
    let outcome = catch_unwind(AssertUnwindSafe(|| {
        pool.retain(|item, _| {
            assert!(item.number != 2, "panics on purpose");
            item.number == 0
        })
    }));
    assert!(outcome.is_err());
    assert_eq!(pool.stats().idle, 3);
    assert_balanced(&pool);
    assert_whole(&lab, &pool);
}

#[test]
fn a_pool_that_ends_meanwhile_keeps_nothing() {
    let (lab, pool) = pool(plain(4));
    drop(take(&pool, 4));
    pool.retain(|_, _| {
        pool.close();
        true
    });
    assert_eq!((pool.state(), lab.alive()), (PoolState::Closed, 0));
    assert_balanced(&pool);
}
