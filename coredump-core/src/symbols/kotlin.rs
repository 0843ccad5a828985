//! Names of Kotlin's compiler (seen in 2.4.20): the part of a suspend function that runs after a suspension has a name
//! of its own.

/// The name of the suspend function: `com.acme.step` for `com.acme.$stepCOROUTINE$.doResume`; `None` for other names.
pub fn demangle(name: &str) -> Option<String> {
    let (class, number) = name.strip_suffix(".doResume")?.rsplit_once("COROUTINE$")?;
    let (package, function) = class.split_once('$')?;
    let whole = number.bytes().all(|digit| digit.is_ascii_digit()) && !function.is_empty();
    (whole && (package.is_empty() || package.ends_with('.'))).then(|| format!("{package}{function}"))
}

#[cfg(test)]
mod tests {
    use super::demangle;

    #[test]
    fn the_rest_of_a_suspend_function_has_its_name() {
        assert_eq!(demangle("$stepCOROUTINE$.doResume").as_deref(), Some("step"));
        assert_eq!(demangle("com.acme.$stepCOROUTINE$0.doResume").as_deref(), Some("com.acme.step"));
        assert_eq!(demangle("$main$slambda.invokeCOROUTINE$.doResume").as_deref(), Some("main$slambda.invoke"));
        for other in ["$stepCOROUTINE$.<init>", "$COROUTINE$.doResume", "a$stepCOROUTINE$.doResume", "doResume", ""] {
            assert_eq!(demangle(other), None, "{other}");
        }
    }
}
