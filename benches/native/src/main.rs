//! `native-minidump OUTPUT PROGRAM [ARGUMENT…]`: runs a program and writes a minidump when a signal kills it.
use std::error::Error;
use std::fs::File;
use std::process::{Command, ExitCode, Stdio};

use minidump_writer::CrashContextExt;
use minidump_writer::crash_context::CrashContext;
use minidump_writer::minidump_writer::MinidumpWriterConfig;
use nix::sys::ptrace;
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;

type Result<T> = std::result::Result<T, Box<dyn Error>>;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [output, program @ ..] = arguments.as_slice() else {
        eprintln!("usage: native-minidump OUTPUT PROGRAM [ARGUMENT…]");
        return ExitCode::from(64);
    };
    match dump(output, program) {
        Ok(()) => ExitCode::SUCCESS,
        Err(problem) => {
            eprintln!("native-minidump: {problem}");
            ExitCode::FAILURE
        }
    }
}

fn dump(output: &str, program: &[String]) -> Result<()> {
    // A shell that stops itself and then becomes the program: nothing of it runs before it is watched.
    let child = Command::new("/bin/sh")
        .args(["-c", "kill -STOP $$; exec \"$@\"", "sh"])
        .args(program)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .spawn()?;
    let pid = Pid::from_raw(child.id().try_into()?);
    let written = dump_of(pid, output);
    // Whatever went wrong, nothing stays behind stopped.
    _ = kill(pid, Signal::SIGKILL);
    written
}

fn dump_of(pid: Pid, output: &str) -> Result<()> {
    waitpid(pid, Some(WaitPidFlag::WUNTRACED))?;
    ptrace::seize(pid, ptrace::Options::empty())?;
    kill(pid, Signal::SIGCONT)?;
    let context = crash(pid)?;
    // The writer attaches by itself. Until then the program stands where it died.
    ptrace::detach(pid, Signal::SIGSTOP)?;
    let mut writer = MinidumpWriterConfig::new(pid.as_raw(), pid.as_raw());
    writer.set_crash_context(CrashContextExt { inner: context });
    writer.write(&mut File::create(output)?)?;
    Ok(())
}

/// Lets the program run into the signal that would kill it; its registers there, and the signal.
fn crash(pid: Pid) -> Result<CrashContext> {
    loop {
        match waitpid(pid, None)? {
            WaitStatus::Stopped(_, signal @ (Signal::SIGFPE | Signal::SIGSEGV | Signal::SIGILL | Signal::SIGABRT)) => {
                return context(pid, signal);
            }
            WaitStatus::Stopped(_, signal) => ptrace::cont(pid, signal)?,
            WaitStatus::PtraceEvent(..) => ptrace::cont(pid, None)?,
            other => return Err(format!("the program did not crash: {other:?}").into()),
        }
    }
}

fn context(pid: Pid, signal: Signal) -> Result<CrashContext> {
    let registers = ptrace::getregs(pid)?;
    let mut context = CrashContext::from_bytes(&vec![0; size_of::<CrashContext>()]).ok_or("no context")?;
    (context.pid, context.tid) = (pid.as_raw(), pid.as_raw());
    context.siginfo.ssi_signo = signal as u32;
    context.siginfo.ssi_code = ptrace::getsiginfo(pid)?.si_code;
    context.siginfo.ssi_addr = registers.rip;
    let places = [
        (libc::REG_RIP, registers.rip),
        (libc::REG_RSP, registers.rsp),
        (libc::REG_RBP, registers.rbp),
        (libc::REG_RAX, registers.rax),
        (libc::REG_RBX, registers.rbx),
        (libc::REG_RCX, registers.rcx),
        (libc::REG_RDX, registers.rdx),
        (libc::REG_RSI, registers.rsi),
        (libc::REG_RDI, registers.rdi),
        (libc::REG_R8, registers.r8),
        (libc::REG_R9, registers.r9),
        (libc::REG_R10, registers.r10),
        (libc::REG_R11, registers.r11),
        (libc::REG_R12, registers.r12),
        (libc::REG_R13, registers.r13),
        (libc::REG_R14, registers.r14),
        (libc::REG_R15, registers.r15),
        (libc::REG_EFL, registers.eflags),
    ];
    for (register, value) in places {
        context.context.uc_mcontext.gregs[register as usize] = value.cast_signed();
    }
    Ok(context)
}
