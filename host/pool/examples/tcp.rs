//! Connections to a server that speaks lines over TCP, which restarts while they are pooled.
//!
//! ```text
//! cargo run -p mantis-pool --example tcp
//! ```
//!
//! Shows all steps of a manager (connect, check at each hand-out, ask after a while, reset at release), the limits on
//! each, retiring a connection after some uses, a pause while the server is away, and an end that waits for its users.

use std::{io, time::Duration};

use mantis_pool::{CloseReason, Config, IdleOrder, Manager, Metrics, Object, Pool};
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufStream},
    net::{TcpListener, TcpStream},
    task::{JoinHandle, JoinSet},
};

/// A connection, on which each request is one line and each answer another.
struct Connection {
    stream: BufStream<TcpStream>,
    /// Whether a request is without its answer.
    is_waiting: bool,
}

impl Connection {
    async fn ask(&mut self, request: &str) -> io::Result<String> {
        self.is_waiting = true;
        self.stream.write_all(format!("{request}\n").as_bytes()).await?;
        self.stream.flush().await?;
        let mut answer = String::new();
        if self.stream.read_line(&mut answer).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.is_waiting = false;
        Ok(answer.trim_end().to_owned())
    }
}

/// Connects to one address.
struct Lines {
    address: std::net::SocketAddr,
}

impl Manager for Lines {
    type Object = Connection;
    type Error = io::Error;

    async fn create(&self) -> io::Result<Connection> {
        let stream = TcpStream::connect(self.address).await?;
        stream.set_nodelay(true)?;
        Ok(Connection { stream: BufStream::new(stream), is_waiting: false })
    }

    /// At each hand-out, without asking the server: an idle connection must be silent and open.
    async fn recycle(&self, connection: &mut Connection, _: &Metrics) -> io::Result<()> {
        match connection.stream.get_ref().try_read(&mut [0]) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(()),
            Err(error) => Err(error),
            Ok(0) => Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(_) => Err(io::Error::other("the server spoke without being asked")),
        }
    }

    /// After a while without use, by a question: a firewall cuts connections without a sound.
    async fn validate(&self, connection: &mut Connection, _: &Metrics) -> io::Result<()> {
        let answer = connection.ask("ping").await?;
        if answer == "ping" { Ok(()) } else { Err(io::Error::other(answer)) }
    }

    /// The user may have given up between request and answer; the next one must not get that answer.
    fn release(&self, connection: &mut Connection, _: &Metrics) -> io::Result<()> {
        if connection.is_waiting { Err(io::Error::other("an answer is outstanding")) } else { Ok(()) }
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let (server, address) = start_server("127.0.0.1:0").await?;
    let config = Config {
        min_idle: 2,
        max: 8,
        // All connections stay in use, so that none is silent for long.
        idle_order: IdleOrder::Fifo,
        wait_timeout: Some(Duration::from_secs(5)),
        create_timeout: Some(Duration::from_secs(1)),
        validate_timeout: Some(Duration::from_millis(500)),
        idle_timeout: Some(Duration::from_mins(1)),
        ..Config::default()
    };
    let pool = Pool::builder(Lines { address })
        .config(config)
        .pre_recycle(|_, metrics| if metrics.recycled_count() < 99 { Ok(()) } else { Err("worn out".into()) })
        .pre_close(|_, metrics, reason| println!("closed after {} uses: {reason:?}", metrics.recycled_count() + 1))
        .build()?;
    let maintenance = tokio::spawn(pool.run_maintenance());

    let mut clients = JoinSet::new();
    for client in 0..20 {
        let pool = pool.clone();
        clients.spawn(async move {
            for request in 0..50 {
                let mut connection = pool.acquire().await.expect("the server is up");
                let question = format!("question {request} of {client}");
                assert_eq!(connection.ask(&question).await.expect("the server answers"), question);
            }
        });
    }
    while let Some(client) = clients.join_next().await {
        client?;
    }
    println!("{}", pool.stats());

    // A user gives up while it waits for its answer: the connection is not used again.
    let mut connection = pool.acquire().await?;
    let answer = tokio::time::timeout(Duration::from_millis(10), connection.ask("think for long")).await;
    assert!(answer.is_err(), "it took too long");
    drop(connection);
    assert_eq!(pool.stats().closed_for(CloseReason::ReleaseFailed), 1);

    // One connection leaves the pool for a purpose of its own.
    let mut own = Object::detach(pool.acquire().await?);
    assert_eq!(own.ask("on my own").await?, "on my own");

    // The server restarts. Callers wait meanwhile; the old connections go as they prove unfit.
    pool.pause();
    server.abort();
    let _ = server.await;
    let waiting = tokio::spawn({
        let pool = pool.clone();
        async move { ask_any(&pool, "back again?").await }
    });
    let (server, _) = start_server(address).await?;
    pool.resize(1, 4)?;
    pool.resume();
    assert_eq!(waiting.await??, "back again?");

    pool.drain().await;
    maintenance.await?;
    println!("{}", pool.stats());
    server.abort();
    Ok(())
}

/// Asks on whatever connection there is. One that breaks in use is closed, and the next is tried.
async fn ask_any(pool: &Pool<Lines>, request: &str) -> Result<String, mantis_pool::Error<io::Error>> {
    loop {
        let mut connection = pool.acquire().await?;
        match connection.ask(request).await {
            Ok(answer) => return Ok(answer),
            Err(_) => Object::close(connection),
        }
    }
}

/// Answers each line with itself, some after a long time. Ends with its connections when the task is aborted.
async fn start_server(address: impl tokio::net::ToSocketAddrs) -> io::Result<(JoinHandle<()>, std::net::SocketAddr)> {
    let listener = TcpListener::bind(address).await?;
    let address = listener.local_addr()?;
    let serve = async move {
        let mut connections = JoinSet::new();
        while let Ok((stream, _)) = listener.accept().await {
            connections.spawn(async move {
                let mut stream = BufStream::new(stream);
                let mut line = String::new();
                while matches!(stream.read_line(&mut line).await, Ok(1..)) {
                    if line.starts_with("think") {
                        tokio::time::sleep(Duration::from_hours(1)).await;
                    }
                    if stream.write_all(line.as_bytes()).await.is_err() || stream.flush().await.is_err() {
                        return;
                    }
                    line.clear();
                }
            });
        }
    };
    Ok((tokio::spawn(serve), address))
}

#[test]
fn runs() -> Result<(), Box<dyn std::error::Error>> {
    main()
}
