//! Where the source files of a program may lie that was built elsewhere.

use std::path::{Path, PathBuf};

/// Where a recorded file may be, the likeliest first: as it is recorded, then where the end of its path leads
/// (`app/src/main.c`, then `src/main.c`) from `here`, from the binary's folder, and from those that were `named`.
pub fn places(file: &str, here: &Path, binary: Option<&Path>, named: &[PathBuf]) -> Vec<PathBuf> {
    let parts: Vec<&str> = file.split(['/', '\\']).filter(|part| !matches!(*part, "" | ".")).collect();
    // Behind `..`, what stood before it says nothing.
    let first = parts.iter().rposition(|part| *part == "..").map_or(0, |up| up + 1);
    let mut places = vec![PathBuf::from(file)];
    let mut ends = |folder: &Path, least: usize| {
        let starts = first..(parts.len() + 1).saturating_sub(least);
        places.extend(starts.map(|start| folder.join(parts[start..].join("/"))));
    };
    // A bare `main.c` is many a program's: of a longer path it is taken only from a folder that was named.
    let least = parts.len().clamp(1, 2);
    ends(here, least);
    if let Some(folder) = binary {
        ends(folder, least);
    }
    named.iter().for_each(|folder| ends(folder, 1));
    places
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(file: &str, named: &[&str]) -> Vec<String> {
        let named: Vec<_> = named.iter().map(PathBuf::from).collect();
        let places = places(file, Path::new(""), Some(Path::new("bin")), &named);
        places.iter().map(|path| path.to_str().unwrap().to_owned()).collect()
    }

    #[test]
    fn ends_of_the_recorded_path_are_looked_for() {
        let expected =
            ["/ci/app/src/main.c", "ci/app/src/main.c", "app/src/main.c", "src/main.c", "bin/ci/app/src/main.c"];
        let places = found("/ci/app/src/main.c", &[]);
        assert_eq!(places[..5], expected);
        assert!(!places.contains(&"main.c".to_owned()), "a bare name says too little: {places:?}");
        assert!(found("/ci/app/src/main.c", &["here"]).contains(&"here/main.c".to_owned()));
        assert!(found("C:\\app\\src\\main.rs", &[]).contains(&"src/main.rs".to_owned()));
    }

    #[test]
    fn a_bare_recorded_name_is_looked_for_as_it_is() {
        assert_eq!(found("main.c", &["here"]), ["main.c", "main.c", "bin/main.c", "here/main.c"]);
        assert_eq!(found("../x/main.c", &[]), ["../x/main.c", "x/main.c", "bin/x/main.c"]);
        assert_eq!(found("", &[]), [""]);
    }
}
