//! Sessions from a pool come back clean.

use std::sync::Arc;

use mantis_db::{Access, Grants, Isolation, SessionManager};
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
