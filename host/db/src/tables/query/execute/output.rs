//! What is shown of rows and groups: cells for a sink, and embedded rows as JSON.

use super::evaluate::{Values, misplaced};
use super::groups::{GroupMember, GroupRow, GroupRows, Grouping};
use super::held::{Alone, Family, Member, Related};
use crate::tables::query::bound::{AggregateCall, Expression, Output, Select, Source};
use crate::tables::query::{Cell, OutputColumn, RowSink};
use crate::tables::types::{self, Type, Value};
use crate::tables::{Environment, TableError, TableResult, code};

/// What is shown of a select's embedded rows, with all names as JSON, made once.
pub(super) struct Shape<'s> {
    select: &'s Select,
    /// `"name":` for each output; only of an embedded select.
    names: Vec<Vec<u8>>,
    /// The shapes of the embeds, by place.
    embeds: Vec<Shape<'s>>,
}

impl<'s> Shape<'s> {
    /// Of a select that is not embedded.
    pub(super) fn of(select: &'s Select, environment: &Environment) -> Self {
        let embeds = select.embeds.iter().map(|embed| Self::embedded(&embed.select, environment));
        Self { select, names: Vec::new(), embeds: embeds.collect() }
    }

    fn embedded(select: &'s Select, environment: &Environment) -> Self {
        let names = select.output.iter().map(|output| {
            let mut name = Vec::with_capacity(output.name.len() + 3);
            write_json(&Value::Text(output.name.as_str().into()), Type::TEXT, environment, &mut name);
            name.push(b':');
            name
        });
        Self { names: names.collect(), ..Self::of(select, environment) }
    }

    /// The JSON of each embed that is shown of a row, in the order of the outputs.
    pub(super) fn embeds_as_text(&self, row: &Member<'_>) -> TableResult<Vec<String>> {
        let mut texts = Vec::new();
        for output in &self.select.output {
            if let Some(path) = embed_of(&output.source) {
                let mut text = Vec::new();
                self.write_embed(path, row, &mut text)?;
                texts.push(String::from_utf8(text).map_err(|_| not_text())?);
            }
        }
        Ok(texts)
    }

    /// Writes the rows, or the column of a to-many spread, of the embed that an output shows.
    fn write_embed(&self, path: EmbedPath<'_>, row: &Member<'_>, out: &mut Vec<u8>) -> TableResult<()> {
        let Some((family, place)) = row.through(path.through)? else {
            out.extend_from_slice(b"null");
            return Ok(());
        };
        let shape = path.through.iter().fold(self, |shape, &embed| &shape.embeds[embed]);
        let (embed, inner) = (&shape.select.embeds[path.embed], &shape.embeds[path.embed]);
        let related = family.related(path.embed)?;
        match path.output {
            Some(output) => inner.write_column(output, related, place, out),
            None if embed.relation.is_to_one => inner.write_first(related, place, out),
            None => inner.write_all(related, place, out),
        }
    }

    fn write_all(&self, related: &Related<'_>, place: usize, out: &mut Vec<u8>) -> TableResult<()> {
        out.push(b'[');
        if let Some(GroupRows { grouping, rows, .. }) = related.groups_of(place) {
            for (at, row) in rows.iter().enumerate() {
                separate(at, out);
                self.write_group(&related.family, grouping, row, out)?;
            }
        } else {
            for (at, &place) in related.of(place).iter().enumerate() {
                separate(at, out);
                self.write_object(&related.family.row(place)?, out)?;
            }
        }
        out.push(b']');
        Ok(())
    }

    fn write_first(&self, related: &Related<'_>, place: usize, out: &mut Vec<u8>) -> TableResult<()> {
        if let Some(GroupRows { grouping, rows, .. }) = related.groups_of(place)
            && let Some(row) = rows.first()
        {
            return self.write_group(&related.family, grouping, row, out);
        }
        match related.of(place).first() {
            Some(&place) if related.groups.is_none() => self.write_object(&related.family.row(place)?, out),
            _ => {
                out.extend_from_slice(b"null");
                Ok(())
            }
        }
    }

    /// Writes the array of one output of all rows.
    fn write_column(&self, output: usize, related: &Related<'_>, place: usize, out: &mut Vec<u8>) -> TableResult<()> {
        let shown = &self.select.output[output];
        out.push(b'[');
        if let Some(GroupRows { grouping, rows, .. }) = related.groups_of(place) {
            for (at, row) in rows.iter().enumerate() {
                separate(at, out);
                write_group_value(shown, self.embeds_before(output), &related.family, grouping, row, out)?;
            }
        } else {
            for (at, &place) in related.of(place).iter().enumerate() {
                separate(at, out);
                self.write_value(shown, &related.family.row(place)?, out)?;
            }
        }
        out.push(b']');
        Ok(())
    }

    fn write_object(&self, row: &Member<'_>, out: &mut Vec<u8>) -> TableResult<()> {
        out.push(b'{');
        for (at, (output, name)) in self.select.output.iter().zip(&self.names).enumerate() {
            separate(at, out);
            out.extend_from_slice(name);
            self.write_value(output, row, out)?;
        }
        out.push(b'}');
        Ok(())
    }

    fn write_value(&self, output: &Output, row: &Member<'_>, out: &mut Vec<u8>) -> TableResult<()> {
        match (&output.source, embed_of(&output.source)) {
            (_, Some(path)) => self.write_embed(path, row, out),
            (Source::Expression(expression), _) => {
                write_json(&row.value(expression)?, expression.r#type(), row.family.environment(), out);
                Ok(())
            }
            _ => Err(misplaced("an aggregate")),
        }
    }

    fn write_group(
        &self,
        family: &Family<'_>,
        grouping: &Grouping<'_>,
        row: &GroupRow,
        out: &mut Vec<u8>,
    ) -> TableResult<()> {
        out.push(b'{');
        let mut embeds = 0;
        for (at, (output, name)) in self.select.output.iter().zip(&self.names).enumerate() {
            separate(at, out);
            out.extend_from_slice(name);
            write_group_value(output, embeds, family, grouping, row, out)?;
            embeds += usize::from(embed_of(&output.source).is_some());
        }
        out.push(b'}');
        Ok(())
    }

    fn embeds_before(&self, output: usize) -> usize {
        self.select.output[..output].iter().filter(|output| embed_of(&output.source).is_some()).count()
    }
}

/// Writes a value of a group. `embeds`: how many embeds are shown before.
fn write_group_value(
    output: &Output,
    embeds: usize,
    family: &Family<'_>,
    grouping: &Grouping<'_>,
    row: &GroupRow,
    out: &mut Vec<u8>,
) -> TableResult<()> {
    let member = GroupMember { grouping, row };
    match &output.source {
        Source::Expression(expression) => {
            write_json(&member.value(expression)?, expression.r#type(), family.environment(), out);
        }
        Source::Aggregate(call) => {
            write_json(&member.aggregate(call)?, type_of_call(call), family.environment(), out);
        }
        Source::Embed { .. } | Source::SpreadMany { .. } => out.extend_from_slice(row.embeds[embeds].as_bytes()),
    }
    Ok(())
}

/// Where an output finds embedded rows.
#[derive(Clone, Copy)]
struct EmbedPath<'s> {
    through: &'s [usize],
    embed: usize,
    /// Of a to-many spread: the output of which it shows an array.
    output: Option<usize>,
}

fn embed_of(source: &Source) -> Option<EmbedPath<'_>> {
    match source {
        Source::Embed { through, embed } => Some(EmbedPath { through, embed: *embed, output: None }),
        Source::SpreadMany { through, embed, output } => {
            Some(EmbedPath { through, embed: *embed, output: Some(*output) })
        }
        Source::Expression(_) | Source::Aggregate(_) => None,
    }
}

fn type_of_call(call: &AggregateCall) -> Type {
    call.cast.unwrap_or(call.source_type)
}

/// The columns of a select's answer.
pub(super) fn columns(select: &Select) -> Vec<OutputColumn> {
    let column = |output: &Output| OutputColumn {
        name: output.name.clone(),
        r#type: match &output.source {
            Source::Expression(expression) => Some(expression.r#type()),
            Source::Aggregate(call) => Some(type_of_call(call)),
            Source::Embed { .. } | Source::SpreadMany { .. } => None,
        },
    };
    select.output.iter().map(column).collect()
}

/// Shows rows to a sink, with the buffers of one row kept for the next.
pub(super) struct Shower<'s> {
    shape: Shape<'s>,
    cells: Vec<Cell<'static>>,
    /// The JSON of all embeds of a row, and where each ends.
    json: Vec<u8>,
    ends: Vec<usize>,
}

impl<'s> Shower<'s> {
    pub(super) fn new(select: &'s Select, environment: &Environment) -> Self {
        Self { shape: Shape::of(select, environment), cells: Vec::new(), json: Vec::new(), ends: Vec::new() }
    }

    /// Shows a row that needs nothing but itself.
    pub(super) fn show_alone(&mut self, row: &Alone<'_>, sink: &mut dyn RowSink) -> TableResult<()> {
        let mut cells = recycled(std::mem::take(&mut self.cells));
        for output in &self.shape.select.output {
            match &output.source {
                Source::Expression(expression) => cells.push(Cell::Value(row.value(expression)?)),
                _ => return Err(misplaced("an embedded table")),
            }
        }
        sink.row(&cells)?;
        self.cells = recycled(cells);
        Ok(())
    }

    /// Shows a row with what belongs to it.
    pub(super) fn show(&mut self, row: &Member<'_>, sink: &mut dyn RowSink) -> TableResult<()> {
        self.json.clear();
        self.ends.clear();
        for output in &self.shape.select.output {
            if let Some(path) = embed_of(&output.source) {
                self.shape.write_embed(path, row, &mut self.json)?;
                self.ends.push(self.json.len());
            }
        }
        let json = std::str::from_utf8(&self.json).map_err(|_| not_text())?;
        let mut cells = recycled(std::mem::take(&mut self.cells));
        let (mut start, mut ends) = (0, self.ends.iter());
        for output in &self.shape.select.output {
            cells.push(match &output.source {
                Source::Expression(expression) => Cell::Value(row.value(expression)?),
                Source::Aggregate(_) => return Err(misplaced("an aggregate")),
                Source::Embed { .. } | Source::SpreadMany { .. } => {
                    let end = ends.next().copied().unwrap_or(start);
                    Cell::Json(&json[std::mem::replace(&mut start, end)..end])
                }
            });
        }
        sink.row(&cells)?;
        self.cells = recycled(cells);
        Ok(())
    }

    /// Shows a group.
    pub(super) fn show_group(
        &mut self,
        grouping: &Grouping<'_>,
        row: &GroupRow,
        sink: &mut dyn RowSink,
    ) -> TableResult<()> {
        let member = GroupMember { grouping, row };
        let mut embeds = row.embeds.iter();
        let mut cells = recycled(std::mem::take(&mut self.cells));
        for output in &self.shape.select.output {
            cells.push(match &output.source {
                Source::Expression(expression) => Cell::Value(member.value(expression)?),
                Source::Aggregate(call) => Cell::Value(member.aggregate(call)?),
                Source::Embed { .. } | Source::SpreadMany { .. } => {
                    Cell::Json(embeds.next().map_or("null", |json| json))
                }
            });
        }
        sink.row(&cells)?;
        self.cells = recycled(cells);
        Ok(())
    }
}

/// The same vector, emptied, for cells that borrow from elsewhere. Nothing is allocated.
fn recycled<'b>(mut cells: Vec<Cell<'_>>) -> Vec<Cell<'b>> {
    cells.clear();
    cells.into_iter().map(|_| Cell::Json("")).collect()
}

fn separate(at: usize, out: &mut Vec<u8>) {
    if at > 0 {
        out.push(b',');
    }
}

fn write_json(value: &Value<'_>, r#type: Type, environment: &Environment, out: &mut Vec<u8>) {
    types::write_json(value, r#type, environment, out);
}

#[cold]
fn not_text() -> TableError {
    TableError::new(code::DATA_CORRUPTED, "a stored text is not valid UTF-8")
}

/// Whether a select's output needs nothing but the row itself.
pub(super) fn needs_only_itself(select: &Select) -> bool {
    let is_own = |expression: &Expression| expression.through.is_empty();
    select.output.iter().all(|output| matches!(&output.source, Source::Expression(expression) if is_own(expression)))
}
