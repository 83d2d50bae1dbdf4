//! The demo.

use super::*;

#[test]
fn the_demo_talks_for_real_without_a_terminal_too() {
    let house = House::new();
    let mut command = house.command(&["demo"]);
    let mut process = command
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stderr = process.stderr.take().unwrap();
    let (mut said, mut piece) = (Vec::new(), [0; 4096]);
    while !String::from_utf8_lossy(&said).contains("server → ok tools/call get-sum") {
        let read = stderr.read(&mut piece).unwrap();
        assert!(read > 0, "{}", String::from_utf8_lossy(&said));
        said.extend_from_slice(&piece[..read]);
    }
    let pid = rustix::process::Pid::from_child(&process);
    rustix::process::kill_process(pid, rustix::process::Signal::INT).unwrap();
    stderr.read_to_end(&mut said).unwrap();
    assert_eq!(process.wait().unwrap().code(), Some(0));
    assert!(String::from_utf8_lossy(&said).contains("the server exited with status 0"));
}

#[test]
fn the_demos_server_serves_alone() {
    let house = House::new();
    let mut command = house.command(&DEMO[1..]);
    command.env("PATH", "");
    assert_eq!(DEMO[0], PROGRAM);
    let mut server = Proxy::start(command);
    server.shake_hands();
    server.echo(1);
    assert_eq!(server.leave().0, Some(0));
}
