//! Being told of the changes of a resource: asked for with a key, and ended with the same. A server of the older era is
//! asked in the operator's own session; one of the newer era with a subscription for the one resource, beside the one
//! for the lists.

use crate::mcp::methods;
use crate::tap::{Command, Refused, Reply, Route};
use crate::traffic::inventory::Resource;
use crate::traffic::{Row, Status};
use crate::ui::app::World;
use crate::ui::app::errand::{Errand, News};
use crate::ui::event::{Effect, Notice, Owner, Step, Token};
use serde_json::{Value, json};

#[derive(Debug, Default)]
pub struct Following {
    /// The wishes that are not answered yet, at most one for a resource.
    asked: Vec<Asked>,
    errands: u64,
}

#[derive(Debug)]
struct Asked {
    errand: Errand,
    uri: String,
    /// Or no longer.
    begins: bool,
}

/// Why the server will not tell of the changes of this resource.
pub fn why_not(world: &World, resource: &Resource) -> Option<String> {
    if !world.live {
        let why = world.why_read_only();
        return Some(format!("nobody can be subscribed: {why}"));
    }
    if resource.template {
        let why = "a template is no resource: read one of its resources, and subscribe to that";
        return Some(why.to_owned());
    }
    let offered = world
        .traffic
        .inventory()
        .offers(&["resources", "subscribe"]);
    (!offered).then(|| "the server does not say that it tells of changes of a resource".to_owned())
}

impl Following {
    /// Subscribes to a resource, or ends that.
    pub fn toggle(&mut self, world: &World, resource: &Resource) -> Vec<Step> {
        if let Some(why) = why_not(world, resource) {
            return vec![Step::Say(Notice::info(why))];
        }
        let uri = &*resource.uri;
        if self.asked.iter().any(|asked| asked.uri == uri) {
            let text = format!("the server has not answered yet what was asked about {uri}");
            return vec![Step::Say(Notice::info(text))];
        }
        let token = self.token();
        let own = world.traffic.own_subscription(uri);
        let (errand, step) = match &own {
            Some(listen) if listen.method == methods::LISTEN => {
                let text = format!(
                    "cancelling: the server is told that nobody waits for changes of {uri} any more"
                );
                return vec![cancel(token, listen), Step::Say(Notice::info(text))];
            }
            Some(subscribed) => Errand::new(
                token,
                Route::Session(subscribed.session),
                methods::RESOURCES_UNSUBSCRIBE,
                &json!({ "uri": uri }).to_string(),
            ),
            None if world.is_modern() => Errand::new(
                token,
                Route::Operator,
                methods::LISTEN,
                &json!({ "notifications": { "resourceSubscriptions": [uri] } }).to_string(),
            ),
            None => Errand::new(
                token,
                Route::Operator,
                methods::RESOURCES_SUBSCRIBE,
                &json!({ "uri": uri }).to_string(),
            ),
        };
        self.asked.push(Asked {
            errand,
            uri: resource.uri.clone(),
            begins: own.is_none(),
        });
        vec![step]
    }

    /// Whether the command was one of these.
    pub fn settle(&mut self, token: Token, outcome: &Result<Reply, Refused>) -> bool {
        let mut asked = self.asked.iter_mut();
        asked.any(|asked| asked.errand.settle(token, outcome))
    }

    /// Says what became of the wishes, once.
    pub fn sync(&mut self, world: &World) -> Vec<Step> {
        let mut steps = Vec::new();
        for asked in std::mem::take(&mut self.asked) {
            match outcome(world, &asked) {
                None => self.asked.push(asked),
                Some((notice, useless)) => {
                    steps.extend(useless.map(|listen| cancel(self.token(), &listen)));
                    steps.push(Step::Say(notice));
                }
            }
        }
        steps
    }

    fn token(&mut self) -> Token {
        self.errands += 1;
        Token {
            owner: Owner::Resources,
            number: self.errands,
        }
    }
}

/// What became of a wish, once that is known; and the subscription that is of no use.
fn outcome<'w>(world: &'w World, asked: &Asked) -> Option<(Notice, Option<Row<'w>>)> {
    let uri = &asked.uri;
    let mut useless = None;
    let notice = match asked.errand.news(world) {
        News::OnItsWay => return None,
        News::Done(_) if !asked.begins => Notice::info(format!(
            "the server no longer tells you of changes of {uri}"
        )),
        News::Done(_) if world.traffic.own_subscription(uri).is_some() => Notice::info(format!(
            "in your own session the server tells of changes of {uri}"
        )),
        News::Done(row) => {
            let row = world.traffic.row(row);
            useless = row.filter(|row| row.status == Status::Streaming);
            Notice::error(format!(
                "the server answered, but does not include changes of {uri}"
            ))
        }
        News::Failed(why) if asked.begins => Notice::error(format!(
            "the server does not tell of changes of {uri}: {why}"
        )),
        News::Failed(why) => {
            Notice::error(format!("the server still tells of changes of {uri}: {why}"))
        }
    };
    Some((notice, useless))
}

/// Ends a subscription of the newer era.
fn cancel(token: Token, listen: &Row<'_>) -> Step {
    let (method, id) = (Value::from(methods::CANCELLED), listen.message_id);
    let message = format!(r#"{{"jsonrpc":"2.0","method":{method},"params":{{"requestId":{id}}}}}"#);
    let command = Command::Send {
        route: Route::Session(listen.session),
        message,
        replay_of: None,
    };
    Step::Do(Effect::Command { token, command })
}
