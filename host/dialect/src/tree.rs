//! The query tree.

/// A name as it was written, without its quotes: of a column, a table, a constraint, an alias or a type.
pub type Name = Box<str>;

/// What the parameters of a request say.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Query {
    /// What to show of each row; none where nothing was said: all columns.
    pub select: Option<Select>,
    /// Which rows of the table itself, and in which order.
    pub root: Part,
    /// The same for embedded tables, by the path of names that leads to each, in the order of their first mention.
    pub embeds: Vec<EmbedQuery>,
    /// What must hold of each group; all of them.
    pub having: Vec<Condition>,
    /// The columns that an insert or update names (`columns=`).
    pub columns: Option<Vec<Name>>,
    /// The columns of the unique key on which an insert may meet a row (`on_conflict=`).
    pub on_conflict: Option<Vec<Name>>,
}

/// Which rows of one table, and in which order.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Part {
    /// What must hold of a row; all of them.
    pub filter: Vec<Condition>,
    /// The order, the first term first.
    pub order: Vec<Order>,
    /// How many rows at most.
    pub limit: Option<u64>,
    /// How many rows are passed over.
    pub offset: Option<u64>,
}

/// Which rows of an embedded table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EmbedQuery {
    /// The names or aliases of the embeds that lead to it, the outermost first.
    pub path: Vec<Name>,
    /// Which rows, and in which order.
    pub part: Part,
}

/// What is shown, in order.
pub type Select = Vec<Selection>;

/// One thing that is shown of a row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Selection {
    /// Every column (`*`).
    All,
    /// A column, a part of its JSON, or an aggregate.
    Column {
        /// What it is called in the answer; none for the name of the column or the last name of its path.
        alias: Option<Name>,
        /// What is shown.
        subject: Subject,
        /// The type that the result has (`::text`, at the end).
        cast: Option<Cast>,
    },
    /// Rows of another table that a foreign key leads to.
    Embed(Embed),
}

/// A type by name, with its length or precision in parentheses.
pub type Cast = Name;

/// Rows of another table within a row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Embed {
    /// What it is called in the answer and in the other parameters; none for the name of the target.
    pub alias: Option<Name>,
    /// The table, or the foreign key or column that leads to it.
    pub target: Name,
    /// Which of several ways to it: a foreign key, a column or a junction table (`!hint`).
    pub hint: Option<Name>,
    /// Whether it decides about the row that it is in.
    pub join: Join,
    /// Whether its columns become columns of the row that it is in (`...target`).
    pub is_spread: bool,
    /// What is shown of it.
    pub select: Select,
}

/// What a row without embedded rows is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Join {
    /// Shown, with nothing in that place (`!left`, and the default).
    #[default]
    Left,
    /// Left out (`!inner`).
    Inner,
}

/// A column, or a part of the JSON in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Field {
    /// The column; or an embed, where a condition asks whether it has rows.
    pub name: Name,
    /// The way into its JSON.
    pub path: Vec<JsonStep>,
}

/// One step into a JSON value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum JsonStep {
    /// The member of an object, or the element of an array where the name is a number (`->name`, `->>name`).
    Member {
        /// The name.
        name: Name,
        /// Whether the step ends in text (`->>`) and not in JSON.
        is_text: bool,
    },
    /// The element of an array, from the end where negative (`->0`, `->>-1`).
    Element {
        /// Its place.
        index: i64,
        /// Whether the step ends in text (`->>`) and not in JSON.
        is_text: bool,
    },
}

/// What a selection shows, or a condition or an order looks at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subject {
    /// The column; for `count()` its name is empty.
    pub field: Field,
    /// The function that makes one value of a group.
    pub aggregate: Option<Aggregation>,
}

/// A function over a group, and the type that its argument is cast to before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Aggregation {
    /// The function.
    pub function: Aggregate,
    /// The type of the argument (`column::type.sum()`).
    pub argument_cast: Option<Cast>,
}

/// A function over a group of rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Aggregate {
    /// `sum()`
    Sum,
    /// `avg()`
    Average,
    /// `count()`: of the values that are not null, or of rows where it has no column.
    Count,
    /// `min()`
    Minimum,
    /// `max()`
    Maximum,
}

/// Something that holds of a row, or not, or is unknown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Condition {
    /// All of them hold; never empty.
    And(Vec<Condition>),
    /// One of them holds; never empty.
    Or(Vec<Condition>),
    /// It does not hold.
    Not(Box<Condition>),
    /// A column compares with a value.
    Compare(Comparison),
}

/// A column, an operator and what it is compared with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Comparison {
    /// The left side.
    pub subject: Subject,
    /// How they compare.
    pub operator: Operator,
    /// Whether `operand` is a list of which any or all must compare so.
    pub quantifier: Option<Quantifier>,
    /// The right side.
    pub operand: Operand,
}

/// How two values compare.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operator {
    /// `eq`
    Equal,
    /// `neq`
    NotEqual,
    /// `gt`
    Greater,
    /// `gte`
    GreaterOrEqual,
    /// `lt`
    Less,
    /// `lte`
    LessOrEqual,
    /// `like`: `*` and `%` stand for any text, `_` for any character.
    Like,
    /// `ilike`: as `like`, whatever the case.
    LikeIgnoringCase,
    /// `match`: a regular expression.
    Match,
    /// `imatch`: a regular expression, whatever the case.
    MatchIgnoringCase,
    /// `in`
    In,
    /// `is`
    Is,
    /// `isdistinct`: as `neq`, and null is a value like any other.
    IsDistinct,
    /// `cs`: contains all of them.
    Contains,
    /// `cd`: all of it is contained in them.
    ContainedIn,
    /// `ov`: has an element in common.
    Overlaps,
}

/// How many elements of a list must compare so.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Quantifier {
    /// `(any)`
    Any,
    /// `(all)`
    All,
}

/// The right side of a comparison. Texts are as they were written, without their quotes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Operand {
    /// A text, for every operator but `in` and `is`. With a quantifier it is an array literal: [`array_elements`](crate::array_elements).
    Text(Box<str>),
    /// The elements of `in.(..)`.
    List(Vec<Operand>),
    /// What `is` asks for.
    Is(Is),
    /// The argument of this number, from 1 (`$1`).
    Argument(u16),
}

/// What `is` may ask for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Is {
    /// `null`
    Null,
    /// `not_null`
    NotNull,
    /// `true`
    True,
    /// `false`
    False,
    /// `unknown`: null, of a boolean.
    Unknown,
}

/// One term of an order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Order {
    /// What is compared.
    pub subject: OrderSubject,
    /// Which way.
    pub direction: Direction,
    /// Where nulls go; none for last when ascending and first when descending.
    pub nulls: Option<Nulls>,
}

/// What an order compares.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OrderSubject {
    /// A column or an aggregate.
    Own(Subject),
    /// A column or an aggregate of an embedded table (`embed(column)`).
    Embedded {
        /// The embed's alias or name.
        embed: Name,
        /// What is compared of it.
        subject: Subject,
    },
}

/// Which way an order goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Direction {
    /// The smallest first.
    #[default]
    Ascending,
    /// The largest first.
    Descending,
}

/// Where nulls go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Nulls {
    /// Before all values.
    First,
    /// After all values.
    Last,
}
