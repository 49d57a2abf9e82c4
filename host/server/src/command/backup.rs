//! `mantisdb backup`: a running server's database to a file.

use std::io::{self, BufWriter, Read, Write};
use std::path::Path as FilePath;
use std::time::Duration;

use bytes::{Buf, Bytes};
use hyper::header::ACCEPT;
use indicatif::{DecimalBytes, ProgressBar};
use mantis_db::plugins::LostComponent;
use mantis_db::{Checkpoint, Contents, Seen, Unreadable, verify_showing};
use serde_json::{Value, json};
use tokio::sync::mpsc;

use super::context;
use crate::cli::BackupArgs;
use crate::client::{Client, Path, Pieces};
use crate::failure::{Exit, Failure, Outcome};
use crate::files::{Output, Packed, Packing, Permissions};
use crate::progress;

/// The longest silence in a stream before it counts as broken.
const SILENCE_MAX: Duration = Duration::from_mins(1);
/// Pieces that have arrived and wait to be written.
const PIECES_WAITING_MAX: usize = 16;

pub(super) async fn run(args: BackupArgs) -> Outcome {
    let client = context::client(&args.server)?;
    let json = args.server.json;
    if args.file == FilePath::new("-") {
        let output = Box::new(BufWriter::new(io::stdout()));
        let (Received { whole, contents, lost }, mut output) =
            download(&client, output, FilePath::new("standard output")).await?;
        output.flush().map_err(|error| Failure::stream(&error))?;
        // Standard output is the data.
        let said = if json { as_json(&whole, contents).to_string() } else { text(&whole, contents) };
        eprintln!("{said}");
        return Failure::plugins("the backup", &lost);
    }
    let Received { whole, contents, lost } = to_file(&client, &args.file, args.force).await?;
    show(&whole, contents, json)?;
    Failure::plugins(args.file.display(), &lost)
}

/// What a backup contains, and the components that it lacks.
struct Received {
    whole: Checkpoint,
    contents: Contents,
    lost: Vec<LostComponent>,
}

/// Prints what a backup contains.
pub(super) fn show(whole: &Checkpoint, contents: Contents, json: bool) -> Outcome {
    if !json {
        eprintln!("{}", text(whole, contents));
        return Ok(());
    }
    let mut output = context::Output::new();
    output.json(&as_json(whole, contents))?;
    output.flush()
}

fn text(whole: &Checkpoint, contents: Contents) -> String {
    format!("version {}: {contents}, {}", whole.version, DecimalBytes(whole.bytes))
}

pub(super) fn as_json(whole: &Checkpoint, contents: Contents) -> Value {
    let Contents { keys, rows } = contents;
    json!({"version": whole.version.to_string(), "keys": keys, "rows": rows, "bytes": whole.bytes})
}

pub(super) fn lost_as_json(lost: &[LostComponent]) -> Value {
    let lost = lost.iter();
    lost.map(|lost| json!({"plugin": lost.plugin, "version": lost.version, "current": lost.is_current})).collect()
}

/// Writes beside `path` until it is whole.
async fn to_file(client: &Client, path: &FilePath, force: bool) -> Outcome<Received> {
    let packing = Packing::of(path)?;
    let output = Output::open(path, force, Permissions::Owner)?;
    let failed = |error: io::Error| Failure::file("write", path, &error);
    let file = Packed::new(output.handle()?, packing).map_err(failed)?;
    let (whole, file) = download(client, Box::new(file), path).await?;
    file.finish().map_err(failed)?;
    output.finish()?;
    Ok(whole)
}

/// Writes the server's backup to `output`, and verifies it.
async fn download<W: Write + Send + 'static>(
    client: &Client,
    output: Box<W>,
    path: &FilePath,
) -> Outcome<(Received, Box<W>)> {
    let media = "application/vnd.mantisdb.backup";
    let mut pieces = client.pieces(&Path::new("/api/v1/backup"), &[(ACCEPT, media)], SILENCE_MAX).await?;
    let bar = progress::bar(bytes_estimate(&pieces));
    let (sender, receiver) = mpsc::channel(PIECES_WAITING_MAX);
    let mut arriving = Arriving { pieces: receiver, piece: Bytes::new(), output, bar: bar.clone() };
    let checking = tokio::task::spawn_blocking(move || {
        let mut seen = Seen::default();
        let checked = verify_showing(&mut arriving, &mut |part| seen.see(part));
        (checked.map(|whole| Received { whole, contents: seen.contents(), lost: seen.lost() }), arriving.output)
    });
    let arrived = loop {
        match pieces.next().await {
            Ok(Some(piece)) => {
                // The receiving thread has failed; its error is reported below.
                if sender.send(piece).await.is_err() {
                    break Ok(());
                }
            }
            Ok(None) => break Ok(()),
            Err(error) => break Err(error),
        }
    };
    drop(sender);
    let (checked, output) = checking.await.map_err(|error| Failure::new(Exit::Local, error))?;
    bar.finish_and_clear();
    match (checked, arrived) {
        (Err(Unreadable::Io(error)), _) => Err(Failure::file("write", path, &error)),
        (_, Err(error)) => Err(error.into()),
        (Err(error), _) => Err(Failure::new(
            Exit::Server,
            format!("the backup that the server sent is incomplete or damaged: {error}"),
        )),
        (Ok(whole), Ok(())) => Ok((whole, output)),
    }
}

fn bytes_estimate(pieces: &Pieces) -> Option<u64> {
    pieces.headers.get("mantisdb-bytes-estimate")?.to_str().ok()?.parse().ok()
}

/// Pieces that are written as they are read.
struct Arriving<W> {
    pieces: mpsc::Receiver<Bytes>,
    piece: Bytes,
    output: Box<W>,
    bar: ProgressBar,
}

impl<W: Write> Read for Arriving<W> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.piece.is_empty() {
            let Some(piece) = self.pieces.blocking_recv() else { return Ok(0) };
            self.output.write_all(&piece)?;
            self.bar.inc(piece.len() as u64);
            self.piece = piece;
        }
        let length = buffer.len().min(self.piece.len());
        self.piece.copy_to_slice(&mut buffer[..length]);
        Ok(length)
    }
}
