//! A query with its names resolved against the schema, and its texts read as values: what `bind` makes and `plan` and `execute` work
//! with.
//!
//! A to-one spread needs no form of its own: its columns are [expressions](Expression) that look [`through`](Expression::through) the
//! embed at its one row. So does an order by an embedded column, and an aggregate over a spread's column.

use std::cmp::Ordering;
use std::sync::Arc;

use mantis_dialect::{Aggregate, JsonStep};

use crate::tables::schema::Table;
use crate::tables::types::{Type, Value};

/// A select over one table, with its embeds.
#[derive(Debug)]
pub(crate) struct Select {
    /// The table.
    pub(crate) table: Arc<Table>,
    /// Which rows; all where none.
    pub(crate) filter: Option<Predicate>,
    /// What is shown of a row or group, in order.
    pub(crate) output: Vec<Output>,
    /// The order of rows or groups, the first term first.
    pub(crate) order: Vec<Order>,
    /// At most so many rows or groups.
    pub(crate) limit: Option<u64>,
    /// Rows or groups passed over.
    pub(crate) offset: u64,
    /// The tables embedded in it, each once, also those that only a filter asks for.
    pub(crate) embeds: Vec<Embed>,
    /// Whether rows are grouped: by every expression of `output`, and by embedded rows shown. One group over nothing where there are only
    /// aggregates.
    pub(crate) is_grouped: bool,
    /// Which groups; all where none.
    pub(crate) having: Option<Predicate>,
}

/// One thing that is shown.
#[derive(Debug)]
pub(crate) struct Output {
    /// Its name in the answer.
    pub(crate) name: String,
    /// Where it comes from.
    pub(crate) source: Source,
}

/// Where something that is shown comes from.
#[derive(Debug)]
pub(crate) enum Source {
    /// A value of the row, or of a row that is to-one from it.
    Expression(Expression),
    /// A value of the group.
    Aggregate(AggregateCall),
    /// The embedded rows: an object or null of a to-one, an array of a to-many.
    Embed {
        /// To-one embeds that lead to the row that it is embedded in: empty for the row itself.
        through: Vec<usize>,
        /// Its place in the `embeds` of that row's select.
        embed: usize,
    },
    /// A column of a to-many spread: the array of that output over the embedded rows, in their order.
    SpreadMany {
        /// As in `Embed`.
        through: Vec<usize>,
        /// As in `Embed`.
        embed: usize,
        /// The place in the embedded select's `output`.
        output: usize,
    },
}

/// A value of a row.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Expression {
    /// To-one embeds that lead from the select's row to the row that has the column, each a place in the `embeds` of the select before;
    /// null where one has no row. Empty for the row itself.
    pub(crate) through: Vec<usize>,
    /// The column.
    pub(crate) column: usize,
    /// The way into its JSON.
    pub(crate) path: Vec<JsonStep>,
    /// The type before the cast.
    pub(crate) source_type: Type,
    /// The type that it is cast to.
    pub(crate) cast: Option<Type>,
}

impl Expression {
    /// The type of its value.
    pub(crate) fn r#type(&self) -> Type {
        self.cast.unwrap_or(self.source_type)
    }
}

/// An aggregate over the rows of a group.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct AggregateCall {
    /// The function.
    pub(crate) function: Aggregate,
    /// Of what; none for `count()`.
    pub(crate) argument: Option<Expression>,
    /// Its type before the cast.
    pub(crate) source_type: Type,
    /// The type that the result is cast to.
    pub(crate) cast: Option<Type>,
}

/// The rows of another table that belong to a row.
#[derive(Debug)]
pub(crate) struct Embed {
    /// Its name in the answer, in filters and in orders.
    pub(crate) name: String,
    /// How rows belong together.
    pub(crate) relation: Relation,
    /// What is selected of the other table. Its limit and offset count for each row of this one.
    pub(crate) select: Select,
    /// Whether a row without embedded rows is left out.
    pub(crate) is_inner: bool,
}

/// How rows of two tables belong together: where their columns are equal.
#[derive(Debug, Clone)]
pub(crate) struct Relation {
    /// Whether there is at most one row on the other side.
    pub(crate) is_to_one: bool,
    /// Columns of this table.
    pub(crate) local: Vec<usize>,
    /// The table between the two, of a many-to-many relation.
    pub(crate) junction: Option<Junction>,
    /// Columns of the other table, equal to `local`, or to the junction's `far`.
    pub(crate) remote: Vec<usize>,
}

/// The table between two.
#[derive(Debug, Clone)]
pub(crate) struct Junction {
    /// The table.
    pub(crate) table: Arc<Table>,
    /// Its columns that equal the local ones.
    pub(crate) near: Vec<usize>,
    /// Its columns that equal the remote ones.
    pub(crate) far: Vec<usize>,
}

/// One term of an order.
#[derive(Debug, Clone)]
pub(crate) struct Order {
    /// What is compared.
    pub(crate) by: OrderBy,
    /// Whether the largest comes first.
    pub(crate) is_descending: bool,
    /// Whether nulls come before all values.
    pub(crate) nulls_first: bool,
}

/// What an order compares.
#[derive(Debug, Clone)]
pub(crate) enum OrderBy {
    /// A value of the row, or of one that is to-one from it; of groups: one that they are grouped by.
    Expression(Expression),
    /// A value of the group.
    Aggregate(AggregateCall),
    /// An aggregate over the rows of a to-many embed (beyond PostgREST): the place of the embed, and the aggregate over its rows.
    EmbedAggregate {
        /// The place in `embeds`.
        embed: usize,
        /// Over the embedded rows, before their limit.
        call: AggregateCall,
    },
}

/// Something that holds of a row, or not, or is unknown.
#[derive(Debug)]
pub(crate) enum Predicate {
    /// All of them; true where there are none.
    And(Vec<Predicate>),
    /// One of them; false where there are none.
    Or(Vec<Predicate>),
    /// Not that.
    Not(Box<Predicate>),
    /// A value passes a test.
    Test {
        /// The value.
        subject: Subject,
        /// The test.
        test: Test,
    },
    /// The embed at this place has rows.
    Exists(usize),
}

/// What a test looks at.
#[derive(Debug)]
pub(crate) enum Subject {
    /// A value of the row.
    Expression(Expression),
    /// A value of the group: in `having` only.
    Aggregate(AggregateCall),
}

/// A test of one value; its operands have the subject's type, without its modifier. Of a null it is unknown, but for the first two and `IsDistinct`.
#[derive(Debug)]
pub(crate) enum Test {
    /// `is.null`, `is.unknown`
    IsNull,
    /// `is.not_null`
    IsNotNull,
    /// `is.true`, `is.false`: never unknown.
    IsBoolean(bool),
    /// `isdistinct`: never unknown; the operand may be null.
    IsDistinct(Value<'static>),
    /// `eq`, `neq`, `gt`, `gte`, `lt`, `lte`: the value compares so with the operand.
    Compare(Comparison, Value<'static>),
    /// `in`: equals one of them; sorted, without duplicates and nulls, and never empty.
    In(Vec<Value<'static>>),
    /// `like`, `ilike`, with the pattern compiled.
    Like(crate::tables::types::Like),
    /// `match`, `imatch`
    Match(crate::tables::types::Pattern),
    /// `cs`: arrays and jsonb.
    Contains(Value<'static>),
    /// `cd`
    ContainedIn(Value<'static>),
    /// `ov`: arrays.
    Overlaps(Value<'static>),
    /// `(any)`: one of them passes.
    Any(Vec<Test>),
    /// `(all)`: all of them pass.
    All(Vec<Test>),
    /// An operand that is null: unknown for every value.
    Unknown,
}

/// How a value must compare.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Comparison {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

impl Comparison {
    /// Whether two values that compare so satisfy it.
    pub(crate) fn holds(self, ordering: Ordering) -> bool {
        match self {
            Self::Equal => ordering.is_eq(),
            Self::NotEqual => ordering.is_ne(),
            Self::Less => ordering.is_lt(),
            Self::LessOrEqual => ordering.is_le(),
            Self::Greater => ordering.is_gt(),
            Self::GreaterOrEqual => ordering.is_ge(),
        }
    }
}
