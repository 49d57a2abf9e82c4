//! The export: pages of rows to a stream, in one of the formats.

use std::io::Write;

use serde::Serialize;
use serde_json::Value;

use super::csv;
use super::page::Page;
use super::pages::{self, Pages, Place};
use super::whole::Whole;
use crate::cli::RowFormat;
use crate::client::{Client, Path};
use crate::failure::{Failure, Outcome};
use crate::progress;

/// What to export, and how.
#[derive(Debug)]
pub(crate) struct Export {
    pub(crate) table: String,
    pub(crate) format: RowFormat,
    /// What separates the columns of CSV.
    pub(crate) delimiter: char,
    /// The dialect's parameters; none for all rows.
    pub(crate) query: String,
    /// Whether the output is a file, rather than standard output.
    pub(crate) to_file: bool,
}

/// The result of an export.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub(crate) struct Report {
    pub(crate) rows: u64,
    pub(crate) bytes: u64,
    /// The moments that the rows are of: more than one where reading them took longer than a snapshot is kept.
    pub(crate) moments: u64,
}

/// Writes rows to `output`.
pub(crate) async fn run(client: &Client, export: &Export, output: &mut dyn Write) -> Outcome<Report> {
    let document: Value = client.get_json(&Path::schema(&export.table)).await?;
    let is_csv = export.format == RowFormat::Csv;
    let mut source = Source::begin(client, export, is_csv, &document).await?;
    let bar = if export.to_file { progress::bar(None) } else { progress::output_bar() };
    let Export { format, delimiter, .. } = *export;
    let mut writer =
        Writer { output: &mut bar.wrap_write(output), format, delimiter, has_header: false, report: Report::default() };
    let written = write(&mut source, &mut writer, &document, &export.query).await;
    source.end().await;
    written?;
    writer.report.moments = source.moments();
    bar.finish_and_clear();
    Ok(writer.report)
}

async fn write(source: &mut Source<'_>, writer: &mut Writer<'_>, document: &Value, query: &str) -> Outcome {
    while let Some(page) = source.next().await? {
        writer.page(page)?;
    }
    writer.finish(document, query)
}

/// Where the rows come from: one answer for what cannot go by primary key, unless the server caps answers.
enum Source<'a> {
    Pages(Pages<'a>),
    Whole(Box<Whole>),
}

impl<'a> Source<'a> {
    async fn begin(client: &'a Client, export: &Export, is_csv: bool, document: &Value) -> Outcome<Self> {
        let path = |query: &str| Path::table(&export.table).with_query(query);
        let (rest, place) = pages::place(&export.query, document)?;
        if let Place::At { offset, left } = place
            && let Some(whole) = Whole::begin(client, &path(&export.query), is_csv, offset, left).await?
        {
            return Ok(Self::Whole(Box::new(whole)));
        }
        Pages::begin(client, path(&rest), is_csv, place).await.map(Self::Pages)
    }

    /// The next rows; none after the last.
    async fn next(&mut self) -> Outcome<Option<Page>> {
        match self {
            Self::Pages(pages) => pages.next().await,
            Self::Whole(whole) => whole.next().await,
        }
    }

    /// Ends the snapshot. Left alone it ends by itself.
    async fn end(&self) {
        if let Self::Pages(pages) = self {
            pages.end().await;
        }
    }

    /// The moments that the rows are of.
    fn moments(&self) -> u64 {
        match self {
            Self::Pages(pages) => pages.moments(),
            Self::Whole(_) => 1,
        }
    }
}

struct Writer<'a> {
    output: &'a mut dyn Write,
    format: RowFormat,
    delimiter: char,
    /// Whether the header of CSV is written.
    has_header: bool,
    report: Report,
}

impl Writer<'_> {
    fn page(&mut self, page: Page) -> Outcome {
        match page {
            Page::Lines(lines) => {
                for line in lines {
                    let before: &[u8] = match self.format {
                        RowFormat::Json if self.report.rows == 0 => b"[",
                        RowFormat::Json => b",\n",
                        RowFormat::Csv | RowFormat::Ndjson => b"",
                    };
                    let after: &[u8] = if self.format == RowFormat::Json { b"" } else { b"\n" };
                    self.push(&[before, &line, after].concat())?;
                    self.report.rows += 1;
                }
            }
            Page::Records(records) => {
                // Each page has the header, and the first may have nothing else.
                let is_first = !self.has_header;
                self.has_header |= !records.is_empty();
                self.report.rows += records.len().saturating_sub(1) as u64;
                let mut text = String::new();
                for record in records.iter().skip(usize::from(!is_first)) {
                    csv::push_record(record, self.delimiter, &mut text);
                }
                self.push(text.as_bytes())?;
            }
        }
        Ok(())
    }

    fn finish(&mut self, document: &Value, query: &str) -> Outcome {
        let has_rows = self.report.rows > 0;
        match self.format {
            RowFormat::Json => self.push(if has_rows { b"]\n" } else { b"[]\n" })?,
            // Of no rows the server names no columns.
            RowFormat::Csv
                if !self.has_header && !query.split('&').any(|parameter| parameter.starts_with("select=")) =>
            {
                let columns = document["columns"].as_array().map(Vec::as_slice).unwrap_or_default();
                let names: Vec<_> = columns.iter().map(|column| column["name"].as_str().map(str::to_owned)).collect();
                let mut header = String::new();
                csv::push_record(&names, self.delimiter, &mut header);
                self.push(header.as_bytes())?;
            }
            RowFormat::Csv | RowFormat::Ndjson => {}
        }
        self.output.flush().map_err(|error| Failure::stream(&error))
    }

    fn push(&mut self, bytes: &[u8]) -> Outcome {
        self.report.bytes += bytes.len() as u64;
        self.output.write_all(bytes).map_err(|error| Failure::stream(&error))
    }
}
