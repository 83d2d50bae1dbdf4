//! The way to a server through the proxy server that the environment names, in each way that one may be reached.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod house;

use house::{House, Ran};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection, Stream};
use std::io::{Read, Write};
use std::net::TcpListener;
use std::process::Command;
use std::sync::Arc;
use std::thread::JoinHandle;

/// Signed by itself, for 127.0.0.1 and sentinel.test, valid until 2099.
const CERTIFICATE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/tls/cert.pem");
const KEY: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/tls/key.pem");

trait Peer: Read + Write {}
impl<T: Read + Write> Peer for T {}

/// With a client over TLS: what is said inside.
fn in_tls<T>(peer: &mut dyn Peer, talk: impl FnOnce(&mut dyn Peer) -> T) -> T {
    // A second call finds the provider installed.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let config = ServerConfig::builder()
        .with_no_client_auth()
        .with_single_cert(
            vec![CertificateDer::from_pem_file(CERTIFICATE).unwrap()],
            PrivateKeyDer::from_pem_file(KEY).unwrap(),
        );
    let mut connection = ServerConnection::new(Arc::new(config.unwrap())).unwrap();
    let mut peer = peer;
    talk(&mut Stream::new(&mut connection, &mut peer))
}

/// Accepts one connection, and returns what was heard on it.
fn serve<T: Send + 'static>(
    talk: impl FnOnce(&mut dyn Peer) -> T + Send + 'static,
) -> (String, JoinHandle<T>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let served = std::thread::spawn(move || talk(&mut listener.accept().unwrap().0));
    (address, served)
}

fn head(peer: &mut dyn Peer) -> String {
    let (mut head, mut byte) = (Vec::new(), [0]);
    while !head.ends_with(b"\r\n\r\n") && peer.read(&mut byte).unwrap() > 0 {
        head.extend(byte);
    }
    String::from_utf8(head).unwrap()
}

/// What a request says, which is answered with a refusal once it is here whole: a hang-up before that may overtake the
/// answer.
fn refuse(peer: &mut dyn Peer) -> String {
    let head = head(peer);
    let length = head
        .lines()
        .filter_map(|line| line.split_once(": "))
        .find(|(name, _)| name.eq_ignore_ascii_case("content-length"))
        .map_or(0, |(_, length)| length.parse().unwrap());
    peer.read_exact(&mut vec![0; length]).unwrap();
    let refusal = b"HTTP/1.1 418 Teapot\r\nConnection: close\r\nContent-Length: 0\r\n\r\n";
    peer.write_all(refusal).unwrap();
    peer.flush().unwrap();
    head
}

/// The request for a tunnel, and the one through it.
fn lead_on(peer: &mut dyn Peer) -> [String; 2] {
    let asked = head(peer);
    peer.write_all(b"HTTP/1.1 200 Connection established\r\n\r\n")
        .unwrap();
    [asked, in_tls(peer, refuse)]
}

fn bytes<const N: usize>(peer: &mut dyn Peer) -> [u8; N] {
    let mut bytes = [0; N];
    peer.read_exact(&mut bytes).unwrap();
    bytes
}

/// The way of a SOCKS5 server (RFC 1928 and 1929) to where the client wants to go: kind of address, address, port.
fn socks(peer: &mut dyn Peer, login: Option<(&str, &str)>) -> (u8, Vec<u8>, u16) {
    let method = if login.is_some() { 2 } else { 0 };
    assert_eq!(bytes(peer), [5, 1, method]);
    peer.write_all(&[5, method]).unwrap();
    if let Some((name, word)) = login {
        for (before, said) in [(Some(1), name), (None, word)] {
            let length = u8::try_from(said.len()).unwrap();
            if let Some(version) = before {
                assert_eq!(bytes(peer), [version]);
            }
            assert_eq!(bytes(peer), [length]);
            let mut heard = vec![0; said.len()];
            peer.read_exact(&mut heard).unwrap();
            assert_eq!(heard, said.as_bytes());
        }
        peer.write_all(&[1, 0]).unwrap();
    }
    let [5, 1, 0, kind] = bytes(peer) else {
        panic!("it is asked for something else than a connection");
    };
    let length = match kind {
        1 => 4,
        4 => 16,
        _ => bytes::<1>(peer)[0],
    };
    let mut address = vec![0; length.into()];
    peer.read_exact(&mut address).unwrap();
    let port = u16::from_be_bytes(bytes(peer));
    peer.write_all(&[5, 0, 0, 1, 0, 0, 0, 0, 0, 0]).unwrap();
    (kind, address, port)
}

/// With one proxy server in its environment, whatever is in ours.
fn behind(proxy: &str, mut command: Command) -> Command {
    for variable in ["no_proxy", "http_proxy", "https_proxy"] {
        command.env_remove(variable);
        command.env_remove(variable.to_uppercase());
    }
    command.env("all_proxy", proxy).env("ALL_PROXY", proxy);
    command
}

/// The program on its way to a server, with a proxy server in its environment.
fn list(url: &str, proxy: &str, options: &[&str]) -> Ran {
    let house = House::new();
    let arguments = [&["list", url, "--era", "legacy"], options].concat();
    let ran = Ran::of(&mut behind(proxy, house.command(&arguments)));
    assert_eq!(ran.code, Some(3), "{ran:?}");
    assert!(!ran.stderr.contains("pass"), "{ran:?}");
    ran
}

const TRUST: [&str; 2] = ["--cacert", CERTIFICATE];
const PLAIN: &str = "http://sentinel.test/mcp";
const SECURE: &str = "https://sentinel.test/mcp";

#[test]
fn a_server_is_asked_for_by_its_whole_address() {
    let (proxy, heard) = serve(refuse);
    list(PLAIN, &format!("http://name:pass@{proxy}"), &[]).fails(3, "418");
    let head = heard.join().unwrap();
    let asked = "POST http://sentinel.test/mcp HTTP/1.1\r\n";
    assert!(head.starts_with(asked), "{head}");
    for part in [
        "proxy-authorization: Basic bmFtZTpwYXNz\r\n",
        "host: sentinel.test\r\n",
    ] {
        assert!(head.contains(part), "{head}");
    }
}

#[test]
fn the_way_to_a_server_over_tls_is_a_tunnel() {
    let (proxy, heard) = serve(lead_on);
    list(SECURE, &format!("http://name:pass@{proxy}"), &TRUST).fails(3, "418");
    let [asked, inside] = heard.join().unwrap();
    assert_eq!(
        asked,
        "CONNECT sentinel.test:443 HTTP/1.1\r\nHost: sentinel.test:443\r\n\
         Proxy-Authorization: Basic bmFtZTpwYXNz\r\n\r\n"
    );
    assert!(inside.starts_with("POST /mcp HTTP/1.1\r\n"), "{inside}");
    assert!(!inside.contains("bmFtZTpwYXNz"), "{inside}");
}

#[test]
fn a_proxy_server_may_itself_be_reached_over_tls() {
    let (proxy, heard) = serve(|peer| in_tls(peer, refuse));
    list(PLAIN, &format!("https://name:pass@{proxy}"), &TRUST).fails(3, "418");
    let head = heard.join().unwrap();
    let asked = "POST http://sentinel.test/mcp HTTP/1.1\r\n";
    assert!(head.starts_with(asked), "{head}");
    assert!(
        head.contains("proxy-authorization: Basic bmFtZTpwYXNz\r\n"),
        "{head}"
    );
    let (proxy, heard) = serve(|peer| in_tls(peer, lead_on));
    list(SECURE, &format!("https://name:pass@{proxy}"), &TRUST).fails(3, "418");
    let [asked, inside] = heard.join().unwrap();
    assert!(
        asked.starts_with("CONNECT sentinel.test:443 HTTP/1.1\r\n"),
        "{asked}"
    );
    assert!(inside.starts_with("POST /mcp HTTP/1.1\r\n"), "{inside}");
}

#[test]
fn a_proxy_server_that_nobody_vouches_for_is_told_nothing() {
    let (proxy, heard) = serve(|peer| in_tls(peer, |inside| inside.read(&mut [0]).is_err()));
    let ran = list(PLAIN, &format!("https://name:pass@{proxy}"), &[]);
    ran.fails(3, "the proxy server that the environment names: ");
    ran.fails(3, "--cacert FILE trusts another issuer");
    assert!(heard.join().unwrap());
}

#[test]
fn a_socks_server_is_asked_for_names_or_for_addresses() {
    for (scheme, url, kind, address, port) in [
        ("socks5h", PLAIN, 3, &b"sentinel.test"[..], 80),
        (
            "socks5h",
            "http://[2001:db8::1]:81/mcp",
            4,
            &[0x20, 1, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1],
            81,
        ),
        ("socks5", "http://192.0.2.7/mcp", 1, &[192, 0, 2, 7], 80),
    ] {
        let (proxy, heard) = serve(|peer| (socks(peer, Some(("name", "p:ss"))), refuse(peer)));
        list(url, &format!("{scheme}://name:p%3ass@{proxy}"), &[]).fails(3, "418");
        let (place, head) = heard.join().unwrap();
        assert_eq!(place, (kind, address.to_vec(), port), "{scheme}");
        assert!(head.starts_with("POST /mcp HTTP/1.1\r\n"), "{head}");
    }
    let (proxy, heard) = serve(|peer| (socks(peer, None), in_tls(peer, refuse)));
    list(SECURE, &format!("socks5h://{proxy}"), &TRUST).fails(3, "418");
    let (place, head) = heard.join().unwrap();
    assert_eq!(place, (3, b"sentinel.test".to_vec(), 443));
    assert!(head.starts_with("POST /mcp HTTP/1.1\r\n"), "{head}");
    // No name is looked up beside it that it is not to be asked for.
    list(PLAIN, "socks5://127.0.0.1:9", &[]).fails(3, "reach the server: failed to lookup");
}

#[test]
fn a_way_that_is_not_known_is_refused_with_those_that_are() {
    let house = House::new();
    let command = house.command(&["list", PLAIN]);
    let ran = Ran::of(&mut behind("socks4://name:pass@127.0.0.1:9", command));
    assert_ne!(ran.code, Some(0));
    assert!(
        ran.stderr
            .contains("reached over socks4://; only http://, https://, socks5:// and socks5h://"),
        "{ran:?}"
    );
    assert!(!ran.stderr.contains("pass"), "{ran:?}");
}

#[test]
fn logging_in_takes_the_same_way() {
    let (proxy, heard) = serve(|peer| (socks(peer, None), refuse(peer)));
    let house = House::new();
    let command = house.command(&["auth", "login", PLAIN, "--no-browser"]);
    let ran = Ran::of(&mut behind(&format!("socks5h://{proxy}"), command));
    assert_ne!(ran.code, Some(0));
    let (place, _) = heard.join().unwrap();
    assert_eq!(place, (3, b"sentinel.test".to_vec(), 80));
}
