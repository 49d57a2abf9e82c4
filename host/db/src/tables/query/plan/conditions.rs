//! What the parts of a filter demand of single columns and JSON paths.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::ops::Bound;

use mantis_dialect::JsonStep;

use crate::tables::query::bound::{Comparison, Expression, Predicate, Subject, Test};
use crate::tables::sort::sort_by;
use crate::tables::types::{Scalar, Value, compare};

/// Something that an index may have as a part of its key: a column, or a way into its JSON.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Field<'s> {
    pub(super) column: usize,
    pub(super) path: &'s [JsonStep],
}

impl<'s> Field<'s> {
    /// Of an expression that is nothing but a column or path of the row itself.
    pub(super) fn of(expression: &'s Expression) -> Option<Self> {
        let is_own = expression.through.is_empty() && expression.cast.is_none();
        is_own.then_some(Self { column: expression.column, path: &expression.path })
    }
}

/// What all parts of the filter together demand of one field.
#[derive(Debug)]
pub(super) struct Demand<'s> {
    pub(super) field: Field<'s>,
    /// It is one of these, in their order, without duplicates; null is among them for `is.null`.
    pub(super) points: Option<Vec<Cow<'s, Value<'static>>>>,
    pub(super) lower: Bound<&'s Value<'static>>,
    pub(super) upper: Bound<&'s Value<'static>>,
    /// It begins with this text.
    pub(super) beginning: Option<&'s str>,
    /// It is not null. So it is wherever there are points other than null, bounds or a beginning.
    pub(super) is_not_null: bool,
}

/// The filter, taken apart.
#[derive(Debug, Default)]
pub(super) struct Conditions<'s> {
    pub(super) demands: Vec<Demand<'s>>,
    /// Whether the demands say all that the filter says.
    pub(super) are_complete: bool,
    /// Parts of the filter that no demand says, or not fully.
    pub(super) others: usize,
    is_impossible: bool,
}

impl<'s> Conditions<'s> {
    pub(super) fn of(filter: Option<&'s Predicate>) -> Self {
        Self::without(filter, &|_| false)
    }

    /// The same without parts of the filter that are known to be true.
    pub(super) fn without(filter: Option<&'s Predicate>, is_known: &dyn Fn(&Predicate) -> bool) -> Self {
        let mut conditions = Self { are_complete: true, ..Self::default() };
        if let Some(filter) = filter {
            conditions.add(filter, is_known);
        }
        conditions
    }

    /// Whether no row can pass.
    pub(super) fn is_impossible(&self) -> bool {
        self.is_impossible || self.demands.iter().any(|demand| demand.points.as_ref().is_some_and(Vec::is_empty))
    }

    pub(super) fn get(&self, field: Field<'_>) -> Option<&Demand<'s>> {
        self.demands.iter().find(|demand| demand.field == field)
    }

    /// Whether the field has one value in all rows that pass.
    pub(super) fn is_constant(&self, field: Field<'_>) -> bool {
        self.get(field).and_then(|demand| demand.points.as_ref()).is_some_and(|points| points.len() == 1)
    }

    /// Whether the field is null in no row that passes.
    pub(super) fn excludes_null(&self, field: Field<'_>) -> bool {
        self.get(field).is_some_and(Demand::excludes_null)
    }

    fn add(&mut self, predicate: &'s Predicate, is_known: &dyn Fn(&Predicate) -> bool) {
        let is_said = match predicate {
            Predicate::And(parts) => {
                for part in parts {
                    self.add(part, is_known);
                }
                return;
            }
            known if is_known(known) => true,
            Predicate::Test { subject: Subject::Expression(expression), test } => self.add_test(expression, test),
            Predicate::Not(part) => self.add_negation(part),
            Predicate::Or(parts) => self.add_alternatives(parts),
            Predicate::Test { .. } | Predicate::Exists(_) => false,
        };
        if !is_said {
            self.are_complete = false;
            self.others += 1;
        }
    }

    /// Adds what a test demands. Whether that is all it says.
    fn add_test(&mut self, expression: &'s Expression, test: &'s Test) -> bool {
        if matches!(test, Test::Unknown) {
            self.is_impossible = true;
            return true;
        }
        let Some(field) = Field::of(expression) else {
            return false;
        };
        if let Some(points) = points_of(test) {
            self.demand(field).restrict_to(points);
            return true;
        }
        match test {
            Test::IsNotNull => self.demand(field).is_not_null = true,
            Test::Compare(comparison, value) => {
                return self.demand(field).bound(*comparison, value);
            }
            Test::Like(like) => {
                let is_padded = matches!(expression.r#type().scalar, Scalar::Char(_));
                if let Some(beginning) = like.prefix().filter(|_| !is_padded) {
                    self.demand(field).begin_with(beginning);
                }
                return false;
            }
            Test::All(tests) => {
                let said: Vec<bool> = tests.iter().map(|test| self.add_test(expression, test)).collect();
                return said.into_iter().all(|is_said| is_said);
            }
            _ => return false,
        }
        true
    }

    fn add_negation(&mut self, part: &'s Predicate) -> bool {
        let Predicate::Test { subject: Subject::Expression(expression), test } = part else {
            return false;
        };
        let Some(field) = Field::of(expression) else {
            return false;
        };
        let demand = match test {
            Test::IsNull | Test::IsNotNull | Test::Compare(..) => self.demand(field),
            _ => return false,
        };
        match test {
            Test::IsNull => demand.is_not_null = true,
            Test::IsNotNull => demand.restrict_to(vec![Cow::Owned(Value::Null)]),
            Test::Compare(Comparison::NotEqual, value) if !value.is_null() => {
                demand.restrict_to(vec![Cow::Borrowed(value)]);
            }
            Test::Compare(comparison, value) => return demand.bound(opposite(*comparison), value),
            _ => return false,
        }
        true
    }

    /// Adds `or`, where all its parts name values of one field.
    fn add_alternatives(&mut self, parts: &'s [Predicate]) -> bool {
        let mut all = Vec::new();
        let mut of = None;
        for part in parts {
            let Predicate::Test { subject: Subject::Expression(expression), test } = part else {
                return false;
            };
            let (Some(field), Some(points)) = (Field::of(expression), points_of(test)) else {
                return false;
            };
            if of.is_some_and(|known| known != field) {
                return false;
            }
            of = Some(field);
            all.extend(points);
        }
        let Some(field) = of else {
            // Not one of nothing.
            self.is_impossible = true;
            return true;
        };
        sort(&mut all);
        self.demand(field).restrict_to(all);
        true
    }

    fn demand(&mut self, field: Field<'s>) -> &mut Demand<'s> {
        let place = self.demands.iter().position(|demand| demand.field == field).unwrap_or_else(|| {
            self.demands.push(Demand {
                field,
                points: None,
                lower: Bound::Unbounded,
                upper: Bound::Unbounded,
                beginning: None,
                is_not_null: false,
            });
            self.demands.len() - 1
        });
        &mut self.demands[place]
    }
}

impl<'s> Demand<'s> {
    pub(super) fn excludes_null(&self) -> bool {
        match &self.points {
            Some(points) => !points.iter().any(|point| point.is_null()),
            None => self.is_not_null || self.is_bounded(),
        }
    }

    /// Whether it is a range that ends somewhere.
    pub(super) fn is_bounded(&self) -> bool {
        self.beginning.is_some() || self.has_bounds()
    }

    pub(super) fn has_bounds(&self) -> bool {
        !matches!((self.lower, self.upper), (Bound::Unbounded, Bound::Unbounded))
    }

    /// Whether `points` alone, or the bounds alone, say all that is demanded.
    pub(super) fn is_said_by_key(&self) -> bool {
        let has_points = self.points.is_some();
        !(has_points && (self.is_bounded() || self.is_not_null)) && !(self.beginning.is_some() && self.has_bounds())
    }

    fn restrict_to(&mut self, points: Vec<Cow<'s, Value<'static>>>) {
        self.points = Some(match self.points.take() {
            None => points,
            Some(known) => known.into_iter().filter(|point| find(&points, point)).collect(),
        });
    }

    /// Whether the comparison is a bound.
    fn bound(&mut self, comparison: Comparison, value: &'s Value<'static>) -> bool {
        if value.is_null() {
            self.points = Some(Vec::new());
            return true;
        }
        let order = |known: &Value<'_>| compare(value, known);
        match comparison {
            Comparison::Equal => self.restrict_to(vec![Cow::Borrowed(value)]),
            Comparison::NotEqual => return false,
            Comparison::Greater | Comparison::GreaterOrEqual => {
                let is_open = comparison == Comparison::Greater;
                let is_tighter = match self.lower {
                    Bound::Unbounded => true,
                    Bound::Included(known) => order(known).is_gt() || (is_open && order(known).is_eq()),
                    Bound::Excluded(known) => order(known).is_gt(),
                };
                if is_tighter {
                    self.lower = if is_open { Bound::Excluded(value) } else { Bound::Included(value) };
                }
            }
            Comparison::Less | Comparison::LessOrEqual => {
                let is_open = comparison == Comparison::Less;
                let is_tighter = match self.upper {
                    Bound::Unbounded => true,
                    Bound::Included(known) => order(known).is_lt() || (is_open && order(known).is_eq()),
                    Bound::Excluded(known) => order(known).is_lt(),
                };
                if is_tighter {
                    self.upper = if is_open { Bound::Excluded(value) } else { Bound::Included(value) };
                }
            }
        }
        true
    }

    fn begin_with(&mut self, beginning: &'s str) {
        if self.beginning.as_ref().is_none_or(|known| beginning.len() > known.len()) {
            self.beginning = Some(beginning);
        }
    }
}

/// The values that a test allows, where these are few and it allows nothing else.
fn points_of(test: &Test) -> Option<Vec<Cow<'_, Value<'static>>>> {
    Some(match test {
        Test::IsNull => vec![Cow::Owned(Value::Null)],
        Test::IsBoolean(value) => vec![Cow::Owned(Value::Boolean(*value))],
        Test::Compare(Comparison::Equal, value) if !value.is_null() => vec![Cow::Borrowed(value)],
        Test::In(values) => values.iter().map(Cow::Borrowed).collect(),
        Test::Any(tests) => {
            let points = tests.iter().map(|test| points_of(test)).collect::<Option<Vec<_>>>()?;
            let mut points = points.into_iter().flatten().collect();
            sort(&mut points);
            points
        }
        _ => return None,
    })
}

fn opposite(comparison: Comparison) -> Comparison {
    match comparison {
        Comparison::Equal => Comparison::NotEqual,
        Comparison::NotEqual => Comparison::Equal,
        Comparison::Less => Comparison::GreaterOrEqual,
        Comparison::LessOrEqual => Comparison::Greater,
        Comparison::Greater => Comparison::LessOrEqual,
        Comparison::GreaterOrEqual => Comparison::Less,
    }
}

/// In the order of keys: nulls last.
fn order(left: &Value<'_>, right: &Value<'_>) -> Ordering {
    match (left.is_null(), right.is_null()) {
        (false, false) => compare(left, right),
        (left, right) => left.cmp(&right),
    }
}

fn sort(points: &mut Vec<Cow<'_, Value<'static>>>) {
    sort_by(points, |left, right| order(left, right));
    points.dedup_by(|left, right| order(left, right).is_eq());
}

fn find(points: &[Cow<'_, Value<'static>>], point: &Value<'_>) -> bool {
    points.binary_search_by(|known| order(known, point)).is_ok()
}
