//! The tools of this project. They follow the standard, and put what it has no place for into sections of their own.

use crate::extension;
use crate::sections::RawSection;

/// Returns true if one of them wrote these sections, which include one of our own. In a dump without frames or modules
/// nothing else would distinguish them.
pub fn wrote(sections: &[RawSection<'_>]) -> bool {
    sections.iter().any(|section| section.id == 0 && section.name.starts_with(extension::PREFIX))
}
