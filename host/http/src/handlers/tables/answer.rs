//! Where the rows of an answer are collected, in the form that the client asked for.

use bytes::Bytes;
use mantis_db::tables::query::{Cell, JsonForm, JsonRows, OutputColumn, RowSink};
use mantis_db::tables::{Environment, TableResult};

use super::csv::CsvRows;
use super::media::Form;
use crate::limits;

/// Collects rows in a form, or only counts them.
#[derive(Debug)]
pub(super) enum AnswerRows {
    Json(JsonRows),
    Csv(CsvRows),
    /// For HEAD.
    Counted,
}

impl AnswerRows {
    pub(super) fn new(form: Form, environment: &Environment) -> Self {
        let json = |json_form| {
            Self::Json(JsonRows::new(
                json_form,
                form.strips_nulls(),
                limits::TABLE_ANSWER_BYTES_MAX,
                environment.clone(),
            ))
        };
        match form {
            Form::Json | Form::Array { .. } => json(JsonForm::Array),
            Form::Object { .. } => json(JsonForm::Object),
            Form::Lines => json(JsonForm::Lines),
            Form::Csv => Self::Csv(CsvRows::new(environment.clone(), limits::TABLE_ANSWER_BYTES_MAX)),
        }
    }

    /// Is full from so many bytes on, for text that is taken in pieces.
    pub(super) fn set_piece_bytes(&mut self, bytes: usize) {
        match self {
            Self::Json(rows) => rows.set_piece_bytes(bytes),
            Self::Csv(rows) => rows.set_piece_bytes(bytes),
            Self::Counted => {}
        }
    }

    /// Takes the text so far; what comes continues it.
    pub(super) fn take_piece(&mut self) -> Bytes {
        match self {
            Self::Json(rows) => rows.take_piece().into(),
            Self::Csv(rows) => rows.take_piece().into_bytes().into(),
            Self::Counted => Bytes::new(),
        }
    }

    /// Takes the rest of the text.
    pub(super) fn take_rest(&mut self) -> Bytes {
        std::mem::replace(self, Self::Counted).into_bytes()
    }

    /// The text of the answer, or the rest of it.
    pub(super) fn into_bytes(self) -> Bytes {
        match self {
            Self::Json(rows) => rows.into_bytes().into(),
            Self::Csv(rows) => rows.into_text().into_bytes().into(),
            Self::Counted => Bytes::new(),
        }
    }
}

impl RowSink for AnswerRows {
    fn begin(&mut self, columns: &[OutputColumn]) -> TableResult<()> {
        match self {
            Self::Json(rows) => rows.begin(columns),
            Self::Csv(rows) => rows.begin(columns),
            Self::Counted => Ok(()),
        }
    }

    fn wants_rows(&self) -> bool {
        !matches!(self, Self::Counted)
    }

    fn is_full(&self) -> bool {
        match self {
            Self::Json(rows) => rows.is_full(),
            Self::Csv(rows) => rows.is_full(),
            Self::Counted => false,
        }
    }

    fn row(&mut self, cells: &[Cell<'_>]) -> TableResult<()> {
        match self {
            Self::Json(rows) => rows.row(cells),
            Self::Csv(rows) => rows.row(cells),
            Self::Counted => Ok(()),
        }
    }
}
