//! Errors of calls, in the shape of those of tables.

use mantis_db::tables::{TableError, code};
use mantis_plugin::{CallError, FunctionInfo, ValueType};
use serde_json::Value;

use crate::handlers::plugins::failure;
use crate::protocol::errors::AnyCode;
use crate::protocol::problem::Problem;

/// A call that failed. What the plugin returned is 400 with its own code, message, details and hint.
pub(super) fn of_call(error: CallError, function: &FunctionInfo) -> Problem {
    match error {
        CallError::Plugin(error) => {
            let error_type = function.error.as_ref().and_then(Option::as_ref);
            let PluginError { code, message, details, hint } = PluginError::of(error, error_type);
            let problem = Problem::new(AnyCode::Table(code::RAISED)).detail(message).hint(hint);
            let problem = if details.is_null() { problem } else { problem.member("details", details) };
            match code {
                Some(code) => problem.shown_code(code),
                None => problem,
            }
        }
        CallError::ArgumentsInvalid { place, reason } => {
            TableError::new(code::TEXT_INVALID, format!("invalid value for argument \"{place}\": {reason}")).into()
        }
        CallError::Db(error) => TableError::from(error).into(),
        CallError::Conflict { .. } => {
            let message = "could not serialize access due to concurrent update";
            TableError::new(code::SERIALIZATION_FAILURE, message).with_hint("Call the function again.").into()
        }
        other => failure::of_call(other),
    }
}

/// What a plugin's error says.
#[derive(Debug, Default, PartialEq)]
struct PluginError {
    code: Option<String>,
    message: String,
    details: Value,
    hint: String,
}

impl PluginError {
    /// An error as functions return them: a record with a message, a case with one, the case of an error by name, or a text.
    fn of(error: Value, error_type: Option<&ValueType>) -> Self {
        match error {
            Value::Null => Self { message: "the function returned an error".to_owned(), ..Self::default() },
            Value::String(text) => {
                let is_name = matches!(error_type, Some(ValueType::Enum(_) | ValueType::Variant(_)));
                Self { code: Some(text.clone()).filter(|_| is_name), message: text, ..Self::default() }
            }
            Value::Object(mut members) if members.get("message").is_some_and(Value::is_string) => {
                let mut text = |name: &str| match members.remove(name) {
                    Some(Value::String(text)) => Some(text),
                    _ => None,
                };
                let (code, message, hint) = (text("code"), text("message"), text("hint"));
                let details = members.remove("details").unwrap_or_default();
                let message = message.unwrap_or_default();
                Self { code, message, details, hint: hint.unwrap_or_default() }.with_lines_apart()
            }
            Value::Object(members) if members.len() == 1 && matches!(error_type, Some(ValueType::Variant(_))) => {
                let Some((case, payload)) = members.into_iter().next() else { return Self::default() };
                let inner = Self::of(payload, None);
                Self { code: inner.code.or(Some(case)), ..inner }
            }
            other => Self { message: "the function returned an error".to_owned(), details: other, ..Self::default() },
        }
    }
}

impl PluginError {
    /// The same with the lines `DETAIL: ` and `HINT: ` in their places, which errors of `mantis:db/tables` have after their message, unless
    /// the plugin says something else there.
    fn with_lines_apart(mut self) -> Self {
        let Some((first, rest)) = self.message.split_once('\n') else { return self };
        let (mut details, mut hint) = (None, None);
        for line in rest.lines() {
            match (line.strip_prefix("DETAIL: "), line.strip_prefix("HINT: ")) {
                (Some(text), _) if details.is_none() => details = Some(text),
                (_, Some(text)) if hint.is_none() => hint = Some(text),
                _ => return self,
            }
        }
        if self.details.is_null() {
            self.details = details.map_or(Value::Null, Value::from);
        }
        if self.hint.is_empty() {
            self.hint = hint.unwrap_or_default().to_owned();
        }
        self.message = first.to_owned();
        self
    }
}

#[cfg(test)]
mod tests {
    use mantis_plugin::Case;
    use serde_json::json;

    use super::*;

    #[track_caller]
    #[allow(clippy::needless_pass_by_value, reason = "a table of expectations reads better")]
    fn check(error: &Value, error_type: Option<&ValueType>, expected: (Option<&str>, &str, Value)) {
        let shown = PluginError::of(error.clone(), error_type);
        assert_eq!((shown.code.as_deref(), &*shown.message, shown.details), expected, "{error}");
    }

    #[test]
    fn an_error_of_any_type_has_a_message() {
        const UNTOLD: &str = "the function returned an error";
        let names = ValueType::Enum(vec!["too-late".into()]);
        let cases = ValueType::Variant(vec![Case { name: "refused".into(), payload: None }]);
        check(&Value::Null, None, (None, UNTOLD, Value::Null));
        check(&json!("no such player"), Some(&ValueType::String), (None, "no such player", Value::Null));
        check(&json!("too-late"), Some(&names), (Some("too-late"), "too-late", Value::Null));
        check(&json!("refused"), Some(&cases), (Some("refused"), "refused", Value::Null));
        check(&json!({"refused": "ask first"}), Some(&cases), (Some("refused"), "ask first", Value::Null));
        check(&json!({"refused": 7}), Some(&cases), (Some("refused"), UNTOLD, json!(7)));
        check(&json!({"message": "no", "code": "E7", "details": {"a": 1}}), None, (Some("E7"), "no", json!({"a": 1})));
        check(
            &json!({"conflict": {"code": "key-not-found", "message": "no key"}}),
            Some(&cases),
            (Some("key-not-found"), "no key", Value::Null),
        );
        // What the database said of a constraint.
        let said = "duplicate key\nDETAIL: Key (id)=(1) already exists.\nHINT: Choose another.";
        let conflict = json!({"constraint": {"code": "23505", "message": said}});
        check(&conflict, Some(&cases), (Some("23505"), "duplicate key", json!("Key (id)=(1) already exists.")));
        assert_eq!(PluginError::of(conflict, Some(&cases)).hint, "Choose another.");
        check(&json!({"message": "a\nDETAIL: b", "details": 7}), None, (None, "a", json!(7)));
        check(&json!({"message": "a\nb\nDETAIL: c"}), None, (None, "a\nb\nDETAIL: c", Value::Null));
        check(&json!(9), Some(&ValueType::U32), (None, UNTOLD, json!(9)));
    }
}
