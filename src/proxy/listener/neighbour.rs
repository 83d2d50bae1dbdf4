//! Whose a connection from this machine is. A port of 127.0.0.1 is open to every user of the machine; a listener that
//! nobody asked for is for the one who started us, whose files and keys the server has.
//!
//! Knows the system's table of sockets; must not know of requests.

use std::net::SocketAddr;

/// Lets a connection in, or says why not: the client's address, and ours.
#[cfg(target_os = "linux")]
pub(super) async fn admit(peer: SocketAddr, ours: SocketAddr) -> Result<(), String> {
    let me = rustix::process::geteuid().as_raw();
    // The table can be long.
    let found = tokio::task::spawn_blocking(move || table::owner(peer, ours)).await;
    judge(found.ok().flatten(), me)
}

/// Elsewhere nobody tells.
#[cfg(not(target_os = "linux"))]
pub(super) async fn admit(_peer: SocketAddr, _ours: SocketAddr) -> Result<(), String> {
    Ok(())
}

#[cfg(any(target_os = "linux", test))]
fn judge(owner: Option<u32>, me: u32) -> Result<(), String> {
    let why = match owner {
        Some(owner) if owner == me || owner == 0 => return Ok(()),
        Some(owner) => format!("another user of this machine asks (uid {owner})"),
        None => "the system does not tell who asks".to_owned(),
    };
    Err(format!(
        "this port is for the user who started the proxy, and {why}; \
         start it with --listen ADDRESS if others may use it"
    ))
}

#[cfg(target_os = "linux")]
mod table {
    use std::fs;
    use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

    /// The table is read in pieces, and a row can slip from one to another in between.
    const LOOKS: usize = 3;

    /// The user who has the other end of a connection.
    pub(super) fn owner(peer: SocketAddr, ours: SocketAddr) -> Option<u32> {
        let owner = (0..LOOKS).find_map(|_| look(peer, ours))?;
        match owner {
            // So a socket reads, too, that is being closed at this moment; the next look finds it closed.
            0 => look(peer, ours),
            owner => Some(owner),
        }
    }

    fn look(peer: SocketAddr, ours: SocketAddr) -> Option<u32> {
        // A client may have an IPv4 connection on an IPv6 socket.
        ["/proc/self/net/tcp", "/proc/self/net/tcp6"]
            .iter()
            .filter_map(|path| fs::read_to_string(path).ok())
            .find_map(|text| row(&text, peer, ours))
    }

    /// The uid in the row of that connection. A socket without an inode has been closed, and reads as root's.
    pub(super) fn row(text: &str, peer: SocketAddr, ours: SocketAddr) -> Option<u32> {
        text.lines().skip(1).find_map(|line| {
            let mut fields = line.split_ascii_whitespace().skip(1);
            let is_it =
                address(fields.next()?)? == plain(peer) && address(fields.next()?)? == plain(ours);
            // Between them: state, queues, timer, retransmissions; then the timeout.
            let uid = fields.nth(4)?.parse().ok()?;
            let inode = fields.nth(1)?;
            (is_it && inode != "0").then_some(uid)
        })
    }

    /// `0100007F:1F90`: words of 32 bits, each as this machine has a number of the network's byte order.
    fn address(text: &str) -> Option<SocketAddr> {
        let (host, port) = text.split_once(':')?;
        let word = |at: usize| {
            let digits = host.get(at * 8..at * 8 + 8)?;
            Some(u32::from_str_radix(digits, 16).ok()?.to_ne_bytes())
        };
        let host = match host.len() {
            8 => IpAddr::V4(Ipv4Addr::from(word(0)?)),
            32 => {
                let words = [word(0)?, word(1)?, word(2)?, word(3)?];
                let bytes: [u8; 16] = words.as_flattened().try_into().ok()?;
                IpAddr::V6(Ipv6Addr::from(bytes))
            }
            _ => return None,
        };
        let port = u16::from_str_radix(port, 16).ok()?;
        Some(plain(SocketAddr::new(host, port)))
    }

    /// Without what else an address can say, and an IPv4 one as such.
    fn plain(address: SocketAddr) -> SocketAddr {
        SocketAddr::new(address.ip().to_canonical(), address.port())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_user_who_started_us_and_root_come_in() {
        assert_eq!(judge(Some(1000), 1000), Ok(()));
        assert_eq!(judge(Some(0), 1000), Ok(()));
        for (owner, who) in [(Some(1001), "uid 1001"), (None, "does not tell")] {
            let why = judge(owner, 1000).unwrap_err();
            assert!(why.contains(who) && why.contains("--listen"), "{why}");
        }
    }
}

#[cfg(all(test, target_os = "linux", target_endian = "little"))]
mod table_tests {
    use super::table::row;
    use std::net::SocketAddr;

    const TABLE: &str = "\
  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1000        0 11 1 0 100 0 0 10 0
   1: 0100007F:1F90 0100007F:C001 01 00000000:00000000 00:00000000 00000000  1000        0 12 1 0 20 4 30 10 -1
   2: 0100007F:C001 0100007F:1F90 01 00000000:00000000 00:00000000 00000000  1001        0 13 1 0 20 4 30 10 -1
   3: 0100007F:C002 0100007F:1F90 05 00000000:00000000 00:00000000 00000000     0        0 0 1 0 20 4 30 10 -1
   4: 0100007F:C003 0100007F:1F91 01 00000000:00000000 00:00000000 00000000  1003        0 15 1 0 20 4 30 10 -1
   5: 0000000000000000FFFF00000100007F:C004 0000000000000000FFFF00000100007F:1F90 01 0:0 00:0 0  1004        0 16 1 0 20
   6: 00000000000000000000000001000000:C005 00000000000000000000000001000000:1F90 01 0:0 00:0 0  1005        0 17 1 0 20
";

    fn owner(peer: &str, ours: &str) -> Option<u32> {
        let address = |text: &str| text.parse::<SocketAddr>().unwrap();
        row(TABLE, address(peer), address(ours))
    }

    #[test]
    fn the_row_of_the_clients_end_tells_its_user() {
        assert_eq!(owner("127.0.0.1:49153", "127.0.0.1:8080"), Some(1001));
        assert_eq!(owner("127.0.0.1:49156", "127.0.0.1:8080"), Some(1004));
        assert_eq!(owner("[::1]:49157", "[::1]:8080"), Some(1005));
    }

    #[test]
    fn a_client_that_has_closed_its_socket_or_is_not_there_is_nobody() {
        assert_eq!(owner("127.0.0.1:49154", "127.0.0.1:8080"), None);
        assert_eq!(owner("127.0.0.1:49155", "127.0.0.1:8080"), None);
        assert_eq!(owner("127.0.0.1:1", "127.0.0.1:8080"), None);
    }
}
