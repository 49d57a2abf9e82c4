//! Query parameters: an operation lists those that it takes, and any other is refused.

use std::fmt::Write as _;

use mantis_db::Limits;

use crate::api::description::{Kind, Parameter};
use crate::protocol::errors::Code;
use crate::protocol::path;
use crate::protocol::problem::{Problem, Result};

/// The parameters of one request, checked.
#[derive(Debug, Default)]
pub(crate) struct Query(Vec<(&'static str, Vec<u8>)>);

impl Query {
    /// Reads the raw query of a request that takes the parameters `known`.
    pub(crate) fn parse(raw: Option<&str>, known: &[&'static Parameter], limits: &Limits) -> Result<Self> {
        let mut query = Self::default();
        if known.iter().any(|parameter| matches!(parameter.kind, Kind::Dialect)) {
            return Ok(query);
        }
        let filters_with = known.iter().find_map(|parameter| match parameter.kind {
            Kind::Filters { with } => Some(with),
            _ => None,
        });
        let pairs = || {
            let pairs = raw.unwrap_or_default().split('&').filter(|pair| !pair.is_empty());
            pairs.map(|pair| pair.split_once('=').unwrap_or((pair, "")))
        };
        let is_name = |raw: &str, name: &str| decode(raw).is_ok_and(|decoded| decoded == name.as_bytes());
        let has_filters = filters_with.is_some_and(|with| pairs().any(|(name, _)| is_name(name, with)));
        for (name, value) in pairs() {
            let name = decode(name)?;
            let Some(parameter) = named(known).find(|parameter| parameter.name.as_bytes() == name) else {
                if has_filters {
                    continue;
                }
                return Err(unknown(&name, known));
            };
            if query.bytes(parameter).is_some() {
                return Err(
                    Problem::new(Code::ParameterRepeated).detail(format!("`{}` was sent twice", parameter.name))
                );
            }
            let value = decode(value)?;
            parameter.check(&value, limits)?;
            query.0.push((parameter.name, value));
        }
        Ok(query)
    }

    pub(crate) fn bytes(&self, parameter: &Parameter) -> Option<&[u8]> {
        self.0.iter().find(|(name, _)| *name == parameter.name).map(|(_, value)| &value[..])
    }

    pub(crate) fn text(&self, parameter: &Parameter) -> Option<&str> {
        self.bytes(parameter).and_then(|value| std::str::from_utf8(value).ok())
    }

    /// Whether a flag is given as `true`.
    pub(crate) fn flag(&self, parameter: &Parameter) -> bool {
        self.bytes(parameter) == Some(b"true")
    }

    pub(crate) fn integer(&self, parameter: &Parameter) -> Option<u64> {
        // What was checked can only be too large.
        self.text(parameter).map(|digits| digits.parse().unwrap_or(u64::MAX))
    }
}

impl Parameter {
    fn check(&self, value: &[u8], limits: &Limits) -> Result<()> {
        let text = std::str::from_utf8(value).ok();
        match &self.kind {
            Kind::Flag => self.check_choice(text, &["true", "false"]),
            Kind::Choice(words) => self.check_choice(text, words),
            Kind::Integer { min, max, out_of_range, .. } => {
                let shown = String::from_utf8_lossy(value);
                let expected = format!("`{}` must be a whole number from {min} to {max}, not `{shown}`", self.name);
                match text.filter(|text| is_decimal(text)) {
                    None => Err(Problem::new(Code::ParameterInvalid).detail(expected)),
                    // A number too large for 64 bits is out of range like any other.
                    Some(digits) if !digits.parse().is_ok_and(|number: u64| (*min..=*max).contains(&number)) => {
                        Err(Problem::new(*out_of_range).detail(expected))
                    }
                    Some(_) => Ok(()),
                }
            }
            Kind::PageLimit => self.check_page_limit(value, text, limits),
            Kind::PluginLimit if text.is_some_and(is_decimal) => Ok(()),
            Kind::PluginLimit => Err(self.invalid("must be a whole number")),
            Kind::Key { .. } if value.len() > limits.key_bytes_max => {
                Err(self.invalid(&format!("has {} bytes; the limit is {}", value.len(), limits.key_bytes_max)))
            }
            Kind::Key { .. } | Kind::Dialect | Kind::Filters { .. } => Ok(()),
            Kind::Text { bytes_max, .. } => match text {
                Some(text) if !text.is_empty() && text.len() <= *bytes_max => Ok(()),
                _ => Err(self.invalid(&format!("must be text of 1 to {bytes_max} bytes"))),
            },
        }
    }

    fn check_page_limit(&self, value: &[u8], text: Option<&str>, limits: &Limits) -> Result<()> {
        let max = limits.page_entries_max;
        match text.filter(|text| is_decimal(text)) {
            None => {
                let shown = String::from_utf8_lossy(value);
                Err(self.invalid(&format!("must be a whole number from 1 to {max}, not `{shown}`")))
            }
            Some(digits) if digits.bytes().all(|digit| digit == b'0') => Err(self.beyond_page(0, limits)),
            Some(_) => Ok(()),
        }
    }

    /// A problem with this parameter's value where a page is asked for.
    pub(crate) fn beyond_page(&self, limit: u64, limits: &Limits) -> Problem {
        let max = limits.page_entries_max;
        Problem::new(mantis_db::Code::LimitOutOfRange).detail(format!(
            "`{}` must be a whole number from 1 to {max}, not `{limit}`; a stream has no such bound",
            self.name
        ))
    }

    fn check_choice(&self, text: Option<&str>, words: &[&str]) -> Result<()> {
        if text.is_some_and(|text| words.contains(&text)) {
            return Ok(());
        }
        Err(self.invalid(&format!("must be one of: {}", words.join(", "))))
    }

    /// A problem with this parameter's value.
    pub(crate) fn invalid(&self, what: &str) -> Problem {
        Problem::new(Code::ParameterInvalid).detail(format!("`{}` {what}", self.name))
    }
}

fn is_decimal(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

fn decode(raw: &str) -> Result<Vec<u8>> {
    path::decode(raw).map(std::borrow::Cow::into_owned).map_err(|_| {
        Problem::new(Code::ParameterInvalid).detail("the query has a `%` without two hexadecimal digits after it")
    })
}

/// The parameters that are given by their names.
pub(crate) fn named(known: &[&'static Parameter]) -> impl Iterator<Item = &'static Parameter> {
    known.iter().copied().filter(|parameter| !matches!(parameter.kind, Kind::Filters { .. }))
}

fn unknown(name: &[u8], known: &[&'static Parameter]) -> Problem {
    let mut detail = format!("unknown parameter `{}`", String::from_utf8_lossy(name));
    for (index, parameter) in named(known).enumerate() {
        let before = if index == 0 { "; this request takes " } else { ", " };
        let _ = write!(detail, "{before}`{}`", parameter.name);
    }
    Problem::new(Code::ParameterUnknown).detail(detail)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::description::Role;
    use crate::protocol::errors::AnyCode;

    static LIMIT: Parameter = Parameter {
        name: "limit",
        kind: Kind::Integer {
            min: 1,
            max: 1000,
            default: None,
            out_of_range: AnyCode::Db(mantis_db::Code::LimitOutOfRange),
        },
        description: "",
        role: Role::Optional,
    };
    static RAW: Parameter = Parameter { name: "raw", kind: Kind::Flag, description: "", role: Role::Optional };
    static PREFIX: Parameter =
        Parameter { name: "prefix", kind: Kind::Key { bytes_min: 0 }, description: "", role: Role::Optional };

    /// Keys of four bytes.
    fn four() -> Limits {
        let mut limits = Limits::default();
        limits.key_bytes_max = 4;
        limits
    }

    #[track_caller]
    fn check(raw: &str, expected: std::result::Result<usize, &str>) {
        let outcome = Query::parse(Some(raw), &[&LIMIT, &RAW, &PREFIX], &four());
        let outcome = outcome.map(|query| query.0.len()).map_err(|problem| problem.code().as_str());
        assert_eq!(outcome, expected, "{raw:?}");
    }

    #[test]
    fn a_parameter_is_accepted_once_and_in_range() {
        check("", Ok(0));
        check("&&", Ok(0));
        check("limit=1&raw=true", Ok(2));
        check("%6Cimit=7", Ok(1));
        check("limit=0", Err("limit-out-of-range"));
        check("limit=1001", Err("limit-out-of-range"));
        check("limit=99999999999999999999", Err("limit-out-of-range"));
        check("limit=abc", Err("parameter-invalid"));
        check("limit=-1", Err("parameter-invalid"));
        check("limit=+1", Err("parameter-invalid"));
        check("limit=", Err("parameter-invalid"));
        check("limit=1&limit=1", Err("parameter-repeated"));
        check("raw", Err("parameter-invalid"));
        check("raw=1", Err("parameter-invalid"));
        check("Raw=true", Err("parameter-unknown"));
        check("=x", Err("parameter-unknown"));
        check("prefix=", Ok(1));
        check("prefix=%00%ff", Ok(1));
        check("prefix=12345", Err("parameter-invalid"));
        check("prefix=%f", Err("parameter-invalid"));
    }

    #[test]
    fn a_refusal_names_the_cap_and_the_known_parameters() {
        let refusal = |raw| Query::parse(Some(raw), &[&LIMIT, &RAW], &four()).unwrap_err();
        assert!(refusal("limit=0").message().contains("1 to 1000"));
        assert!(refusal("limit=x").message().contains("1 to 1000"));
        assert!(refusal("lmit=1").message().contains("`limit`, `raw`"));
    }

    #[test]
    fn a_plus_sign_is_a_plus_sign() {
        let query = Query::parse(Some("prefix=a+b"), &[&PREFIX], &four()).unwrap();
        assert_eq!(query.bytes(&PREFIX), Some(&b"a+b"[..]));
    }
}
