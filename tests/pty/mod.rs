//! A terminal to run the binary in: a pseudo-terminal with a screen that tests can read and keys that they can press.

#![allow(dead_code, reason = "every user needs a part of it")]

use portable_pty::{Child, CommandBuilder, MasterPty, PtySize, native_pty_system};
use std::io::{Read, Write};
use std::num::NonZeroU16;
use std::path::Path;
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

/// How long a screen may take to show what is waited for before the test fails, showing the screen.
const PATIENCE: Duration = Duration::from_secs(300);

/// Where the program looks for its files, each in a folder of its own below the home.
pub const HOME: [(&str, &str); 5] = [
    ("HOME", ""),
    ("XDG_STATE_HOME", "state"),
    ("XDG_RUNTIME_DIR", "run"),
    ("XDG_CONFIG_HOME", "config"),
    ("TMPDIR", "tmp"),
];

/// What the terminal has received; grows on a thread of its own.
struct Display {
    parser: vt100::Parser,
    closed: bool,
}

pub struct Terminal {
    display: Arc<(Mutex<Display>, Condvar)>,
    keys: Box<dyn Write + Send>,
    master: Box<dyn MasterPty + Send>,
    child: Box<dyn Child + Send + Sync>,
}

fn size(width: u16, height: u16) -> PtySize {
    PtySize {
        rows: height,
        cols: width,
        pixel_width: 0,
        pixel_height: 0,
    }
}

fn cells(count: u16) -> NonZeroU16 {
    NonZeroU16::new(count).expect("a terminal has cells")
}

impl Terminal {
    /// Runs `program` with its files below `home` and nothing else of ours.
    pub fn start(program: &str, args: &[&str], home: &Path, width: u16, height: u16) -> Self {
        let mut command = CommandBuilder::new(program);
        command.args(args);
        for (name, folder) in HOME {
            let folder = home.join(folder);
            std::fs::create_dir_all(&folder).expect("a home to write to");
            command.env(name, folder);
        }
        command.env("TERM", "xterm-256color");
        command.env("TZ", "UTC");
        for ours in [
            "NO_COLOR",
            "UPSTREAM_TRANSPORT",
            "UPSTREAM_CMD",
            "UPSTREAM_URL",
        ] {
            command.env_remove(ours);
        }
        command.cwd(home);
        let pty = native_pty_system()
            .openpty(size(width, height))
            .expect("a pseudo-terminal");
        let child = pty
            .slave
            .spawn_command(command)
            .expect("the program starts");
        drop(pty.slave);
        let display = Arc::new((
            Mutex::new(Display {
                parser: vt100::Parser::new(cells(height), cells(width), 0),
                closed: false,
            }),
            Condvar::new(),
        ));
        let mut output = pty.master.try_clone_reader().expect("a reader");
        let shared = Arc::clone(&display);
        std::thread::spawn(move || {
            let mut buffer = [0; 65_536];
            loop {
                let count = output.read(&mut buffer).unwrap_or(0);
                let mut display = shared.0.lock().expect("no test panics holding it");
                display.parser.process(&buffer[..count]);
                display.closed = count == 0;
                shared.1.notify_all();
                if count == 0 {
                    return;
                }
            }
        });
        Self {
            display,
            keys: pty.master.take_writer().expect("a writer"),
            master: pty.master,
            child,
        }
    }

    pub fn press(&mut self, keys: &str) {
        self.keys
            .write_all(keys.as_bytes())
            .expect("the program reads keys");
        self.keys.flush().expect("the program reads keys");
    }

    pub fn resize(&mut self, width: u16, height: u16) {
        self.master.resize(size(width, height)).expect("a new size");
        let mut display = self.display.0.lock().expect("no test panics holding it");
        display
            .parser
            .screen_mut()
            .set_size(cells(height), cells(width));
    }

    /// Waits until the screen pleases; how long that took, from now.
    pub fn wait(&self, what: &str, pleases: impl Fn(&vt100::Screen) -> bool) -> Duration {
        let start = Instant::now();
        let (display, changed) = &*self.display;
        let mut display = display.lock().expect("no test panics holding it");
        while !pleases(display.parser.screen()) {
            let left = PATIENCE.saturating_sub(start.elapsed());
            if left.is_zero() || display.closed {
                let shown = display.parser.screen().contents();
                drop(display);
                panic!("waited in vain for {what}; the screen shows:\n{shown}");
            }
            display = changed
                .wait_timeout(display, left)
                .expect("no test panics holding it")
                .0;
        }
        start.elapsed()
    }

    /// Waits until the screen shows `text`.
    pub fn wait_for(&self, text: &str) -> Duration {
        self.wait(&format!("{text:?}"), |screen| {
            screen.contents().contains(text)
        })
    }

    /// Waits until the screen shows `text` no more.
    pub fn wait_gone(&self, text: &str) -> Duration {
        self.wait(&format!("{text:?} to go"), |screen| {
            !screen.contents().contains(text)
        })
    }

    pub fn contents(&self) -> String {
        self.look(|screen| screen.contents())
    }

    pub fn look<T>(&self, look: impl FnOnce(&vt100::Screen) -> T) -> T {
        look(
            self.display
                .0
                .lock()
                .expect("no test panics holding it")
                .parser
                .screen(),
        )
    }

    pub fn pid(&self) -> u32 {
        self.child.process_id().expect("a running program")
    }

    /// Waits for the program to end and for its last output; its exit code.
    pub fn wait_exit(&mut self) -> u32 {
        let start = Instant::now();
        loop {
            let closed = self
                .display
                .0
                .lock()
                .expect("no test panics holding it")
                .closed;
            if let Some(status) = self.child.try_wait().expect("a child to wait for")
                && closed
            {
                return status.exit_code();
            }
            assert!(
                start.elapsed() < PATIENCE,
                "it does not end; the screen shows:\n{}",
                self.contents()
            );
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
    }
}
