//! `mantisdb check`: a report on every file of a database, and its repair.

use std::fs;
use std::io::ErrorKind;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use indicatif::{DecimalBytes, HumanCount};
use mantis_db::disk::{DirectoryDisk, Modes, sync_parent};
use mantis_db::plugins::LostComponent;
use mantis_db::{
    Contents, EngineOptions, FileKind, FileReport, OnProgress, OpenError, RepairError, Repaired, Report, RestoreError,
    Seen, check_showing, repair_showing, repairable,
};
use serde_json::{Value, json};

use super::backup;
use super::context::{self, Output};
use super::restore::options;
use crate::cli::CheckArgs;
use crate::failure::{Exit, Failure, NEWER_VERSION, Outcome};
use crate::progress;

pub(super) fn run(args: &CheckArgs) -> Outcome {
    let data = &args.data.data;
    let failed =
        |error: &dyn std::fmt::Display| Failure::new(Exit::Local, format!("cannot check {}: {error}", data.display()));
    let disk =
        DirectoryDisk::read_only(data).map_err(|error| failed(&error).hint("set the data directory with --data"))?;
    // Held to the end: nothing writes between the check and the repair, or while directories are renamed.
    let disk = disk.locked().map_err(|error| match error.kind() {
        ErrorKind::WouldBlock => {
            failed(&OpenError::InUse).hint("stop the server first, or take a backup of the running server")
        }
        _ => failed(&error),
    })?;
    let mut seen = Seen::default();
    let report = progress::watch(|tell| check_showing(&disk, &watched(tell), &mut |part| seen.see(part)))
        .map_err(|error| failed(&error))?;
    let lost = if report.lacks_attachments() { seen.lost() } else { Vec::new() };
    if report.opening.as_ref().is_ok_and(|recovered| recovered.is_new) {
        return Err(failed(&"there is no database in it").hint("set the data directory with --data"));
    }
    let mut output = Output::new();
    if !args.data.json {
        show(&mut output, &report, seen.contents(), &lost)?;
        output.flush()?;
    }
    // A repair has nothing to put in the place of a component.
    let is_repairable = !report.is_right() && !report.lacks_attachments_alone();
    let repaired = if args.repair && is_repairable { Some(repair_into(args, &disk)?) } else { None };
    if args.data.json {
        output.json(&as_json(args, &report, seen.contents(), &lost, repaired.as_ref()))?;
    } else if let Some(done) = &repaired {
        show_repaired(&mut output, done)?;
    } else if args.repair {
        output.line("there is nothing to repair; nothing was written")?;
    }
    output.flush()?;
    if report.lacks_attachments_alone() || repaired.is_some() {
        Failure::plugins(data.display(), &lost)?;
    }
    if report.is_right() || repaired.is_some() {
        return Ok(());
    }
    Err(Failure::new(Exit::Local, format!("{} is damaged", data.display())).hint(remedy(data, &disk)))
}

/// What to do about a damaged database. A repair is no remedy where it would keep nothing.
fn remedy(data: &Path, disk: &DirectoryDisk) -> String {
    match repairable(disk, &options()) {
        Ok(0) => "restore a backup; no commit is intact".to_owned(),
        Ok(_) => format!("recover what is intact: mantisdb check --data {} --repair --into NEW", data.display()),
        Err(RepairError::Read(OpenError::Newer { .. })) => NEWER_VERSION.to_owned(),
        Err(error) => format!("restore a backup; {error}"),
    }
}

/// The engine's options for work on files, with progress reported.
fn watched(tell: OnProgress) -> EngineOptions {
    let mut options = options();
    options.on_progress = Some(tell);
    options
}

/// A line for each file, one for each finding in it, and the verdict.
fn show(output: &mut Output, report: &Report, contents: Contents, lost: &[LostComponent]) -> Outcome {
    for file in &report.files {
        output.line(format_args!("{}  {}{}", file.name, DecimalBytes(file.bytes), contents_of(file)))?;
        for finding in &file.findings {
            let mark = if finding.is_damage { "damaged" } else { "note" };
            output.line(format_args!("  {mark}, offset {}: {}", finding.offset, finding.what))?;
        }
    }
    match &report.opening {
        Ok(recovered) => {
            let state = if report.is_right() {
                "all right"
            } else if report.lacks_attachments() {
                "damaged in components of plugins"
            } else {
                "damaged, but only in what is no longer needed"
            };
            output.line(format_args!("{state}: opens with {contents} at version {}", recovered.version))?;
            for lost in lost {
                let effect = if lost.is_current { "cannot be called" } else { "cannot be rolled back to" };
                output.line(format_args!("  plugin {lost}: {effect}"))?;
            }
            Ok(())
        }
        Err(error) => output.line(format_args!("damaged, does not open: {error}")),
    }
}

fn contents_of(file: &FileReport) -> String {
    match (file.kind, file.versions) {
        (FileKind::Checkpoint, Some((version, _))) => {
            let entries = if file.entries == 1 { "entry" } else { "entries" };
            format!("  {} {entries} at version {version}", HumanCount(file.entries))
        }
        (FileKind::Segment, Some((first, last))) => {
            format!("  {}, {first} to {last}", context::count(file.entries, "commit"))
        }
        (FileKind::Segment, None) => "  no commits".to_owned(),
        (FileKind::Identity, _) => "  identity".to_owned(),
        (FileKind::Attachment, _) => "  a plugin's component".to_owned(),
        (FileKind::Other, _) => "  not a file of the database".to_owned(),
        (FileKind::Checkpoint | FileKind::Unfinished, _) => String::new(),
    }
}

fn show_repaired(output: &mut Output, done: &Done) -> Outcome {
    let Done { repaired, contents, path, damaged } = done;
    let from = match (repaired.base, repaired.commits) {
        (0, commits) => format!("{} of the log", context::count(commits, "commit")),
        (base, 0) => format!("the checkpoint at version {base}"),
        (base, commits) => {
            format!("the checkpoint at version {base} and {} of the log", context::count(commits, "commit"))
        }
    };
    output.line(format_args!("kept: {contents} at version {}, from {from}", repaired.kept.version))?;
    if repaired.newest_seen > repaired.kept.version {
        let (first, last) = (repaired.kept.version + 1, repaired.newest_seen);
        output.line(format_args!("lost: versions {first} to {last}, as far as the files know"))?;
        if repaired.commits_left_out > 0 {
            let commits = context::count(repaired.commits_left_out, "whole commit");
            output.line(format_args!("      {commits} among them left out: they follow a lost one"))?;
        }
    } else {
        output.line("lost: no commit that the files know of")?;
    }
    for id in &repaired.attachments_lost {
        output.line(format_args!("lost: attachment-{id}.mantis, a plugin's component; install the plugin again"))?;
    }
    output.line(format_args!("repaired into {}", path.display()))?;
    if let Some(damaged) = damaged {
        output.line(format_args!("the damaged directory is {}", damaged.display()))?;
    }
    Ok(())
}

/// A repair, and where the directories are now.
struct Done {
    repaired: Repaired,
    contents: Contents,
    path: PathBuf,
    /// Where the damaged directory is, if it was moved.
    damaged: Option<PathBuf>,
}

fn repair_into(args: &CheckArgs, disk: &DirectoryDisk) -> Outcome<Done> {
    let data = &args.data.data;
    if let Some(into) = &args.into {
        let (repaired, contents) = repair_to(data, disk, into, args.data.mode.modes())?;
        return Ok(Done { repaired, contents, path: into.clone(), damaged: None });
    }
    // The parent of a link, or of a path that ends with a dot, is not the directory's own.
    let data = &fs::canonicalize(data).map_err(|error| Failure::file("find", data, &error))?;
    let time = jiff::Timestamp::now().strftime("%Y%m%dT%H%M%SZ");
    let beside = |what: &str| {
        let mut name = data.as_os_str().to_owned();
        name.push(format!(".{what}-{time}"));
        PathBuf::from(name)
    };
    // It takes the place of the damaged one, for the same readers.
    let mode = fs::metadata(data).map_err(|error| Failure::file("find", data, &error))?.permissions().mode() & 0o777;
    let modes = Modes { directory: mode | 0o700, files: (mode | 0o600) & 0o666 };
    let (new, damaged) = (beside("repaired"), beside("damaged"));
    let (repaired, contents) = repair_to(data, disk, &new, modes)?;
    // Still the directory that was repaired.
    disk.check_place().and_then(|()| fs::rename(data, &damaged)).map_err(|error| {
        Failure::file("rename", data, &error)
            .hint(format!("it is unchanged; the repaired database is in {}", new.display()))
    })?;
    fs::rename(&new, data).and_then(|()| sync_parent(data)).map_err(|error| {
        let (new, damaged) = (new.display(), damaged.display());
        Failure::file("rename", data, &error).hint(format!("it is now {damaged}; the repaired database is in {new}"))
    })?;
    Ok(Done { repaired, contents, path: data.clone(), damaged: Some(damaged) })
}

fn repair_to(data: &Path, disk: &DirectoryDisk, into: &Path, modes: Modes) -> Outcome<(Repaired, Contents)> {
    let is_new = !into.exists();
    let new = DirectoryDisk::with_modes(into, modes).map_err(|error| Failure::file("use", into, &error))?;
    let mut seen = Seen::default();
    let repaired = progress::watch(|tell| repair_showing(disk, &new, &watched(tell), &mut |part| seen.see(part)));
    repaired.map(|repaired| (repaired, seen.contents())).map_err(|error| {
        if is_new {
            // Fails where something was written, as it should.
            let _ = fs::remove_dir(into);
        }
        let failure = Failure::new(Exit::Local, format!("cannot repair {}: {error}", data.display()));
        match error {
            RepairError::NothingWhole | RepairError::Mixed => failure.hint("restore a backup"),
            RepairError::Read(OpenError::Newer { .. }) => failure.hint(NEWER_VERSION),
            RepairError::Write(RestoreError::NotEmpty { .. }) => {
                failure.hint("choose a directory that does not exist or is empty with --into")
            }
            _ => failure,
        }
    })
}

fn as_json(
    args: &CheckArgs,
    report: &Report,
    contents: Contents,
    lost: &[LostComponent],
    done: Option<&Done>,
) -> Value {
    let files: Vec<_> = report.files.iter().map(file_as_json).collect();
    let opening = match &report.opening {
        Ok(recovered) => {
            json!({"version": recovered.version.to_string(), "keys": contents.keys, "rows": contents.rows})
        }
        Err(error) => json!({"error": error.to_string()}),
    };
    let mut value = json!({
        "data": args.data.data.display().to_string(), "right": report.is_right(), "opening": opening, "files": files,
        "components_lost": backup::lost_as_json(lost),
    });
    if let Some(Done { repaired, contents, path, damaged }) = done {
        value["repaired"] = json!({
            "path": path.display().to_string(),
            "damaged_path": damaged.as_ref().map(|path| path.display().to_string()),
            "kept": backup::as_json(&repaired.kept, *contents),
            "base_version": repaired.base.to_string(), "commits": repaired.commits,
            "newest_version_seen": repaired.newest_seen.to_string(), "commits_left_out": repaired.commits_left_out,
            "attachments_lost": repaired.attachments_lost.iter().map(ToString::to_string).collect::<Vec<_>>(),
        });
    }
    value
}

fn file_as_json(file: &FileReport) -> Value {
    let kind = match file.kind {
        FileKind::Identity => "identity",
        FileKind::Checkpoint => "checkpoint",
        FileKind::Segment => "segment",
        FileKind::Attachment => "attachment",
        FileKind::Unfinished => "unfinished",
        FileKind::Other => "other",
    };
    let findings = file.findings.iter();
    let findings: Vec<_> = findings
        .map(|finding| json!({"offset": finding.offset, "what": finding.what, "damage": finding.is_damage}))
        .collect();
    json!({
        "name": file.name, "kind": kind, "bytes": file.bytes, "entries": file.entries, "findings": findings,
        "first_version": file.versions.map(|(first, _)| first.to_string()),
        "last_version": file.versions.map(|(_, last)| last.to_string()),
    })
}
