//! Finds out which era a server speaks: stands between rmcp, which asks it with `server/discover` and then begins with
//! `initialize` where the answer is no, and the server.
//!
//! "Any other error, or no response within a reasonable timeout, identifies a legacy server" (specification 2026-07-28,
//! transports/stdio). What is reasonable is counted from when the question has been read, as a rule by a server that has
//! started: so a server that ignores the question costs [`SILENCE`], and one that is being downloaded is not taken for
//! such a one, however long that takes. Where nobody can tell whether it has been read, as over HTTP, rmcp's own ten
//! seconds hold.
//!
//! A server may be slow after that, and a relay (`docker run -i`, `ssh`) reads before the server runs. So the question
//! stays asked when `initialize` follows it, and what that is answered decides, since an `initialize` "selects legacy
//! semantics" for the whole process: with a result the server is spoken to in the legacy era, whatever else comes. When
//! it is refused, or ignored, and the question has been answered after all, the server is a modern one; rmcp, which waits
//! for a result of `initialize`, is given one made of that answer.

use futures_util::future::{Either, ready};
use rmcp::RoleClient;
use rmcp::model::{
    ClientJsonRpcMessage, ClientNotification, ClientRequest, DiscoverResult, ErrorData,
    InitializeResult, ProtocolVersion, RequestId, ServerJsonRpcMessage, ServerResult,
};
use rmcp::service::select_protocol_version;
use rmcp::transport::Transport;
use std::time::Duration;
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

/// How long a server may think about a question that it has read, and one of the modern era about the `initialize` that
/// follows it. Servers answer within milliseconds, on a busy machine within a few hundred.
const SILENCE: Duration = Duration::from_secs(2);

/// What became of the question for the era.
#[derive(Debug, Default)]
pub struct Question {
    /// Cancelled when the server has read it.
    pub heard: CancellationToken,
    /// Cancelled when `initialize` has gone out after it.
    pub begun: CancellationToken,
}

impl Question {
    /// Whether it was the last that the server was asked before its end.
    pub fn was_last_heard(&self) -> bool {
        self.heard.is_cancelled() && !self.begun.is_cancelled()
    }
}

/// The way to a server whose era is to be found out.
#[derive(Debug)]
pub struct Opening<T> {
    server: T,
    /// Cancelled when the server has read what it was sent; none where that cannot be known.
    heard: Option<CancellationToken>,
    /// Cancelled when `initialize` goes out.
    begun: CancellationToken,
    silence: Duration,
    versions: Vec<ProtocolVersion>,
    stage: Stage,
    /// Since when what is waited for now has been waited for, whatever else is said meanwhile.
    since: Option<Instant>,
}

#[derive(Debug)]
enum Stage {
    /// There is nothing to find out, or no more.
    Through,
    Asked(RequestId),
    /// The question was not waited for to its end.
    Overtaken(Box<Overtaken>),
    /// The era is the modern one, which has no handshake.
    Modern,
}

#[derive(Debug)]
struct Overtaken {
    question: RequestId,
    /// Its answer has come, and was no, or names no version that we speak.
    denied: bool,
    /// Its answer has come, and was yes.
    discovered: Option<DiscoverResult>,
    initialize: Option<RequestId>,
    /// It is not sent before the server has read the question.
    held: Option<ClientJsonRpcMessage>,
    refusal: Option<ServerJsonRpcMessage>,
}

impl Overtaken {
    fn new(question: RequestId) -> Self {
        Self {
            question,
            denied: false,
            discovered: None,
            initialize: None,
            held: None,
            refusal: None,
        }
    }

    /// Whether one of the two answers has come, and the other one is not waited for very long.
    fn is_half_answered(&self) -> bool {
        self.discovered.is_some() || self.refusal.is_some()
    }

    fn is_answered(&self) -> bool {
        match self.discovered {
            Some(_) => self.refusal.is_some() || self.held.is_some(),
            None => self.refusal.is_some() && self.denied,
        }
    }
}

impl<T> Opening<T> {
    pub fn new(
        server: T,
        heard: Option<CancellationToken>,
        begun: CancellationToken,
        versions: Vec<ProtocolVersion>,
    ) -> Self {
        Self {
            server,
            heard,
            begun,
            silence: SILENCE,
            versions,
            stage: Stage::Through,
            since: None,
        }
    }

    /// Takes note of what is sent; whether it is for the server.
    fn sending(&mut self, message: &ClientJsonRpcMessage) -> bool {
        match message {
            ClientJsonRpcMessage::Request(it) => match &it.request {
                ClientRequest::DiscoverRequest(_) => {
                    self.since = None;
                    self.stage = Stage::Asked(it.id.clone());
                }
                ClientRequest::InitializeRequest(_) => {
                    let goes_out = self.overtake(&it.id, message);
                    if goes_out {
                        self.begun.cancel();
                    }
                    return goes_out;
                }
                _ => {}
            },
            ClientJsonRpcMessage::Notification(it) => {
                let is_end = matches!(
                    it.notification,
                    ClientNotification::InitializedNotification(_)
                );
                if is_end && matches!(self.stage, Stage::Modern) {
                    self.stage = Stage::Through;
                    return false;
                }
            }
            _ => {}
        }
        true
    }

    /// The question is not waited for any more, here or, after its own time, by rmcp; whether `initialize` goes out.
    fn overtake(&mut self, id: &RequestId, initialize: &ClientJsonRpcMessage) -> bool {
        let (mut answers, early) = match std::mem::replace(&mut self.stage, Stage::Through) {
            Stage::Asked(question) => {
                let heard = self.heard.as_ref();
                let early = heard.is_some_and(|heard| !heard.is_cancelled());
                (Overtaken::new(question).into(), early)
            }
            Stage::Overtaken(answers) => (answers, false),
            stage => {
                self.stage = stage;
                return true;
            }
        };
        answers.initialize = Some(id.clone());
        answers.held = early.then(|| initialize.clone());
        self.stage = Stage::Overtaken(answers);
        !early
    }

    /// The `initialize` that was held, now that the answer to the question is no, or none.
    fn let_go(&mut self, silent: bool) -> Option<ClientJsonRpcMessage> {
        match &mut self.stage {
            Stage::Overtaken(it) => it.held.take_if(|_| silent || it.denied),
            _ => None,
        }
    }

    /// Cancelled when the waiting begins to count; none where it never does.
    fn awaited(&self) -> Option<CancellationToken> {
        match &self.stage {
            Stage::Overtaken(it) if it.is_half_answered() => {
                let heard = CancellationToken::new();
                heard.cancel();
                Some(heard)
            }
            Stage::Overtaken(it) if it.held.is_none() => None,
            Stage::Asked(_) | Stage::Overtaken(_) => self.heard.clone(),
            Stage::Through | Stage::Modern => None,
        }
    }

    /// What rmcp is told when nothing more is waited for.
    fn give_up(&mut self) -> Option<ServerJsonRpcMessage> {
        self.since = None;
        match std::mem::replace(&mut self.stage, Stage::Through) {
            Stage::Asked(question) => {
                let silent = ErrorData::invalid_request("no answer", None);
                let made_up = ServerJsonRpcMessage::error(silent, Some(question.clone()));
                self.stage = Stage::Overtaken(Overtaken::new(question).into());
                Some(made_up)
            }
            Stage::Overtaken(it) => self.conclude(it),
            stage => {
                self.stage = stage;
                None
            }
        }
    }

    /// The answer to `initialize`: a result that is made of what was discovered, or the refusal.
    fn conclude(&mut self, answers: Box<Overtaken>) -> Option<ServerJsonRpcMessage> {
        let discovered = answers.discovered.and_then(|it| {
            let version = select_protocol_version(&self.versions, &it.supported_versions)?;
            Some((it, version))
        });
        let (Some((discovered, version)), Some(id)) = (discovered, answers.initialize) else {
            return answers.refusal;
        };
        self.stage = Stage::Modern;
        let info = discovered.server_info();
        let mut result = InitializeResult::new(discovered.capabilities);
        result.protocol_version = version;
        result.instructions = discovered.instructions;
        if let Some(info) = info {
            result.server_info = info;
        }
        let result = ServerResult::InitializeResult(result);
        Some(ServerJsonRpcMessage::response(result, id))
    }

    /// What of a message of the server's is for rmcp.
    fn received(&mut self, message: ServerJsonRpcMessage) -> Option<ServerJsonRpcMessage> {
        let id = match &message {
            ServerJsonRpcMessage::Response(it) => Some(&it.id),
            ServerJsonRpcMessage::Error(it) => it.id.as_ref(),
            _ => return Some(message),
        };
        let answers = match &mut self.stage {
            Stage::Asked(_) => {
                self.stage = Stage::Through;
                return Some(match message {
                    ServerJsonRpcMessage::Response(it) if !tells_versions(&it.result) => {
                        let beside = "what it answers to server/discover names no versions";
                        let beside = ErrorData::invalid_request(beside, None);
                        ServerJsonRpcMessage::error(beside, Some(it.id))
                    }
                    message => message,
                });
            }
            Stage::Overtaken(answers) => answers,
            Stage::Through | Stage::Modern => return Some(message),
        };
        let is_error = matches!(message, ServerJsonRpcMessage::Error(_));
        // An error need not say what it is to; the question came first.
        let nameless = id.is_none() && !answers.denied && answers.discovered.is_none();
        if nameless || id == Some(&answers.question) {
            match message {
                ServerJsonRpcMessage::Response(it) => match it.result {
                    ServerResult::DiscoverResult(result) if shares(&self.versions, &result) => {
                        self.since = None;
                        answers.discovered = Some(result);
                    }
                    _ => answers.denied = true,
                },
                _ => answers.denied = true,
            }
        } else if is_error && (id.is_none() || id == answers.initialize.as_ref()) {
            self.since = None;
            answers.refusal = Some(message);
        } else {
            self.stage = Stage::Through;
            return Some(message);
        }
        match &self.stage {
            Stage::Overtaken(it) if it.is_answered() => self.give_up(),
            _ => None,
        }
    }
}

/// Whether it is meant for an answer to the question. Servers of old may have the same empty one to whatever they do not
/// know.
fn tells_versions(result: &ServerResult) -> bool {
    match result {
        ServerResult::DiscoverResult(_) => true,
        ServerResult::CustomResult(it) => it.0.get("supportedVersions").is_some(),
        _ => false,
    }
}

impl<T: Transport<RoleClient>> Transport<RoleClient> for Opening<T> {
    type Error = T::Error;

    fn send(
        &mut self,
        message: ClientJsonRpcMessage,
    ) -> impl Future<Output = Result<(), Self::Error>> + Send + 'static {
        match self.sending(&message) {
            true => Either::Left(self.server.send(message)),
            false => Either::Right(ready(Ok(()))),
        }
    }

    async fn receive(&mut self) -> Option<ServerJsonRpcMessage> {
        loop {
            let patience = patience(self.awaited(), self.silence, &mut self.since);
            let (message, silent) = tokio::select! {
                biased;
                message = self.server.receive() => (self.received(message?), false),
                () = patience => (None, true),
            };
            let message = match self.let_go(silent) {
                Some(initialize) => {
                    self.begun.cancel();
                    self.server.send(initialize).await.ok()?;
                    None
                }
                None if silent => self.give_up(),
                None => message,
            };
            if message.is_some() {
                return message;
            }
        }
    }

    async fn close(&mut self) -> Result<(), Self::Error> {
        self.server.close().await
    }
}

/// Returns when what is waited for, since `since`, has been waited for long enough.
async fn patience(
    heard: Option<CancellationToken>,
    silence: Duration,
    since: &mut Option<Instant>,
) {
    match heard {
        Some(heard) => heard.cancelled().await,
        None => std::future::pending().await,
    }
    let since = *since.get_or_insert_with(Instant::now);
    sleep_until(since + silence).await;
}

/// Whether there is a version that both sides speak.
fn shares(versions: &[ProtocolVersion], server: &DiscoverResult) -> bool {
    select_protocol_version(versions, &server.supported_versions).is_some()
}

#[cfg(test)]
mod tests {
    use super::*;
    use rmcp::model::{ClientCapabilities, ClientConfig, Implementation};
    use rmcp::service::{ClientLifecycleMode, ClientServiceExt as _};
    use rmcp::transport::async_rw::AsyncRwTransport;
    use serde_json::{Value, json};
    use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};

    /// The version that a client finds, or why it finds none, with a server that has read everything, and what the
    /// server was sent. The server says these after so many lines; `$d` and `$i` are ids of the question and of
    /// `initialize`.
    async fn opened(says: &[(usize, &str)]) -> (Result<String, String>, Vec<String>) {
        let heard = CancellationToken::new();
        heard.cancel();
        let (ours, theirs) = tokio::io::duplex(1 << 16);
        let (read, write) = tokio::io::split(ours);
        let versions = vec![ProtocolVersion::LATEST];
        let way = AsyncRwTransport::new_client(read, write);
        let mut opening =
            Opening::new(way, Some(heard), CancellationToken::new(), versions.clone());
        opening.silence = Duration::from_millis(100);
        let client = ClientConfig::new(
            ClientCapabilities::default(),
            Implementation::new("tester", "1"),
        );
        let lifecycle = ClientLifecycleMode::Auto {
            preferred_versions: versions,
            legacy_version: Some(ProtocolVersion::LATEST_WITH_INITIALIZE),
        };
        let client = tokio::spawn(client.serve_with_lifecycle(opening, lifecycle));
        let (heard, mut mouth) = tokio::io::split(theirs);
        let mut heard = BufReader::new(heard).lines();
        let mut methods = Vec::new();
        for (lines, text) in says {
            while methods.len() < *lines {
                let line = heard.next_line().await.unwrap().unwrap();
                let message: Value = serde_json::from_str(&line).unwrap();
                methods.push(message["method"].as_str().unwrap().to_owned());
            }
            let line = format!("{text}\n").replace("$d", "0").replace("$i", "1");
            mouth.write_all(line.as_bytes()).await.unwrap();
        }
        let client = client.await.unwrap().map_err(|error| format!("{error:?}"));
        let version = client.map(|client| {
            let info = client.peer().peer_info().unwrap();
            client.cancellation_token().cancel();
            info.protocol_version.to_string()
        });
        while let Ok(Some(line)) = heard.next_line().await {
            let message: Value = serde_json::from_str(&line).unwrap();
            methods.push(message["method"].as_str().unwrap().to_owned());
        }
        (version, methods)
    }

    const DISCOVERED: &str = r#"{"jsonrpc":"2.0","id":$d,"result":{"resultType":"complete","supportedVersions":["2026-07-28"],"capabilities":{},"ttlMs":0,"cacheScope":"private"}}"#;
    const UNKNOWN: &str =
        r#"{"jsonrpc":"2.0","id":$d,"error":{"code":-32601,"message":"unknown"}}"#;
    const NAMELESS: &str = r#"{"jsonrpc":"2.0","error":{"code":-32601,"message":"unknown"}}"#;
    const INITIALIZED: &str = r#"{"jsonrpc":"2.0","id":$i,"result":{"protocolVersion":"2025-11-25","capabilities":{},"serverInfo":{"name":"s","version":"1"}}}"#;
    const REFUSED: &str =
        r#"{"jsonrpc":"2.0","id":$i,"error":{"code":-32022,"message":"not here"}}"#;
    const LOG: &str =
        r#"{"jsonrpc":"2.0","method":"notifications/message","params":{"level":"info","data":1}}"#;

    const ASKED: &str = "server/discover";
    const LEGACY: [&str; 3] = [ASKED, "initialize", "notifications/initialized"];
    const MODERN: [&str; 2] = [ASKED, "initialize"];

    #[tokio::test]
    async fn a_server_that_answers_is_believed() {
        let modern = opened(&[(1, DISCOVERED)]).await;
        assert_eq!(modern, (Ok("2026-07-28".into()), vec![ASKED.to_owned()]));
        let legacy = opened(&[(1, UNKNOWN), (2, INITIALIZED)]).await;
        assert_eq!(
            legacy,
            (Ok("2025-11-25".into()), LEGACY.map(str::to_owned).to_vec())
        );
    }

    #[tokio::test]
    async fn a_server_that_says_nothing_to_the_question_is_a_legacy_one_also_when_it_says_no_later()
    {
        for late in [&[][..], &[LOG], &[UNKNOWN], &[NAMELESS], &[DISCOVERED]] {
            let late = late.iter().map(|text| (2, *text));
            let says: Vec<_> = late.chain([(2, INITIALIZED)]).collect();
            let legacy = opened(&says).await;
            let expected = (Ok("2025-11-25".into()), LEGACY.map(str::to_owned).to_vec());
            assert_eq!(legacy, expected, "{says:?}");
        }
    }

    #[tokio::test]
    async fn a_server_that_takes_its_time_and_refuses_initialize_is_a_modern_one() {
        for answers in [
            &[DISCOVERED, REFUSED][..],
            &[REFUSED, DISCOVERED],
            &[DISCOVERED],
        ] {
            let says: Vec<_> = answers.iter().map(|text| (2, *text)).collect();
            let modern = opened(&says).await;
            let expected = (Ok("2026-07-28".into()), MODERN.map(str::to_owned).to_vec());
            assert_eq!(modern, expected, "{says:?}");
        }
    }

    /// What a client says that asks, and says `initialize` before an answer has come; whether that went out.
    fn overtaken(heard: Option<CancellationToken>) -> (Opening<()>, bool) {
        let mut opening = Opening::new(
            (),
            heard,
            CancellationToken::new(),
            vec![ProtocolVersion::LATEST],
        );
        let ask = json!({"jsonrpc": "2.0", "id": 0, "method": ASKED, "params": {}});
        let initialize = json!({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {
            "protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "c", "version": "1"}
        }});
        assert!(opening.sending(&serde_json::from_value(ask).unwrap()));
        let went_out = opening.sending(&serde_json::from_value(initialize).unwrap());
        (opening, went_out)
    }

    #[test]
    fn nothing_is_held_back_where_nobody_can_tell_what_was_read() {
        let (mut opening, went_out) = overtaken(None);
        assert!(went_out && opening.let_go(true).is_none());
    }

    fn said(text: &str) -> ServerJsonRpcMessage {
        serde_json::from_str(&text.replace("$d", "0")).unwrap()
    }

    #[tokio::test]
    async fn a_server_that_says_other_things_all_the_time_is_not_waited_for_longer() {
        let heard = CancellationToken::new();
        heard.cancel();
        let (ours, mut server) = tokio::io::duplex(1 << 16);
        let (read, write) = tokio::io::split(ours);
        let way = AsyncRwTransport::new_client(read, write);
        let mut opening = Opening::new(
            way,
            Some(heard),
            CancellationToken::new(),
            vec![ProtocolVersion::LATEST],
        );
        opening.silence = Duration::from_millis(200);
        let ask = json!({"jsonrpc": "2.0", "id": 0, "method": ASKED, "params": {}});
        opening
            .send(serde_json::from_value(ask).unwrap())
            .await
            .unwrap();
        let logging = tokio::spawn(async move {
            loop {
                let line = format!("{LOG}\n");
                server.write_all(line.as_bytes()).await.unwrap();
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        });
        let given_up = async {
            while !matches!(
                opening.receive().await,
                Some(ServerJsonRpcMessage::Error(_))
            ) {}
        };
        let given_up = tokio::time::timeout(Duration::from_secs(300), given_up).await;
        logging.abort();
        assert!(given_up.is_ok());
    }

    #[test]
    fn what_was_held_goes_out_to_a_server_that_names_no_version_we_speak() {
        let (mut opening, went_out) = overtaken(Some(CancellationToken::new()));
        assert!(!went_out);
        let other = DISCOVERED.replace("2026-07-28", "2099-01-01");
        assert!(opening.received(said(&other)).is_none());
        assert!(opening.let_go(false).is_some());
    }

    #[tokio::test]
    async fn a_server_that_refuses_both_is_told_with_its_last_reason() {
        let other = DISCOVERED.replace("2026-07-28", "2099-01-01");
        for late in [&[][..], &[UNKNOWN], &[&other]] {
            let late = late.iter().map(|text| (2, *text));
            let says: Vec<_> = late.chain([(2, REFUSED)]).collect();
            let why = opened(&says).await.0.unwrap_err();
            assert!(why.contains("not here"), "{why}");
        }
    }
}
