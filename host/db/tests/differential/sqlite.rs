//! Queries and statements that SQLite answers too.

use rusqlite::Connection;
use rusqlite::types::Value as Sql;
use serde_json::{Value as Json, json};

use crate::conditions::{Leaf, Tree, quoted};
use crate::dice::Dice;
use crate::world::{Ours, Parameters, shown};

/// A column: its name, its type here and in SQLite, and whether SQLite needs help to show it.
struct Column {
    name: &'static str,
    kind: &'static str,
    sqlite: &'static str,
}

const fn column(name: &'static str, kind: &'static str, sqlite: &'static str) -> Column {
    Column { name, kind, sqlite }
}

const COLUMNS: &[Column] = &[
    column("id", "integer", "INTEGER"),
    column("k", "smallint", "INTEGER"),
    column("a", "integer", "INTEGER"),
    column("b", "text", "TEXT"),
    column("d", "boolean", "INTEGER"),
    column("f", "double precision", "REAL"),
    column("n", "bigint", "INTEGER"),
    column("p", "integer", "INTEGER"),
];

const TEXTS: &[&str] =
    &["", "a", "ab", "abc", "Ab", "b", "ba", "a b", "x,y", "a\"b", "a.b", "(z)", "null", "ä", "z%", "_"];
const PATTERNS: &[&str] = &["a*", "*b", "a_*", "*", "ab", "*a*", "_", "A*", "*,*", "ä*", "%", "*.b"];

struct World {
    ours: Ours,
    sqlite: Connection,
}

pub(crate) fn run(dice: &mut Dice, queries: u64) {
    let mut world = World::new(dice);
    for query in 0..queries {
        match dice.below(20) {
            0..=7 => world.page(dice),
            8..=11 => world.groups(dice),
            12..=14 => world.embed_one(dice),
            15..=17 => world.embed_many(dice),
            18 => world.update(dice),
            // Most rows should last.
            _ if query % 4 == 0 => world.delete(dice),
            _ => world.page(dice),
        }
    }
    world.ours.check();
}

fn value(dice: &mut Dice, kind: &str) -> Json {
    match kind {
        "boolean" => json!(dice.once_in(2)),
        "text" => json!(dice.pick(TEXTS)),
        "double precision" => json!([-1.5, 0.0, 0.25, 0.5, 2.0, 1e9][usize::try_from(dice.below(6)).unwrap()]),
        "bigint" => json!([-3, 0, 1, 2, i64::from(i32::MAX) * 4][usize::try_from(dice.below(5)).unwrap()]),
        _ => json!(i64::try_from(dice.below(5)).unwrap() - 1),
    }
}

fn sql(value: &Json) -> String {
    match value {
        Json::Null => "NULL".to_owned(),
        Json::Bool(value) => u8::from(*value).to_string(),
        Json::String(text) => format!("'{}'", text.replace('\'', "''")),
        other => other.to_string(),
    }
}

/// A value as the dialect writes it; texts in quotes within lists.
fn written(value: &Json, is_quoted: bool) -> String {
    match value {
        Json::String(text) if is_quoted => quoted(text),
        Json::String(text) => text.clone(),
        other => other.to_string(),
    }
}

fn leaf(dice: &mut Dice, table: &str) -> Leaf {
    let column = &COLUMNS[usize::try_from(dice.below(COLUMNS.len() as u64)).unwrap()];
    let (name, kind) = (column.name, column.kind);
    let sql_name = format!("{table}.{name}");
    let value = if matches!(name, "id" | "p") { json!(dice.below(40)) } else { value(dice, kind) };
    let both = |operator: &str, sql: String| {
        let text = |is_quoted| format!("{operator}.{}", written(&value, is_quoted));
        Leaf { subject: name.to_owned(), outside: text(false), inside: text(true), sql, says: None }
    };
    let compared = |operator: &str, sign: &str| both(operator, format!("({sql_name} {sign} {})", sql(&value)));
    let word = |operator: &str, sql: String| Leaf {
        subject: name.to_owned(),
        outside: operator.to_owned(),
        inside: operator.to_owned(),
        sql,
        says: None,
    };
    match dice.below(12) {
        0 | 1 => compared("eq", "="),
        2 => compared("neq", "<>"),
        3 => compared("gt", ">"),
        4 => compared("gte", ">="),
        5 => compared("lt", "<"),
        6 => compared("lte", "<="),
        7 => compared("isdistinct", "IS NOT"),
        8 => word("is.null", format!("({sql_name} IS NULL)")),
        9 if kind == "boolean" => word("is.true", format!("({sql_name} IS 1)")),
        9 => word("is.not_null", format!("({sql_name} IS NOT NULL)")),
        10 if kind == "text" => {
            let pattern = dice.pick(PATTERNS);
            let inside = if pattern.contains(',') { quoted(pattern) } else { (*pattern).to_owned() };
            Leaf {
                subject: name.to_owned(),
                outside: format!("like.{pattern}"),
                inside: format!("like.{inside}"),
                sql: format!("({sql_name} LIKE '{}')", pattern.replace('*', "%")),
                says: None,
            }
        }
        _ => {
            let values = dice.some(1, 5, |dice| {
                if matches!(name, "id" | "p") { json!(dice.below(40)) } else { crate::sqlite::value(dice, kind) }
            });
            let listed = |write: &dyn Fn(&Json) -> String| values.iter().map(write).collect::<Vec<_>>().join(",");
            word(
                &format!("in.({})", listed(&|value| written(value, true))),
                format!("({sql_name} IN ({}))", listed(&sql)),
            )
        }
    }
}

/// Up to three filters that must all hold.
fn filters(dice: &mut Dice, table: &str) -> Vec<Tree> {
    dice.some(0, 2, |dice| Tree::random(dice, 3, &mut |dice| leaf(dice, table)))
}

fn parameters(filters: &[Tree], embed: &str) -> Parameters {
    filters.iter().map(|filter| filter.parameter(embed)).collect()
}

fn conditions(filters: &[Tree]) -> String {
    filters.iter().fold(String::new(), |sql, filter| sql + " AND " + &filter.sql())
}

/// An order that tells all rows apart, here and in SQL.
fn order(dice: &mut Dice, table: &str) -> (String, String) {
    let terms = dice.some(0, 3, |dice| {
        let name = COLUMNS[usize::try_from(dice.below(COLUMNS.len() as u64)).unwrap()].name;
        // Without a word, null is the largest.
        match dice.below(5) {
            0 => (name.to_owned(), format!("{table}.{name} ASC NULLS LAST")),
            1 => (format!("{name}.desc"), format!("{table}.{name} DESC NULLS FIRST")),
            2 => (format!("{name}.asc.nullsfirst"), format!("{table}.{name} ASC NULLS FIRST")),
            3 => (format!("{name}.desc.nullslast"), format!("{table}.{name} DESC NULLS LAST")),
            _ => (format!("{name}.nullslast"), format!("{table}.{name} ASC NULLS LAST")),
        }
    });
    let last = if dice.once_in(2) {
        ("id.desc".to_owned(), format!("{table}.id DESC"))
    } else {
        ("id".to_owned(), format!("{table}.id"))
    };
    let (ours, theirs): (Vec<_>, Vec<_>) = terms.into_iter().chain([last]).unzip();
    (ours.join(","), theirs.join(", "))
}

/// A window of rows: parameters, and SQL.
fn window(dice: &mut Dice, embed: &str) -> (Parameters, String) {
    let limit = (!dice.once_in(3)).then(|| dice.below(12));
    // Beyond the last row is an error of the range in HTTP alone.
    let offset = dice.once_in(2).then(|| dice.below(8));
    let mut parameters = Parameters::new();
    parameters.extend(limit.map(|limit| (format!("{embed}limit"), limit.to_string())));
    parameters.extend(offset.map(|offset| (format!("{embed}offset"), offset.to_string())));
    let limit = limit.map_or("-1".to_owned(), |limit| limit.to_string());
    (parameters, format!("LIMIT {limit} OFFSET {}", offset.unwrap_or(0)))
}

fn indexes(dice: &mut Dice) -> Vec<String> {
    dice.some(0, 5, |dice| {
        let mut names = dice.some(1, 3, |dice| COLUMNS[usize::try_from(dice.below(8)).unwrap()].name);
        names.sort_unstable();
        names.dedup();
        let turned = usize::try_from(dice.below(3)).unwrap() % names.len();
        names.rotate_left(turned);
        let is_unique = names.contains(&"id") && dice.once_in(2);
        let keys: Vec<String> =
            names.iter().map(|name| format!(r#"{{"column":"{name}","descending":{}}}"#, dice.once_in(3))).collect();
        let filter = match dice.below(5) {
            0 => r#","filter":"a=gt.0""#,
            1 => r#","filter":"b=not.is.null""#,
            2 => r#","filter":"d=is.true""#,
            _ => "",
        };
        format!(r#"{{"columns":[{}],"unique":{is_unique}{filter}}}"#, keys.join(","))
    })
}

impl World {
    /// Two tables of the same columns: rows of `c` reference `t` by `p`.
    fn new(dice: &mut Dice) -> Self {
        let mut ours = Ours::new();
        let sqlite = Connection::open_in_memory().unwrap();
        sqlite.execute_batch("PRAGMA case_sensitive_like = ON; PRAGMA foreign_keys = ON;").unwrap();
        let columns: Vec<String> =
            COLUMNS.iter().map(|column| format!(r#"{{"name":"{}","type":"{}"}}"#, column.name, column.kind)).collect();
        for (table, reference) in [
            ("t", String::new()),
            (
                "c",
                r#","foreign_keys":[{"columns":["p"],"references":{"table":"t","columns":["id"]},"on_delete":"cascade"}]"#
                    .to_owned(),
            ),
        ] {
            let mut unique = Vec::new();
            let key = match dice.below(4) {
                0 => r#""primary_key":["k","id"],"#,
                1 => r#""primary_key":["id","k"],"#,
                2 => "",
                _ => r#""primary_key":["id"],"#,
            };
            if !key.contains(r#"["id"]"#) {
                unique.push(r#"["id"]"#);
            }
            let indexes = indexes(dice).join(",");
            let columns = columns.join(",");
            let unique = unique.join(",");
            ours.create(
                table,
                &format!(r#"{{"columns":[{columns}],{key}"unique":[{unique}],"indexes":[{indexes}]{reference}}}"#),
            );
            let columns: Vec<String> =
                COLUMNS.iter().map(|column| format!("{} {}", column.name, column.sqlite)).collect();
            let reference = if table == "c" { ", FOREIGN KEY (p) REFERENCES t (id) ON DELETE CASCADE" } else { "" };
            let definition = format!("CREATE TABLE {table} ({}, UNIQUE (id){reference})", columns.join(", "));
            sqlite.execute_batch(&definition).unwrap();
        }
        let mut world = Self { ours, sqlite };
        let rows = world.fill(dice, "t", None);
        world.fill(dice, "c", Some(rows));
        world
    }

    /// Inserts rows; `parents` are the ids that `p` may have.
    fn fill(&mut self, dice: &mut Dice, table: &str, parents: Option<u64>) -> u64 {
        let count = dice.below(40);
        let rows: Vec<Vec<Json>> = (0..count)
            .map(|id| {
                COLUMNS
                    .iter()
                    .map(|column| match (column.name, parents) {
                        ("id", _) => json!(id),
                        ("p", Some(0)) => Json::Null,
                        ("p", Some(parents)) if !dice.once_in(5) => json!(dice.below(parents)),
                        ("p", Some(_)) => Json::Null,
                        ("k", _) => value(dice, column.kind),
                        _ if dice.once_in(5) => Json::Null,
                        _ => value(dice, column.kind),
                    })
                    .collect()
            })
            .collect();
        let names: Vec<&str> = COLUMNS.iter().map(|column| column.name).collect();
        self.ours.insert(table, &names, &rows);
        for row in &rows {
            let values: Vec<String> = row.iter().map(sql).collect();
            self.sqlite.execute(&format!("INSERT INTO {table} VALUES ({})", values.join(", ")), []).unwrap();
        }
        count
    }

    /// The rows of a statement in SQL.
    #[track_caller]
    fn ask(&self, sql: &str) -> Vec<Vec<Sql>> {
        let mut statement = self.sqlite.prepare(sql).unwrap_or_else(|error| panic!("{sql}: {error}"));
        let count = statement.column_count();
        let rows = statement.query_map([], |row| (0..count).map(|place| row.get(place)).collect()).unwrap();
        rows.collect::<Result<_, _>>().unwrap()
    }

    #[track_caller]
    fn ours(&mut self, table: &str, query: &Parameters) -> (Vec<Json>, Option<u64>) {
        let (rows, selected) =
            self.ours.select(table, query).unwrap_or_else(|error| panic!("{table}?{}: {error:?}", shown(query)));
        let Json::Array(rows) = rows else { panic!("no list") };
        (rows, selected.total)
    }

    fn page(&mut self, dice: &mut Dice) {
        let table = dice.pick(&["t", "c"]);
        let filters = filters(dice, table);
        let ((order, sql_order), (mut query, sql_window)) = (order(dice, table), window(dice, ""));
        query.extend(parameters(&filters, ""));
        query.push(("order".to_owned(), order));
        let names = dice.some(1, 8, |dice| COLUMNS[usize::try_from(dice.below(8)).unwrap()].name);
        let chosen: Vec<String> = names.iter().enumerate().map(|(place, name)| format!("c{place}:{name}")).collect();
        query.push(("select".to_owned(), chosen.join(",")));
        let conditions = conditions(&filters);
        let theirs = self.ask(&format!(
            "SELECT {} FROM {table} WHERE 1{conditions} ORDER BY {sql_order} {sql_window}",
            names.join(", ")
        ));
        let total = self.ask(&format!("SELECT count(*) FROM {table} WHERE 1{conditions}"));
        let (ours, our_total) = self.ours(table, &query);
        let ours: Vec<Vec<Json>> =
            ours.iter().map(|row| (0..names.len()).map(|place| row[format!("c{place}")].clone()).collect()).collect();
        assert_same(&ours, &theirs, table, &query);
        assert!(same(&json!(our_total), &total[0][0]), "{table}?{}: {our_total:?} {total:?}", shown(&query));
    }

    fn groups(&mut self, dice: &mut Dice) {
        let table = dice.pick(&["t", "c"]);
        let filters = filters(dice, table);
        let mut query = parameters(&filters, "");
        let mut by = dice.some(0, 2, |dice| dice.pick(&["a", "b", "d", "k", "f", "p"]));
        by.sort_unstable();
        by.dedup();
        let aggregates = dice.some(1, 3, |dice| {
            let (of, function) = match dice.below(8) {
                0 | 1 => return ("count()".to_owned(), "count(*)".to_owned()),
                2 => (dice.pick(&["a", "b", "d", "f", "n"]), "count"),
                3 | 4 => (dice.pick(&["a", "k", "f", "n"]), "sum"),
                5 => (dice.pick(&["a", "b", "f", "n"]), "min"),
                6 => (dice.pick(&["a", "f", "k"]), "avg"),
                _ => (dice.pick(&["a", "b", "f", "n"]), "max"),
            };
            (format!("{of}.{function}()"), format!("{function}({of})"))
        });
        let ours_chosen =
            by.iter().map(|name| (*name).to_owned()).chain(aggregates.iter().map(|(ours, _)| ours.clone()));
        let ours_chosen: Vec<String> =
            ours_chosen.enumerate().map(|(place, chosen)| format!("c{place}:{chosen}")).collect();
        query.push(("select".to_owned(), ours_chosen.join(",")));
        let theirs_chosen: Vec<String> =
            by.iter().map(|name| (*name).to_owned()).chain(aggregates.into_iter().map(|(_, theirs)| theirs)).collect();
        let group = if by.is_empty() { String::new() } else { format!(" GROUP BY {}", by.join(", ")) };
        let theirs = self.ask(&format!(
            "SELECT {} FROM {table} WHERE 1{}{group}",
            theirs_chosen.join(", "),
            conditions(&filters)
        ));
        let (ours, _) = self.ours(table, &query);
        // Groups come in no order: each of theirs is looked for among ours.
        let mut ours: Vec<Vec<Json>> = ours
            .iter()
            .map(|row| (0..theirs_chosen.len()).map(|place| row[format!("c{place}")].clone()).collect())
            .collect();
        for row in &theirs {
            let place = ours.iter().position(|our| our.iter().zip(row).all(|(our, their)| same(our, their)));
            let place = place.unwrap_or_else(|| panic!("{table}?{}: no {row:?} in {ours:?}", shown(&query)));
            ours.swap_remove(place);
        }
        assert!(ours.is_empty(), "{table}?{}: {ours:?} too many", shown(&query));
    }

    /// Children with their parent.
    fn embed_one(&mut self, dice: &mut Dice) {
        let (filters_of_children, filters_of_parents) = (filters(dice, "c"), filters(dice, "t"));
        let ((order, sql_order), (mut query, sql_window)) = (order(dice, "c"), window(dice, ""));
        let (inner, join) = if dice.once_in(2) { ("!inner", "JOIN") } else { ("", "LEFT JOIN") };
        let is_spread = dice.once_in(3);
        query.extend(parameters(&filters_of_children, ""));
        query.extend(parameters(&filters_of_parents, "t."));
        query.push(("order".to_owned(), order));
        let select = if is_spread { format!("id,...t{inner}(x:id,y:b)") } else { format!("id,t{inner}(x:id,y:b)") };
        query.push(("select".to_owned(), select));
        let theirs = self.ask(&format!(
            "SELECT c.id, t.id, t.b FROM c {join} t ON c.p = t.id{} WHERE 1{} ORDER BY {sql_order} {sql_window}",
            conditions(&filters_of_parents),
            conditions(&filters_of_children),
        ));
        let (ours, _) = self.ours("c", &query);
        let ours: Vec<Vec<Json>> = ours
            .iter()
            .map(|row| {
                let parent = if is_spread { row } else { &row["t"] };
                vec![row["id"].clone(), parent["x"].clone(), parent["y"].clone()]
            })
            .collect();
        assert_same(&ours, &theirs, "c", &query);
    }

    /// Parents with their children.
    fn embed_many(&mut self, dice: &mut Dice) {
        let (filters_of_parents, filters_of_children) = (filters(dice, "t"), filters(dice, "c"));
        let ((order_of_parents, sql_order_of_parents), (mut query, sql_window)) = (order(dice, "t"), window(dice, ""));
        let ((order_of_children, sql_order), (window_of_children, sql_window_of_children)) =
            (order(dice, "c"), window(dice, "c."));
        // As in PostgREST, a parent has the children of its page: beyond an offset there may be none.
        let children = format!("FROM c WHERE c.p = t.id{} {sql_window_of_children}", conditions(&filters_of_children));
        let (inner, exists) = match dice.below(4) {
            0 => ("!inner", format!(" AND EXISTS (SELECT 1 {children})")),
            1 => ("", format!(" AND NOT EXISTS (SELECT 1 {children})")),
            2 => ("", format!(" AND EXISTS (SELECT 1 {children}) ")),
            _ => ("", String::new()),
        };
        match (inner, exists.as_str()) {
            ("", exists) if exists.starts_with(" AND NOT") => query.push(("c".to_owned(), "is.null".to_owned())),
            ("", exists) if !exists.is_empty() => query.push(("c".to_owned(), "not.is.null".to_owned())),
            _ => {}
        }
        query.extend(window_of_children);
        query.extend(parameters(&filters_of_parents, ""));
        query.extend(parameters(&filters_of_children, "c."));
        query.push(("order".to_owned(), order_of_parents));
        query.push(("c.order".to_owned(), order_of_children));
        query.push(("select".to_owned(), format!("id,c{inner}(id,b)")));
        let parents = self.ask(&format!(
            "SELECT t.id FROM t WHERE 1{}{exists} ORDER BY {sql_order_of_parents} {sql_window}",
            conditions(&filters_of_parents)
        ));
        let (ours, _) = self.ours("t", &query);
        let ids: Vec<Vec<Json>> = ours.iter().map(|row| vec![row["id"].clone()]).collect();
        assert_same(&ids, &parents, "t", &query);
        for row in &ours {
            let theirs = self.ask(&format!(
                "SELECT c.id, c.b FROM c WHERE c.p = {}{} ORDER BY {sql_order} {sql_window_of_children}",
                row["id"],
                conditions(&filters_of_children)
            ));
            let children: Vec<Vec<Json>> = row["c"]
                .as_array()
                .unwrap()
                .iter()
                .map(|child| vec![child["id"].clone(), child["b"].clone()])
                .collect();
            assert_same(&children, &theirs, "t", &query);
        }
    }

    fn update(&mut self, dice: &mut Dice) {
        let table = dice.pick(&["t", "c"]);
        let filters = filters(dice, table);
        let query = parameters(&filters, "");
        let mut changed: Vec<(&str, Json)> = dice.some(1, 3, |dice| {
            let column = &COLUMNS[usize::try_from(1 + dice.below(6)).unwrap()];
            let is_null = column.name != "k" && dice.once_in(4);
            (column.name, if is_null { Json::Null } else { value(dice, column.kind) })
        });
        changed.sort_by_key(|(name, _)| *name);
        changed.dedup_by_key(|(name, _)| *name);
        let set: Vec<String> = changed.iter().map(|(name, value)| format!("{name} = {}", sql(value))).collect();
        let theirs = self
            .sqlite
            .execute(&format!("UPDATE {table} SET {} WHERE 1{}", set.join(", "), conditions(&filters)), [])
            .unwrap();
        let ours = self.ours.update(table, &query, &changed).unwrap();
        assert_eq!(ours, theirs as u64, "{table}?{} {changed:?}", shown(&query));
        self.check_rows();
    }

    fn delete(&mut self, dice: &mut Dice) {
        let table = dice.pick(&["t", "c"]);
        let mut filters = filters(dice, table);
        filters.push(Tree::Leaf(leaf(dice, table)));
        let query = parameters(&filters, "");
        let deleted = self.sqlite.execute(&format!("DELETE FROM {table} WHERE 1{}", conditions(&filters)), []).unwrap();
        let ours = self.ours.delete(table, &query).unwrap();
        assert_eq!(ours, deleted as u64, "{table}?{}", shown(&query));
        self.check_rows();
    }

    /// Both sides have the same rows.
    fn check_rows(&mut self) {
        for table in ["t", "c"] {
            let query = vec![("order".to_owned(), "id".to_owned())];
            let (ours, _) = self.ours(table, &query);
            let ours: Vec<Vec<Json>> =
                ours.iter().map(|row| COLUMNS.iter().map(|column| row[column.name].clone()).collect()).collect();
            let theirs = self.ask(&format!("SELECT * FROM {table} ORDER BY id"));
            assert_same(&ours, &theirs, table, &query);
        }
        self.ours.check();
    }
}

fn same(ours: &Json, theirs: &Sql) -> bool {
    match (ours, theirs) {
        (Json::Null, Sql::Null) => true,
        (Json::Bool(ours), Sql::Integer(theirs)) => i64::from(*ours) == *theirs,
        (Json::Number(ours), Sql::Integer(theirs)) => ours.as_i64() == Some(*theirs),
        // An average has more digits here, and is rounded to them.
        (Json::Number(ours), Sql::Real(theirs)) => {
            ours.as_f64().is_some_and(|ours| (ours - theirs).abs() <= theirs.abs() * 1e-14 + 1e-15)
        }
        (Json::String(ours), Sql::Text(theirs)) => ours == theirs,
        _ => false,
    }
}

#[track_caller]
fn assert_same(ours: &[Vec<Json>], theirs: &[Vec<Sql>], table: &str, query: &Parameters) {
    let is_same = ours.len() == theirs.len()
        && ours.iter().zip(theirs).all(|(ours, theirs)| ours.iter().zip(theirs).all(|(our, their)| same(our, their)));
    assert!(is_same, "{table}?{}\nours:   {ours:?}\ntheirs: {theirs:?}", shown(query));
}
