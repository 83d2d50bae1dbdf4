//! What a server asks back while nobody is there to answer: said on stderr, and declined where the protocol has a way to.

use crate::headless;
use crate::mcp::{compose, methods};
use crate::traffic::gist::gist;
use crate::traffic::of_question;
use crate::wire::{object, splice};

/// A no, in the way that the protocol foresees for each request.
struct No {
    /// The result that says it, or an error's code and message where no result can.
    answer: Result<&'static str, (i64, &'static str)>,
    in_words: &'static str,
}

fn no(method: &str) -> No {
    let (answer, in_words) = match method {
        methods::ELICITATION => (Ok(r#"{"action":"decline"}"#), "declined"),
        methods::ROOTS => (Ok(r#"{"roots":[]}"#), "there are none"),
        methods::SAMPLING => (Err((-1, "User rejected sampling request")), "rejected"),
        _ => (Err((-32601, "Method not found")), "not known here"),
    };
    No { answer, in_words }
}

/// The answer that says no to a request. `summary` is what it asks, in a few words.
pub fn decline(method: &str, summary: &str, id: &str) -> String {
    let no = no(method);
    say(method, summary, &no);
    match no.answer {
        Ok(result) => compose::result(id, result),
        Err((code, message)) => compose::error(id, code, message),
    }
}

/// Why a request inside a result cannot be answered with no, of the server: in the modern era only results go back.
fn impossible(method: &str, question: &str) -> String {
    let asks = asked(method, question);
    match method {
        "" => "asks for input without a method".to_owned(),
        methods::SAMPLING => format!(
            "asks for {asks}, although it was told that nobody here has a model; no call can decline it, but on the \
             screen (mcp-sentinel with the same server) it can be answered"
        ),
        _ => format!("asks for {asks}, which is not known here, and cannot be declined"),
    }
}

fn asked(method: &str, question: &str) -> String {
    let method = gist(method);
    match question {
        "" => method.into(),
        question => format!("{method} ({question})"),
    }
}

fn say(method: &str, summary: &str, no: &No) {
    headless::complain(&format!(
        "the server asked {}: {}",
        asked(method, summary),
        no.in_words
    ));
}

/// What a result is that asks for input.
#[derive(Debug, PartialEq, Eq)]
pub enum Next {
    /// The params of the request that declines all of it.
    Declined(String),
    /// Those of a request that only asks again: the server wants to be given time.
    Later(String),
}

/// How to go on after the result `asked`, with `params` those of the first request; why that cannot be done, of the
/// server.
pub fn after(params: &str, asked: &str) -> Result<Next, String> {
    let requests = object::at(asked, &["inputRequests"]).unwrap_or_default();
    let mut responses = Vec::new();
    for (key, request) in object::members(requests) {
        let method = object::string_at(request, &["method"]).unwrap_or_default();
        let params = object::at(request, &["params"]).unwrap_or("{}");
        let question = of_question(&method, params);
        let no = no(&method);
        let Ok(response) = no.answer else {
            return Err(impossible(&method, &question));
        };
        say(&method, &question, &no);
        responses.push(format!("{}:{response}", serde_json::Value::from(&*key)));
    }
    let state = object::at(asked, &["requestState"]);
    let responses = (!responses.is_empty()).then(|| format!("{{{}}}", responses.join(",")));
    let set = |params: Option<String>, key, value: Option<&str>| match value {
        Some(value) => splice::set(&params?, &[key], value),
        None => params,
    };
    let retry = Some(params.to_owned());
    let retry = set(retry, "inputResponses", responses.as_deref());
    let retry = set(retry, "requestState", state).unwrap_or_else(|| params.to_owned());
    match (responses, state) {
        (Some(_), _) => Ok(Next::Declined(retry)),
        (None, Some(_)) => Ok(Next::Later(retry)),
        (None, None) => Err("asks for input and does not say which".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_retry_declines_by_key_and_gives_the_state_back_as_it_was() {
        let asked = r#"{"resultType":"input_required","inputRequests":{"q\"1":{"method":"elicitation/create","params":{}},
            "r":{"method":"roots/list"}},"requestState":"s\u00e9"}"#;
        let retry = r#"{"name":"t", "arguments":{"a":1.0},"inputResponses":{"q\"1":{"action":"decline"},"r":{"roots":[]}},"requestState":"s\u00e9"}"#;
        assert_eq!(
            after(r#"{"name":"t", "arguments":{"a":1.0}}"#, asked),
            Ok(Next::Declined(retry.to_owned()))
        );
    }

    #[test]
    fn a_state_alone_asks_for_time() {
        let later = Next::Later(r#"{"requestState":"s"}"#.to_owned());
        assert_eq!(after("{}", r#"{"requestState":"s"}"#), Ok(later));
        let neither = after("{}", r#"{"resultType":"input_required"}"#).unwrap_err();
        assert_eq!(neither, "asks for input and does not say which");
    }

    #[test]
    fn what_only_a_model_could_answer_cannot_be_declined_in_a_retry() {
        let after = |request: &str| {
            let asked = format!(r#"{{"inputRequests":{{"m":{request}}}}}"#);
            after("{}", &asked).unwrap_err()
        };
        let sample = r#"{"method":"sampling/createMessage","params":{"messages":[{"role":"user","content":{"type":"text","text":"Sum up"}}]}}"#;
        assert_eq!(
            after(sample),
            "asks for sampling/createMessage (\"Sum up\"), although it was told that nobody here has a model; no \
             call can decline it, but on the screen (mcp-sentinel with the same server) it can be answered"
        );
        assert_eq!(
            after(r#"{"method":"x/y"}"#),
            "asks for x/y, which is not known here, and cannot be declined"
        );
        assert_eq!(after("5"), "asks for input without a method");
    }
}
