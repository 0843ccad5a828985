//! Lists the functions that an indirect call can have called.

use std::collections::HashSet;

use crate::model::{CoreDump, RefTarget};
use crate::module::Module;

/// The functions of that type in a table of an instance, where all of them are the module's own: whichever was called
/// is the next frame then. `None` if the dump does not hold the whole table, or another may have been called, which
/// calls back.
pub fn candidates(
    dump: &CoreDump<'_>,
    module: &Module<'_>,
    instance: u32,
    table: u32,
    ty: u32,
) -> Option<HashSet<u32>> {
    let wanted = module.signature_of_type(ty)?;
    let tables = dump.instances.get(instance as usize)?.tables.as_ref()?;
    let table = dump.tables.get((*tables.get(table as usize)?)? as usize)?;
    if table.elements.len() as u64 != table.size {
        return None;
    }
    let mut found = HashSet::new();
    for element in &table.elements {
        match *element {
            RefTarget::Null => {}
            RefTarget::Function { instance: Some(owner), index } if owner == instance => {
                if module.signature(index)? != wanted {
                    continue;
                }
                if index < module.imported_functions() {
                    return None;
                }
                found.insert(index);
            }
            _ => return None,
        }
    }
    Some(found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Instance, RefKind, Table};

    fn dump(elements: Vec<RefTarget>) -> CoreDump<'static> {
        let table = Table { element: RefKind::Func, size: 3, elements };
        let instance = Instance { tables: Some(vec![Some(0)]), ..Instance::default() };
        CoreDump { instances: vec![instance], tables: vec![table], ..CoreDump::default() }
    }

    #[test]
    fn only_a_table_of_the_modules_own_functions_tells_what_was_called() {
        let text = "(module (type $one (func (param i32))) (import \"host\" \"f\" (func (type $one)))
            (func (type $one)) (func) (table 3 funcref))";
        let bytes = wat::parse_str(text).unwrap();
        let module = Module::parse(&bytes).unwrap();
        let function = |index| RefTarget::Function { instance: Some(0), index };
        let ask = |elements| candidates(&dump(elements), &module, 0, 0, 0);
        assert_eq!(ask(vec![RefTarget::Null, function(1), function(2)]), Some(HashSet::from([1])));
        assert_eq!(ask(vec![function(0), function(1), function(2)]), None, "the host's may call back");
        assert_eq!(ask(vec![function(1), RefTarget::Opaque(None), function(2)]), None);
        assert_eq!(ask(vec![function(1), function(1)]), None, "one is not recorded");
    }
}
