//! The traceback that a Go program prints when it fails, as `runtime/traceback.go` and `runtime/panic.go` of Go 1.21 to
//! 1.27 write it: the message, then each goroutine, of which the first is the one that failed.
//!
//! ```text
//! panic: runtime error: index out of range [5] with length 3
//!
//! goroutine 1 [running]:
//! main.(*Box[...]).at(...)
//!         /src/main.go:7
//! main.pick(0x23ce78, 0x5)
//!         /src/main.go:10 +0xc
//! ```

/// The words before the message.
pub const FAILURES: [&str; 2] = ["panic: ", "fatal error: "];

/// A traceback.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Traceback<'t> {
    /// The message, without the words before it.
    pub message: &'t str,
    /// The functions of the goroutine that failed, youngest first.
    pub frames: Vec<TracebackFrame<'t>>,
}

/// A function in a traceback.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TracebackFrame<'t> {
    /// Its name, with its package: `main.(*Box[...]).at`.
    pub function: &'t str,
    /// The file of its source.
    pub file: &'t str,
    /// The line, counted from 1.
    pub line: u32,
}

/// Returns true if a line reports that the program fails.
pub fn fails(line: &str) -> bool {
    FAILURES.iter().any(|words| line.starts_with(words))
}

/// Returns true if the frames of a goroutine follow a line: `goroutine 1 [running]:`.
pub fn is_goroutine(line: &str) -> bool {
    let number = line.strip_prefix("goroutine ").and_then(|rest| rest.split_once(' '));
    number.is_some_and(|(number, state)| {
        !number.is_empty()
            && number.bytes().all(|byte| byte.is_ascii_digit())
            && state.contains('[')
            && state.ends_with("]:")
    })
}

/// The last traceback in these lines. `None` if there is none with a frame, or a line of its goroutine is none that Go
/// writes.
pub fn traceback<'t>(lines: &[&'t str]) -> Option<Traceback<'t>> {
    let begin = lines.iter().rposition(|line| fails(line))?;
    let message = FAILURES.iter().find_map(|words| lines[begin].strip_prefix(words))?;
    let goroutine = lines[begin..].iter().position(|line| is_goroutine(line))?;
    let own = lines[begin + goroutine + 1..].iter().take_while(|line| !line.trim().is_empty());
    // The functions that started a goroutine are none that it returns to; frames that are left out are in its middle.
    let mut own = own.take_while(|line| !line.starts_with("created by ") && !line.starts_with("..."));
    let mut frames = Vec::new();
    while let Some(called) = own.next() {
        // Go's traceback calls this function `panic`, as programs do.
        let function = Some(without_arguments(called)?).filter(|name| *name != "panic").unwrap_or("runtime.gopanic");
        let (file, line) = place(own.next()?)?;
        frames.push(TracebackFrame { function, file, line });
    }
    (!frames.is_empty()).then_some(Traceback { message, frames })
}

/// The function of a call: `main.(*Box[...]).at` of `main.(*Box[...]).at(0x23ce78, {0x1, 0x2})`.
fn without_arguments(called: &str) -> Option<&str> {
    let inside = called.strip_suffix(')')?;
    let mut depth = 1usize;
    for (at, byte) in inside.bytes().enumerate().rev() {
        match byte {
            b')' => depth += 1,
            b'(' => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return Some(&inside[..at]).filter(|function| !function.is_empty());
        }
    }
    None
}

/// The file and line of a call, from the line after it: `\t/src/main.go:10 +0xc fp=0x23cdf0 sp=0x23cdd8 pc=0x164b000c`.
fn place(line: &str) -> Option<(&str, u32)> {
    let line = line.strip_prefix('\t')?;
    let place = line.split_once(" +0x").map_or(line, |(place, _)| place);
    let (file, number) = place.trim_end().rsplit_once(':')?;
    Some((file, number.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(text: &str) -> Option<(&str, Vec<String>)> {
        let lines: Vec<&str> = text.lines().collect();
        let Traceback { message, frames } = traceback(&lines)?;
        let frames = frames.iter().map(|frame| format!("{} {}:{}", frame.function, frame.file, frame.line));
        Some((message, frames.collect()))
    }

    /// As Go 1.27.3 prints it with `GOTRACEBACK=crash`.
    const CRASH: &str = "i is 5
panic: runtime error: index out of range [5] with length 3

goroutine 1 gp=0x2021c0 m=0 mp=0x12e4e0 [running]:
panic({0x11d658, 0x212018})
\t/go/src/runtime/panic.go:878 +0x25 fp=0x23cda0 sp=0x23cd00 pc=0x14d50025
main.(*Box[...]).at(...)
\t/src/main.go:7
main.pick(0x23ce78, 0x5)
\t/src/main.go:10 +0xc fp=0x23cdf0 sp=0x23cdd8 pc=0x164b000c
main.main.func1({{0x1, 0x2}, 0x3})
\t/src/main.go:17 +0xe fp=0x23ceb8 sp=0x23cdf0 pc=0x164c000e

goroutine 2 gp=0x202380 m=nil [force gc (idle)]:
runtime.gopark(0x122f90, 0x12d2c0, 0xb, 0xa, 0x1)
\t/go/src/runtime/proc.go:474 +0x21 fp=0x230fa0 sp=0x230f68 pc=0x14db0021
created by runtime.init.6 in goroutine 1
\t/go/src/runtime/proc.go:375 +0x2
";

    #[test]
    fn the_first_goroutine_is_the_one_that_failed() {
        let frames = [
            "runtime.gopanic /go/src/runtime/panic.go:878",
            "main.(*Box[...]).at /src/main.go:7",
            "main.pick /src/main.go:10",
            "main.main.func1 /src/main.go:17",
        ];
        let message = "runtime error: index out of range [5] with length 3";
        assert_eq!(told(CRASH), Some((message, frames.map(str::to_owned).to_vec())));
    }

    #[test]
    fn a_started_goroutine_ends_with_its_own_function() {
        let text = "fatal error: all goroutines are asleep - deadlock!\n\ngoroutine 7 [chan receive, 2 minutes]:\nmain.work(0x1)\n\tC:/src/work.go:12 +0x3\ncreated by main.main in goroutine 1\n\tC:/src/main.go:4 +0x2\n";
        let frames = vec!["main.work C:/src/work.go:12".to_owned()];
        assert_eq!(told(text), Some(("all goroutines are asleep - deadlock!", frames)));
    }

    #[test]
    fn other_text_is_no_traceback() {
        assert_eq!(told("panic: boom\n\nmain.main()\n\t/src/main.go:7\n"), None, "no goroutine");
        assert_eq!(told("panic: boom\n\ngoroutine 1 [running]:\n"), None, "no frame");
        assert_eq!(told(&CRASH.replace("main.pick(0x23ce78, 0x5)", "something else")), None);
        assert_eq!(told(&CRASH.replace("main.go:10 ", "main.go ")), None);
        assert!(!is_goroutine("goroutine x [running]:") && !is_goroutine("goroutine 1 ran"));
    }
}
