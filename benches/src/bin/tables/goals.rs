//! The goals, beside what they came to.

use mantis_benches::table::Table;

use crate::contest::Operation;
use crate::{OURS, Results};

const JSON: &str = "PostgreSQL, json_populate_recordset";

/// Shows each goal with its figure, and whether it is met.
pub(crate) fn show(memory: &Results, disk: &Results, alter_ms: Option<f64>) {
    let mut table = Table::new("Goals", &["goal", "at least or at most", "measured", ""]);
    let ratio = |results: &Results, ours: (Operation, &str), other: (Operation, &str)| {
        let (ours, other) = (results.cpu_us(ours.0, ours.1)?, results.cpu_us(other.0, other.1)?);
        Some(ours.relative_to(other).median())
    };
    let per_second = |results: &Results, operation| Some(1e6 / results.cpu_us(operation, OURS)?.median());
    let mut most = |goal: &str, most: f64, figure: Option<f64>| {
        let Some(figure) = figure else { return };
        let verdict = if figure <= most { "met" } else { "missed" };
        table.row([goal.to_owned(), format!("<= {most}"), format!("{figure:.2}"), verdict.to_owned()]);
    };
    let key = (Operation::Key, OURS);
    most("row by primary key in the path, CPU / key-value GET", 1.6, ratio(memory, (Operation::RowByPath, OURS), key));
    most("row by primary key as a filter, CPU / key-value GET", 1.6, ratio(memory, (Operation::Row, OURS), key));
    let page = (Operation::Page, OURS);
    most("page of 25, CPU / PostgreSQL", 1.0, ratio(memory, page, (Operation::Page, "PostgreSQL")));
    most("page with parents, CPU / page without", 2.0, ratio(memory, (Operation::Embed, OURS), page));
    for (operation, goal) in [
        (Operation::BulkAscending, "insert 1,000, ascending, synced, CPU / json_populate_recordset"),
        (Operation::BulkScattered, "insert 1,000, random, synced, CPU / json_populate_recordset"),
    ] {
        most(goal, 1.0, ratio(disk, (operation, OURS), (operation, JSON)));
    }
    most("an ALTER holds up another writer, ms", 20.0, alter_ms);
    for (operation, least, goal) in [
        (Operation::BulkAscending, 150_000.0, "insert 1,000, ascending, no index, rows/s/core"),
        (Operation::BulkScattered, 50_000.0, "insert 1,000, random, one index, rows/s/core"),
    ] {
        let Some(figure) = per_second(memory, operation) else { continue };
        let verdict = if figure >= least { "met" } else { "missed" };
        table.row([goal.to_owned(), format!(">= {least}"), format!("{figure:.0}"), verdict.to_owned()]);
    }
    // Not a goal by itself: one connection mostly waits, for the disk and for both ends to be woken.
    for (operation, goal) in [
        (
            Operation::BulkAscending,
            "insert 1,000, ascending, synced, rows/s of one connection / json_populate_recordset",
        ),
        (Operation::BulkScattered, "insert 1,000, random, synced, rows/s of one connection / json_populate_recordset"),
    ] {
        let (Some(ours), Some(other)) = (disk.rates(operation, OURS), disk.rates(operation, JSON)) else { continue };
        table.row([goal.to_owned(), "-".to_owned(), ours.relative_to(other).show(2), String::new()]);
    }
    println!("{table}");
}
