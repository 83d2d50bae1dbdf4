//! What a person would say of a message, in a few words: from its params, its result or its error.
//!
//! Never raw JSON: scalars are shown, what nests is only named.

use super::gist::{Gist, gist};
use super::number::plural;
use crate::mcp::methods;
use crate::wire::{self, object};

/// The first notification on a subscription.
pub const ACKNOWLEDGED: &str = "notifications/subscriptions/acknowledged";

/// Room for one value of an argument list, so that the first does not crowd out the rest.
const VALUE_CHARS: usize = 32;

/// `a=2 b="x" deep={…}` for the members of a raw object, `_meta` left out.
fn arguments(into: &mut Gist, raw: &str) {
    for (key, value) in object::members(raw) {
        if into.is_full() {
            return;
        }
        if key == "_meta" {
            continue;
        }
        if !into.is_empty() {
            into.push(" ");
        }
        into.push_at_most(&key, VALUE_CHARS).push("=");
        push_value(into, value);
    }
}

/// A scalar as JSON writes it; `{…}` and `[6 items]` for what nests.
fn push_value(into: &mut Gist, raw: &str) {
    match raw.as_bytes().first() {
        Some(b'"') => {
            let text = object::unescape(raw).unwrap_or_default();
            into.push("\"").push_at_most(&text, VALUE_CHARS).push("\"");
        }
        Some(b'{') => {
            let inside = object::members(raw).next().map_or("{}", |_| "{…}");
            into.push(inside);
        }
        Some(b'[') => {
            match object::elements(raw).count() as u64 {
                0 => into.push("[]"),
                count => into.push(&format!("[{}]", plural(count, "item"))),
            };
        }
        _ => {
            into.push_at_most(raw, VALUE_CHARS);
        }
    }
}

/// `name version` of a raw `clientInfo` or `serverInfo`.
pub fn implementation(raw: &str) -> Box<str> {
    let (mut name, mut version) = (None, None);
    for (key, value) in object::members(raw) {
        match &*key {
            "name" => name = object::unescape(value),
            "version" => version = object::unescape(value),
            _ => {}
        }
    }
    let mut into = Gist::default();
    into.push_at_most(&name.unwrap_or_default(), 50);
    if let Some(version) = version {
        into.push(" ").push(&version);
    }
    into.finish()
}

fn text_of<'a>(raw: Option<&'a str>) -> std::borrow::Cow<'a, str> {
    raw.and_then(object::unescape).unwrap_or_default()
}

/// The members of params that say something, found in one pass.
#[derive(Debug, Default, Clone, Copy)]
pub struct Params<'a> {
    pub name: Option<&'a str>,
    pub uri: Option<&'a str>,
    pub arguments: Option<&'a str>,
    pub meta: Option<&'a str>,
    pub reference: Option<&'a str>,
    pub argument: Option<&'a str>,
    pub client_info: Option<&'a str>,
    pub protocol_version: Option<&'a str>,
    pub cursor: Option<&'a str>,
    pub task_id: Option<&'a str>,
    pub request_id: Option<&'a str>,
    pub progress_token: Option<&'a str>,
    pub progress: Option<&'a str>,
    pub total: Option<&'a str>,
    pub message: Option<&'a str>,
    pub messages: Option<&'a str>,
    pub level: Option<&'a str>,
    pub logger: Option<&'a str>,
    pub data: Option<&'a str>,
    pub reason: Option<&'a str>,
    pub notifications: Option<&'a str>,
    pub request_state: Option<&'a str>,
    pub input_responses: Option<&'a str>,
    pub task: Option<&'a str>,
}

impl<'a> Params<'a> {
    pub fn read(raw: &'a str) -> Self {
        let mut params = Self::default();
        for (key, value) in object::members(raw) {
            let slot = match &*key {
                "name" => &mut params.name,
                "uri" => &mut params.uri,
                "arguments" => &mut params.arguments,
                "_meta" => &mut params.meta,
                "ref" => &mut params.reference,
                "argument" => &mut params.argument,
                "clientInfo" => &mut params.client_info,
                "protocolVersion" => &mut params.protocol_version,
                "cursor" => &mut params.cursor,
                "taskId" => &mut params.task_id,
                "requestId" => &mut params.request_id,
                "progressToken" => &mut params.progress_token,
                "progress" => &mut params.progress,
                "total" => &mut params.total,
                "message" => &mut params.message,
                "messages" => &mut params.messages,
                "level" => &mut params.level,
                "logger" => &mut params.logger,
                "data" => &mut params.data,
                "reason" => &mut params.reason,
                "notifications" => &mut params.notifications,
                "requestState" => &mut params.request_state,
                "inputResponses" => &mut params.input_responses,
                "task" => &mut params.task,
                _ => continue,
            };
            *slot = Some(value);
        }
        params
    }
}

/// What the `_meta` of a request or notification says.
#[derive(Debug, Default, Clone, Copy)]
pub struct Meta<'a> {
    pub progress_token: Option<&'a str>,
    pub protocol_version: Option<&'a str>,
    pub client_info: Option<&'a str>,
    pub related_task: Option<&'a str>,
    pub subscription: Option<&'a str>,
}

impl<'a> Meta<'a> {
    pub fn read(raw: &'a str) -> Self {
        let mut meta = Self::default();
        for (key, value) in object::members(raw) {
            let slot = match &*key {
                "progressToken" => &mut meta.progress_token,
                "io.modelcontextprotocol/protocolVersion" => &mut meta.protocol_version,
                "io.modelcontextprotocol/clientInfo" => &mut meta.client_info,
                "io.modelcontextprotocol/related-task" => &mut meta.related_task,
                "io.modelcontextprotocol/subscriptionId" => &mut meta.subscription,
                _ => continue,
            };
            *slot = Some(value);
        }
        meta
    }
}

/// The tool, prompt, URI or task that a message with this method is about; empty when there is none.
pub fn subject(method: &str, params: &Params<'_>) -> Box<str> {
    let raw = match method {
        methods::TOOLS_CALL | methods::PROMPTS_GET => params.name,
        methods::COMPLETE => {
            let reference = params.reference.unwrap_or_default();
            object::at(reference, &["name"]).or_else(|| object::at(reference, &["uri"]))
        }
        methods::LISTEN => only_resource(params),
        _ if method.starts_with("resources/") || method.starts_with("notifications/resources/") => {
            params.uri
        }
        _ if method.starts_with("tasks/") || method.starts_with("notifications/tasks") => {
            params.task_id
        }
        _ => None,
    };
    text_of(raw).into()
}

/// The one resource whose changes a subscription is about.
fn only_resource<'a>(params: &Params<'a>) -> Option<&'a str> {
    let wishes = params.notifications.unwrap_or_default();
    let list = object::at(wishes, &["resourceSubscriptions"]).unwrap_or_default();
    let mut uris = object::elements(list);
    uris.next().filter(|_| uris.next().is_none())
}

/// What a request of the server's asks for; nothing where only its method says so.
pub fn of_question(method: &str, params: &str) -> Box<str> {
    of_params(method, params, &Params::read(params))
}

/// What a request or a notification says.
pub fn of_params(method: &str, raw: &str, params: &Params<'_>) -> Box<str> {
    let mut into = match method {
        methods::LOG_MESSAGE => Gist::line(),
        _ => Gist::default(),
    };
    match method {
        methods::TOOLS_CALL | methods::PROMPTS_GET | methods::RESOURCES_READ
            if params.input_responses.is_some() =>
        {
            replies(&mut into, params.input_responses.unwrap_or_default());
            if into.is_empty() {
                arguments(&mut into, params.arguments.unwrap_or_default());
            }
        }
        methods::TOOLS_CALL | methods::PROMPTS_GET => {
            arguments(&mut into, params.arguments.unwrap_or_default());
        }
        methods::INITIALIZE => return implementation(params.client_info.unwrap_or_default()),
        methods::COMPLETE => {
            let argument = params.argument.unwrap_or_default();
            into.push(&text_of(object::at(argument, &["name"])))
                .push("=");
            push_value(
                &mut into,
                object::at(argument, &["value"]).unwrap_or("\"\""),
            );
        }
        methods::PROGRESS => {
            into.push(params.progress.unwrap_or("?"));
            if let Some(total) = params.total {
                into.push("/").push(total);
            }
            into.push(" ").push(&text_of(params.message));
        }
        methods::LOG_MESSAGE => log(&mut into, params),
        methods::LISTEN | ACKNOWLEDGED => {
            wishes(&mut into, params.notifications.unwrap_or_default())
        }
        methods::CANCELLED => {
            into.push("request ").push(params.request_id.unwrap_or("?"));
            into.push(" ").push(&text_of(params.reason));
        }
        methods::ELICITATION => {
            into.push(&text_of(params.message));
        }
        methods::SAMPLING => {
            let last = params
                .messages
                .and_then(|list| object::elements(list).last());
            let asked = prose(last.unwrap_or_default());
            if !asked.is_empty() {
                into.push("\"").push_at_most(&asked, 60).push("\"");
            }
        }
        // The cursor is opaque; that there is one is worth a word.
        _ if method.ends_with("/list") && params.cursor.is_some() => {
            into.push("next page");
        }
        _ if params.uri.is_some() || params.task_id.is_some() => {}
        _ => arguments(&mut into, raw),
    }
    into.finish()
}

fn log(into: &mut Gist, params: &Params<'_>) {
    into.push(&text_of(params.level)).push(" ");
    if params.logger.is_some() {
        into.push(&text_of(params.logger)).push(": ");
    }
    let data = params.data.unwrap_or_default();
    let text = object::unescape(data)
        .or_else(|| object::string_at(data, &["message"]))
        // As FastMCP servers write it.
        .or_else(|| object::string_at(data, &["msg"]));
    if let Some(text) = text {
        into.push(&text);
    } else if data.starts_with('{') {
        let mut members = Gist::default();
        arguments(&mut members, data);
        into.push(&members.finish());
    } else {
        push_value(into, data);
    }
}

/// The kinds of notifications that a subscription asks for.
fn wishes(into: &mut Gist, raw: &str) {
    for (kind, wish) in object::members(raw).filter(|(_, wish)| *wish != "false") {
        if !into.is_empty() {
            into.push(", ");
        }
        if wish.starts_with('[') {
            into.push(&format!("{} ", object::elements(wish).count()));
        }
        into.push(&kind);
    }
}

/// The text of a raw message, prompt message or content block.
fn prose(raw: &str) -> std::borrow::Cow<'_, str> {
    let content = object::at(raw, &["content"]).unwrap_or(raw);
    let block = object::elements(content).next().unwrap_or(content);
    object::string_at(block, &["text"])
        .or_else(|| object::unescape(content))
        .unwrap_or_default()
}

/// The members of a result that say something, found in one pass.
#[derive(Debug, Default, Clone, Copy)]
pub struct Answer<'a> {
    pub is_error: Option<&'a str>,
    pub result_type: Option<&'a str>,
    pub request_state: Option<&'a str>,
    pub input_requests: Option<&'a str>,
    pub meta: Option<&'a str>,
    pub task: Option<&'a str>,
    pub task_id: Option<&'a str>,
    pub server_info: Option<&'a str>,
    pub supported_versions: Option<&'a str>,
    pub content: Option<&'a str>,
    /// The listed things and the word for one of them.
    pub list: Option<(&'a str, &'static str)>,
    pub contents: Option<&'a str>,
    pub messages: Option<&'a str>,
    pub completion: Option<&'a str>,
    pub action: Option<&'a str>,
    pub status: Option<&'a str>,
    pub structured: Option<&'a str>,
}

impl<'a> Answer<'a> {
    pub fn read(raw: &'a str) -> Self {
        let mut answer = Self::default();
        for (key, value) in object::members(raw) {
            let word = match &*key {
                "tools" => Some("tool"),
                "resources" => Some("resource"),
                "resourceTemplates" => Some("template"),
                "prompts" => Some("prompt"),
                "roots" => Some("root"),
                "tasks" => Some("task"),
                "skills" => Some("skill"),
                _ => None,
            };
            if let Some(word) = word {
                answer.list = Some((value, word));
                continue;
            }
            let slot = match &*key {
                "isError" => &mut answer.is_error,
                "resultType" => &mut answer.result_type,
                "requestState" => &mut answer.request_state,
                "inputRequests" => &mut answer.input_requests,
                "_meta" => &mut answer.meta,
                "task" => &mut answer.task,
                "taskId" => &mut answer.task_id,
                "serverInfo" => &mut answer.server_info,
                "supportedVersions" => &mut answer.supported_versions,
                "content" => &mut answer.content,
                "contents" => &mut answer.contents,
                "messages" => &mut answer.messages,
                "completion" => &mut answer.completion,
                "action" => &mut answer.action,
                "status" => &mut answer.status,
                "structuredContent" => &mut answer.structured,
                _ => continue,
            };
            *slot = Some(value);
        }
        answer
    }
    /// A tool's content is a list; that of an elicitation's answer is an object.
    fn has_blocks(&self) -> bool {
        self.content.is_some_and(|raw| raw.starts_with('['))
    }
    pub fn result_type_is(&self, word: &str) -> bool {
        self.result_type
            .is_some_and(|raw| raw.trim_matches('"') == word)
    }
}

fn count(into: &mut Gist, list: &str, word: &str) {
    into.push(&plural(object::elements(list).count() as u64, word));
}

/// What a result says.
pub fn of_result(raw: &str, answer: &Answer<'_>) -> Box<str> {
    let mut into = Gist::default();
    if answer.result_type_is("input_required") {
        questions(&mut into, answer.input_requests.unwrap_or_default());
    } else if let Some(info) = answer.server_info {
        return implementation(info);
    } else if let Some((list, word)) = answer.list {
        count(&mut into, list, word);
    } else if let Some(action) = answer.action.filter(|_| !answer.has_blocks()) {
        into.push(&text_of(Some(action)));
        arguments(&mut into, answer.content.unwrap_or_default());
    } else if let Some(list) = answer.content.or(answer.contents) {
        content(&mut into, list, answer.structured);
    } else if let Some(list) = answer.messages {
        count(&mut into, list, "message");
    } else if let Some(completion) = answer.completion {
        count(
            &mut into,
            object::at(completion, &["values"]).unwrap_or_default(),
            "value",
        );
    } else if let Some(task) = answer.task {
        into.push("task ")
            .push(&text_of(object::at(task, &["taskId"])));
    } else if let Some(id) = answer.task_id {
        into.push("task ")
            .push(&text_of(Some(id)))
            .push(" ")
            .push(&text_of(answer.status));
    } else if let Some(versions) = answer.supported_versions {
        let info = answer
            .meta
            .and_then(|meta| object::at(meta, &[SERVER_INFO]));
        into.push(&implementation(info.unwrap_or_default()))
            .push(" ");
        let joined: Vec<_> = object::elements(versions)
            .filter_map(object::unescape)
            .collect();
        into.push(&joined.join(", "));
    } else {
        arguments(&mut into, raw);
    }
    into.finish()
}

/// What the server wants to know before it goes on with a call.
fn questions(into: &mut Gist, raw: &str) {
    let mut joint = "asks: ";
    for (_, request) in object::members(raw) {
        let method = text_of(object::at(request, &["method"]));
        let params = object::at(request, &["params"]).unwrap_or_default();
        let question = of_question(&method, params);
        let question = if question.is_empty() {
            &*method
        } else {
            &*question
        };
        into.push(joint).push_at_most(question, 60);
        joint = ", ";
    }
    if into.is_empty() {
        into.push("asks to be called again");
    }
}

/// What a client replies to that, where it says anything.
fn replies(into: &mut Gist, raw: &str) {
    let mut joint = "answers: ";
    for (_, reply) in object::members(raw) {
        let mut said = Gist::default();
        let read = Answer::read(reply);
        let action = text_of(read.action);
        let typed = object::at(reply, &["content"]).filter(|raw| raw.starts_with('{'));
        match (&*action, typed, object::at(reply, &["roots"])) {
            ("accept", Some(typed), _) if object::members(typed).next().is_some() => {
                arguments(&mut said, typed);
            }
            ("", _, Some(roots)) => count(&mut said, roots, "root"),
            ("", Some(block), _) => content(&mut said, block, None),
            ("", ..) => arguments(&mut said, reply),
            (action, ..) => {
                said.push(action);
            }
        }
        let said = said.finish();
        if !said.is_empty() {
            into.push(joint).push(&said);
            joint = ", ";
        }
    }
}

/// The key under which modern results carry the server's name and version.
pub const SERVER_INFO: &str = "io.modelcontextprotocol/serverInfo";

/// The first text of a content list; without one, what kinds of blocks there are.
fn content(into: &mut Gist, list: &str, structured: Option<&str>) {
    // Sampling answers have one block where tools have a list.
    if list.starts_with('{') {
        into.push(&prose(list));
        return;
    }
    let (mut blocks, mut kind) = (0, None);
    for block in object::elements(list) {
        let (mut text, mut mime, mut type_name) = (None, None, None);
        for (key, value) in object::members(block) {
            match &*key {
                "text" => text = Some(value),
                "mimeType" => mime = Some(value),
                "type" => type_name = Some(value),
                _ => {}
            }
        }
        if text.is_some() {
            text_or_json(into, &text_of(text));
            return;
        }
        blocks += 1;
        kind = kind.or(mime).or(type_name);
    }
    match (blocks, structured) {
        (0, Some(structured)) => text_or_json(into, structured),
        (0, None) => {
            into.push("empty");
        }
        _ => {
            into.push(&text_of(kind));
            if blocks > 1 {
                into.push(&format!(" and {} more", blocks - 1));
            }
        }
    }
}

/// Many tools answer with JSON in a text: its members say more than its punctuation.
fn text_or_json(into: &mut Gist, text: &str) {
    let text = text.trim();
    match text.as_bytes().first() {
        Some(b'{') if wire::is_json(text.as_bytes()) => arguments(into, text),
        Some(b'[') if wire::is_json(text.as_bytes()) => push_value(into, text),
        _ => {
            into.push(text);
        }
    }
}

/// What an error says: its code and its message.
pub fn of_error(raw: &str) -> Box<str> {
    let (mut code, mut message) = (None, None);
    for (key, value) in object::members(raw) {
        match &*key {
            "code" => code = Some(value),
            "message" => message = Some(value),
            _ => {}
        }
    }
    if code.is_none() && message.is_none() {
        return gist(&object::unescape(raw).unwrap_or_default());
    }
    let mut into = Gist::default();
    into.push_at_most(code.unwrap_or_default(), 16)
        .push(" ")
        .push(&text_of(message));
    into.finish()
}
