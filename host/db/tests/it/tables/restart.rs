//! What is on the disk: rows, their index entries and the marks of identities survive a restart.

use mantis_db::tables::WriteOptions;
use mantis_db::tables::schema::TableDocument;
use mantis_db::{Database, Limits, StorageOptions};
use mantis_store::disk::MemoryDisk;

use super::support::{check_tables, delete, patch, post};
use crate::on_disk::{drive, open_with};

const A: &str = r#"{"columns":[{"name":"id","type":"integer","identity":true},{"name":"v","type":"text"}],
  "primary_key":["id"],"unique":[["v"]]}"#;
const B: &str = r#"{"columns":[{"name":"a","type":"integer"}],"indexes":[{"columns":["a"]}],
  "foreign_keys":[{"columns":["a"],"references":{"table":"a","columns":["id"]},"on_delete":"cascade"}]}"#;

/// What the future is ready with once the log is written.
#[track_caller]
fn done<T>(database: &Database, future: impl Future<Output = T>) -> T {
    drive(database, future, 100).expect("it is ready once the log is written")
}

#[test]
fn rows_entries_and_identities_are_there_after_a_restart() {
    let (disk, options) = (MemoryDisk::new(), WriteOptions::default());
    let open = || open_with(&disk, Limits::default(), StorageOptions::default());
    {
        let database = open();
        let mut session = database.session();
        for (name, document) in [("a", A), ("b", B)] {
            let document = TableDocument::read(document.as_bytes()).unwrap();
            done(&database, session.create_table(name, &document)).unwrap();
        }
        let rows = r#"[{"v":"x"},{"v":"y"},{"v":null},{"v":"z"}]"#;
        done(&database, post(&mut session, "a", rows, &options)).unwrap();
        done(&database, post(&mut session, "b", r#"[{"a":1},{"a":2},{"a":2},{"a":4}]"#, &options)).unwrap();
        done(&database, patch(&mut session, "a?id=eq.1", r#"{"v":"w"}"#, &options)).unwrap();
        let written = done(&database, delete(&mut session, "a?id=eq.4", &options)).unwrap().written;
        assert!(written.durable);
        assert_eq!(check_tables(&database), 6);
    }
    let database = open();
    assert_eq!(check_tables(&database), 6);
    let mut session = database.session();
    assert_eq!(done(&database, post(&mut session, "a?select=id", "{}", &options)).unwrap().rows, r#"[{"id":5}]"#);
    done(&database, post(&mut session, "b", r#"{"a":5}"#, &options)).unwrap();
    assert!(done(&database, post(&mut session, "a", r#"{"v":"w"}"#, &options)).is_err());
    done(&database, delete(&mut session, "a?id=eq.2", &options)).unwrap();
    assert_eq!(check_tables(&database), 5);
}
