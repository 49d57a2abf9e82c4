//! What is stored comes back: bytes, media types, numbers.

use mantis_db::limits::MEDIA_TYPE_BYTES_MAX;
use mantis_db::{Code, MediaType, SetOptions};
use proptest::prelude::*;

use crate::support::{Short, Stage, code, now};

#[track_caller]
fn check_media_type(text: &str) {
    let mut session = Stage::new().session();
    let media_type = MediaType::new(text).unwrap();
    assert_eq!(media_type.as_str(), text);
    let options = SetOptions { media_type, ..SetOptions::default() };
    for value in ["", "value", "\u{0}\u{ff}"] {
        now(session.kv("default").unwrap().set_with(b"a", value.as_bytes(), &options)).unwrap();
        let entry = session.read("default", "a").unwrap();
        assert_eq!((entry.media_type.as_str(), &entry.value[..]), (text, value.as_bytes()));
    }
}

#[test]
fn media_types_are_returned_as_given() {
    check_media_type("application/octet-stream");
    check_media_type("text/plain; charset=utf-8");
    check_media_type("image/svg+xml");
    check_media_type("Text/HTML");
    check_media_type("x");
    check_media_type("application/vnd.example+json; a=\"b c\"");
    check_media_type(&"y".repeat(MEDIA_TYPE_BYTES_MAX));
}

#[test]
fn invalid_media_types_are_refused() {
    for text in ["", "text/pl\u{e4}in", "a\nb", "a\0", &"y".repeat(MEDIA_TYPE_BYTES_MAX + 1)] {
        assert_eq!(code(MediaType::new(text)), Code::MediaTypeInvalid, "{text:?}");
    }
}

#[test]
fn missing_empty_and_expired_are_three_things() {
    let stage = Stage::new();
    let mut session = stage.session();
    session.put("default", "empty", "");
    now(session.kv("default").unwrap().set_with(b"expired", b"", &crate::support::for_ms(1))).unwrap();
    stage.clock.advance_ms(1);
    assert_eq!(session.text("default", "empty").as_deref(), Some(""));
    assert_eq!(session.text("default", "expired"), None);
    assert_eq!(session.text("default", "missing"), None);
}

#[test]
fn an_increment_reports_its_write() {
    let mut session = Stage::new().session();
    let mut kv = session.kv("default").unwrap();
    let mantis_db::Counted { number: sum, written: first } = now(kv.increment(b"n", 2)).unwrap();
    assert_eq!((sum, first.version, first.replaced), (2, 1, false));
    let mantis_db::Counted { number: sum, written: second } = now(kv.increment(b"n", -3)).unwrap();
    assert_eq!((sum, second.version, second.replaced), (-1, 2, true));
}

proptest! {
    #[test]
    fn numbers_add_up(first: i64, second: i64) {
        let mut session = Stage::new().session();
        session.put("default", "n", &first.to_string());
        let sum = now(session.kv("default").unwrap().increment(b"n", second)).map(|counted| counted.number);
        let expected = first.checked_add(second).ok_or(Code::IntegerOverflow);
        prop_assert_eq!(sum.map_err(|error| error.code()), expected);
    }

    #[test]
    fn only_decimal_numbers_of_64_bits_are_numbers(text in "[-+ 0-9a]{0,21}") {
        let mut session = Stage::new().session();
        session.put("default", "n", &text);
        let is_number = text.parse::<i64>().is_ok() && !text.starts_with('+');
        prop_assert_eq!(now(session.kv("default").unwrap().increment(b"n", 0)).is_ok(), is_number);
    }

    #[test]
    fn values_are_returned_byte_for_byte(key in proptest::collection::vec(any::<u8>(), 1..200), value in proptest::collection::vec(any::<u8>(), 0..200)) {
        let mut session = Stage::new().session();
        now(session.kv("default").unwrap().set(&key, &value)).unwrap();
        let entry = now(session.kv("default").unwrap().get(&key)).unwrap().unwrap();
        prop_assert_eq!(&entry.value[..], &value[..]);
    }
}

/// What [`mantis_db::Kv::read_many`] shows is what [`mantis_db::Kv::get_many`] returns.
#[track_caller]
fn check_read_many(session: &mut mantis_db::Session, bucket: &str, keys: &[&str]) {
    let mut kv = session.kv(bucket).unwrap();
    let expected = now(kv.get_many(keys)).unwrap();
    let mut shown = Vec::new();
    let own = |entry: mantis_db::EntryRef<'_>| mantis_db::Entry {
        value: entry.value.to_vec().into(),
        media_type: MediaType::new(entry.media_type).unwrap(),
        version: entry.version,
        modified_ms: entry.modified_ms,
        expires_at_ms: entry.expires_at_ms,
    };
    now(kv.read_many(keys, &mut |entry| shown.push(entry.map(own)))).unwrap();
    assert_eq!(shown, expected, "{bucket} {keys:?}");
}

#[test]
fn keys_that_are_read_together_are_shown_in_their_order() {
    let stage = Stage::new();
    let mut session = stage.session();
    let media_type = MediaType::new("text/x-own").unwrap();
    let custom = SetOptions { media_type, ttl_ms: Some(5), ..SetOptions::default() };
    now(session.kv("default").unwrap().set_with(b"custom", b"value", &custom)).unwrap();
    let numbers: Vec<String> = (0..50).map(|number| format!("k{number}")).collect();
    for number in numbers.iter().step_by(3) {
        session.put("default", number, number);
    }
    let mut keys: Vec<&str> = numbers.iter().map(String::as_str).collect();
    keys.extend(["custom", "missing", "k3", "k3"]);
    let check_all = |session: &mut mantis_db::Session| {
        check_read_many(session, "default", &keys);
        check_read_many(session, "default", &["missing"]);
        check_read_many(session, "default", &[]);
        check_read_many(session, "no-such", &["a", "b"]);
    };
    check_all(&mut session);
    now(session.begin(mantis_db::Isolation::Serializable)).unwrap();
    session.put("default", "k1", "written");
    check_all(&mut session);
    session.rollback();
    stage.clock.advance_ms(5);
    check_all(&mut session);
    let stage = Stage::with(|limits| (limits.answer_bytes_max, limits.get_many_keys_max) = (100, 3));
    let mut session = stage.session();
    session.put("default", "a", &"v".repeat(50));
    let mut kv = session.kv("default").unwrap();
    assert_eq!(code(now(kv.read_many(&["a", "a", "a"], &mut |_| ()))), Code::AnswerTooLarge);
    assert_eq!(code(now(kv.read_many(&["a"; 4], &mut |_| ()))), Code::KeysTooMany);
    assert_eq!(code(now(kv.read_many(&["a", ""], &mut |_| ()))), Code::KeyEmpty);
}

/// What [`mantis_db::Kv::read`] shows is what [`mantis_db::Kv::get`] returns.
#[test]
fn a_key_that_is_read_is_shown_as_it_is() {
    let stage = Stage::new();
    let mut session = stage.session();
    let media_type = MediaType::new("text/x-own").unwrap();
    let custom = SetOptions { media_type, ttl_ms: Some(5), ..SetOptions::default() };
    now(session.kv("default").unwrap().set_with(b"custom", b"value", &custom)).unwrap();
    session.put("default", "plain", "");
    let check_all = |session: &mut mantis_db::Session| {
        for key in ["custom", "plain", "missing", "written"] {
            let mut kv = session.kv("default").unwrap();
            let expected = now(kv.get(key.as_bytes())).unwrap();
            let shown = now(kv.read(key.as_bytes(), |entry| {
                assert_eq!(Some(entry), expected.as_ref().map(mantis_db::Entry::borrowed));
            }));
            assert_eq!(shown.unwrap().is_some(), expected.is_some(), "{key}");
        }
        assert_eq!(now(session.kv("no-such").unwrap().read(b"a", |_| ())).unwrap(), None);
        assert_eq!(code(now(session.kv("default").unwrap().read(b"", |_| ()))), Code::KeyEmpty);
    };
    check_all(&mut session);
    now(session.begin(mantis_db::Isolation::Serializable)).unwrap();
    session.put("default", "written", "w");
    check_all(&mut session);
    session.rollback();
    stage.clock.advance_ms(5);
    check_all(&mut session);
}
