//! Where the rows of an answer are collected, in the form that the client asked for.

use bytes::Bytes;
use mantis_db::tables::query::{Cell, JsonForm, JsonRows, OutputColumn, PackedRows, RowSink};
use mantis_db::tables::{Environment, TableResult};
use mantis_db::{Budget, Reservation};

use super::csv::CsvRows;
use super::media::Form;
use crate::limits;
use crate::protocol::memory;

/// Bytes of text that are taken ahead of the rows, at most.
const AHEAD_BYTES_MAX: usize = 1 << 20;

/// Collects rows in a form, or only counts them. Their memory is taken before they are written.
#[derive(Debug)]
pub(super) struct AnswerRows {
    rows: Collected,
    reservation: Option<Reservation>,
}

#[derive(Debug)]
enum Collected {
    Json(JsonRows),
    Csv(CsvRows),
    Packed(Box<PackedRows>),
    /// For HEAD.
    Counted,
}

impl AnswerRows {
    pub(super) fn new(form: Form, environment: &Environment, in_flight: &Budget) -> Self {
        let json = |json_form| {
            Collected::Json(JsonRows::new(
                json_form,
                form.strips_nulls(),
                limits::TABLE_ANSWER_BYTES_MAX,
                environment.clone(),
            ))
        };
        let rows = match form {
            Form::Json | Form::Array { .. } => json(JsonForm::Array),
            Form::Object { .. } => json(JsonForm::Object),
            Form::Lines => json(JsonForm::Lines),
            Form::Csv => Collected::Csv(CsvRows::new(environment.clone(), limits::TABLE_ANSWER_BYTES_MAX)),
            Form::Packed => {
                Collected::Packed(Box::new(PackedRows::new(limits::TABLE_ANSWER_BYTES_MAX, environment.clone())))
            }
        };
        Self { rows, reservation: Some(in_flight.reservation()) }
    }

    /// Counts rows and collects none.
    pub(super) fn counted() -> Self {
        Self { rows: Collected::Counted, reservation: None }
    }

    /// Takes the memory of so many bytes of text, and some ahead.
    fn reserve(&mut self, bytes: usize) -> TableResult<()> {
        let Some(reservation) = self.reservation.as_mut().filter(|_| bytes > memory::UNCOUNTED_BYTES_MAX) else {
            return Ok(());
        };
        if reservation.grow_ahead(bytes, bytes.min(AHEAD_BYTES_MAX)) {
            return Ok(());
        }
        Err(mantis_db::Error::from(mantis_db::Code::MemoryFull).into())
    }

    /// Text with its part of the reservation.
    fn held(&mut self, text: Vec<u8>) -> Bytes {
        match self.reservation.as_mut().filter(|reservation| reservation.bytes() > 0) {
            Some(reservation) => {
                let mut taken = reservation.take();
                // A text so long was covered, but for its last bracket.
                let is_covered = taken.grow_to(text.len());
                taken.shrink_to(text.len());
                if is_covered { memory::held(text, taken) } else { text.into() }
            }
            None => text.into(),
        }
    }

    /// Is full from so many bytes on, for text that is taken in pieces.
    pub(super) fn set_piece_bytes(&mut self, bytes: usize) {
        match &mut self.rows {
            Collected::Json(rows) => rows.set_piece_bytes(bytes),
            Collected::Csv(rows) => rows.set_piece_bytes(bytes),
            Collected::Packed(rows) => rows.set_piece_bytes(bytes),
            Collected::Counted => {}
        }
    }

    /// Takes the text so far; what comes continues it.
    pub(super) fn take_piece(&mut self) -> Bytes {
        let text = match &mut self.rows {
            Collected::Json(rows) => rows.take_piece(),
            Collected::Csv(rows) => rows.take_piece().into_bytes(),
            Collected::Packed(rows) => rows.take_piece(),
            Collected::Counted => return Bytes::new(),
        };
        self.held(text)
    }

    /// Takes the rest of the text.
    pub(super) fn take_rest(&mut self) -> Bytes {
        std::mem::replace(self, Self::counted()).into_bytes()
    }

    /// The text of the answer, or the rest of it.
    pub(super) fn into_bytes(mut self) -> Bytes {
        let text = match std::mem::replace(&mut self.rows, Collected::Counted) {
            Collected::Json(rows) => rows.into_bytes(),
            Collected::Csv(rows) => rows.into_text().into_bytes(),
            Collected::Packed(rows) => rows.into_bytes(),
            Collected::Counted => return Bytes::new(),
        };
        self.held(text)
    }
}

impl RowSink for AnswerRows {
    fn begin(&mut self, columns: &[OutputColumn]) -> TableResult<()> {
        match &mut self.rows {
            Collected::Json(rows) => rows.begin(columns),
            Collected::Csv(rows) => rows.begin(columns),
            Collected::Packed(rows) => rows.begin(columns),
            Collected::Counted => Ok(()),
        }
    }

    fn version(&mut self, version: u64) {
        if let Collected::Packed(rows) = &mut self.rows {
            rows.version(version);
        }
    }

    fn wants_rows(&self) -> bool {
        !matches!(self.rows, Collected::Counted)
    }

    fn is_full(&self) -> bool {
        match &self.rows {
            Collected::Json(rows) => rows.is_full(),
            Collected::Csv(rows) => rows.is_full(),
            Collected::Packed(rows) => rows.is_full(),
            Collected::Counted => false,
        }
    }

    fn row(&mut self, cells: &[Cell<'_>]) -> TableResult<()> {
        let bytes = match &mut self.rows {
            Collected::Json(rows) => {
                rows.row(cells)?;
                rows.bytes()
            }
            Collected::Csv(rows) => {
                rows.row(cells)?;
                rows.bytes()
            }
            Collected::Packed(rows) => {
                rows.row(cells)?;
                rows.bytes()
            }
            Collected::Counted => return Ok(()),
        };
        self.reserve(bytes)
    }
}
