//! What belongs to no connection of a pool: figures, backups, waiting for commits.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use serde::Deserialize;
use tokio::sync::watch;

use super::form::Number;
use super::session::Session;
use super::url::{Base, Path};
use super::wire::{Answer, Limits, Request, Wire};
use crate::failure::Failure;
use crate::far::{Far, FarPool, FarStats, Later};
use crate::waiting::{block, timer};

/// Seconds for which the server holds a request that waits for a commit.
const WAIT_S: u64 = 30;

/// A server.
pub(super) struct Server {
    pub(super) base: Base,
    pub(super) limits: Limits,
    /// The newest commit, as long as somebody waits for one.
    newest: Mutex<Option<watch::Sender<Newest>>>,
}

/// A handle on a server: what it starts keeps it.
pub(super) struct Handle(Arc<Server>);

type Newest = Result<u64, Failure>;

#[derive(Deserialize)]
struct StatsIn {
    store: StoreIn,
}

#[derive(Deserialize)]
struct StoreIn {
    version: Number,
    keys: u64,
    key_bytes: u64,
    value_bytes: u64,
    snapshots: u64,
    #[serde(default)]
    disk: Option<DiskIn>,
}

#[derive(Deserialize)]
struct DiskIn {
    synced_version: Number,
}

impl Handle {
    pub(super) fn new(base: Base, limits: Limits) -> Self {
        Self(Arc::new(Server { base, limits, newest: Mutex::new(None) }))
    }
}

impl Server {
    async fn send(&self, wire: &mut Wire, request: &Request) -> Result<Answer, Failure> {
        Ok(wire.send(&self.base, &self.limits, request).await?)
    }

    async fn figures(&self, wire: &mut Wire) -> Result<StoreIn, Failure> {
        let answer = self.send(wire, &Request::get(Path::service("/stats"))).await?;
        Ok(answer.json::<StatsIn>()?.store)
    }

    /// Shows the newest commit to those who wait. The first of them starts the request that follows the feed, and it ends after the last.
    fn watch(self: &Arc<Self>) -> Result<watch::Receiver<Newest>, Failure> {
        let runtime = timer::handle()?;
        let mut newest = self.newest.lock();
        if let Some(sender) = &*newest {
            return Ok(sender.subscribe());
        }
        let (sender, receiver) = watch::channel(Ok(0));
        *newest = Some(sender.clone());
        drop(newest);
        let server = Arc::clone(self);
        runtime.spawn(async move {
            tokio::select! {
                Err(failure) = server.follow(&sender) => {
                    // Those who wait are told; whoever comes now starts again.
                    server.newest.lock().take();
                    drop(sender.send_replace(Err(failure)));
                }
                () = server.unwatched(&sender) => {}
            }
        });
        Ok(receiver)
    }

    /// Ready when nobody waits any more, and nobody will.
    async fn unwatched(&self, sender: &watch::Sender<Newest>) {
        loop {
            sender.closed().await;
            let mut newest = self.newest.lock();
            if sender.receiver_count() == 0 {
                newest.take();
                return;
            }
        }
    }

    /// Follows the feed, and shows the newest commit after each wait.
    async fn follow(&self, sender: &watch::Sender<Newest>) -> Result<Infallible, Failure> {
        let mut wire = Wire::new();
        // The place in the feed is taken before the commit is read, so that none in between is missed.
        let mut cursor = self.cursor(&mut wire, &Request::get(changes("now"))).await?;
        loop {
            let version = self.figures(&mut wire).await?.version.0;
            sender.send_if_modified(|newest| {
                let is_newer = !matches!(newest, Ok(known) if *known >= version);
                *newest = Ok(version);
                is_newer
            });
            let request = Request::get(changes(&cursor).with("wait", WAIT_S.to_string()));
            let request = Request { extra_time: Duration::from_secs(WAIT_S), ..request };
            cursor = match self.cursor(&mut wire, &request).await {
                Err(failure) if failure.code == "compacted" => {
                    self.cursor(&mut wire, &Request::get(changes("now"))).await?
                }
                cursor => cursor?,
            };
        }
    }

    /// The cursor of a page.
    async fn cursor(&self, wire: &mut Wire, request: &Request) -> Result<String, Failure> {
        #[derive(Deserialize)]
        struct Page {
            cursor: String,
        }
        let request = request.clone().header("accept", "application/json");
        Ok(self.send(wire, &request).await?.json::<Page>()?.cursor)
    }

    async fn newer_than(self: Arc<Self>, after: u64) -> Newest {
        let mut newest = self.watch()?;
        let is_newer = |newest: &Newest| !matches!(newest, Ok(version) if *version <= after);
        let newest = newest.wait_for(is_newer).await.map_err(|_| Failure::closed())?;
        newest.clone()
    }
}

fn changes(since: &str) -> Path {
    Path::new("/changes").with("since", since)
}

impl FarPool for Handle {
    fn link(&self) -> Box<dyn Far> {
        Box::new(Session::new(Arc::clone(&self.0)))
    }

    fn stats(&self) -> Result<FarStats, Failure> {
        let store = block::wait(self.0.figures(&mut Wire::new()))??;
        Ok(FarStats {
            version: store.version.0,
            keys: store.keys,
            bytes: store.key_bytes.saturating_add(store.value_bytes),
            snapshots: store.snapshots,
        })
    }

    fn backup(&self, take: &mut dyn FnMut(&[u8]) -> std::io::Result<()>) -> Result<(), Failure> {
        let (server, mut wire) = (&self.0, Wire::new());
        let request = Request::get(Path::new("/backup")).header("accept", "application/vnd.mantisdb.backup");
        block::wait(wire.stream(&server.base, &server.limits, &request, take))?
    }

    fn settled(self: Arc<Self>, version: u64) -> Later<bool> {
        Box::pin(async move {
            // A server answers when a commit is final: one that is there is.
            let mut wire = Wire::new();
            let mut store = self.0.figures(&mut wire).await?;
            if store.version.0 < version {
                Arc::clone(&self.0).newer_than(version - 1).await?;
                store = self.0.figures(&mut wire).await?;
            }
            Ok(store.disk.is_some_and(|disk| disk.synced_version.0 >= version))
        })
    }

    fn newer(self: Arc<Self>, after: u64) -> Later<u64> {
        Box::pin(Arc::clone(&self.0).newer_than(after))
    }
}
