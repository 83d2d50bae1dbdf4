//! A viewer that has nothing but a socket: no list, no capture file.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod house;
mod pty;

use house::{DEMO, House, PROGRAM, Proxy, until};
use mcp_sentinel::link::registry::Entry;
use pty::Terminal;
use std::net::Shutdown;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

const F5: &str = "\x1b[15~";
const ESC: &str = "\x1b";

/// What `ssh -L` does: whoever connects here is connected there.
struct Forward {
    socket: PathBuf,
    open: Arc<Mutex<Vec<UnixStream>>>,
}

impl Forward {
    fn to(far: &Path, house: &House) -> Self {
        let (far, socket) = (far.to_owned(), house.path("far.sock"));
        let listener = UnixListener::bind(&socket).unwrap();
        let open = Arc::new(Mutex::new(Vec::new()));
        let kept = open.clone();
        std::thread::spawn(move || {
            for near in listener.incoming() {
                let near = near.unwrap();
                // Who cannot be connected is hung up on.
                let Ok(far) = UnixStream::connect(&far) else {
                    continue;
                };
                pass(&near, &far);
                pass(&far, &near);
                kept.lock().unwrap().extend([near, far]);
            }
        });
        Self { socket, open }
    }

    /// The line is cut.
    fn cut(&self) {
        for stream in self.open.lock().unwrap().drain(..) {
            // It may have ended by itself.
            let _ = stream.shutdown(Shutdown::Both);
        }
    }
}

/// Bytes from one to the other, until either has enough.
fn pass(from: &UnixStream, to: &UnixStream) {
    let (mut from, mut to) = (from.try_clone().unwrap(), to.try_clone().unwrap());
    std::thread::spawn(move || {
        let _ = std::io::copy(&mut from, &mut to);
        let _ = to.shutdown(Shutdown::Both);
    });
}

/// A proxy whose client has said hello and called one tool.
fn conversation(house: &House, options: &[&str]) -> (Proxy, Entry) {
    let mut proxy = house.start(options, &DEMO);
    proxy.shake_hands();
    proxy.echo(1);
    until("it is listed", || !house.live().is_empty());
    (proxy, house.live().remove(0))
}

/// `attach` in a house where no proxy is.
fn attach(target: &Path, house: &House, width: u16, height: u16) -> Terminal {
    let target = target.to_str().unwrap();
    Terminal::start(PROGRAM, &["attach", target], &house.path(""), width, height)
}

#[test]
fn a_far_viewer_sees_what_came_before_it_and_calls_a_tool_and_is_told_of_the_end() {
    let (there, here) = (House::new(), House::new());
    let (mut proxy, entry) = conversation(&there, &[]);
    let forward = Forward::to(&entry.socket, &here);
    let mut viewer = attach(&forward.socket, &here, 120, 40);
    viewer.wait_for("initialize");
    viewer.wait_for("no 1");
    viewer.wait_for("● live");
    // Nothing but the socket leads there from here on.
    let capture = entry.capture.unwrap();
    std::fs::remove_file(&capture).unwrap();

    proxy.echo(2);
    viewer.wait_for("no 2");
    viewer.press("2");
    viewer.wait_for("echo");
    // The client has listed nothing; a session of the viewer's own does.
    viewer.press("r");
    viewer.wait_for("book-berth");
    viewer.press("/get-sum\r");
    viewer.wait_gone("book-berth");
    viewer.press("\r");
    viewer.wait_for("Call get-sum");
    viewer.press(F5);
    viewer.wait_for("structuredContent");
    viewer.press(ESC);
    viewer.wait_gone("Call get-sum");
    // The client's answers are its own.
    proxy.echo(3);

    viewer.press("5");
    viewer.press("G");
    viewer.wait_for("where the proxy runs");
    let name = capture.file_name().unwrap().to_str().unwrap();
    viewer.wait_for(name);
    viewer.press("1");
    assert_eq!(proxy.leave().0, Some(0));
    viewer.wait_for("■ ended");
    // The last that was recorded came, too, though nobody could attach any more when it was.
    viewer.wait_for("session closed");
    assert!(!viewer.contents().contains("missing"));
    viewer.press("q");
    assert_eq!(viewer.wait_exit(), 0);
    // The draft is for this server, wherever it runs.
    let drafts = here.path("state/mcp-sentinel/drafts");
    assert_eq!(drafts.read_dir().unwrap().count(), 1);
}

#[test]
fn a_line_that_is_cut_ends_the_screen_and_not_the_proxy() {
    let (there, here) = (House::new(), House::new());
    let (mut proxy, entry) = conversation(&there, &[]);
    let forward = Forward::to(&entry.socket, &here);
    let mut viewer = attach(&forward.socket, &here, 80, 24);
    viewer.wait_for("● live");
    forward.cut();
    viewer.wait_for("connection to the proxy has ended");
    proxy.echo(2);
    viewer.press("g");
    viewer.wait_for("■ cut off  the proxy may be at work still: attach once more");
    viewer.press("q");
    assert_eq!(viewer.wait_exit(), 0);

    let again = attach(&forward.socket, &here, 80, 24);
    again.wait_for("● live");
    again.wait_for("no 2");
    assert_eq!(proxy.leave().0, Some(0));
}

#[test]
fn a_compressed_capture_travels_as_well() {
    let (there, here) = (House::new(), House::new());
    let file = there.path("c.jsonl.zst");
    let (mut proxy, entry) = conversation(&there, &["--capture", file.to_str().unwrap()]);
    let forward = Forward::to(&entry.socket, &here);
    let viewer = attach(&forward.socket, &here, 120, 40);
    viewer.wait_for("no 1");
    proxy.echo(2);
    viewer.wait_for("no 2");
}

#[test]
fn a_listed_proxy_whose_capture_is_elsewhere_sends_it() {
    let house = House::new();
    let (_proxy, entry) = conversation(&house, &[]);
    until("the proxy has written all it will into the list", || {
        let entry = house.live().remove(0);
        entry.client.is_some() && entry.counts.is_some_and(|it| it.messages == 5)
    });
    // As in a container that shares the list and nothing else: what the list says of files holds in there.
    let listed = house.registry().join(format!("{}.json", entry.pid));
    let elsewhere = Entry {
        capture: Some("/in/a/container/c.jsonl".into()),
        ..entry.clone()
    };
    std::fs::write(&listed, serde_json::to_vec(&elsewhere).unwrap()).unwrap();
    for target in [entry.pid.to_string(), entry.socket.display().to_string()] {
        let mut viewer = attach(Path::new(&target), &house, 80, 24);
        viewer.wait_for("no 1");
        viewer.press("5");
        viewer.press("G");
        viewer.wait_for("where the proxy runs");
    }
    let mut hub = Terminal::start(PROGRAM, &[], &house.path(""), 80, 24);
    hub.wait_for(&entry.name);
    hub.press("\r");
    hub.wait_for("no 1");
}

#[test]
fn the_hub_does_not_wait_for_a_proxy_longer_than_the_operator_does() {
    let house = House::new();
    let socket = house.path("mute.sock");
    let _mute = UnixListener::bind(&socket).unwrap();
    let entry = Entry {
        pid: 7,
        name: "mute".to_owned(),
        capture: Some("/in/a/container/c.jsonl".into()),
        socket,
        ..Entry::default()
    };
    std::fs::create_dir_all(house.registry()).unwrap();
    let listed = house.registry().join("7.json");
    std::fs::write(listed, serde_json::to_vec(&entry).unwrap()).unwrap();
    let mut hub = Terminal::start(PROGRAM, &[], &house.path(""), 80, 24);
    hub.wait_for("mute");
    hub.press("\r");
    hub.wait_for("waiting for 7 mute …; Esc leaves it");
    hub.press(ESC);
    hub.wait_for("mute has not answered yet");
    hub.press("\r");
    hub.wait_for("waiting for 7 mute");
    hub.press("q");
    hub.wait_for("mute has not answered yet");
    hub.press("q");
    assert_eq!(hub.wait_exit(), 0);
}

#[test]
fn the_path_of_a_proxy_on_this_machine_is_as_good_as_its_name() {
    let house = House::new();
    let (_proxy, entry) = conversation(&house, &[]);
    let mut viewer = attach(&entry.socket, &house, 80, 24);
    viewer.wait_for("no 1");
    viewer.press("5");
    viewer.press("G");
    // The capture itself, not a copy.
    viewer.wait_for("to delete it");
}

#[test]
fn why_nothing_can_be_seen_is_said_in_words() {
    let (there, here) = (House::new(), House::new());
    let (proxy, entry) = conversation(&there, &["--no-capture"]);
    let forward = Forward::to(&entry.socket, &here);
    let refused = |target: &Path, words: &str| {
        let mut viewer = attach(target, &here, 400, 24);
        assert_eq!(viewer.wait_exit(), 1);
        let said = viewer.contents();
        assert!(said.contains(words), "{said}");
    };
    refused(&forward.socket, "it was started with --no-capture");
    assert_eq!(proxy.leave().0, Some(0));
    refused(&forward.socket, "far.sock hangs up at once");
    refused(&here.path("none.sock"), "ssh -fN -L ");
    let file = here.write("session.jsonl", "{}\n");
    refused(&file, "is not a socket");
}

#[test]
fn the_list_for_programs_tells_the_socket() {
    let house = House::new();
    let (_proxy, entry) = conversation(&house, &[]);
    let json = house.run(&["ps", "--json"]).stdout;
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json["live"][0]["socket"], *entry.socket.to_str().unwrap());
}
