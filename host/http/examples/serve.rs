//! The HTTP surface on a socket, without what a server adds: `cargo run -p mantis-http --example serve -- 127.0.0.1:8080`.

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use mantis_db::{Database, SessionManager};
use mantis_http::{App, AppConfig};
use mantis_plugin::{HostConfig, PluginHost};
use mantis_pool::{Config, Pool};

#[tokio::main(flavor = "multi_thread", worker_threads = 1)]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let address = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:8080".to_owned());
    let database = Database::in_memory()?;
    let sessions = Pool::new(SessionManager::new(database.clone()), Config::default())?;
    let plugins = PluginHost::new(database.clone(), sessions.clone(), HostConfig::default())?;
    let app = App::new(database.clone(), sessions, plugins, AppConfig::default());

    let housekeeping = app.clone();
    tokio::spawn(async move {
        loop {
            tokio::time::sleep(std::time::Duration::from_millis(100)).await;
            housekeeping.maintain().await;
        }
    });
    let listener = tokio::net::TcpListener::bind(&address).await?;
    println!("listening on http://{}", listener.local_addr()?);
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        let app = app.clone();
        tokio::spawn(async move {
            let service = service_fn(|request| {
                let app = app.clone();
                async move { Ok::<_, std::convert::Infallible>(app.handle(request).await) }
            });
            let mut builder = http1::Builder::new();
            builder.timer(TokioTimer::new()).writev(false).pipeline_flush(true);
            app.metrics().connection_opened();
            let _ = builder.serve_connection(TokioIo::new(stream), service).await;
            app.metrics().connection_closed();
        });
    }
}
