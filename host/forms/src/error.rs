//! What is wrong with a text.

use std::borrow::Cow;

use mantis_db::tables::TableError;

/// The result of reading.
pub type Result<T> = std::result::Result<T, FormError>;

/// What is wrong with a text, or with what it asks for.
#[derive(Debug)]
#[non_exhaustive]
pub enum FormError {
    /// It is no JSON.
    Malformed(String),
    /// It is JSON of another form.
    Invalid(Cow<'static, str>),
    /// The database refuses what it asks for.
    Db(mantis_db::Error),
    /// The same of a table.
    Table(TableError),
}

impl FormError {
    pub(crate) fn invalid(message: impl Into<Cow<'static, str>>) -> Self {
        Self::Invalid(message.into())
    }

    /// Its code, which stays.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Malformed(_) => "body-malformed",
            Self::Invalid(_) => "body-invalid",
            Self::Db(error) => error.code().as_str(),
            Self::Table(error) => error.code,
        }
    }

    /// What happened, for people.
    #[must_use]
    pub fn message(&self) -> &str {
        match self {
            Self::Malformed(message) => message,
            Self::Invalid(message) => message,
            Self::Db(error) => error.message(),
            Self::Table(error) => &error.message,
        }
    }
}

impl From<mantis_db::Error> for FormError {
    fn from(error: mantis_db::Error) -> Self {
        Self::Db(error)
    }
}

impl From<mantis_db::Code> for FormError {
    fn from(code: mantis_db::Code) -> Self {
        Self::Db(code.into())
    }
}

impl From<TableError> for FormError {
    fn from(error: TableError) -> Self {
        Self::Table(error)
    }
}
