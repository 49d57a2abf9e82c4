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
