//! A PostgreSQL server, asked many questions at once through `psql`.

use std::fmt::Write as _;
use std::io::Write as _;
use std::process::{Command, Stdio};

/// One question: an expression of `$1[1]`, `$1[2]`, .. that is a text, and its arguments.
pub(crate) struct Question {
    pub(crate) sql: String,
    pub(crate) arguments: Vec<String>,
}

/// What a server or we answer: a text, null, or an error's code and message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Answer {
    Null,
    Text(String),
    Error { code: String, message: String },
}

/// The connection string in `MANTIS_POSTGRESQL`, such as `host=/tmp/pg user=postgres`.
pub(crate) fn connection() -> Option<String> {
    let connection = std::env::var("MANTIS_POSTGRESQL").ok();
    if connection.is_none() {
        eprintln!("not compared with PostgreSQL: MANTIS_POSTGRESQL names no server (\"host=/tmp/pg user=postgres\")");
    }
    connection
}

const SETUP: &str = r"
\set ON_ERROR_STOP on
set client_min_messages = error; set client_encoding = 'UTF8'; set datestyle = 'ISO, MDY'; set bytea_output = 'hex';
create temp table question (id int, sql text, arguments text[]);
create function pg_temp.ask(sql text, arguments text[]) returns json language plpgsql as $$
declare answer text;
begin
  execute 'select (' || sql || ')::text' into answer using arguments;
  return json_build_object('text', answer);
exception when others then
  get stacked diagnostics answer = pg_exception_detail;
  if sqlerrm <> 'invalid input syntax for type json' then
    answer := '';
  end if;
  return json_build_object('code', sqlstate, 'message', sqlerrm || ' ' || answer);
end $$;
create function pg_temp.described(type text) returns text language plpgsql as $$
declare answer text;
begin
  execute 'drop table if exists described; create temp table described (c ' || type || ')';
  select format_type(atttypid, atttypmod) from pg_attribute where attrelid = 'pg_temp.described'::regclass and attnum = 1 into answer;
  return answer;
end $$;
";

/// The answers, in the order of the questions; times are in the zone.
pub(crate) fn ask(connection: &str, zone: &str, questions: &[Question]) -> Vec<Answer> {
    let mut script = format!("{SETUP}set timezone = '{zone}';\ncopy question from stdin;\n");
    for (id, question) in questions.iter().enumerate() {
        let arguments = question.arguments.iter().map(|argument| format!("\"{}\"", doubled(argument, "\"\\")));
        let arguments = format!("{{{}}}", arguments.collect::<Vec<_>>().join(","));
        writeln!(script, "{id}\t{}\t{}", copied(&question.sql), copied(&arguments)).unwrap();
    }
    script.push_str("\\.\ncopy (select pg_temp.ask(sql, arguments) from question order by id) to stdout;\n");
    let mut psql = Command::new("psql")
        .args(["--no-psqlrc", "--quiet", "--dbname", connection])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = psql.stdin.take().unwrap();
    let writer = std::thread::spawn(move || stdin.write_all(script.as_bytes()));
    let output = psql.wait_with_output().unwrap();
    writer.join().unwrap().unwrap();
    assert!(output.status.success(), "psql failed");
    let text = String::from_utf8(output.stdout).unwrap();
    let answers = text.lines().map(answer).collect::<Vec<_>>();
    assert_eq!(answers.len(), questions.len());
    answers
}

fn doubled(text: &str, special: &str) -> String {
    let characters =
        text.chars().flat_map(|character| special.contains(character).then_some('\\').into_iter().chain([character]));
    characters.collect()
}

/// A text in the format of `copy`.
fn copied(text: &str) -> String {
    text.replace('\\', "\\\\").replace('\t', "\\t").replace('\n', "\\n").replace('\r', "\\r")
}

fn answer(line: &str) -> Answer {
    let json: serde_json::Value = serde_json::from_str(&line.replace("\\\\", "\\")).unwrap();
    let text = |key: &str| json.get(key).and_then(serde_json::Value::as_str).map(str::to_owned);
    match (text("code"), text("message"), text("text")) {
        (Some(code), Some(message), _) => Answer::Error { code, message },
        (_, _, Some(text)) => Answer::Text(text),
        _ => Answer::Null,
    }
}
