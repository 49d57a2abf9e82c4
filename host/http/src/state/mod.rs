//! What lives longer than a request, and is the context of its handler.
//!
//! | file | holds |
//! |---|---|
//! | `configuration` | what the owner decides |
//! | `sessions` | the session that a request works with: pooled, or of an open transaction |
//! | `transactions` | the open transactions |
//! | `retries` | what a transaction that lost takes along to its next attempt |
//! | `documents`, `fingerprint` | documents of all tables and plugins, kept until these change |
//! | `streams` | the bound on open streams |
//! | `metrics`, `request_times` | counters, and how long requests took |

use std::sync::Arc;

use futures_util::FutureExt as _;
use mantis_db::{Budget, ChangeFilter, Database, SessionManager, Since};
use mantis_plugin::PluginHost;
use mantis_pool::Pool;
use tokio::sync::watch;

use crate::api::operation;
use crate::api::operation::Route;
use crate::limits;
use crate::state::configuration::AppConfig;
use crate::state::documents::Documents;
use crate::state::metrics::{HttpMetrics, OperationNames};
use crate::state::retries::Retries;
use crate::state::transactions::OpenTransactions;

pub(crate) mod configuration;
pub(crate) mod documents;
mod fingerprint;
pub(crate) mod metrics;
mod request_times;
pub(crate) mod retries;
pub(crate) mod sessions;
pub(crate) mod streams;
pub(crate) mod transactions;

/// An operation of this server.
pub(crate) type Operation = operation::Operation<Arc<State>>;
/// A handler of this server.
pub(crate) type Handler = operation::Handler<Arc<State>>;

/// The state of the server. It knows no router and dispatches nothing.
pub(crate) struct State {
    pub(crate) database: Database,
    pub(crate) sessions: Pool<SessionManager>,
    pub(crate) plugins: PluginHost,
    pub(crate) config: AppConfig,
    pub(crate) transactions: Arc<OpenTransactions>,
    pub(crate) retries: Retries,
    pub(crate) metrics: HttpMetrics,
    pub(crate) documents: Documents,
    /// For the answers that operators need where the memory in flight is used up.
    pub(crate) spare: Budget,
    pub(crate) shutdown: watch::Sender<bool>,
    /// Cursor prefix of this incarnation of the store.
    pub(crate) incarnation: Option<String>,
    /// The table of routes, for the documents.
    pub(crate) routes: &'static [Route<Arc<State>>],
}

impl State {
    pub(crate) fn new(
        database: Database,
        sessions: Pool<SessionManager>,
        plugins: PluginHost,
        config: AppConfig,
        routes: &'static [Route<Arc<Self>>],
        names: OperationNames,
    ) -> Self {
        let (share, of) = limits::TRANSACTION_SESSIONS;
        let transactions_max = config.transactions_max.min((sessions.config().max.saturating_mul(share) / of).max(1));
        Self {
            transactions: Arc::new(OpenTransactions::new(transactions_max, config.transaction_idle_ms)),
            retries: Retries::default(),
            metrics: HttpMetrics::new(names),
            documents: Documents::default(),
            spare: Budget::new(limits::SPARE_BYTES),
            shutdown: watch::Sender::new(false),
            incarnation: incarnation_of(&database),
            routes,
            database,
            sessions,
            plugins,
            config,
        }
    }

    pub(crate) fn is_shutting_down(&self) -> bool {
        *self.shutdown.borrow()
    }
}

fn incarnation_of(database: &Database) -> Option<String> {
    let mut session = database.session();
    let page = session.changes(&ChangeFilter::default(), &Since::Now, 1).now_or_never()?.ok()?;
    page.cursor.split('-').next().map(str::to_owned)
}
