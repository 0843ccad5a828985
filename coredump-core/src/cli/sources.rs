//! Finds the source files of a program that was built elsewhere, and checks which of them are those that were compiled.

use std::path::{Path, PathBuf};

use md5::{Digest, Md5};

use crate::symbols::EmbeddedSource;
use crate::unasked;

/// Largest source file in bytes: a larger file is not taken for one.
const MAX_SIZE: u64 = 16 << 20;

/// The number of files that are tried for one source.
const MAX_TRIED: usize = 16;

/// Reads the first of these files that was the one compiled, as far as debug info shows: `held` is what it has of the
/// MD5 or the text.
///
/// # Errors
///
/// Fails with a reason if a file is there and is not the one that was compiled, or cannot be read; without a reason if
/// none of the files is there.
pub fn read(
    places: impl Iterator<Item = PathBuf>,
    held: &EmbeddedSource,
) -> Result<(PathBuf, Vec<u8>), Option<String>> {
    let small = |path: &PathBuf| unasked::open(path).is_ok_and(|(_, metadata)| metadata.len() <= MAX_SIZE);
    let mut problem = None;
    for path in places.filter(small).take(MAX_TRIED) {
        match unasked::read(&path, MAX_SIZE) {
            Ok(bytes) if is_held(held, &bytes) => return Ok((path, bytes)),
            Ok(_) => {
                let known = if held.md5.is_some() { "the MD5" } else { "the text" };
                problem = Some(format!(
                    "source {} is not shown: it is not what was compiled, as {known} in the debug info says",
                    path.display()
                ));
            }
            Err(error) => problem = Some(format!("source {error}")),
        }
    }
    Err(problem)
}

/// Returns true if these bytes are the contents of the file that was compiled; true also where debug info holds neither
/// MD5 nor text.
fn is_held(held: &EmbeddedSource, bytes: &[u8]) -> bool {
    match (&held.md5, &held.text) {
        (Some(md5), _) => Md5::digest(bytes)[..] == *md5,
        (None, Some(text)) => bytes == text.as_bytes(),
        (None, None) => true,
    }
}

/// Lists the paths where a recorded source file may be, the likeliest first: the recorded path, then the paths to which
/// the ends of that path (`app/src/main.c`, then `src/main.c`) lead from `here`, from the binary's folder, and from the
/// folders in `named`.
pub fn places(file: &str, here: &Path, binary: Option<&Path>, named: &[PathBuf]) -> Vec<PathBuf> {
    let parts: Vec<&str> = file.split(['/', '\\']).filter(|part| !matches!(*part, "" | ".")).collect();
    // The folders before a `..` say nothing about the file.
    let first = parts.iter().rposition(|part| *part == "..").map_or(0, |up| up + 1);
    let mut places = vec![PathBuf::from(file)];
    let mut ends = |folder: &Path, least: usize| {
        let starts = first..(parts.len() + 1).saturating_sub(least);
        places.extend(starts.map(|start| folder.join(parts[start..].join("/"))));
    };
    // Many programs have a `main.c`: the bare name of a longer path is looked for only in folders that were named.
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
    fn a_file_that_is_not_what_was_compiled_is_not_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        std::fs::write(path("other.c"), "int b;").unwrap();
        std::fs::write(path("main.c"), "int a;").unwrap();
        let places = || ["none.c", "other.c", "main.c"].map(path).into_iter();
        let text = EmbeddedSource { text: Some("int a;".into()), md5: None };
        let md5 = EmbeddedSource { text: None, md5: Some(Md5::digest("int a;").into()) };
        for held in [&text, &md5] {
            assert_eq!(read(places(), held), Ok((path("main.c"), b"int a;".to_vec())));
            let problem = read(places().take(2), held).unwrap_err().unwrap();
            assert!(problem.contains("other.c is not shown: it is not what was compiled"), "{problem}");
            assert_eq!(read(places().take(1), held), Err(None));
        }
        assert_eq!(read(places(), &EmbeddedSource::default()), Ok((path("other.c"), b"int b;".to_vec())));
    }

    #[test]
    fn a_bare_recorded_name_is_looked_for_as_it_is() {
        assert_eq!(found("main.c", &["here"]), ["main.c", "main.c", "bin/main.c", "here/main.c"]);
        assert_eq!(found("../x/main.c", &[]), ["../x/main.c", "x/main.c", "bin/x/main.c"]);
        assert_eq!(found("", &[]), [""]);
    }
}
