//! Random statements on two tables against a naive model: the same rows and the same refusals, and after every step each index holds exactly
//! its rows, each foreign key has its parent and each unique key one row.

use std::collections::BTreeMap;

use mantis_db::tables::Resolution;
use proptest::prelude::*;

use super::support::Tables;

type Code = &'static str;

const UNIQUE: Code = "23505";
const FOREIGN_KEY: Code = "23503";
const TWICE: Code = "21000";

#[derive(Debug, Clone, PartialEq, Default)]
struct Child {
    parent: Option<i64>,
    tag: Option<char>,
    n: i64,
}

/// The two tables, by primary key.
#[derive(Debug, Clone, PartialEq, Default)]
struct State {
    parents: BTreeMap<i64, Option<char>>,
    children: BTreeMap<i64, Child>,
}

#[derive(Debug, Clone, Copy)]
#[allow(clippy::enum_variant_names, reason = "as SQL names them")]
enum Action {
    NoAction,
    Cascade,
    SetNull,
}

#[derive(Debug, Clone)]
#[allow(clippy::option_option, reason = "left as it is, set to null, set to a value")]
enum Step {
    InsertParents {
        rows: Vec<(i64, Option<char>)>,
        merges: bool,
    },
    InsertChildren {
        rows: Vec<(i64, Child)>,
        resolution: Resolution,
    },
    /// Children with at least this `n`.
    UpdateChildren {
        from: i64,
        parent: Option<Option<i64>>,
        tag: Option<Option<char>>,
        n: Option<i64>,
    },
    MoveParent {
        from: i64,
        to: i64,
    },
    MoveChild {
        from: i64,
        to: i64,
    },
    DeleteParents {
        from: i64,
        to: i64,
    },
    DeleteChildren {
        below: i64,
    },
    Begin,
    Commit,
    Rollback,
}

impl Step {
    fn apply(&self, state: &mut State, action: Action) -> Result<(), Code> {
        match self {
            Self::InsertParents { rows, merges } => insert_parents(state, rows, *merges),
            Self::InsertChildren { rows, resolution } => insert_children(state, rows, *resolution),
            Self::UpdateChildren { from, parent, tag, n } => {
                if parent.is_none() && tag.is_none() && n.is_none() {
                    return Ok(());
                }
                for child in state.children.values_mut().filter(|child| child.n >= *from) {
                    child.parent = parent.unwrap_or(child.parent);
                    child.tag = tag.unwrap_or(child.tag);
                    child.n = n.unwrap_or(child.n);
                }
                check(state)
            }
            Self::MoveParent { from, to } => {
                let Some(&code) = state.parents.get(from) else { return Ok(()) };
                if from != to && state.parents.contains_key(to) {
                    return Err(UNIQUE);
                }
                state.parents.remove(from);
                state.parents.insert(*to, code);
                for child in state.children.values_mut().filter(|child| child.parent == Some(*from)) {
                    child.parent = Some(*to);
                }
                check(state)
            }
            Self::MoveChild { from, to } => {
                let Some(child) = state.children.get(from).cloned() else { return Ok(()) };
                if from != to && state.children.contains_key(to) {
                    return Err(UNIQUE);
                }
                state.children.remove(from);
                state.children.insert(*to, child);
                Ok(())
            }
            Self::DeleteParents { from, to } => {
                let gone = |id: &i64| from <= id && id <= to;
                state.parents.retain(|id, _| !gone(id));
                match action {
                    Action::NoAction => {}
                    Action::Cascade => state.children.retain(|_, child| !child.parent.is_some_and(|id| gone(&id))),
                    Action::SetNull => {
                        for child in state.children.values_mut() {
                            child.parent = child.parent.filter(|id| !gone(id));
                        }
                    }
                }
                check(state)
            }
            Self::DeleteChildren { below } => {
                state.children.retain(|_, child| child.n >= *below);
                Ok(())
            }
            Self::Begin | Self::Commit | Self::Rollback => Ok(()),
        }
    }

    fn run(&self, tables: &mut Tables) -> Result<(), Code> {
        let answer = match self {
            Self::InsertParents { rows, merges } => {
                let rows = rows.iter().map(|(id, code)| format!(r#"{{"id":{id},"code":{}}}"#, json(code.as_ref())));
                let resolution = if *merges { Resolution::Merge } else { Resolution::Fail };
                tables.upsert(resolution, "parent", &array(rows))
            }
            Self::InsertChildren { rows, resolution } => {
                let rows = rows.iter().map(|(id, Child { parent, tag, n })| {
                    let parent = parent.map_or("null".to_owned(), |id| id.to_string());
                    format!(r#"{{"id":{id},"parent":{parent},"tag":{},"n":{n}}}"#, json(tag.as_ref()))
                });
                tables.upsert(*resolution, "child", &array(rows))
            }
            Self::UpdateChildren { from, parent, tag, n } => {
                let parent = parent
                    .map(|parent| format!(r#""parent":{}"#, parent.map_or("null".to_owned(), |id| id.to_string())));
                let tag = tag.map(|tag| format!(r#""tag":{}"#, json(tag.as_ref())));
                let n = n.map(|n| format!(r#""n":{n}"#));
                let columns: Vec<_> = [parent, tag, n].into_iter().flatten().collect();
                tables.patch(&format!("child?n=gte.{from}"), &format!("{{{}}}", columns.join(",")))
            }
            Self::MoveParent { from, to } => {
                tables.patch(&format!("parent?id=eq.{from}"), &format!(r#"{{"id":{to}}}"#))
            }
            Self::MoveChild { from, to } => tables.patch(&format!("child?id=eq.{from}"), &format!(r#"{{"id":{to}}}"#)),
            Self::DeleteParents { from, to } => tables.delete(&format!("parent?id=gte.{from}&id=lte.{to}")),
            Self::DeleteChildren { below } => tables.delete(&format!("child?n=lt.{below}")),
            Self::Begin | Self::Commit | Self::Rollback => return Ok(()),
        };
        answer.map(drop).map_err(|error| error.code)
    }
}

fn insert_parents(state: &mut State, rows: &[(i64, Option<char>)], merges: bool) -> Result<(), Code> {
    let mut written = Vec::new();
    for &(id, code) in rows {
        if merges && written.contains(&id) {
            return Err(TWICE);
        }
        if !merges && state.parents.contains_key(&id) {
            return Err(UNIQUE);
        }
        state.parents.insert(id, code);
        written.push(id);
        check_unique(state)?;
    }
    Ok(())
}

fn insert_children(state: &mut State, rows: &[(i64, Child)], resolution: Resolution) -> Result<(), Code> {
    let mut written = Vec::new();
    for (id, child) in rows {
        match (resolution, state.children.contains_key(id)) {
            (Resolution::Fail, true) => return Err(UNIQUE),
            (Resolution::Ignore, true) => continue,
            (Resolution::Merge, true) if written.contains(id) => return Err(TWICE),
            _ => {}
        }
        state.children.insert(*id, child.clone());
        written.push(*id);
        check_unique(state)?;
    }
    check(state)
}

fn check_unique(state: &State) -> Result<(), Code> {
    let is_twice = |mut keys: Vec<char>| {
        keys.sort_unstable();
        keys.windows(2).any(|pair| pair[0] == pair[1])
    };
    let codes = state.parents.values().filter_map(|code| *code).collect();
    let tags = state.children.values().filter_map(|child| child.tag).collect();
    if is_twice(codes) || is_twice(tags) { Err(UNIQUE) } else { Ok(()) }
}

fn check(state: &State) -> Result<(), Code> {
    check_unique(state)?;
    let has_parent = |child: &Child| child.parent.is_none_or(|id| state.parents.contains_key(&id));
    if state.children.values().all(has_parent) { Ok(()) } else { Err(FOREIGN_KEY) }
}

fn json(text: Option<&char>) -> String {
    text.map_or("null".to_owned(), |text| format!("\"{text}\""))
}

fn array(rows: impl Iterator<Item = String>) -> String {
    format!("[{}]", rows.collect::<Vec<_>>().join(","))
}

fn tables(action: Action, is_indexed: bool) -> Tables {
    let action = match action {
        Action::NoAction => "no action",
        Action::Cascade => "cascade",
        Action::SetNull => "set null",
    };
    let index = if is_indexed { r#",{"columns":["parent","n"]}"# } else { "" };
    let child = format!(
        r#"{{"columns":[{{"name":"id","type":"integer","nullable":false}},{{"name":"parent","type":"integer"}},
             {{"name":"tag","type":"text"}},{{"name":"n","type":"bigint"}}],
            "primary_key":["id"],"unique":[["tag"]],
            "indexes":[{{"columns":[{{"column":"n","descending":true}}]}},{{"columns":["tag"],"filter":"n=gt.2"}}{index}],
            "foreign_keys":[{{"columns":["parent"],"references":{{"table":"parent","columns":["id"]}},
                             "on_delete":"{action}","on_update":"cascade"}}]}}"#
    );
    Tables::new(&[
        (
            "parent",
            r#"{"columns":[{"name":"id","type":"bigint","nullable":false},{"name":"code","type":"text"}],
                "primary_key":["id"],"unique":[["code"]]}"#,
        ),
        ("child", &child),
    ])
}

fn shown(state: &State) -> (String, String) {
    let parents = state.parents.iter().map(|(id, code)| format!(r#"{{"id":{id},"code":{}}}"#, json(code.as_ref())));
    let children = state.children.iter().map(|(id, Child { parent, tag, n })| {
        let parent = parent.map_or("null".to_owned(), |id| id.to_string());
        format!(r#"{{"id":{id},"parent":{parent},"tag":{},"n":{n}}}"#, json(tag.as_ref()))
    });
    (array(parents), array(children))
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let id = || 0_i64..6;
    let tag = || prop::option::of(prop::sample::select(vec!['a', 'b', 'c', 'd']));
    let child = (prop::option::of(id()), tag(), id()).prop_map(|(parent, tag, n)| Child { parent, tag, n });
    let resolution = prop::sample::select(vec![Resolution::Fail, Resolution::Ignore, Resolution::Merge]);
    let step = prop_oneof![
        4 => (prop::collection::vec((id(), tag()), 1..4), any::<bool>())
            .prop_map(|(rows, merges)| Step::InsertParents { rows, merges }),
        6 => (prop::collection::vec((id(), child), 1..4), resolution)
            .prop_map(|(rows, resolution)| Step::InsertChildren { rows, resolution }),
        3 => (id(), prop::option::of(prop::option::of(id())), prop::option::of(tag()), prop::option::of(id()))
            .prop_map(|(from, parent, tag, n)| Step::UpdateChildren { from, parent, tag, n }),
        2 => (id(), id()).prop_map(|(from, to)| Step::MoveParent { from, to }),
        2 => (id(), id()).prop_map(|(from, to)| Step::MoveChild { from, to }),
        2 => (id(), 0_i64..2).prop_map(|(from, more)| Step::DeleteParents { from, to: from + more }),
        1 => id().prop_map(|below| Step::DeleteChildren { below }),
        1 => Just(Step::Begin),
        2 => Just(Step::Commit),
        1 => Just(Step::Rollback),
    ];
    prop::collection::vec(step, 1..30)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, ..ProptestConfig::default() })]

    #[test]
    fn statements_do_what_a_naive_model_does(
        steps in steps(),
        action in prop::sample::select(vec![Action::NoAction, Action::Cascade, Action::SetNull]),
        is_indexed in any::<bool>(),
    ) {
        let mut tables = tables(action, is_indexed);
        let (mut state, mut before) = (State::default(), None);
        for step in steps {
            match (&step, before.is_some()) {
                (Step::Begin, false) => {
                    tables.session_begin();
                    before = Some(state.clone());
                }
                (Step::Commit, true) => {
                    tables.session_commit();
                    before = None;
                }
                (Step::Rollback, true) => {
                    tables.session.rollback();
                    state = before.take().unwrap_or_default();
                }
                _ => {}
            }
            let mut next = state.clone();
            let expected = step.apply(&mut next, action);
            prop_assert_eq!(step.run(&mut tables), expected, "{:?}", step);
            if expected.is_ok() {
                state = next;
            }
            let found = (tables.get("parent?order=id"), tables.get("child?order=id"));
            prop_assert_eq!(found, shown(&state), "{:?}", step);
            if before.is_none() {
                tables.check();
            }
        }
    }
}
