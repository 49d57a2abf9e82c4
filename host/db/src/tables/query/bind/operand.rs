//! Tests: an operator and the text, list or argument beside it, read as the type of what is tested.

use std::borrow::Cow;

use mantis_dialect::{Comparison as Condition, Is, Operand, Operator, Quantifier, array_elements};

use super::column::CAST_HINT;
use crate::tables::query::bound::{Comparison, Test};
use crate::tables::sort::sort_by;
use crate::tables::types::{self, Array, Like, Pattern, Scalar, Type, Value};
use crate::tables::{Environment, TableError, TableResult, code};

/// What operands are read with.
#[derive(Clone, Copy)]
pub(super) struct Operands<'a> {
    pub(super) environment: &'a Environment,
    /// The values of `$1`, `$2`, ..
    pub(super) arguments: &'a [Value<'static>],
}

/// What is tested.
#[derive(Clone, Copy)]
pub(super) struct Tested<'a> {
    pub(super) r#type: Type,
    /// The only texts that it may be, and the name of its column.
    pub(super) allowed: Option<(&'a [String], &'a str)>,
}

/// What a condition says of a value.
pub(super) enum Meaning {
    Test(Test),
    /// The same of every value, null too.
    Constant(bool),
}

/// An operand of one value.
enum One<'a> {
    Null,
    Text(Cow<'a, str>),
    Value(&'a Value<'static>),
}

impl<'a> Operands<'a> {
    /// The test that a condition makes of a value.
    ///
    /// # Errors
    /// 42883 and 42804 where the operator is not for the type; those of reading the operand.
    pub(super) fn meaning(self, condition: &'a Condition, tested: Tested<'a>) -> TableResult<Meaning> {
        let operator = condition.operator;
        check_type(operator, tested.r#type)?;
        match (operator, &condition.operand, condition.quantifier) {
            (Operator::Is, Operand::Is(is), _) => is_test(*is, tested.r#type).map(Meaning::Test),
            (Operator::In, operand, _) => {
                let elements = self.elements(operand)?;
                self.list(&elements, tested)
            }
            (_, operand, None) => {
                let one = self.one(operand)?;
                self.test(operator, &one, tested).map(Meaning::Test)
            }
            (_, operand, Some(quantifier)) => {
                let elements = self.elements(operand)?;
                self.quantified(operator, quantifier, &elements, tested)
            }
        }
    }

    fn list(self, elements: &[One<'_>], tested: Tested<'_>) -> TableResult<Meaning> {
        if elements.is_empty() {
            return Ok(Meaning::Constant(false));
        }
        let count = elements.len();
        let elements = elements.iter().filter(|one| !matches!(one, One::Null));
        let mut values: Vec<Value<'static>> =
            elements.map(|one| self.value(one, tested)).collect::<TableResult<_>>()?;
        let has_null = values.len() < count;
        sort_by(&mut values, |one, other| types::compare(one, other));
        values.dedup_by(|one, other| types::compare(one, other).is_eq());
        // What is in no list with a null in it is perhaps that null.
        Ok(Meaning::Test(match (has_null, values.is_empty()) {
            (false, _) => Test::In(values),
            (true, true) => Test::Unknown,
            (true, false) => Test::Any(vec![Test::In(values), Test::Unknown]),
        }))
    }

    fn quantified(
        self,
        operator: Operator,
        quantifier: Quantifier,
        elements: &[One<'_>],
        tested: Tested<'_>,
    ) -> TableResult<Meaning> {
        if elements.is_empty() {
            return Ok(Meaning::Constant(quantifier == Quantifier::All));
        }
        let tests = elements.iter().map(|one| self.test(operator, one, tested)).collect::<TableResult<_>>()?;
        Ok(Meaning::Test(match quantifier {
            Quantifier::Any => Test::Any(tests),
            Quantifier::All => Test::All(tests),
        }))
    }

    fn test(self, operator: Operator, one: &One<'_>, tested: Tested<'_>) -> TableResult<Test> {
        if let One::Null = one {
            return Ok(if operator == Operator::IsDistinct { Test::IsDistinct(Value::Null) } else { Test::Unknown });
        }
        let compare = |comparison| self.value(one, tested).map(|value| Test::Compare(comparison, value));
        match operator {
            Operator::Equal => compare(Comparison::Equal),
            Operator::NotEqual => compare(Comparison::NotEqual),
            Operator::Greater => compare(Comparison::Greater),
            Operator::GreaterOrEqual => compare(Comparison::GreaterOrEqual),
            Operator::Less => compare(Comparison::Less),
            Operator::LessOrEqual => compare(Comparison::LessOrEqual),
            Operator::IsDistinct => self.value(one, tested).map(Test::IsDistinct),
            Operator::Contains => self.value(one, tested).map(Test::Contains),
            Operator::ContainedIn => self.value(one, tested).map(Test::ContainedIn),
            Operator::Overlaps => self.value(one, tested).map(Test::Overlaps),
            Operator::Like | Operator::LikeIgnoringCase => {
                Like::from_dialect(&self.text(one), operator == Operator::LikeIgnoringCase).map(Test::Like)
            }
            Operator::Match | Operator::MatchIgnoringCase => {
                Pattern::new(&self.text(one), operator == Operator::MatchIgnoringCase).map(Test::Match)
            }
            Operator::In | Operator::Is => Err(misplaced()),
        }
    }

    fn one(self, operand: &'a Operand) -> TableResult<One<'a>> {
        match operand {
            Operand::Text(text) => Ok(One::Text(Cow::Borrowed(text))),
            Operand::Argument(number) => Ok(match self.argument(*number)? {
                Value::Null => One::Null,
                value => One::Value(value),
            }),
            Operand::List(_) | Operand::Is(_) => Err(misplaced()),
        }
    }

    /// The elements of a list, or of an array literal or argument in its place.
    fn elements(self, operand: &'a Operand) -> TableResult<Vec<One<'a>>> {
        match operand {
            Operand::List(operands) => operands.iter().map(|operand| self.one(operand)).collect(),
            Operand::Text(text) => literal_elements(text),
            Operand::Argument(number) => match self.argument(*number)? {
                Value::Null => Ok(vec![One::Null]),
                Value::Text(text) => literal_elements(text),
                Value::Array(array) => Ok(array_values(array)),
                _ => {
                    let message = format!("argument ${number} must be an array");
                    Err(TableError::new(code::DATATYPE_MISMATCH, message))
                }
            },
            Operand::Is(_) => Err(misplaced()),
        }
    }

    fn argument(self, number: u16) -> TableResult<&'a Value<'static>> {
        let place = usize::from(number).checked_sub(1);
        place.and_then(|place| self.arguments.get(place)).ok_or_else(|| {
            TableError::new(code::PARAMETER_UNDEFINED, format!("there is no parameter ${number}"))
                .with_details(format!("The query has {} arguments.", self.arguments.len()))
        })
    }

    /// An operand as a value of the type that is tested.
    fn value(self, one: &One<'_>, tested: Tested<'_>) -> TableResult<Value<'static>> {
        if let One::Value(value) = one {
            value.check_range()?;
        }
        let value = match one {
            One::Null => return Ok(Value::Null),
            One::Value(value) if has_form_of(value, tested.r#type) => (*value).clone(),
            One::Text(_) | One::Value(_) => read(&self.text(one), tested.r#type, self.environment)?,
        };
        match (tested.allowed, &value) {
            (Some((allowed, column)), Value::Text(text)) if allowed.iter().all(|one| one != text) => {
                let message = format!("invalid input value for enum {column}: \"{text}\"");
                Err(TableError::new(code::TEXT_INVALID, message))
            }
            _ => Ok(value),
        }
    }

    /// An operand as text: a value as its own type writes it, so that it is read as if it stood in the query.
    fn text<'o>(self, one: &'o One<'_>) -> Cow<'o, str> {
        match one {
            One::Null => Cow::Borrowed(""),
            One::Text(text) | One::Value(Value::Text(text)) => Cow::Borrowed(text),
            One::Value(value) => {
                let mut text = String::new();
                types::write_text(value, natural_type(value), self.environment, &mut text);
                Cow::Owned(text)
            }
        }
    }
}

/// A text as a value to compare with one of a type: without its modifier, which neither cuts nor rounds what it is compared with. Only the
/// padding of `char(n)` is that of the values beside it.
fn read(text: &str, r#type: Type, environment: &Environment) -> TableResult<Value<'static>> {
    let scalar = match r#type.scalar {
        Scalar::Varchar(Some(_)) => Scalar::Varchar(None),
        Scalar::Numeric(Some(_)) => Scalar::Numeric(None),
        Scalar::Char(length) if !r#type.is_array => {
            let characters = text.trim_end_matches(' ').chars().count();
            if characters > length as usize { Scalar::Text } else { Scalar::Char(length) }
        }
        scalar => scalar,
    };
    types::from_text(text, Type { scalar, ..r#type }, environment)
}

fn misplaced() -> TableError {
    TableError::new(code::PARSE, "an operator has an operand of another operator")
}

fn literal_elements(text: &str) -> TableResult<Vec<One<'_>>> {
    let elements = array_elements(text).ok_or_else(|| {
        TableError::new(code::TEXT_INVALID, format!("malformed array literal: \"{text}\""))
            .with_details("A list of values is written as {a,\"b c\"}.")
    })?;
    Ok(elements.into_iter().map(|element| element.map_or(One::Null, One::Text)).collect())
}

fn array_values(array: &Array) -> Vec<One<'_>> {
    let elements = array.elements.iter();
    elements.map(|value| if value.is_null() { One::Null } else { One::Value(value) }).collect()
}

/// Whether an argument is a value of the type as it is.
fn has_form_of(value: &Value<'_>, r#type: Type) -> bool {
    if r#type.is_array {
        return false;
    }
    match (value, r#type.scalar) {
        (Value::Boolean(_), Scalar::Boolean)
        | (Value::Integer(_), Scalar::BigInt)
        | (Value::Real(_), Scalar::Real)
        | (Value::Double(_), Scalar::Double)
        | (Value::Bytes(_), Scalar::Bytea)
        | (Value::Uuid(_), Scalar::Uuid)
        | (Value::Timestamp(_), Scalar::Timestamp | Scalar::TimestampTz) => true,
        // What no text holds is refused where texts are read.
        (Value::Text(text), Scalar::Text) => !text.contains('\0'),
        (Value::Integer(number), Scalar::SmallInt) => i16::try_from(*number).is_ok(),
        (Value::Integer(number), Scalar::Integer) => i32::try_from(*number).is_ok(),
        _ => false,
    }
}

/// The type that an argument has by itself.
fn natural_type(value: &Value<'_>) -> Type {
    let scalar = match value {
        Value::Boolean(_) => Scalar::Boolean,
        Value::Integer(_) => Scalar::BigInt,
        Value::Real(_) => Scalar::Real,
        Value::Double(_) => Scalar::Double,
        Value::Numeric(_) => Scalar::Numeric(None),
        Value::Null | Value::Text(_) => Scalar::Text,
        Value::Bytes(_) => Scalar::Bytea,
        Value::Date(_) => Scalar::Date,
        Value::Time(_) => Scalar::Time,
        Value::Timestamp(_) => Scalar::Timestamp,
        Value::Uuid(_) => Scalar::Uuid,
        Value::Json(_) => Scalar::Jsonb,
        Value::Array(array) => {
            let element = array.elements.iter().find(|element| !element.is_null());
            let element = element.map_or(Type::TEXT, natural_type);
            return Type { is_array: true, ..element };
        }
    };
    Type::scalar(scalar)
}

/// Whether the type has the operator.
fn check_type(operator: Operator, r#type: Type) -> TableResult<()> {
    let is_text = !r#type.is_array && matches!(r#type.scalar, Scalar::Text | Scalar::Varchar(_) | Scalar::Char(_));
    let is_jsonb = !r#type.is_array && r#type.scalar == Scalar::Jsonb;
    let (symbol, has_it) = match operator {
        Operator::Like => ("~~", is_text),
        Operator::LikeIgnoringCase => ("~~*", is_text),
        Operator::Match => ("~", is_text),
        Operator::MatchIgnoringCase => ("~*", is_text),
        Operator::Contains => ("@>", r#type.is_array || is_jsonb),
        Operator::ContainedIn => ("<@", r#type.is_array || is_jsonb),
        Operator::Overlaps => ("&&", r#type.is_array),
        _ => return Ok(()),
    };
    if has_it {
        return Ok(());
    }
    let message = format!("operator does not exist: {type} {symbol} unknown");
    Err(TableError::new(code::OPERATOR_UNDEFINED, message).with_hint(CAST_HINT))
}

fn is_test(is: Is, r#type: Type) -> TableResult<Test> {
    let boolean = |name: &str, test| {
        if r#type == Type::scalar(Scalar::Boolean) {
            return Ok(test);
        }
        let message = format!("argument of IS {name} must be type boolean, not type {type}");
        Err(TableError::new(code::DATATYPE_MISMATCH, message))
    };
    match is {
        Is::Null => Ok(Test::IsNull),
        Is::NotNull => Ok(Test::IsNotNull),
        Is::True => boolean("TRUE", Test::IsBoolean(true)),
        Is::False => boolean("FALSE", Test::IsBoolean(false)),
        Is::Unknown => boolean("UNKNOWN", Test::IsNull),
    }
}
