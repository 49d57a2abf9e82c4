//! What follows from a row that went or changed its key: actions on the rows that reference it, and what is checked at the statement's end.
//!
//! Actions run in rounds, each over the rows that went or changed in the one before, so that they end where foreign keys form a circle: a
//! row goes once. As in PostgreSQL, `restrict` is looked at in the round of its row, before what that round changes has effects of its own;
//! `no action` when all rounds are done.

use std::sync::Arc;

use smallvec::SmallVec;

use super::link::Link;
use super::statement::{Changed, Removal, Statement};
use super::target::Target;
use super::violation::{self, KeyText};
use crate::engine::mutant;
use crate::tables::TableResult;
use crate::tables::table::Action;
use crate::tables::types::Value;

/// Parents that went or changed, by one foreign key that references them.
struct Parents {
    /// Their values as the children have them, in the foreign key's order.
    old: Vec<Vec<Value<'static>>>,
    /// What these became; none where the parent went.
    new: Option<Vec<Vec<Value<'static>>>>,
}

/// What is checked at the end: that no row references a parent that went.
struct Forbidden {
    link: Arc<Link>,
    parents: Vec<Vec<Value<'static>>>,
}

impl Statement<'_> {
    /// Does what follows from the rows that went or changed their keys, and checks that every row has its parents.
    ///
    /// # Errors
    /// 23503, those of the rows that actions change, 54000 where there are too many of them.
    pub(crate) fn finish(&mut self) -> TableResult<Changed> {
        let mut forbidden = Vec::new();
        while !self.removals.is_empty() {
            // One table after the other, and of each apart what went and what changed.
            let mut groups: Vec<Vec<Removal>> = Vec::new();
            for removal in std::mem::take(&mut self.removals) {
                let is_alike = |group: &&mut Vec<Removal>| {
                    Arc::ptr_eq(&removal.target, &group[0].target) && removal.new.is_some() == group[0].new.is_some()
                };
                match groups.iter_mut().find(is_alike) {
                    Some(group) => group.push(removal),
                    None => groups.push(vec![removal]),
                }
            }
            for group in groups {
                self.act_on_children(&group[0].target, &group, &mut forbidden)?;
            }
        }
        for Forbidden { link, parents } in forbidden {
            let mut gone = Vec::new();
            for values in parents {
                if !self.is_there(&link, &values)? {
                    gone.push(values);
                }
            }
            self.refuse_children(&link, &gone)?;
        }
        self.check_orphans()?;
        self.settle_identities()?;
        Ok(std::mem::take(&mut self.changed))
    }

    /// Every row whose parent was not there when it was written has it now, or is not what it was.
    fn check_orphans(&mut self) -> TableResult<()> {
        for orphan in std::mem::take(&mut self.orphans) {
            let Some(row) = self.stored_row(&orphan.key)? else { continue };
            let child = &orphan.link.child;
            let values = child.decode(&row.bytes)?;
            if !self.has_parent(&orphan.link, &values)? {
                let definition = orphan.link.definition();
                let text = KeyText::of_columns(child, &definition.columns, &values, self.environment);
                return Err(violation::no_parent(child.name(), &definition.name, &text, orphan.link.parent.name()));
            }
        }
        Ok(())
    }

    /// `removals` are of one table, and all went or all changed.
    fn act_on_children(
        &mut self,
        target: &Arc<Target>,
        removals: &[Removal],
        forbidden: &mut Vec<Forbidden>,
    ) -> TableResult<()> {
        for reference in &target.table.schema.referenced_by {
            let link = self.link_of(reference)?;
            let parents = self.parents_of(&link, target, removals)?;
            if parents.old.is_empty() {
                continue;
            }
            let definition = link.definition();
            match if parents.new.is_some() { definition.on_update } else { definition.on_delete } {
                Action::NoAction => forbidden.push(Forbidden { link, parents: parents.old }),
                Action::Restrict => self.refuse_children(&link, &parents.old)?,
                // A child whose values are the defaults already stays as it was, and may reference what went.
                Action::SetDefault => {
                    self.change_children(&link, Action::SetDefault, &parents)?;
                    forbidden.push(Forbidden { link, parents: parents.old });
                }
                action => self.change_children(&link, action, &parents)?,
            }
        }
        Ok(())
    }

    /// The parents that children may reference by this foreign key, without those whose key stayed as it was.
    fn parents_of(&self, link: &Link, target: &Target, removals: &[Removal]) -> TableResult<Parents> {
        let mut parents = Parents { old: Vec::new(), new: removals[0].new.as_ref().map(|_| Vec::new()) };
        for removal in removals {
            let old = target.decode(&removal.old)?;
            let Some(in_children) = link.values_in_children(&old, self.environment) else { continue };
            if let (Some(news), Some(bytes)) = (&mut parents.new, &removal.new) {
                let new = target.decode(bytes)?;
                if link.parent_columns.iter().all(|&column| old[column] == new[column]) {
                    continue;
                }
                let nulls = || vec![Value::Null; link.parent_columns.len()];
                news.push(link.values_in_children(&new, self.environment).unwrap_or_else(nulls));
            }
            parents.old.push(in_children);
        }
        Ok(parents)
    }

    fn refuse_children(&mut self, link: &Arc<Link>, parents: &[Vec<Value<'static>>]) -> TableResult<()> {
        if parents.is_empty() {
            return Ok(());
        }
        let parents = mutant!("only-first-parent-looked-at" => &parents[..1], or parents);
        let children = self.children(link, parents, true)?;
        let Some((place, _)) = children.first() else { return Ok(()) };
        let (parent, definition) = (&link.parent, link.definition());
        // The values in the columns of the parent.
        let mut row = vec![Value::Null; parent.table.schema.columns.len()];
        for (&column, value) in link.parent_columns.iter().zip(&parents[*place]) {
            row[column] = value.clone();
        }
        let text = KeyText::of_columns(parent, &link.parent_columns, &row, self.environment);
        Err(violation::still_referenced(parent.name(), &definition.name, link.child.name(), &text))
    }

    fn change_children(&mut self, link: &Arc<Link>, action: Action, parents: &Parents) -> TableResult<()> {
        let columns: SmallVec<[usize; 4]> = link.definition().columns.iter().copied().collect();
        for (place, key) in self.children(link, &parents.old, false)? {
            // It may have gone or moved since, by another of the actions.
            let Some(row) = self.stored_row(&key)? else { continue };
            let child = &link.child;
            match (action, &parents.new) {
                (Action::Cascade, None) if mutant!("cascade-missed") => {}
                (Action::SetNull, _) if mutant!("set-null-missed") => {}
                (Action::Cascade, None) => self.remove_row(child, &row)?,
                (Action::Cascade, Some(new)) => {
                    let values = columns.iter().copied().zip(new[place].iter().cloned());
                    self.change_row(child, &row, values)?;
                }
                (Action::SetDefault, _) => {
                    let defaults = columns.iter().map(|&column| Ok((column, self.default_of(child, column)?)));
                    let defaults = defaults.collect::<TableResult<Vec<_>>>()?;
                    self.change_row(child, &row, defaults)?;
                }
                _ => {
                    let nulls = columns.iter().map(|&column| (column, Value::Null));
                    self.change_row(child, &row, nulls)?;
                }
            }
        }
        Ok(())
    }
}
