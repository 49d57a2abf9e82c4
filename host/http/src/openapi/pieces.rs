//! A JSON object that is written member by member: a document of many tables is never held as a tree.

use serde_json::{Map, Value};

/// The members of an object, written to the end of a text.
pub(super) struct Members<'o> {
    out: &'o mut Vec<u8>,
    is_first: bool,
}

/// The text of an object whose members `fill` writes.
pub(super) fn object(fill: impl FnOnce(&mut Members<'_>)) -> Vec<u8> {
    let mut out = Vec::new();
    write(&mut out, fill);
    out
}

fn write(out: &mut Vec<u8>, fill: impl FnOnce(&mut Members<'_>)) {
    out.push(b'{');
    fill(&mut Members { out, is_first: true });
    out.push(b'}');
}

impl Members<'_> {
    /// Writes a member.
    pub(super) fn add(&mut self, name: &str, value: &Value) {
        self.name(name);
        // Keys of a `Value` are texts, and a `Vec` takes all bytes.
        let _: serde_json::Result<()> = serde_json::to_writer(&mut *self.out, value);
    }

    /// Writes all members of an object.
    pub(super) fn add_all(&mut self, members: &Map<String, Value>) {
        for (name, value) in members {
            self.add(name, value);
        }
    }

    /// Writes a member that is an object.
    pub(super) fn object(&mut self, name: &str, fill: impl FnOnce(&mut Members<'_>)) {
        self.name(name);
        write(self.out, fill);
    }

    fn name(&mut self, name: &str) {
        if !std::mem::take(&mut self.is_first) {
            self.out.push(b',');
        }
        let _: serde_json::Result<()> = serde_json::to_writer(&mut *self.out, name);
        self.out.push(b':');
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_written_in_pieces_is_one_object() {
        let text = object(|members| {
            members.add("a\"", &json!([1, {"b": null}]));
            members.object("none", |_| ());
            members.object("some", |inner| inner.add_all(json!({"x": 1, "y": 2}).as_object().unwrap()));
        });
        let expected = json!({"a\"": [1, {"b": null}], "none": {}, "some": {"x": 1, "y": 2}});
        assert_eq!(serde_json::from_slice::<Value>(&text).unwrap(), expected);
        assert_eq!(object(|_| ()), b"{}");
    }
}
