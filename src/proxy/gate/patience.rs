//! How long an unfinished message is held back while nobody knows yet whose it is.
//!
//! Knows how a message begins; must not know what becomes of it when it is whole.

use super::{Gate, has_escapes, may_name_ours, plain, readable};
use crate::wire::object;

/// How much of an unfinished message is held back when nothing of the operator's is due.
const LATECOMER: usize = 64 << 10;
/// The same of one that may be an answer which comes once more, because its id has not come; more of it where such a long
/// one has come.
const NAMELESS: usize = 16 << 20;

/// How long the end of a message is waited for, of which nobody knows yet whose it is.
#[derive(Debug, Default)]
pub struct Patience {
    /// So long was it when it was looked at last.
    looked: usize,
}

impl Patience {
    /// Whether what has begun so is let through: it is nothing that is due, nor an answer that comes once more.
    pub fn ends(&mut self, begun: &[u8], gate: &Gate) -> bool {
        if begun.len() < self.looked {
            // It is another one.
            self.looked = 0;
        }
        // To look again when it is twice as long costs no more than to look once at the end.
        if begun.len() <= LATECOMER.max(2 * self.looked) || gate.awaits() {
            return false;
        }
        self.looked = begun.len();
        // As long as it was, with what an event says around it.
        let longest = NAMELESS.max(gate.longest_answer().saturating_add(LATECOMER));
        let may_be_ours = begun.len() <= longest && is_nameless(begun);
        !may_be_ours && !may_name_ours(begun) && !is_named(begun, gate)
    }
}

/// Whether the id of a message that begins so is one of ours, spelled with escapes.
fn is_named(begun: &[u8], gate: &Gate) -> bool {
    let Some(start) = memchr::memchr(b'{', begun).filter(|_| has_escapes(begun)) else {
        return false;
    };
    let id = object::at(readable(&begun[start..]), &["id"]);
    id.is_some_and(|id| gate.is_ours(&plain(id)))
}

/// Whether of an answer that begins so, perhaps as the data of an event, the id is still to come.
fn is_nameless(begun: &[u8]) -> bool {
    let Some(start) = memchr::memchr2(b'{', b'[', begun) else {
        return false;
    };
    let mut members = object::members(readable(&begun[start..]));
    !members.any(|(key, _)| matches!(&*key, "id" | "method"))
}

#[cfg(test)]
mod tests {
    use super::super::{Owner, Verdict};
    use super::*;

    #[test]
    fn what_may_be_an_answer_that_comes_once_more_is_waited_for_until_its_id_has_come() {
        let gate = Gate::new(Owner::Client);
        let id = gate.fresh_id();
        let long = "x".repeat(LATECOMER + 1);
        let ends = |begun: &str| Patience::default().ends(begun.as_bytes(), &gate);
        let nameless = format!(r#"{{"jsonrpc":"2.0","result":"{long}"#);
        assert!(!ends(&long), "something is due");
        gate.forget(&id);
        for held in [
            nameless.clone(),
            format!("event: message\ndata: {nameless}"),
            format!("[{nameless}"),
            format!(r#"{nameless}","id":{id}"#),
            r#"{"id":1,"result":{}}"#.to_owned(),
        ] {
            assert!(!ends(&held), "{}", &held[..40.min(held.len())]);
        }
        for theirs in [
            long.clone(),
            format!(r#"{nameless}","id":1,"#),
            format!(r#"{{"id":1,"result":"{long}"#),
            format!(r#"{{"method":"notifications/message","params":"{long}"#),
            format!(r#"{{"result":"{}"#, "x".repeat(NAMELESS)),
        ] {
            assert!(ends(&theirs), "{}", &theirs[..40]);
        }
    }

    #[test]
    fn an_answer_longer_than_that_is_waited_for_when_it_comes_once_more() {
        let gate = Gate::new(Owner::Client);
        let id = gate.fresh_id();
        let answer = format!(r#"{{"result":"{}","id":{id}}}"#, "x".repeat(NAMELESS));
        assert_eq!(gate.judge(answer.as_bytes()), Verdict::Operator);
        let ends = |begun: &str| Patience::default().ends(begun.as_bytes(), &gate);
        let begun = &answer[..=NAMELESS];
        assert!(!ends(begun));
        assert!(!ends(&format!("event: message\ndata: {begun}")));
        assert!(ends(&format!("{begun}{}", "x".repeat(2 * LATECOMER))));
        assert!(ends(&begun.replacen('{', "{\"id\":1,", 1)));
    }

    #[test]
    fn each_message_is_waited_for_by_itself() {
        let gate = Gate::new(Owner::Client);
        gate.forget(&gate.fresh_id());
        let mut patience = Patience::default();
        let nameless = format!("{{\"result\":\"{}", "x".repeat(4 * LATECOMER));
        for length in [LATECOMER, LATECOMER + 1, nameless.len()] {
            assert!(!patience.ends(&nameless.as_bytes()[..length], &gate));
        }
        let theirs = format!("{{\"id\":1,{nameless}");
        assert!(!patience.ends(&theirs.as_bytes()[..LATECOMER], &gate));
        assert!(patience.ends(&theirs.as_bytes()[..=LATECOMER], &gate));
    }
}
