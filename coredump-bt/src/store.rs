//! `--store`: stores modules in a folder by their build ids, where `--symbols-path` finds them.

use std::fs::Permissions;
use std::io::Write;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use coredump_core::Bytes;
use coredump_core::cli::Exit;
use coredump_core::cli::args::RawArg;
use coredump_core::cli::output::{self, Output};
use coredump_core::cli::report::Report;
use coredump_core::error::{Error, ErrorKind, Result};
use coredump_core::module::{self, Module};
use coredump_core::text;

use crate::args::Args;

/// Stores all files that are named. Each file that was written is printed on standard output.
pub fn run(args: &Args, folder: &RawArg, report: &Report) -> Result<Exit> {
    if args.dumps.is_empty() {
        return Err(Error::new(ErrorKind::Usage, "--store needs the modules that it shall put away"));
    }
    let mut failed = 0;
    for file in &args.dumps {
        match one(file.path(), folder.path(), args.add_build_id) {
            Ok(written) => {
                for path in written {
                    output::print(&format!("{}\n", text::path(&path)))?;
                }
            }
            Err(error) if args.dumps.len() == 1 => return Err(error),
            Err(error) => {
                report.error(&error);
                failed += 1;
            }
        }
    }
    if failed == args.dumps.len() {
        return Err(Error::new(ErrorKind::NotFound, "none of the files was put away"));
    }
    Ok(Exit::partial_if(failed > 0))
}

/// Stores the core modules of one file.
fn one(file: &Path, folder: &Path, add: bool) -> Result<Vec<PathBuf>> {
    let bytes = Bytes::open(file)?;
    let modules = module::nested(&bytes).map_err(|error| error.in_file(file))?;
    let component = !matches!(modules[..], [only] if only.len() == bytes.len());
    let mut written = Vec::new();
    let mut without = 0;
    for bytes in modules {
        let module = Module::parse(bytes).map_err(|error| error.in_file(file))?;
        if let Some(defect) = module.defect() {
            return Err(Error::new(ErrorKind::Malformed, format!("the module is damaged: {defect}")).in_file(file));
        }
        match module.build_id() {
            Some(id) => written.extend(put(&module, &id, folder)?),
            None if add && !component => {
                let (with, id) = module.with_build_id();
                let module = Module::parse(&with).map_err(|error| error.in_file(file))?;
                written.extend(put(&module, &id, folder)?);
                // The module itself is written last: a deployed module must not have an id under which nothing is
                // found.
                let mode = std::fs::metadata(file).map(|metadata| metadata.mode());
                let mode = mode.map_err(|error| Error::io("cannot read", error).in_file(file))?;
                write(Output::file(file)?, mode, &with)?;
            }
            None => without += 1,
        }
    }
    if written.is_empty() {
        let hint = match component {
            true => "give its core modules build ids before they are composed",
            false => "link with --build-id, or let --add-build-id write one into the file",
        };
        return Err(Error::new(ErrorKind::NotFound, "has no build id").in_file(file).hint(hint));
    }
    if without > 0 {
        let message = format!("{without} of its core modules have no build id and were not put away");
        return Err(Error::new(ErrorKind::NotFound, message).in_file(file));
    }
    Ok(written)
}

/// Writes `ab/cdef….wasm` without debug sections, and `ab/cdef….debug` with them if there are any.
fn put(module: &Module<'_>, id: &str, folder: &Path) -> Result<Vec<PathBuf>> {
    let debug = module.custom_section(".debug_info").is_some();
    let code = module.code_section().is_some_and(|code| !code.is_empty());
    if id.len() < 4 {
        return Err(Error::new(ErrorKind::Malformed, format!("its build id, {id}, is too short to name a file")));
    }
    let (first, rest) = id.split_at(2);
    let folder = folder.join(first);
    std::fs::create_dir_all(&folder).map_err(|error| Error::io("cannot create", error).in_file(&folder))?;
    let mut written = Vec::new();
    let mut store = |name: String, bytes: &[u8]| {
        // Whoever can read the folder can read it.
        write(Output::in_made_folder(&folder, &name)?, 0o644, bytes)?;
        written.push(folder.join(name));
        Ok(())
    };
    let name = format!("{rest}.wasm");
    // A copy with debug info must not replace the module that runs.
    if code && !(debug && folder.join(&name).exists()) {
        store(name, &module.without_sections(|name| name.starts_with(".debug_")))?;
    }
    if debug {
        store(format!("{rest}.debug"), module.bytes())?;
    }
    Ok(written)
}

/// Writes a file, whole or not at all. It has its mode before it has its name: by then another file may have that.
fn write(mut output: Output, mode: u32, bytes: &[u8]) -> Result<()> {
    output.write_all(bytes).map_err(|error| output.failed(error))?;
    let set = output.as_file()?.set_permissions(Permissions::from_mode(mode));
    set.map_err(|error| output.failed(error))?;
    output.commit()
}
