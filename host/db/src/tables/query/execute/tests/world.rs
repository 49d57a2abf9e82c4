//! Tables with rows, and queries on them, without a session.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::engine::{Direction, Engine, EngineOptions, KeyRange, Transaction, View};
use crate::keyspace::{EncodedKey, SPACE_PREFIX_BYTES, SpaceId, space_prefix};
use crate::limits::Limits;
use crate::tables::codec::KeyShape;
use crate::tables::query::bind::{self, Bound, Scope};
use crate::tables::query::bound::Select;
use crate::tables::query::execute::{self, Paging, Progress, QueryContext, StoredRow};
use crate::tables::query::plan::{Access, Plan};
use crate::tables::query::{Count, JsonForm, JsonRows, Selected};
use crate::tables::schema::resolve::resolve;
use crate::tables::schema::{Table, TableDocument};
use crate::tables::table::{Reference, TableSchema};
use crate::tables::types::{self, Value};
use crate::tables::{Environment, TableResult};
use crate::{ManualClock, SeededRandom};

pub(super) struct World {
    pub(super) engine: Engine,
    pub(super) limits: Limits,
    pub(super) environment: Environment,
    tables: BTreeMap<String, Arc<Table>>,
    rows: i64,
}

/// What a query answered.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) json: String,
    pub(super) selected: Selected,
    /// Rows and entries examined.
    pub(super) examined: u64,
}

impl World {
    /// Tables by name, each with its definition in JSON; one comes before those that reference it.
    pub(super) fn new(definitions: &[(&str, &str)]) -> Self {
        let mut options = EngineOptions::new(Arc::new(ManualClock::new(1_000_000)), Arc::new(SeededRandom::new(3)));
        options.space_prefix_bytes = SPACE_PREFIX_BYTES;
        let environment = Environment::neutral();
        let mut schemas: BTreeMap<String, TableSchema> = BTreeMap::new();
        let mut next_space = 1;
        for (name, definition) in definitions {
            let document = TableDocument::read(definition.as_bytes()).expect("a definition");
            let mut find = |other: &str| Ok(schemas[other].clone());
            let mut schema = resolve(name, &document, &environment, &mut find).expect("a schema");
            schema.rows = SpaceId(next_space);
            for (place, index) in schema.indexes.iter_mut().enumerate() {
                index.space = SpaceId(next_space + 1 + u32::try_from(place).unwrap());
            }
            next_space += 100;
            schemas.insert((*name).to_owned(), schema);
        }
        let references: Vec<(String, Reference)> = schemas
            .values()
            .flat_map(|schema| {
                let reference = |name: &String| Reference { table: schema.name.clone(), foreign_key: name.clone() };
                schema.foreign_keys.iter().map(move |key| (key.target.clone(), reference(&key.name)))
            })
            .collect();
        for (target, reference) in references {
            let known = &mut schemas.get_mut(&target).expect("the target").referenced_by;
            if !known.contains(&reference) {
                known.push(reference);
            }
        }
        let tables = schemas.into_iter().map(|(name, schema)| (name, Arc::new(Table::new(schema, 1)))).collect();
        Self { engine: Engine::in_memory(options), limits: Limits::DEFAULT, environment, tables, rows: 0 }
    }

    pub(super) fn table(&self, name: &str) -> &Arc<Table> {
        &self.tables[name]
    }

    pub(super) fn context(&self) -> QueryContext<'_> {
        QueryContext::new(&self.engine, &self.environment, &self.limits)
    }

    /// Inserts the rows of a JSON array of arrays, each a value for each column.
    pub(super) fn insert(&mut self, name: &str, rows: &str) {
        let rows: Vec<Vec<&serde_json::value::RawValue>> = serde_json::from_str(rows).expect("an array of arrays");
        let table = Arc::clone(self.table(name));
        for chunk in rows.chunks(1_000) {
            let rows: Vec<Vec<Value<'static>>> = chunk
                .iter()
                .map(|row| {
                    let values = row.iter().zip(&table.schema.columns);
                    let value = |(json, column): (&&serde_json::value::RawValue, &crate::tables::table::Column)| {
                        types::from_json(json.get(), column.r#type, &self.environment).expect("a value")
                    };
                    values.map(value).collect()
                })
                .collect();
            self.insert_values(&table, &rows);
        }
    }

    pub(super) fn insert_values(&mut self, table: &Table, rows: &[Vec<Value<'static>>]) {
        let first = self.rows;
        self.rows += i64::try_from(rows.len()).unwrap();
        let outcome: Result<((), _), _> = self.engine.alone(|transaction| -> Result<(), crate::Error> {
            for (id, row) in (first..).zip(rows) {
                self.write(transaction, table, row, id);
            }
            Ok(())
        });
        outcome.map_err(|unsettled| unsettled.error).expect("a commit");
    }

    fn write(&self, transaction: &mut Transaction, table: &Table, values: &[Value<'static>], id: i64) {
        let schema = &table.schema;
        let (layout, shape) = table.reader.today().unwrap();
        let mut bytes = Vec::new();
        shape.encode(layout, values, &mut bytes).unwrap();
        let key = match &schema.primary_key {
            Some(key) => {
                let values = key.columns.iter().map(|&column| &values[column]);
                KeyShape::of_rows(schema).row_key(schema.rows, &key.name, values).unwrap()
            }
            None => KeyShape::of_rows(schema).row_key(schema.rows, "", [&Value::Integer(id)]).unwrap(),
        };
        transaction.put(&key, bytes.clone(), None);
        for (index, shape) in schema.indexes.iter().zip(&table.entries) {
            if let Some(filter) = &index.filter {
                let filter = bind::predicate(&filter.conditions, table, &self.environment).expect("a filter");
                let row = StoredRow { key: &key, version: 0, bytes: &bytes };
                if execute::row_satisfies(&filter, table, row, &self.context()).unwrap() != Some(true) {
                    continue;
                }
            }
            let parts: Vec<Value<'static>> = index
                .keys
                .iter()
                .map(|key| match key.path.as_slice() {
                    [] => values[key.column].clone(),
                    path => types::json_path(&values[key.column], schema.columns[key.column].r#type, path),
                })
                .collect();
            let row_key = &key[SPACE_PREFIX_BYTES..];
            let (entry, is_alone) = shape.entry(&parts, row_key).unwrap();
            transaction.put(&entry, if is_alone { row_key.to_vec() } else { Vec::new() }, None);
        }
    }

    /// Binds `select=..&a=eq.1&..`.
    pub(super) fn bind(&self, table: &str, query: &str) -> TableResult<Bound> {
        let pairs = query.split('&').filter(|pair| !pair.is_empty()).map(|pair| pair.split_once('=').unwrap());
        let query = mantis_dialect::Parser::default().query(pairs)?;
        let mut tables = |name: &str| Ok(Arc::clone(self.table(name)));
        let mut scope =
            Scope { tables: &mut tables, environment: &self.environment, arguments: &[], without_aggregates: false };
        bind::select(&query, Arc::clone(self.table(table)), &mut scope)
    }

    pub(super) fn plan(&self, table: &str, query: &str) -> Plan {
        let bound = self.bind(table, query).expect("a query");
        execute::plan_of(&bound.select, &self.context(), Paging::default())
    }

    pub(super) fn run(&self, table: &str, query: &str, count: Count, scans_only: bool) -> TableResult<Answer> {
        let bound = self.bind(table, query)?;
        let mut context = self.context();
        context.scans_only = scans_only;
        let snapshot = self.engine.snapshot();
        let mut view = &snapshot;
        let mut sink = JsonRows::new(JsonForm::Array, false, usize::MAX, self.environment.clone());
        let paging = Paging { count, rows_max: None };
        let selected = execute::select(&bound.select, &mut view, &context, paging, &mut sink)?;
        assert_eq!(context.held_bytes(), 0, "all that was held is given back");
        let json = String::from_utf8(sink.into_bytes()).expect("JSON");
        if !scans_only {
            self.check_pieces(&bound.select, paging, &json, &selected);
        }
        Ok(Answer { json, selected, examined: context.rows_examined() })
    }

    /// Pieces make up the same answer, each in a context of its own, and what is left is counted in the middle.
    fn check_pieces(&self, select: &Select, paging: Paging, json: &str, selected: &Selected) {
        let snapshot = self.engine.snapshot();
        let mut view = &snapshot;
        let mut progress = Progress::begin(select, &self.context(), paging).expect("a select");
        let mut sink = JsonRows::new(JsonForm::Array, false, usize::MAX, self.environment.clone());
        sink.set_piece_bytes(100);
        let (mut text, mut pieces) = (Vec::new(), 0);
        loop {
            let mut context = self.context().resumed(progress.spent());
            context.examined_max = u64::MAX;
            let done = progress.go_on(select, &mut view, &context, &mut sink).expect("a piece");
            if let Some(done) = done {
                assert!(pieces > 0 || done == *selected, "{done:?} {selected:?}");
                break;
            }
            text.extend(sink.take_piece());
            if pieces == 1 {
                let measured = progress.measure(select, &mut view, &self.context()).expect("a count");
                assert_eq!(measured, *selected, "what is left is counted");
            }
            pieces += 1;
        }
        text.extend(sink.into_bytes());
        assert_eq!(String::from_utf8(text).expect("JSON"), json, "in {pieces} pieces");
    }

    /// The answer of a query that is right.
    #[track_caller]
    pub(super) fn ask(&self, table: &str, query: &str) -> Answer {
        self.run(table, query, Count::None, false).unwrap_or_else(|error| panic!("{table}?{query}: {error:?}"))
    }

    /// All stored rows of a table.
    pub(super) fn stored(&self, table: &str) -> Vec<(EncodedKey, u64, Vec<u8>)> {
        let mut rows = Vec::new();
        let range = KeyRange::prefix(&space_prefix(self.table(table).schema.rows.0));
        let snapshot = self.engine.snapshot();
        View::visit(&mut &snapshot, &range, Direction::Forward, &mut |key, header, bytes| {
            rows.push((EncodedKey::from_slice(key), header.version, bytes.to_vec()));
            std::ops::ControlFlow::Continue(())
        })
        .unwrap();
        rows
    }
}

/// A plan in a word or two, for comparison.
pub(super) fn described(plan: &Plan, table: &Table) -> String {
    let name = |index: usize| &table.schema.indexes[index].name;
    let access = match &plan.access {
        Access::Nothing => "nothing".to_owned(),
        Access::Keys(keys) => format!("{} keys", keys.len()),
        Access::Rows(ranges) => format!("{} ranges of rows", ranges.len()),
        Access::Index { index, ranges } => format!("{} ranges of {}", ranges.len(), name(*index)),
        Access::Entries { index, keys } => format!("{} entries of {}", keys.len(), name(*index)),
    };
    let direction = if plan.direction == Direction::Reverse { ", reverse" } else { "" };
    let order = if plan.is_ordered { "" } else { ", sorted" };
    let filter = if plan.is_covered { "" } else { ", filtered" };
    format!("{access}{direction}{order}{filter}")
}
