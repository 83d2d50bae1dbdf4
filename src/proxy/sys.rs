//! The few operating-system calls that need `unsafe`; everything else of the data path is safe code.

#![expect(
    unsafe_code,
    reason = "fork, reading into memory that is not initialised yet, and giving memory back"
)]

use bytes::BytesMut;
use rustix::process::{Pid, Resource, Rlimit, Signal, setrlimit};
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// Gives memory that is not in use back to the system: from the middle of all heaps, and from the end of this thread's.
pub fn give_back_memory() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    // SAFETY: touches only memory that nobody has allocated.
    unsafe {
        libc::malloc_trim(0);
    }
    give_back_heap();
}

/// From here on what is freed at the end of a heap is kept for what comes next, up to 32 MiB: to have each page given
/// again costs more than to fill it.
pub fn keep_heap() {
    trim_above(32 << 20);
}

/// Gives the end of this thread's heap back, and from here on that of any as it becomes free.
pub fn give_back_heap() {
    trim_above(128 << 10);
    // Whoever frees so much looks after the end of its heap.
    drop(std::hint::black_box(Vec::<u8>::with_capacity(100 << 10)));
}

/// Has the allocator give the end of a heap back to the system when it is larger.
fn trim_above(bytes: i32) {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    // SAFETY: sets a threshold of the allocator's, nothing else.
    unsafe {
        libc::mallopt(libc::M_TRIM_THRESHOLD, bytes);
    }
    #[cfg(not(all(target_os = "linux", target_env = "gnu")))]
    let _ = bytes;
}

/// Gives the pages of the program itself back: what goes on has its own again, from the system's cache, as it comes to
/// them.
pub fn give_back_program() {
    #[cfg(target_os = "linux")]
    for mapping in super::pages::unchanged() {
        // SAFETY: as the system told a moment ago, the mapping is of the program's file, which cannot be written while it
        // runs, and has no page that is not the file's: the same comes back.
        unsafe {
            libc::madvise(mapping.start as *mut _, mapping.len(), libc::MADV_DONTNEED);
        }
    }
}

/// Appends what one `read` gives to the spare capacity of `buf`.
pub fn read(fd: BorrowedFd<'_>, buf: &mut BytesMut) -> io::Result<usize> {
    let (filled, _) = rustix::io::read(fd, buf.spare_capacity_mut())?;
    let count = filled.len();
    // SAFETY: the kernel has initialised that many bytes of the spare capacity.
    unsafe { buf.set_len(buf.len() + count) };
    Ok(count)
}

/// The same for a socket, without waiting and without touching the flags that others may share with us.
pub fn receive(fd: BorrowedFd<'_>, buf: &mut BytesMut) -> io::Result<usize> {
    let spare = buf.spare_capacity_mut();
    // SAFETY: the pointer and the length describe memory that is ours to write to.
    let count = check(unsafe {
        libc::recv(
            fd.as_raw_fd(),
            spare.as_mut_ptr().cast(),
            spare.len(),
            libc::MSG_DONTWAIT,
        )
    })?;
    // SAFETY: the kernel has initialised that many bytes of the spare capacity.
    unsafe { buf.set_len(buf.len() + count) };
    Ok(count)
}

/// Writes to a socket without waiting and without touching the flags that others may share with us.
pub fn send(fd: BorrowedFd<'_>, bytes: &[u8]) -> io::Result<usize> {
    // SAFETY: the pointer and the length describe `bytes`.
    check(unsafe {
        libc::send(
            fd.as_raw_fd(),
            bytes.as_ptr().cast(),
            bytes.len(),
            libc::MSG_DONTWAIT,
        )
    })
}

fn check(count: isize) -> io::Result<usize> {
    usize::try_from(count).map_err(|_| io::Error::last_os_error())
}

/// Tells when `fd` can be used without waiting.
pub fn watch(fd: Arc<OwnedFd>, interest: Interest) -> io::Result<AsyncFd<Arc<OwnedFd>>> {
    // SAFETY: the descriptor is owned with others, so it stays open and the same until it is handed back or dropped.
    Ok(unsafe { AsyncFd::register_with_interest(fd, interest) }?)
}

/// The same for a descriptor that is only looked at for a while.
pub fn watch_borrowed(
    fd: BorrowedFd<'_>,
    interest: Interest,
) -> io::Result<AsyncFd<BorrowedFd<'_>>> {
    // SAFETY: the descriptor is borrowed for as long as the watch lasts, so it stays open and the same.
    Ok(unsafe { AsyncFd::register_with_interest(fd, interest) }?)
}

/// Whether whoever started us wants this signal ignored, as `nohup` does.
pub fn is_ignored(signal: Signal) -> bool {
    let mut action = MaybeUninit::<libc::sigaction>::uninit();
    // SAFETY: only asks; `action` is written when the call succeeds and read only then.
    unsafe {
        libc::sigaction(signal.as_raw(), std::ptr::null(), action.as_mut_ptr()) == 0
            && action.assume_init().sa_sigaction == libc::SIG_IGN
    }
}

/// Has the kernel end the command's process when the thread that spawns it is gone, however it went.
#[cfg(any(target_os = "linux", target_os = "android"))]
pub fn die_with_parent(command: &mut Command) {
    use rustix::process::{getpid, getppid, set_parent_process_death_signal};
    let parent = getpid();
    // SAFETY: between fork and exec the closure makes two system calls and allocates nothing.
    unsafe {
        command.pre_exec(move || {
            set_parent_process_death_signal(Some(Signal::TERM))?;
            // The parent may have gone before the kernel knew that it matters.
            if getppid() != Some(parent) {
                return Err(io::Error::from_raw_os_error(libc::ESRCH));
            }
            Ok(())
        });
    }
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
pub fn die_with_parent(_command: &mut Command) {}

/// Gives the command's process this many files.
pub fn limit_files(command: &mut Command, limit: Rlimit) {
    // SAFETY: between fork and exec the closure makes one system call and allocates nothing.
    unsafe {
        command.pre_exec(move || Ok(setrlimit(Resource::Nofile, limit)?));
    }
}

/// Forks the guardian of a process group: a process in the group that holds nothing but the reading end `alive`, and
/// ends the whole group when the last writing end is gone, which the kernel sees to even when we are killed.
pub fn fork_guardian(alive: &OwnedFd, group: Pid, grace: Duration) -> io::Result<Pid> {
    let alive = alive.as_raw_fd();
    let group = group.as_raw_nonzero().get();
    let mut all = MaybeUninit::<libc::sigset_t>::uninit();
    let mut before = MaybeUninit::<libc::sigset_t>::uninit();
    // SAFETY: the masks are initialised by the calls that are given them. Signals are blocked across the fork, so
    // that no handler of ours runs in the guardian; the guardian itself makes async-signal-safe calls only, as it
    // must after a fork from a process with threads.
    unsafe {
        libc::sigfillset(all.as_mut_ptr());
        libc::pthread_sigmask(libc::SIG_SETMASK, all.as_ptr(), before.as_mut_ptr());
        let pid = libc::fork();
        if pid == 0 {
            guard(alive, group, grace);
        }
        let error = io::Error::last_os_error();
        libc::pthread_sigmask(libc::SIG_SETMASK, before.as_ptr(), std::ptr::null_mut());
        // On both sides, so that it is in the group whoever runs first.
        libc::setpgid(pid, group);
        Pid::from_raw(pid).filter(|_| pid > 0).ok_or(error)
    }
}

/// The guardian's whole life.
///
/// # Safety
/// To be called in a freshly forked child with all signals blocked.
unsafe fn guard(alive: i32, group: i32, grace: Duration) -> ! {
    // SAFETY: plain system calls on descriptors and processes that are the guardian's own.
    unsafe {
        libc::setpgid(0, group);
        close_all_but(alive);
        #[cfg(target_os = "linux")]
        libc::prctl(libc::PR_SET_NAME, c"mcp-guardian".as_ptr());
        let mut byte = 0u8;
        // Nobody ever writes: this returns when the last writing end is gone.
        libc::read(alive, (&raw mut byte).cast(), 1);
        libc::kill(-group, libc::SIGTERM);
        let patience = libc::timespec {
            tv_sec: grace.as_secs().try_into().unwrap_or(1),
            tv_nsec: grace.subsec_nanos().into(),
        };
        libc::nanosleep(&patience, std::ptr::null_mut());
        libc::kill(-group, libc::SIGKILL);
        libc::_exit(0)
    }
}

/// # Safety
/// Closes descriptors that their owners in this process still believe to be open.
unsafe fn close_all_but(keep: i32) {
    // SAFETY: the caller's promise.
    unsafe {
        #[cfg(target_os = "linux")]
        {
            let keep = keep.unsigned_abs();
            let below = keep == 0 || libc::syscall(libc::SYS_close_range, 0, keep - 1, 0) == 0;
            if below && libc::syscall(libc::SYS_close_range, keep + 1, u32::MAX, 0) == 0 {
                return;
            }
        }
        for fd in
            (0..libc::sysconf(libc::_SC_OPEN_MAX).clamp(64, 65_536) as i32).filter(|fd| *fd != keep)
        {
            libc::close(fd);
        }
    }
}
