//! Two transactions that exclude each other, in both orders of their commits and under both isolations.

use mantis_db::tables::WriteOptions;
use mantis_db::tables::schema::TableChange;
use mantis_db::{Database, Isolation, Limits, Session, StorageOptions};
use mantis_store::disk::MemoryDisk;

use super::support::{Tables, check_tables, delete, patch, post};
use crate::on_disk::{drive, open_with};
use crate::support::now;

const PARENT: (&str, &str) = (
    "parent",
    r#"{"columns":[{"name":"id","type":"integer","nullable":false},{"name":"code","type":"text"}],
        "primary_key":["id"],"unique":[["code"]]}"#,
);

/// What a client does in its transaction.
#[derive(Debug, Clone, Copy)]
pub(super) enum Deed {
    Post(&'static str, &'static str),
    Patch(&'static str, &'static str),
    Delete(&'static str),
}

use Deed::{Delete, Patch, Post};

fn run(session: &mut Session, deed: Deed) {
    let options = WriteOptions::default();
    let done = match deed {
        Post(target, body) => now(post(session, target, body, &options)),
        Patch(target, body) => now(patch(session, target, body, &options)),
        Delete(target) => now(delete(session, target, &options)),
    };
    done.unwrap_or_else(|error| panic!("{deed:?}: {error:?}"));
}

/// Only one of two transactions commits, whichever comes first.
#[track_caller]
fn exclude(action: &str, one: Deed, other: Deed) {
    for isolation in [Isolation::Snapshot, Isolation::Serializable] {
        for deeds in [[one, other], [other, one]] {
            let child = format!(
                r#"{{"columns":[{{"name":"id","type":"integer","nullable":false}},{{"name":"parent","type":"integer"}}],
                    "primary_key":["id"],"indexes":[{{"columns":["parent"]}}],
                    "foreign_keys":[{{"columns":["parent"],"references":{{"table":"parent","columns":["id"]}},
                                     "on_delete":"{action}","on_update":"cascade"}}]}}"#
            );
            let mut tables = Tables::new(&[PARENT, ("child", &child)]);
            tables.post("parent", r#"[{"id":1,"code":"a"},{"id":2,"code":"b"}]"#).unwrap();
            tables.post("child", r#"[{"id":1,"parent":2}]"#).unwrap();
            let mut sessions = deeds.map(|_| tables.stage.session());
            for session in &mut sessions {
                now(session.begin(isolation)).unwrap();
            }
            sessions.iter_mut().zip(deeds).for_each(|(session, deed)| run(session, deed));
            let [first, second] = &mut sessions;
            now(first.commit()).unwrap();
            assert!(now(second.commit()).is_err(), "{isolation:?}, {deeds:?}: both are committed");
            tables.check();
        }
    }
}

#[test]
fn a_child_and_the_end_of_its_parent_exclude_each_other() {
    for action in ["no action", "restrict", "cascade", "set null"] {
        exclude(action, Post("child", r#"{"id":2,"parent":1}"#), Delete("parent?id=eq.1"));
        exclude(action, Patch("child?id=eq.1", r#"{"parent":1}"#), Delete("parent?id=eq.1"));
        exclude(action, Post("child", r#"{"id":2,"parent":1}"#), Patch("parent?id=eq.1", r#"{"id":5}"#));
    }
}

#[test]
fn two_rows_with_one_key_exclude_each_other() {
    let one = Post("parent", r#"{"id":3,"code":"c"}"#);
    exclude("no action", one, Post("parent", r#"{"id":4,"code":"c"}"#));
    exclude("no action", one, Post("parent", r#"{"id":3,"code":"d"}"#));
    exclude("no action", one, Patch("parent?id=eq.1", r#"{"code":"c"}"#));
    exclude("no action", one, Patch("parent?id=eq.1", r#"{"id":3}"#));
}

#[test]
fn a_row_written_under_an_older_definition_is_refused() {
    for isolation in [Isolation::Snapshot, Isolation::Serializable] {
        for change in [
            r#"{"add_indexes":[{"columns":["code"]}]}"#,
            r#"{"add_columns":[{"name":"more","type":"integer"}]}"#,
            r#"{"add_checks":[{"name":"short","check":"code=in.(a,b)"}]}"#,
        ] {
            let mut tables = Tables::new(&[PARENT]);
            tables.post("parent", r#"[{"id":1,"code":"a"}]"#).unwrap();
            let mut other = tables.stage.session();
            now(other.begin(isolation)).unwrap();
            run(&mut other, Post("parent", r#"{"id":2,"code":"zz"}"#));
            now(tables.session.alter_table("parent", &TableChange::read(change.as_bytes()).unwrap())).unwrap();
            assert!(now(other.commit()).is_err(), "{isolation:?}: {change}");
            tables.check();
        }
    }
}

/// A table on a disk whose log is written by hand, so that a change of it stops after each of its commits.
pub(super) struct Slow {
    pub(super) database: Database,
    pub(super) session: Session,
}

pub(super) const ROWS: usize = 1_200;

impl Slow {
    /// Rows 1 to 1200, each with a word of its own except that the rows of `twice` share one.
    pub(super) fn new(twice: [usize; 2]) -> Self {
        let database = open_with(&MemoryDisk::new(), Limits::default(), StorageOptions::default());
        let session = database.session();
        let mut slow = Self { database, session };
        let document = r#"{"columns":[{"name":"id","type":"integer","nullable":false},{"name":"word","type":"text"},
            {"name":"up","type":"integer"}],"primary_key":["id"]}"#;
        let document = mantis_db::tables::schema::TableDocument::read(document.as_bytes()).unwrap();
        drive(&slow.database, slow.session.create_table("t", &document), 5).unwrap().unwrap();
        let word = |id| if twice.contains(&id) { "twice".to_owned() } else { format!("w{id}") };
        let rows: Vec<_> = (1..=ROWS).map(|id| format!(r#"{{"id":{id},"word":"{}","up":{id}}}"#, word(id))).collect();
        slow.done(|session, options| {
            Box::pin(async move { post(session, "t", &format!("[{}]", rows.join(",")), options).await.map(drop) })
        });
        slow
    }

    fn done(&mut self, work: impl for<'s> FnOnce(&'s mut Session, &'s WriteOptions) -> Statement<'s>) {
        let options = WriteOptions::default();
        drive(&self.database, work(&mut self.session, &options), 9).unwrap().unwrap();
    }
}

type Statement<'s> = std::pin::Pin<Box<dyn Future<Output = mantis_db::tables::TableResult<()>> + 's>>;

/// Begins to change the table, does `meanwhile` when the build has entered the first rows and not the last, and lets it end.
#[track_caller]
pub(super) fn beside_a_build(
    slow: &mut Slow,
    build: &str,
    meanwhile: impl FnOnce(&Database, &mut Session),
) -> Result<(), &'static str> {
    let mut builder = slow.database.session();
    let change = TableChange::read(build.as_bytes()).unwrap();
    let before = now(slow.session.describe_table("t")).unwrap();
    let mut altering = std::pin::pin!(builder.alter_table("t", &change));
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    // The first commit, and that of the first rows.
    assert!(altering.as_mut().poll(&mut context).is_pending());
    slow.database.store().flush();
    assert!(altering.as_mut().poll(&mut context).is_pending());
    slow.database.store().flush();
    let meanwhile_shown = now(slow.session.describe_table("t")).unwrap();
    assert_eq!(meanwhile_shown, before, "what is pending may be taken back");
    meanwhile(&slow.database, &mut slow.session);
    let outcome = drive(&slow.database, altering, 20).unwrap();
    check_tables(&slow.database);
    outcome.map(drop).map_err(|error| error.code)
}

pub(super) fn statement(database: &Database, session: &mut Session, deed: Deed) -> Result<(), &'static str> {
    let options = WriteOptions::default();
    let done = match deed {
        Post(target, body) => drive(database, post(session, target, body, &options), 9),
        Patch(target, body) => drive(database, patch(session, target, body, &options), 9),
        Delete(target) => drive(database, delete(session, target, &options), 9),
    };
    done.unwrap().map(drop).map_err(|error| error.code)
}

const UNIQUE: &str = r#"{"add_unique":[["word"]]}"#;

#[test]
fn writers_keep_an_index_up_while_it_is_built() {
    let mut slow = Slow::new([0, 0]);
    let build = r#"{"add_unique":[["word"]],"add_indexes":[{"columns":["up"]}]}"#;
    let built = beside_a_build(&mut slow, build, |database, session| {
        for deed in [
            Post("t", r#"{"id":0,"word":"new","up":7}"#),
            Patch("t?id=eq.1", r#"{"word":"other","up":8}"#),
            Patch("t?id=eq.2", r#"{"id":5000}"#),
            Patch("t?id=eq.1100", r#"{"id":-5}"#),
            Delete("t?id=eq.3"),
            Delete("t?id=eq.1101"),
        ] {
            statement(database, session, deed).unwrap();
        }
        assert_eq!(statement(database, session, Post("t", r#"{"id":-1,"word":"w4"}"#)), Err("23505"));
    });
    assert_eq!(built, Ok(()));
}

#[test]
fn writers_keep_up_what_is_built_for_another_type() {
    let mut slow = Slow::new([0, 0]);
    let build = r#"{"alter_columns":[{"name":"id","type":"text"},{"name":"up","type":"text"}],
        "add_unique":[["up"]],"add_indexes":[{"columns":["id","up"],"filter":"up=gt.5"}]}"#;
    let built = beside_a_build(&mut slow, build, |database, session| {
        for deed in [
            Post("t", r#"{"id":0,"word":"new","up":7000}"#),
            Patch("t?id=eq.1", r#"{"word":"other","up":8000}"#),
            Patch("t?id=eq.2", r#"{"id":5000}"#),
            Patch("t?id=eq.1100", r#"{"id":-5}"#),
            Delete("t?id=eq.3"),
            Delete("t?id=eq.1101"),
        ] {
            statement(database, session, deed).unwrap();
        }
        assert_eq!(statement(database, session, Post("t", r#"{"id":-1,"up":4}"#)), Err("23505"));
        assert_eq!(statement(database, session, Post("t", r#"{"id":5,"up":9000}"#)), Err("23505"));
    });
    assert_eq!(built, Ok(()));
    assert_eq!(statement(&slow.database, &mut slow.session, Post("t", r#"{"id":"-5","up":"x"}"#)), Err("23505"));
    // One that nothing can be made of goes in time, or the change does.
    let back = r#"{"alter_columns":[{"name":"up","type":"int"}]}"#;
    for (end, expected) in [(Patch("t?id=eq.1102", r#"{"up":"y"}"#), Err("22P02")), (Delete("t?id=eq.1102"), Ok(()))] {
        statement(&slow.database, &mut slow.session, Patch("t?id=eq.1102", r#"{"up":"x"}"#)).unwrap();
        let built = beside_a_build(&mut slow, back, |database, session| {
            let done = statement(database, session, end);
            assert_eq!(done, expected, "writers keep to the type to come");
        });
        assert_eq!(built, expected);
    }
}

#[test]
fn a_duplicate_that_goes_while_an_index_is_built_leaves_no_entry() {
    let mut slow = Slow::new([1, 1_100]);
    let mut late = slow.database.session();
    let built = beside_a_build(&mut slow, UNIQUE, |database, session| {
        // It sees that the key is the first row's, and leaves the entry alone.
        now(late.begin(Isolation::Snapshot)).unwrap();
        drop(now(delete(&mut late, "t?id=eq.1100", &WriteOptions::default())).unwrap());
        statement(database, session, Delete("t?id=eq.1")).unwrap();
        // Meanwhile the build may enter the second row for it; here, another one takes the key.
        statement(database, session, Patch("t?id=eq.1100", r#"{"up":1}"#)).unwrap();
    });
    assert_eq!(built, Ok(()));
    assert!(drive(&slow.database, late.commit(), 5).unwrap().is_err());
    check_tables(&slow.database);

    // And where the row itself stays as it is until the build has entered it.
    let mut slow = Slow::new([1, 1_100]);
    let mut builder = slow.database.session();
    let change = TableChange::read(UNIQUE.as_bytes()).unwrap();
    {
        let mut altering = std::pin::pin!(builder.alter_table("t", &change));
        let mut context = std::task::Context::from_waker(std::task::Waker::noop());
        let mut step = |slow: &Slow| {
            let is_pending = altering.as_mut().poll(&mut context).is_pending();
            slow.database.store().flush();
            is_pending
        };
        assert!(step(&slow) && step(&slow));
        let mut late = slow.database.session();
        now(late.begin(Isolation::Snapshot)).unwrap();
        drop(now(delete(&mut late, "t?id=eq.1100", &WriteOptions::default())).unwrap());
        statement(&slow.database, &mut slow.session, Delete("t?id=eq.1")).unwrap();
        // The second and the last rows are entered, and the change is not yet ended.
        assert!(step(&slow) && step(&slow));
        let committed = drive(&slow.database, late.commit(), 5).unwrap();
        while step(&slow) {}
        assert!(committed.is_err(), "the entry that the build made would stay");
    }
    check_tables(&slow.database);
}

#[test]
fn duplicates_that_move_while_an_index_is_built_are_found() {
    for twice in [[1, 1_100], [1_100, 1]] {
        let mut slow = Slow::new(twice);
        let mut moved = Ok(());
        let built = beside_a_build(&mut slow, UNIQUE, |database, session| {
            moved = statement(database, session, Patch("t?id=eq.1100", r#"{"id":-1}"#));
        });
        assert!(moved == Err("23505") && built == Err("23505"), "{moved:?}, {built:?}");
    }
}

#[test]
fn a_row_that_moves_behind_a_build_is_checked() {
    for build in [
        r#"{"add_foreign_keys":[{"columns":["up"],"references":{"table":"t","columns":["id"]}}],
            "add_indexes":[{"columns":["word"]}]}"#,
        r#"{"add_checks":[{"name":"small","check":"up=lt.5000"}],"add_indexes":[{"columns":["word"]}]}"#,
    ] {
        let mut slow = Slow::new([0, 0]);
        let options = WriteOptions::default();
        drive(&slow.database, patch(&mut slow.session, "t?id=eq.1100", r#"{"up":9000}"#, &options), 9)
            .unwrap()
            .unwrap();
        let mut moved = Ok(());
        let built = beside_a_build(&mut slow, build, |database, session| {
            moved = statement(database, session, Patch("t?id=eq.1100", r#"{"id":-1}"#));
        });
        assert!(moved.is_err() && built.is_err(), "{build}: {moved:?}, {built:?}");
    }
}
