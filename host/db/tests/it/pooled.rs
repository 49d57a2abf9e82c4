//! Sessions from a pool are clean, and cost little while nobody uses them.

use std::sync::Arc;

use allocation_counter::measure;
use mantis_db::{Access, Grants, Isolation, Session, SessionManager};
use mantis_pool::{Config, Pool};

use crate::support::{Short, Stage, now};

#[tokio::test]
async fn the_next_user_finds_no_transaction_and_all_grants() {
    let stage = Stage::new();
    let pool =
        Pool::new(SessionManager::new(stage.database.clone()), Config { min_idle: 0, max: 1, ..Config::default() })
            .unwrap();
    {
        let mut session = pool.acquire().await.unwrap();
        session.set_grants(Arc::new(Grants::none().bucket("scores", Access::Write)));
        now(session.begin(Isolation::default())).unwrap();
        session.put("scores", "a", "never committed");
    }
    let mut session = pool.acquire().await.unwrap();
    assert!(!session.in_transaction() && session.grants().is_all());
    assert_eq!(session.text("scores", "a"), None);
}

/// The bytes that a session may take until it is used.
const SESSION_BYTES_MAX: usize = 256;

#[tokio::test]
async fn an_idle_session_is_light() {
    assert!(size_of::<Session>() <= SESSION_BYTES_MAX, "{} bytes", size_of::<Session>());
    let stage = Stage::new();
    let sessions = 1_000;
    let mut pool = None;
    // With the pool and its records of them, which are there before the sessions are.
    let measured = measure(|| {
        let config = Config { min_idle: 0, max: sessions, ..Config::default() };
        let made = Pool::new(SessionManager::new(stage.database.clone()), config).unwrap();
        let held: Vec<_> = (0..sessions).map(|_| now(made.acquire()).unwrap()).collect();
        drop(held);
        pool = Some(made);
    });
    assert_eq!(pool.unwrap().stats().idle, sessions);
    let bytes_each = usize::try_from(measured.bytes_current).unwrap() / sessions;
    assert!(bytes_each >= size_of::<Session>(), "it is measured: {bytes_each} bytes");
    assert!(bytes_each <= SESSION_BYTES_MAX, "{bytes_each} bytes a session");
}
