//! Programs as code of this processor, and how that is kept between runs.

mod code;
mod store;

pub use code::{Code, Kind};
pub use store::Cache;
