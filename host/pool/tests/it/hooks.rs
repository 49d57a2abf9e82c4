//! Hooks run at their points of an object's life, in order, and may refuse it.

use std::{error::Error as _, sync::Arc};

use mantis_pool::{CloseReason, Config, Error, HookResult, Metrics, Object, Pool};
use parking_lot::Mutex;

use crate::lab::{Behaviour, Broken, Item, Lab, assert_whole, ms, plain, secs, take};

type Log = Arc<Mutex<Vec<String>>>;

fn note(log: &Log, what: &'static str) -> impl Fn(&mut Item, &Metrics) -> HookResult + Send + Sync + use<> {
    let log = Arc::clone(log);
    move |item, metrics| {
        log.lock().push(format!("{what} {} {}", item.number, metrics.recycled_count()));
        Ok(())
    }
}

#[test]
fn run_in_order() {
    let (lab, log) = (Lab::default(), Log::default());
    let closing = Arc::clone(&log);
    let pool = Pool::builder(lab.clone())
        .config(plain(1))
        .post_create(note(&log, "created"))
        .post_create(note(&log, "created, second"))
        .pre_recycle(note(&log, "before recycle"))
        .pre_close(move |item, _, reason| closing.lock().push(format!("closing {} {reason:?}", item.number)))
        .build()
        .unwrap();
    drop(take(&pool, 1));
    drop(take(&pool, 1));
    take(&pool, 1).into_iter().for_each(Object::close);
    drop(Object::detach(pool.try_acquire().unwrap().unwrap()));
    assert_eq!(
        *log.lock(),
        [
            "created 0 0",
            "created, second 0 0",
            "before recycle 0 0",
            "before recycle 0 1",
            "closing 0 Discarded",
            "created 1 0",
            "created, second 1 0",
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn a_refused_creation_is_a_failed_creation() {
    let lab = Lab::default();
    let pool = Pool::builder(lab.clone())
        .config(plain(1))
        .post_create(|item, _| if item.number == 0 { Err("not this one".into()) } else { Ok(()) })
        .build()
        .unwrap();
    let error = pool.acquire().await.unwrap_err();
    assert!(matches!(error, Error::Hook(_)), "{error:?}");
    assert_eq!(error.source().unwrap().to_string(), "not this one");
    let stats = pool.stats();
    assert_eq!((stats.create_failures, stats.created, lab.alive()), (1, 0, 0));
    tokio::time::advance(ms(100)).await;
    assert_whole(&lab, &pool);
}

#[test]
fn a_refused_idle_object_is_closed_and_replaced() {
    let lab = Lab::default();
    let pool = Pool::builder(lab.clone())
        .config(plain(1))
        .pre_recycle(|item, _| if item.number == 0 { Err("worn out".into()) } else { Ok(()) })
        .build()
        .unwrap();
    drop(take(&pool, 1));
    assert_eq!(take(&pool, 1)[0].number, 1);
    assert_eq!(pool.stats().closed_for(CloseReason::RecycleFailed), 1);
    assert_whole(&lab, &pool);
}

#[tokio::test(start_paused = true)]
async fn errors_that_no_caller_is_given_are_seen_and_counted() {
    let (lab, log) = (Lab::default(), Log::default());
    let seen = Arc::clone(&log);
    let pool = Pool::builder(lab.clone())
        .config(Config { validate_after_idle: Some(secs(30)), health_check_interval: Some(secs(60)), ..plain(2) })
        .pre_recycle(|item, _| if item.number == 1 { Err("worn out".into()) } else { Ok(()) })
        .on_error(move |unseen| {
            let known = unseen.error.downcast_ref::<Broken>().is_some();
            let uses = unseen.metrics.map(Metrics::recycled_count);
            seen.lock().push(format!("{} {} {known} {uses:?}", unseen.step, unseen.error));
        })
        .on_error(|_| panic!("a hook panics on purpose"))
        .build()
        .unwrap();
    let fail = |behaviour: &Mutex<Behaviour>, after| {
        lab.all_succeed();
        *behaviour.lock() = after;
    };
    drop(take(&pool, 1));
    fail(&lab.on_recycle, Behaviour::Fail); // 0
    drop(take(&pool, 1));
    lab.all_succeed();
    drop(take(&pool, 1)); // 1, by the hook
    fail(&lab.on_release, Behaviour::Fail); // 2
    drop(take(&pool, 1));
    lab.all_succeed();
    drop(take(&pool, 1));
    tokio::time::advance(secs(30)).await;
    fail(&lab.on_validate, Behaviour::Fail); // 3
    drop(take(&pool, 1));
    tokio::time::advance(secs(60)).await;
    fail(&lab.on_validate, Behaviour::Hang); // 4
    pool.maintain().await;
    assert_eq!(
        *log.lock(),
        [
            "recycle broken on purpose true Some(0)",
            "recycle worn out false Some(0)",
            "release broken on purpose true Some(1)",
            "validate broken on purpose true Some(0)",
            "validate step `validate` took longer than 5s; raise `validate_timeout`; the object was closed, the next \
             attempt takes another false Some(0)",
        ]
    );
    let stats = pool.stats();
    assert_eq!((stats.errors.recycle, stats.errors.validate, stats.errors.release), (2, 1, 1));
    assert_eq!(stats.timeouts.validate, 1);
    fail(&lab.on_release, Behaviour::Panic);
    drop(take(&pool, 1));
    assert_eq!(pool.stats().errors.release, 2, "a panic is counted, too");
    assert_whole(&lab, &pool);
}

#[test]
fn closing_hooks_see_every_reason() {
    let (lab, log) = (Lab::default(), Log::default());
    let closing = Arc::clone(&log);
    let pool = Pool::builder(lab)
        .config(plain(3))
        .pre_close(move |_, _, reason| closing.lock().push(format!("{reason:?}")))
        .build()
        .unwrap();
    drop(take(&pool, 3));
    pool.resize(0, 2).unwrap();
    drop(pool);
    assert_eq!(*log.lock(), ["Shrunk", "Shutdown", "Shutdown"]);
}
