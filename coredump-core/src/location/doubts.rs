//! Finds entries whose descriptions contradict others of their function, or what compilers are known to do.

use std::collections::{HashMap, HashSet};
use std::rc::Rc;

use gimli::AttributeValue;
use gimli::constants::*;

use super::constants::is_expression;
use super::forms::{DescriptionForm, PieceExpression, form, locals_only, parts};
use super::frame::FrameContext;
use super::listed::inexact;
use super::lists::{List, Listed};
use crate::catalog::types::Kind;
use crate::catalog::units::{Attr, Die, UnitRef};
use crate::location::Missing;
use crate::scope::VariableKind;
use crate::unwind::stack_pointer::{RED_ZONE, may_use_below};
use crate::unwind::{Stores, beside};

/// The most variables with which one variable is compared.
const OTHERS: usize = 100;
/// The most parts of one variable that are compared.
const PARTS: usize = 100;
/// A part's expression of at most so many bytes is a small constant, which many variables have.
const CONSTANT: usize = 3;

/// A variable that is described in parts.
struct InParts<'s> {
    parts: Vec<PieceExpression<'s>>,
    /// The address at which this description begins, if the variable was described otherwise up to there.
    changed: Option<u64>,
}

impl<'s> FrameContext<'_, 's> {
    /// Returns the reason why the description of an entry is not believed, whatever the code address is.
    pub(super) fn doubt(&self, die: Die, unit: u32, value: Attr<'s>) -> Option<Missing> {
        if self.rewritten || Some(die.unit) != self.function.map(|function| function.unit) {
            return None;
        }
        match value {
            AttributeValue::Exprloc(_) | AttributeValue::Block(_) => self.is_result(die, unit, value),
            _ if self.anothers.get_or_init(|| self.anothers()).contains(&die) => Some(Missing::OptimizedOut),
            _ if self.merged.get_or_init(|| self.merged()).contains(&die) => Some(inexact()),
            list => {
                let skipped = || self.units.unit(unit).is_some_and(|unit| self.is_before_its_loop(die, unit, list));
                (!self.is_constant(die) && skipped()).then(inexact)
            }
        }
    }

    /// Finds structures in parts that share a part with another of their type, and differ from it in others or have
    /// changed together with it: LLVM merges a structure and its copy, where the copy is changed, and describes each by
    /// the assignments to either. This does not happen in C, whose structures are split before they are copied.
    fn merged(&self) -> HashSet<Die> {
        let variables = self.active().iter().flat_map(|function| &function.variables);
        let mut by_type: HashMap<Die, Vec<(Die, Rc<InParts<'s>>)>> = HashMap::new();
        let mut in_parts = HashMap::new();
        for &(die, _) in variables.filter(|(_, kind)| *kind != VariableKind::Static) {
            let mut described = || {
                let (number, list) = self.units.inherited(die, DW_AT_location)?;
                let (unit, ty) = (self.units.unit(number)?, self.units.type_of(die)?);
                if !self.units.language(die.unit).copies_whole() {
                    return None;
                }
                let list = self.lists.list(unit, list).ok()?;
                let find = || self.in_parts(unit, &list).map(Rc::new);
                let known = in_parts.entry(Rc::as_ptr(&list)).or_insert_with(find).clone();
                Some((ty, die, known?))
            };
            if let Some((ty, die, own)) = described() {
                by_type.entry(ty).or_default().push((die, own));
            }
        }
        let mut found = HashSet::new();
        for alike in by_type.values() {
            for (nth, (one_die, one)) in alike.iter().enumerate() {
                for (other_die, other) in alike[nth + 1..].iter().take(OTHERS) {
                    let mut both = one.parts.iter().zip(&other.parts);
                    let shared = both.any(|(own, theirs)| own == theirs && own.expression.slice().len() > CONSTANT);
                    let together = one.changed.is_some() && one.changed == other.changed;
                    if shared && (one.parts != other.parts || together) {
                        found.extend([*one_die, *other_die]);
                    }
                }
            }
        }
        found
    }

    /// The parts of a variable that this list describes at the frame's code address.
    fn in_parts(&self, unit: UnitRef<'_, 's>, list: &List<'s>) -> Option<InParts<'s>> {
        let (range, expression) = list.at(self.pc)?;
        let mut parts = parts(expression, unit.encoding());
        parts.truncate(PARTS);
        let otherwise = |(other, before): &Listed<'s>| other.end == range.start && before.slice() != expression.slice();
        let changed = list.all.iter().any(otherwise).then_some(range.start);
        (parts.len() > 1).then_some(InParts { parts, changed })
    }

    /// Returns the reason to doubt a variable that is in the room which the caller gave for the result: optimised code
    /// keeps it elsewhere and writes it there at the end, and LLVM's description does not say so.
    fn is_result(&self, die: Die, unit: u32, value: Attr<'s>) -> Option<Missing> {
        let encoding = self.units.unit(unit)?.encoding();
        let AttributeValue::Exprloc(expression) = value else { return None };
        let parameters = self.binary.module().signature(self.frame.function?)?.params.len() as u32;
        let mut rest = expression.0;
        let gimli::Operation::WasmLocal { index } = crate::location::parse(&mut rest, encoding).ok()? else {
            return None;
        };
        let address =
            matches!(form(&expression.0, encoding)?, DescriptionForm::AddressInLocal | DescriptionForm::Local);
        let variable = self.units.entry(die)?.tag == DW_TAG_variable;
        let why = "it is written to its place when the function returns";
        (variable && address && index < parameters && self.is_optimised()).then(|| Missing::NotCaptured(why.into()))
    }

    /// Returns the parts of an object in the frame's own room on the stack that the function had not written when it
    /// came here, as ranges in it: LLVM leaves out stores that nothing reads, but describes the whole object as being
    /// there. So are parts that are in locals as long as a loop runs.
    pub fn never_written(&self, address: u64, size: u64) -> Vec<(u64, u64)> {
        let find = || {
            let (now, entry) = (self.recovered.stack_pointer?, self.recovered.entry_stack_pointer?);
            let pointer =
                self.recovered.stack_pointer_global.filter(|_| !self.recovered.inferred && !self.rewritten)?;
            let below = || {
                let inside = (entry.saturating_sub(RED_ZONE)..entry).contains(&address);
                (inside && may_use_below(self.binary.module(), self.frame.function?, pointer)?).then_some(())
            };
            if !((now..entry).contains(&address) || below().is_some()) || !self.is_optimised() {
                return None;
            }
            let stores = || Stores::on_stack(self.binary.module(), self.frame.function?, pointer);
            let start = -i64::try_from(entry - address).ok()?;
            let stores = self.stores.get_or_init(stores).as_ref()?;
            let here = self.pc.checked_add(self.binary.module().code_section_start()?)?;
            let before = self.before.get_or_init(|| self.paths()?.preceding(here));
            // A call that has not returned has its arguments.
            let counts = |at| at == here || before.as_ref().is_none_or(|before| before.contains(&at));
            let written = stores.written_by(start, size, counts);
            let mut holes = written.map_or_else(Vec::new, |written| beside(&written, size));
            holes.extend(self.kept_by_loop(stores, (start, size), here));
            holes.sort_unstable();
            holes.dedup_by(|next, before| {
                let joins = next.0 <= before.1;
                before.1 = if joins { before.1.max(next.1) } else { before.1 };
                joins
            });
            Some(holes)
        };
        find().unwrap_or_default()
    }

    /// Returns true if a variable of this frame's function has a location list, or neither a location nor a value. In
    /// code that is not optimised, no variable is like that, except an array of variable length, whose address is in a
    /// local from where it is made.
    fn is_optimised(&self) -> bool {
        let is_made = |die: Die, unit: u32, list: Attr<'s>| {
            let leads = |unit: UnitRef<'_, 's>| {
                self.lists.list(unit, list).is_ok_and(|list| !list.all.is_empty() && all_lead(unit, &list))
            };
            let variable = self.units.entry(die).is_some_and(|entry| entry.tag == DW_TAG_variable);
            let array = |ty| self.units.peeled(ty).is_some_and(|(_, ty)| matches!(ty.kind, Kind::Array(_)));
            let ty = self.units.type_of(die);
            variable && array(ty) && self.units.size_of(ty).is_none() && self.units.unit(unit).is_some_and(leads)
        };
        let moves = |die: Die| match self.units.inherited(die, DW_AT_location) {
            Some((_, AttributeValue::Exprloc(_) | AttributeValue::Block(_))) => false,
            Some((unit, list)) => !is_made(die, unit, list),
            None => self.units.inherited(die, DW_AT_const_value).is_none(),
        };
        *self.optimised.get_or_init(|| {
            let variables = self.active().iter().flat_map(|function| &function.variables);
            variables.filter(|(_, kind)| *kind != VariableKind::Static).any(|(die, _)| moves(*die))
        })
    }

    /// Returns true if any variable of this frame's function is, for part of the code, in locals or operands, or a
    /// constant. Only optimised code keeps variables there. Code that is not optimised has location lists, too, but
    /// only for variables in memory whose address is in a parameter of Wasm.
    pub(super) fn moves_variables(&self) -> bool {
        let moves = |die: Die| {
            let (unit, list) = self.units.inherited(die, DW_AT_location)?;
            if matches!(list, AttributeValue::Exprloc(_) | AttributeValue::Block(_)) {
                return None;
            }
            let unit = self.units.unit(unit)?;
            (!all_lead(unit, &*self.lists.list(unit, list).ok()?)).then_some(())
        };
        *self.moves.get_or_init(|| {
            let variables = self.active().iter().flat_map(|function| &function.variables);
            let mut own = variables.filter(|(_, kind)| *kind != VariableKind::Static);
            own.any(|(die, _)| moves(*die).is_some())
        })
    }

    /// Finds the parameters that are described as beginning in another's Wasm parameter: LLVM 14 confuses them where
    /// locals are shared. If the function has as many Wasm parameters, each parameter is in its own.
    fn anothers(&self) -> HashSet<Die> {
        let find = || {
            let count = self.binary.module().signature(self.frame.function?)?.params.len();
            let parameters =
                self.active().last()?.variables.iter().filter(|(_, kind)| *kind == VariableKind::Parameter);
            let claims = parameters.map(|&(die, _)| {
                let list = self.units.inherited(die, DW_AT_location).filter(|(_, list)| !is_expression(*list));
                (die, list.and_then(|(unit, list)| self.claim(unit, list)))
            });
            let claims: Vec<(Die, Option<u32>)> = claims.collect();
            let mut shared: HashMap<u32, usize> = HashMap::new();
            claims.iter().filter_map(|(_, claim)| *claim).for_each(|claim| *shared.entry(claim).or_default() += 1);
            let own = |position: usize, claim: u32| count == claims.len() && position as u32 == claim;
            let wrong = claims.iter().enumerate().filter(|&(position, &(_, claim))| {
                claim.is_some_and(|claim| shared.get(&claim).is_some_and(|&times| times > 1) && !own(position, claim))
            });
            Some(wrong.map(|(_, (die, _))| *die).collect())
        };
        find().unwrap_or_default()
    }

    /// Returns the Wasm parameter in which an object begins according to its list.
    fn claim(&self, unit: u32, list: Attr<'s>) -> Option<u32> {
        let unit = self.units.unit(unit)?;
        let parameters = self.binary.module().signature(self.frame.function?)?.params.len() as u32;
        match locals_only(&self.at_beginning(unit, list)?, unit.encoding())?[..] {
            [local] if local < parameters => Some(local),
            _ => None,
        }
    }
}

/// Returns true if each description of a list says that a local holds the object's address.
fn all_lead<'s>(unit: UnitRef<'_, 's>, list: &List<'s>) -> bool {
    let leads = |(_, expression): &Listed<'s>| {
        matches!(form(expression, unit.encoding()), Some(DescriptionForm::AddressInLocal | DescriptionForm::Local))
    };
    *list.leads.get_or_init(|| list.all.iter().all(leads))
}
