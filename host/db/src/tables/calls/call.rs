//! The statements behind the calls.

use std::sync::Arc;

use crate::tables::query::RowSink;
use crate::tables::types::Value;
use crate::tables::{
    Query, QueryText, QueryTexts, Resolution, RowBatch, Rows, SelectOptions, TableResult, WriteOptions, Written,
};

/// A query with its arguments.
#[derive(Debug, Clone)]
pub struct Call {
    query: Arc<Query>,
    arguments: Vec<Value<'static>>,
    limit: Option<u32>,
    offset: u32,
}

impl Call {
    /// A query of texts, each parsed once while it is in use.
    ///
    /// # Errors
    /// PGRST100, 54000.
    pub fn new(
        queries: &QueryTexts,
        text: &QueryText<'_>,
        arguments: Vec<Value<'static>>,
        limit: Option<u32>,
        offset: u32,
    ) -> TableResult<Self> {
        Ok(Self { query: queries.get(text)?, arguments, limit, offset })
    }

    /// Whether a write answers the rows that it wrote.
    #[must_use]
    pub fn returns_rows(&self) -> bool {
        self.query.select.is_some()
    }

    /// The row whose primary key the arguments are.
    ///
    /// # Errors
    /// Those of [`Rows::key_arguments`] and [`Rows::select`].
    pub async fn get(mut self, rows: &mut Rows<'_>, sink: &mut dyn RowSink) -> TableResult<()> {
        let filter = rows.key_arguments(self.arguments.len()).await?;
        Arc::make_mut(&mut self.query).root.filter = filter;
        self.select(rows, sink).await
    }

    /// The rows.
    ///
    /// # Errors
    /// Those of [`Rows::select`].
    pub async fn select(self, rows: &mut Rows<'_>, sink: &mut dyn RowSink) -> TableResult<()> {
        let (query, options) = self.for_reading();
        rows.select(&query, &options, sink).await.map(drop)
    }

    /// How many rows there are, within limit and offset.
    ///
    /// # Errors
    /// Those of [`Rows::count`].
    pub async fn count(self, rows: &mut Rows<'_>) -> TableResult<u64> {
        let count = rows.count(&self.query, self.arguments).await?;
        Ok(count.saturating_sub(self.offset.into()).min(self.limit.map_or(u64::MAX, u64::from)))
    }

    /// The plan, as text.
    ///
    /// # Errors
    /// Those of [`Rows::explain`].
    pub async fn explain(self, rows: &mut Rows<'_>) -> TableResult<String> {
        let (query, options) = self.for_reading();
        Ok(rows.explain(&query, &options, false).await?.to_text())
    }

    /// Gives the rows the values of the batch's only row.
    ///
    /// # Errors
    /// Those of [`Rows::update`].
    pub async fn update(
        self,
        rows: &mut Rows<'_>,
        values: &RowBatch<'_>,
        if_version: Option<u64>,
        returned: Option<&mut dyn RowSink>,
    ) -> TableResult<Written> {
        let (query, options) = self.for_writing(if_version);
        rows.update(&query, values, &options, returned).await
    }

    /// Deletes the rows.
    ///
    /// # Errors
    /// Those of [`Rows::delete`].
    pub async fn delete(
        self,
        rows: &mut Rows<'_>,
        if_version: Option<u64>,
        returned: Option<&mut dyn RowSink>,
    ) -> TableResult<Written> {
        let (query, options) = self.for_writing(if_version);
        rows.delete(&query, &options, returned).await
    }

    fn for_reading(self) -> (Arc<Query>, SelectOptions) {
        let Self { query, arguments, limit, offset } = self;
        (windowed(query, limit, offset), SelectOptions { arguments, ..SelectOptions::default() })
    }

    fn for_writing(self, if_version: Option<u64>) -> (Arc<Query>, WriteOptions) {
        let Self { query, arguments, limit, offset } = self;
        (windowed(query, limit, offset), WriteOptions { if_version, arguments, ..WriteOptions::default() })
    }
}

fn windowed(mut query: Arc<Query>, limit: Option<u32>, offset: u32) -> Arc<Query> {
    if limit.is_some() || offset > 0 {
        let root = &mut Arc::make_mut(&mut query).root;
        (root.limit, root.offset) = (limit.map(u64::from), Some(offset.into()));
    }
    query
}

/// Inserts rows. `conflict_columns` name the key by which they meet rows that are there; the primary key if there are none. `returning` is a
/// select.
///
/// # Errors
/// PGRST100, those of [`Rows::insert`].
pub async fn insert(
    rows: &mut Rows<'_>,
    mut query: Arc<Query>,
    batch: &RowBatch<'_>,
    resolution: Resolution,
    conflict_columns: Vec<String>,
    returned: Option<&mut dyn RowSink>,
) -> TableResult<Written> {
    if !conflict_columns.is_empty() {
        let columns = conflict_columns.into_iter().map(String::into_boxed_str).collect();
        Arc::make_mut(&mut query).on_conflict = Some(columns);
    }
    rows.insert(&query, batch, &WriteOptions { resolution, ..WriteOptions::default() }, returned).await
}
