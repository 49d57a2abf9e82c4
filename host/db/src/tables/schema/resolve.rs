//! From a document to a schema: names become places, texts become values, and what is missing gets PostgreSQL's defaults.

use std::collections::HashSet;

use crate::limits::{
    COMMENT_BYTES_MAX, CONSTRAINTS_MAX, ENUM_VALUES_MAX, KEY_COLUMNS_MAX, TABLE_COLUMNS_MAX, TABLE_INDEXES_MAX,
};
use crate::tables::schema::document::{
    ChangesDocument, CheckDocument, ColumnDocument, DefaultForm, ForeignKeyDocument, IndexDocument, KeyDocument,
    TableDocument,
};
use crate::tables::schema::filter::{fields, index_key, place_of, read_filter};
use crate::tables::schema::names::{check_name, choose_name};
use crate::tables::table::{
    Check, Column, Default, Filter, ForeignKey, Index, IndexKey, Layout, PrimaryKey, Reference, RowKeys, SpaceId,
    TableSchema,
};
use crate::tables::types::{self, Scalar, Type, Value};
use crate::tables::{Environment, TableError, TableResult, code};

/// The schemas of other tables, as a foreign key finds them.
pub(crate) type FindTable<'a> = dyn FnMut(&str) -> TableResult<TableSchema> + 'a;

/// The place of a part of a schema that is not stored yet.
pub(crate) const NO_SPACE: SpaceId = SpaceId(0);

/// The schema that a document describes. Its spaces have no numbers yet.
///
/// # Errors
/// 42601, 42602, 42701, 42703, 42704, 42710, 42804, 42830, 42883, 42P16, 54000, PGRST205, and those of reading the defaults.
pub(crate) fn resolve(
    name: &str,
    document: &TableDocument,
    environment: &Environment,
    find: &mut FindTable<'_>,
) -> TableResult<TableSchema> {
    check_name("a table", name)?;
    if let Some(other) = document.name.as_deref().filter(|other| *other != name) {
        let message = format!("the definition is of table \"{other}\" and not of \"{name}\"");
        return Err(TableError::new(code::SCHEMA_INVALID, message));
    }
    let mut building = Building::new(empty(name), environment, find);
    building.reserve(document.primary_key.iter().chain(&document.unique).filter_map(|key| key.name.as_ref()));
    building.reserve(document.indexes.iter().filter_map(|index| index.name.as_ref()));
    building.reserve(document.foreign_keys.iter().filter_map(|key| key.name.as_ref()));
    building.reserve(document.checks.iter().filter_map(|check| check.name.as_ref()));
    if document.columns.is_empty() {
        return Err(TableError::new(code::SCHEMA_INVALID, "a table has at least one column"));
    }
    for column in &document.columns {
        building.add_column(column)?;
    }
    if let Some(key) = &document.primary_key {
        building.set_primary_key(key, &document.columns)?;
    }
    for key in &document.unique {
        building.add_unique(key)?;
    }
    for index in &document.indexes {
        building.add_index(index)?;
    }
    for check in document.columns.iter().filter_map(|column| column.check.as_ref()) {
        building.add_check(&CheckDocument { name: None, check: check.clone() })?;
    }
    for check in &document.checks {
        building.add_check(check)?;
    }
    for key in &document.foreign_keys {
        building.add_foreign_key(key)?;
    }
    building.schema.comment = comment(document.comment.as_deref())?;
    building.schema.keeps_old_rows = document.changes == ChangesDocument::Full;
    let mut schema = building.schema;
    schema.layouts.push(layout_of(&schema));
    Ok(schema)
}

fn empty(name: &str) -> TableSchema {
    TableSchema {
        name: name.to_owned(),
        rows: NO_SPACE,
        version: 1,
        comment: None,
        columns: Vec::new(),
        primary_key: None,
        row_keys: RowKeys::Id,
        indexes: Vec::new(),
        foreign_keys: Vec::new(),
        referenced_by: Vec::new(),
        checks: Vec::new(),
        keeps_old_rows: false,
        layouts: Vec::new(),
        next_column_id: 1,
        counts_since: 1,
        pending: None,
    }
}

/// The schema of rows that are stored nowhere: columns of these names and types, all of them nullable.
pub(crate) fn plain_schema(name: &str, columns: impl Iterator<Item = (String, Type)>) -> TableSchema {
    let mut schema = empty(name);
    schema.columns = columns.zip(1..).map(|((name, r#type), id)| plain_column(id, name, r#type)).collect();
    schema.layouts.push(layout_of(&schema));
    schema
}

fn plain_column(id: u32, name: String, r#type: Type) -> Column {
    Column {
        id,
        name,
        r#type,
        nullable: true,
        default: None,
        identity: false,
        allowed: None,
        comment: None,
        missing: Value::Null,
    }
}

/// The layout of rows that are written under a schema: its columns in their order.
pub(crate) fn layout_of(schema: &TableSchema) -> Layout {
    Layout { columns: schema.columns.iter().map(|column| (column.id, column.r#type)).collect() }
}

/// A comment; none for an empty one.
pub(crate) fn comment(text: Option<&str>) -> TableResult<Option<String>> {
    let Some(text) = text.filter(|text| !text.is_empty()) else { return Ok(None) };
    if text.len() > COMMENT_BYTES_MAX {
        let message = format!("a comment has {} bytes; the limit is {COMMENT_BYTES_MAX}", text.len());
        return Err(TableError::new(code::LIMIT_EXCEEDED, message));
    }
    Ok(Some(text.to_owned()))
}

/// A schema that grows by parts of documents.
pub(crate) struct Building<'b, 'f> {
    pub(crate) schema: TableSchema,
    environment: &'b Environment,
    find: &'b mut FindTable<'f>,
    /// Names that parts still to come have of their own.
    reserved: HashSet<String>,
    /// A name that is free because its part goes.
    freed: Option<String>,
}

impl<'b, 'f> Building<'b, 'f> {
    pub(crate) fn new(schema: TableSchema, environment: &'b Environment, find: &'b mut FindTable<'f>) -> Self {
        Self { schema, environment, find, reserved: HashSet::new(), freed: None }
    }

    /// Keeps names that documents give from being chosen for what comes before them.
    pub(crate) fn reserve<'n>(&mut self, names: impl IntoIterator<Item = &'n String>) {
        self.reserved.extend(names.into_iter().cloned());
    }

    /// Adds a column, and returns its place.
    pub(crate) fn add_column(&mut self, document: &ColumnDocument) -> TableResult<usize> {
        let name = &document.name;
        check_name("a column", name)?;
        if self.schema.columns.len() >= TABLE_COLUMNS_MAX {
            return Err(limit("columns", TABLE_COLUMNS_MAX));
        }
        if self.schema.columns.iter().any(|column| column.name == *name) {
            let message = format!("column \"{name}\" of relation \"{}\" already exists", self.schema.name);
            return Err(TableError::new(code::COLUMN_DUPLICATE, message));
        }
        let (r#type, is_serial) =
            Type::parse_column(&document.r#type).map_err(|error| at(error, &format!("Column \"{name}\".")))?;
        let identity = document.identity || is_serial;
        if identity {
            self.check_identity(document, r#type)?;
        }
        let id = self.schema.next_column_id;
        self.schema.next_column_id = id.checked_add(1).ok_or_else(|| limit("columns in its life", usize::MAX))?;
        let mut column = Column {
            id,
            name: name.clone(),
            r#type,
            nullable: document.nullable.unwrap_or(!identity),
            default: None,
            identity,
            allowed: allowed(document, r#type)?,
            comment: comment(document.comment.as_deref())?,
            missing: Value::Null,
        };
        column.default = match &document.default {
            Some(default) => self.default_of(&column, default.form())?,
            None => None,
        };
        self.schema.columns.push(column);
        Ok(self.schema.columns.len() - 1)
    }

    pub(crate) fn check_identity(&self, document: &ColumnDocument, r#type: Type) -> TableResult<()> {
        let name = &document.name;
        let refuse = |code, message: String| Err(TableError::new(code, message));
        if !matches!(r#type.scalar, Scalar::SmallInt | Scalar::Integer | Scalar::BigInt) || r#type.is_array {
            let message = format!("column \"{name}\": identity column type must be smallint, integer, or bigint");
            return refuse(code::SCHEMA_INVALID, message);
        }
        if document.nullable == Some(true) {
            return refuse(code::SYNTAX_ERROR, self.conflicting_null(name));
        }
        if document.default.is_some() {
            let message =
                format!("both default and identity specified for column \"{name}\" of table \"{}\"", self.schema.name);
            return refuse(code::SYNTAX_ERROR, message);
        }
        if let Some(other) = self.schema.columns.iter().find(|column| column.identity) {
            let message = format!("columns \"{}\" and \"{name}\" are both an identity; a table has one", other.name);
            return refuse(code::SCHEMA_INVALID, message);
        }
        Ok(())
    }

    fn conflicting_null(&self, column: &str) -> String {
        format!("conflicting NULL/NOT NULL declarations for column \"{column}\" of table \"{}\"", self.schema.name)
    }

    /// The default of a column; none for null.
    pub(crate) fn default_of(&self, column: &Column, form: DefaultForm<'_>) -> TableResult<Option<Default>> {
        let default = match form {
            DefaultForm::Function(function) => function_default(column, &function)?,
            DefaultForm::Literal(json) => {
                let value = types::from_json(json, column.r#type, self.environment);
                let value = value.map_err(|error| at(error, &format!("The default of column \"{}\".", column.name)))?;
                if value.is_null() {
                    return Ok(None);
                }
                Default::Literal(value)
            }
        };
        check_allowed(column, &default)?;
        Ok(Some(default))
    }

    /// The places of columns that a key names, each once.
    fn key_columns(&self, names: &[String], what: &str) -> TableResult<Vec<usize>> {
        if names.is_empty() {
            return Err(TableError::new(code::SYNTAX_ERROR, format!("a {what} has at least one column")));
        }
        if names.len() > KEY_COLUMNS_MAX {
            return Err(TableError::new(
                code::LIMIT_EXCEEDED,
                format!("a {what} has {} columns; the limit is {KEY_COLUMNS_MAX}", names.len()),
            ));
        }
        let mut places = Vec::with_capacity(names.len());
        for name in names {
            let place = place_of(&self.schema, name).ok_or_else(|| {
                TableError::new(code::COLUMN_UNDEFINED, format!("column \"{name}\" named in key does not exist"))
            })?;
            if places.contains(&place) {
                let message = format!("column \"{name}\" appears twice in {what} constraint");
                return Err(TableError::new(code::COLUMN_DUPLICATE, message));
            }
            places.push(place);
        }
        Ok(places)
    }

    fn set_primary_key(&mut self, document: &KeyDocument, columns: &[ColumnDocument]) -> TableResult<()> {
        let places = self.key_columns(&document.columns, "primary key")?;
        for &place in &places {
            if columns[place].nullable == Some(true) {
                let message = self.conflicting_null(&self.schema.columns[place].name);
                return Err(TableError::new(code::SYNTAX_ERROR, message));
            }
            self.schema.columns[place].nullable = false;
        }
        let name = self.name(document.name.as_deref(), &[], "pkey")?;
        self.schema.primary_key = Some(PrimaryKey { name, columns: places });
        self.schema.row_keys = RowKeys::PrimaryKey;
        Ok(())
    }

    /// The name and the columns of a primary key for a table that is there; it may have the name of the one that it replaces.
    pub(crate) fn primary_key(
        &mut self,
        document: &KeyDocument,
        replaced: Option<&str>,
    ) -> TableResult<(String, Vec<usize>)> {
        let places = self.key_columns(&document.columns, "primary key")?;
        self.freed = replaced.map(str::to_owned);
        let name = self.name(document.name.as_deref(), &[], "pkey");
        self.freed = None;
        Ok((name?, places))
    }

    /// Adds the index of a primary key by which rows are not kept.
    pub(crate) fn add_primary_index(&mut self, name: &str, columns: &[usize]) -> TableResult<()> {
        let keys = columns.iter().map(|&column| IndexKey { column, path: Vec::new(), is_descending: false });
        self.push_index(name.to_owned(), keys.collect(), true, None)?;
        self.schema.indexes.last_mut().into_iter().for_each(|index| index.is_primary = true);
        Ok(())
    }

    /// Adds a unique key.
    pub(crate) fn add_unique(&mut self, document: &KeyDocument) -> TableResult<()> {
        let places = self.key_columns(&document.columns, "unique")?;
        let columns: Vec<&str> = document.columns.iter().map(String::as_str).collect();
        let name = self.name(document.name.as_deref(), &columns, "key")?;
        let keys = places.into_iter().map(|column| IndexKey { column, path: Vec::new(), is_descending: false });
        self.push_index(name, keys.collect(), true, None)
    }

    /// Adds an index.
    pub(crate) fn add_index(&mut self, document: &IndexDocument) -> TableResult<()> {
        if document.columns.is_empty() {
            return Err(TableError::new(code::SYNTAX_ERROR, "an index has at least one column"));
        }
        if document.columns.len() > KEY_COLUMNS_MAX {
            return Err(limit("columns in an index", KEY_COLUMNS_MAX));
        }
        let keys = document.columns.iter().map(|column| index_key(&self.schema, column));
        let keys = keys.collect::<TableResult<Vec<_>>>()?;
        let named = keys.iter().map(|key| match &key.path[..] {
            [] => self.schema.columns[key.column].name.clone(),
            _ => "expr".to_owned(),
        });
        let named: Vec<String> = named.collect();
        let filter = document.filter.as_deref().map(|text| read_filter(&self.schema, text)).transpose()?;
        let columns: Vec<&str> = named.iter().map(String::as_str).collect();
        let name = self.name(document.name.as_deref(), &columns, "idx")?;
        self.push_index(name, keys, document.unique, filter)
    }

    fn push_index(
        &mut self,
        name: String,
        keys: Vec<IndexKey>,
        is_unique: bool,
        filter: Option<Filter>,
    ) -> TableResult<()> {
        if self.schema.indexes.len() >= TABLE_INDEXES_MAX {
            return Err(limit("indexes and unique keys", TABLE_INDEXES_MAX));
        }
        self.schema.indexes.push(Index {
            name,
            space: NO_SPACE,
            keys,
            is_unique,
            filter,
            is_primary: false,
            is_building: false,
        });
        Ok(())
    }

    /// Adds a check.
    pub(crate) fn add_check(&mut self, document: &CheckDocument) -> TableResult<()> {
        if self.schema.checks.len() >= CONSTRAINTS_MAX {
            return Err(limit("checks", CONSTRAINTS_MAX));
        }
        let filter = read_filter(&self.schema, &document.check)?;
        let mut columns = Vec::new();
        for condition in &*filter.conditions {
            fields(condition, &mut |name, _| {
                if !columns.contains(&name) {
                    columns.push(name);
                }
            });
        }
        let columns = if columns.len() == 1 { &columns[..] } else { &[] };
        let name = self.name(document.name.as_deref(), columns, "check")?;
        self.schema.checks.push(Check { name, filter });
        Ok(())
    }

    /// Adds a foreign key. One to the table itself is also among those that reference it.
    pub(crate) fn add_foreign_key(&mut self, document: &ForeignKeyDocument) -> TableResult<()> {
        if self.schema.foreign_keys.len() >= CONSTRAINTS_MAX {
            return Err(limit("foreign keys", CONSTRAINTS_MAX));
        }
        let places = self.key_columns(&document.columns, "foreign key")?;
        let columns: Vec<&str> = document.columns.iter().map(String::as_str).collect();
        let name = self.name(document.name.as_deref(), &columns, "fkey")?;
        let target = &document.references.table;
        let is_own = *target == self.schema.name;
        let found = if is_own { None } else { Some((self.find)(target)?) };
        let referenced = found.as_ref().unwrap_or(&self.schema);
        let target_places = referenced_columns(referenced, &document.references.columns)?;
        check_match(&self.schema, &places, referenced, &target_places, &name)?;
        let target_columns = target_places.iter().map(|&place| referenced.columns[place].name.clone()).collect();
        if is_own {
            let reference = Reference { table: target.clone(), foreign_key: name.clone() };
            self.schema.referenced_by.push(reference);
        }
        self.schema.foreign_keys.push(ForeignKey {
            name,
            columns: places,
            target: target.clone(),
            target_columns,
            on_delete: document.on_delete.into(),
            on_update: document.on_update.into(),
        });
        Ok(())
    }

    fn is_taken(&self, name: &str) -> bool {
        has_name(&self.schema, name) && self.freed.as_deref() != Some(name)
    }

    /// The name given, if it is free, or one that is chosen.
    fn name(&mut self, given: Option<&str>, columns: &[&str], suffix: &str) -> TableResult<String> {
        let Some(given) = given else {
            let is_taken = |name: &str| self.reserved.contains(name) || self.is_taken(name);
            return Ok(choose_name(&self.schema.name, columns, suffix, is_taken));
        };
        check_name("a constraint or index", given)?;
        if self.is_taken(given) {
            let message = format!("constraint \"{given}\" for relation \"{}\" already exists", self.schema.name);
            return Err(TableError::new(code::OBJECT_DUPLICATE, message));
        }
        Ok(given.to_owned())
    }
}

/// Whether a key, index, foreign key or check of the table has this name.
pub(crate) fn has_name(schema: &TableSchema, name: &str) -> bool {
    schema.primary_key.as_ref().is_some_and(|key| key.name == name)
        || schema.indexes.iter().any(|index| index.name == name)
        || schema.foreign_keys.iter().any(|key| key.name == name)
        || schema.checks.iter().any(|check| check.name == name)
}

/// More of something than a table may have.
pub(crate) fn limit(what: &str, max: usize) -> TableError {
    TableError::new(code::LIMIT_EXCEEDED, format!("a table has at most {max} {what}"))
}

fn at(error: TableError, place: &str) -> TableError {
    match &error.details {
        Some(details) => {
            let details = format!("{place} {details}");
            error.with_details(details)
        }
        None => error.with_details(place),
    }
}

fn function_default(column: &Column, function: &str) -> TableResult<Default> {
    let is_time = matches!(column.r#type.scalar, Scalar::Date | Scalar::Time | Scalar::Timestamp | Scalar::TimestampTz);
    let (default, fits) = match function {
        "now" => (Default::Now, is_time),
        "uuid" => (Default::Uuid, column.r#type.scalar == Scalar::Uuid),
        "uuidv7" => (Default::UuidV7, column.r#type.scalar == Scalar::Uuid),
        _ => {
            let shown: String = function.chars().take(63).collect();
            let error = TableError::new(code::OPERATOR_UNDEFINED, format!("function {shown} does not exist"));
            return Err(error.with_hint("A default's function is now, uuid or uuidv7."));
        }
    };
    if !fits || column.r#type.is_array {
        let message = format!(
            "column \"{}\" is of type {} but its default is of type {}",
            column.name,
            column.r#type,
            if function == "now" { "timestamp with time zone" } else { "uuid" },
        );
        return Err(TableError::new(code::DATATYPE_MISMATCH, message));
    }
    Ok(default)
}

/// The values that a column may have, of a type that can have some.
pub(crate) fn allowed(document: &ColumnDocument, r#type: Type) -> TableResult<Option<Vec<String>>> {
    let Some(allowed) = &document.allowed else { return Ok(None) };
    let column = &document.name;
    let refuse = |message: String| Err(TableError::new(code::SCHEMA_INVALID, message));
    if !matches!(r#type.scalar, Scalar::Text | Scalar::Varchar(_)) || r#type.is_array {
        let other = r#type;
        return refuse(format!("column \"{column}\" has an enum and is of type {other}; it must be text"));
    }
    if allowed.is_empty() {
        return refuse(format!("the enum of column \"{column}\" has no value"));
    }
    if allowed.len() > ENUM_VALUES_MAX {
        return Err(limit("values in an enum", ENUM_VALUES_MAX));
    }
    let mut seen = HashSet::new();
    for value in allowed {
        check_name("an enum's value", value)?;
        if !seen.insert(value) {
            return refuse(format!("the enum of column \"{column}\" has \"{value}\" twice"));
        }
    }
    Ok(Some(allowed.clone()))
}

/// Refuses a default that is none of the values allowed.
pub(crate) fn check_allowed(column: &Column, default: &Default) -> TableResult<()> {
    if let (Some(allowed), Default::Literal(Value::Text(text))) = (&column.allowed, default)
        && !allowed.iter().any(|value| *value == **text)
    {
        let message = format!("invalid input value for enum {}: \"{}\"", column.name, text.escape_debug());
        return Err(TableError::new(code::TEXT_INVALID, message));
    }
    Ok(())
}

/// The columns that a foreign key references.
fn referenced_columns(target: &TableSchema, names: &[String]) -> TableResult<Vec<usize>> {
    if names.is_empty() {
        let key = target.primary_key.as_ref().ok_or_else(|| {
            let message = format!("there is no primary key for referenced table \"{}\"", target.name);
            TableError::new(code::OBJECT_UNDEFINED, message)
        })?;
        return Ok(key.columns.clone());
    }
    let mut places = Vec::with_capacity(names.len());
    for name in names {
        let place = place_of(target, name).ok_or_else(|| {
            let message = format!("column \"{name}\" referenced in foreign key constraint does not exist");
            TableError::new(code::COLUMN_UNDEFINED, message)
        })?;
        if places.contains(&place) {
            let message = "foreign key referenced-columns list must not contain duplicates";
            return Err(TableError::new(code::FOREIGN_KEY_INVALID, message));
        }
        places.push(place);
    }
    Ok(places)
}

/// Refuses a foreign key whose columns are not comparable with those of a unique key.
fn check_match(
    schema: &TableSchema,
    columns: &[usize],
    target: &TableSchema,
    target_columns: &[usize],
    name: &str,
) -> TableResult<()> {
    if columns.len() != target_columns.len() {
        let message = "number of referencing and referenced columns for foreign key disagree";
        return Err(TableError::new(code::FOREIGN_KEY_INVALID, message));
    }
    if !is_unique_key(target, target_columns) {
        let message =
            format!("there is no unique constraint matching given keys for referenced table \"{}\"", target.name);
        return Err(TableError::new(code::FOREIGN_KEY_INVALID, message));
    }
    for (&own, &other) in columns.iter().zip(target_columns) {
        let (own, other) = (&schema.columns[own], &target.columns[other]);
        if !have_same_keys(own.r#type, other.r#type) {
            let message = format!("foreign key constraint \"{name}\" cannot be implemented");
            let details = format!(
                "Key columns \"{}\" and \"{}\" are of incompatible types: {} and {}.",
                own.name, other.name, own.r#type, other.r#type
            );
            return Err(TableError::new(code::DATATYPE_MISMATCH, message).with_details(details));
        }
    }
    Ok(())
}

/// Whether these columns, in any order, are the primary key or a unique key in use.
pub(crate) fn is_unique_key(schema: &TableSchema, columns: &[usize]) -> bool {
    let same = |key: &[usize]| key.len() == columns.len() && key.iter().all(|column| columns.contains(column));
    schema.primary_key.as_ref().is_some_and(|key| same(&key.columns))
        || schema.indexes.iter().any(|index| {
            let places: Vec<usize> = index.keys.iter().map(|key| key.column).collect();
            is_unique_constraint(index) && !index.is_building && same(&places)
        })
}

/// Whether a unique index has whole columns of all rows, as a unique constraint has.
pub(crate) fn is_unique_constraint(index: &Index) -> bool {
    index.is_unique && index.filter.is_none() && index.keys.iter().all(|key| key.path.is_empty())
}

/// Whether equal values of two types are the same bytes in keys.
pub(crate) fn have_same_keys(one: Type, other: Type) -> bool {
    let family = |scalar: Scalar| match scalar {
        Scalar::SmallInt | Scalar::Integer | Scalar::BigInt => Scalar::BigInt,
        Scalar::Text | Scalar::Varchar(_) => Scalar::Text,
        Scalar::Char(_) => Scalar::Char(0),
        Scalar::Numeric(_) => Scalar::Numeric(None),
        other => other,
    };
    one.is_array == other.is_array && family(one.scalar) == family(other.scalar)
}
