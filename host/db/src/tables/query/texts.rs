//! Queries by their texts, as programs give them: each text is parsed once, and its arguments come beside it.

use std::collections::HashMap;
use std::sync::Arc;

use mantis_dialect::{Parser, Query};

use crate::engine::Mutex;
use crate::tables::TableResult;

/// Bytes of the texts of a query that is kept. A longer one is parsed each time: its tree is many times as large.
const TEXT_BYTES_MAX: usize = 2 << 10;
/// Bytes of texts in a generation. There are two.
const GENERATION_BYTES_MAX: usize = 16 << 10;

/// A query as texts of the dialect, without percent-encoding. `$1`, `$2`, .. stand for arguments.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct QueryText<'t> {
    /// Conditions between `&`, and what is said of embedded tables: `status=eq.paid&items.order=line`. Empty for all rows.
    pub filter: &'t str,
    /// What is shown; empty for all columns.
    pub select: &'t str,
    /// The order; without it rows come in any order.
    pub order: &'t str,
}

impl QueryText<'_> {
    /// Parses it.
    ///
    /// # Errors
    /// PGRST100, 54000.
    pub fn parse(&self) -> TableResult<Query> {
        Ok(Parser::default().with_arguments().texts(self.filter, self.select, self.order)?)
    }
}

/// Parsed queries by their texts: those that were asked for lately, in bounded memory.
///
/// ```
/// use mantis_db::tables::{QueryText, QueryTexts};
///
/// let queries = QueryTexts::default();
/// let text = QueryText { filter: "price=gt.$1", order: "price.desc", ..QueryText::default() };
/// let query = queries.get(&text)?;
/// assert!(std::sync::Arc::ptr_eq(&query, &queries.get(&text)?));
/// # Ok::<(), mantis_db::tables::TableError>(())
/// ```
#[derive(Debug, Default)]
pub struct QueryTexts(Mutex<Generations>);

/// The texts, one after the other, and the lengths of the first two.
type Key = (usize, usize, Box<str>);

/// A query that is asked for goes to the young generation. When that is full, it becomes the old one, and the old one is forgotten.
#[derive(Debug, Default)]
struct Generations {
    young: HashMap<Key, Arc<Query>>,
    young_bytes: usize,
    old: HashMap<Key, Arc<Query>>,
}

impl QueryTexts {
    /// The query of these texts.
    ///
    /// # Errors
    /// As [`QueryText::parse`].
    pub fn get(&self, text: &QueryText<'_>) -> TableResult<Arc<Query>> {
        let bytes = text.filter.len() + text.select.len() + text.order.len();
        if bytes > TEXT_BYTES_MAX {
            return text.parse().map(Arc::new);
        }
        let key = (text.filter.len(), text.select.len(), [text.filter, text.select, text.order].concat().into());
        if let Some(query) = self.0.lock().get(&key) {
            return Ok(query);
        }
        let query = Arc::new(text.parse()?);
        self.0.lock().keep(key, Arc::clone(&query));
        Ok(query)
    }
}

impl Generations {
    fn get(&mut self, key: &Key) -> Option<Arc<Query>> {
        if let Some(query) = self.young.get(key) {
            return Some(Arc::clone(query));
        }
        let (key, query) = self.old.remove_entry(key)?;
        self.keep(key, Arc::clone(&query));
        Some(query)
    }

    fn keep(&mut self, key: Key, query: Arc<Query>) {
        let bytes = key.2.len();
        if self.young_bytes + bytes > GENERATION_BYTES_MAX {
            self.old = std::mem::take(&mut self.young);
            self.young_bytes = 0;
        }
        // The empty texts count too.
        self.young_bytes += bytes + 1;
        self.young.insert(key, query);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_that_run_together_are_told_apart() {
        let queries = QueryTexts::default();
        let select = queries.get(&QueryText { select: "a", order: "b", ..QueryText::default() }).unwrap();
        let order = queries.get(&QueryText { order: "ab", ..QueryText::default() }).unwrap();
        assert_ne!(select, order);
    }

    #[test]
    fn what_is_kept_is_bounded() {
        let queries = QueryTexts::default();
        let often = QueryText { filter: "a=eq.$1", ..QueryText::default() };
        let first = queries.get(&often).unwrap();
        for number in 0..100_000 {
            let filter = format!("b=eq.{number}");
            queries.get(&QueryText { filter: &filter, ..QueryText::default() }).unwrap();
            if number % 100 == 0 {
                assert!(Arc::ptr_eq(&first, &queries.get(&often).unwrap()), "what is asked for often stays");
            }
        }
        let long = format!("a=eq.{}", "x".repeat(TEXT_BYTES_MAX));
        queries.get(&QueryText { filter: &long, ..QueryText::default() }).unwrap();
        let generations = queries.0.lock();
        let bytes = |kept: &HashMap<Key, Arc<Query>>| kept.keys().map(|key| key.2.len()).sum::<usize>();
        assert!(bytes(&generations.young).max(bytes(&generations.old)) <= GENERATION_BYTES_MAX);
    }
}
