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

    /// The text of the answer.
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

    fn row(&mut self, cells: &[Cell<'_>]) -> TableResult<()> {
        match self {
            Self::Json(rows) => rows.row(cells),
            Self::Csv(rows) => rows.row(cells),
            Self::Counted => Ok(()),
        }
    }
}
