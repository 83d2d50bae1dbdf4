//! Filling the inventory from what passes by: list answers put together page by page, greetings, changes announced.

mod read;

use super::RowId;
use super::digest::{RequestDetail, stable_hash};
use super::inventory::{Again, Inventory, Listing, Prompt, Resource, ServerInfo, Tool};
use super::storage::abridged;
use super::summary::SERVER_INFO;
use crate::mcp::methods;
use crate::tap::Timestamp;
use crate::wire::object;
use std::borrow::Cow;
use std::collections::{HashMap, HashSet};

/// Items kept of one walk through a list; a server that never ends its list is cut off here.
const MOST_ITEMS: usize = 20_000;
/// Bytes of definitions kept of one walk.
const MOST_BYTES: usize = 64 << 20;
/// Bytes kept of the second definitions of what is listed twice.
const MOST_SECOND_BYTES: usize = 8 << 20;
/// Names kept that were called without being listed.
const MOST_UNLISTED: usize = 1000;
/// A name that is longer is noise.
pub(super) const LONGEST_NAME: usize = 16 << 10;

/// The inventory and what is under way to complete it.
#[derive(Debug, Default)]
pub struct Catalogue {
    inventory: Inventory,
    /// The cursor of each open list request.
    asked: HashMap<RowId, Option<Box<str>>>,
    tools: Walks<Tool>,
    resources: Walks<Resource>,
    templates: Walks<Resource>,
    prompts: Walks<Prompt>,
    /// The raw `serverInfo` last taken in, as most messages repeat it.
    last_server_info: Box<str>,
    /// The version that the last modern request was made in; no answer repeats it.
    spoken: Option<Box<str>>,
}

impl Catalogue {
    pub fn inventory(&self) -> &Inventory {
        &self.inventory
    }

    /// A request to the server that may teach us something when it is answered.
    pub fn asked(&mut self, row: RowId, method: &str, detail: Option<&RequestDetail>) {
        if let Some(detail) = detail.filter(|detail| detail.modern) {
            self.spoken.clone_from(&detail.protocol_version);
        }
        if is_list(method) {
            let cursor = detail.and_then(|detail| detail.cursor.as_deref());
            self.asked
                .insert(row, cursor.map(|cursor| abridged(cursor).into()));
        }
    }
    /// That request got no answer that teaches anything.
    pub fn unanswered(&mut self, row: RowId) {
        self.asked.remove(&row);
    }

    /// A tool, prompt or resource was used for the first time.
    pub fn called(&mut self, method: &str, name: &str) {
        let inventory = &mut self.inventory;
        inventory.state += 1;
        match method {
            methods::TOOLS_CALL => self.tools.called(&mut inventory.tools, name),
            methods::PROMPTS_GET => self.prompts.called(&mut inventory.prompts, name),
            methods::RESOURCES_READ => self.resources.called(&mut inventory.resources, name),
            _ => {}
        }
    }

    /// The result of the client's request `row`; the protocol version when it settles one.
    pub fn offered(
        &mut self,
        row: RowId,
        session: u32,
        method: &str,
        result: &str,
        at: Timestamp,
    ) -> Option<String> {
        let cursor = self.asked.remove(&row).flatten();
        let page = Page {
            session,
            cursor,
            result,
            at,
        };
        let inventory = &mut self.inventory;
        inventory.state += u64::from(is_list(method));
        match method {
            methods::TOOLS_LIST => {
                let list = page.list("tools", read::tool);
                self.tools.page(&mut inventory.tools, &page, list);
            }
            methods::RESOURCES_LIST => {
                let list = page.list("resources", read::resource);
                self.resources.page(&mut inventory.resources, &page, list);
            }
            methods::TEMPLATES_LIST => {
                let list = page.list("resourceTemplates", read::template);
                self.templates.page(&mut inventory.templates, &page, list);
            }
            methods::PROMPTS_LIST => {
                let list = page.list("prompts", read::prompt);
                self.prompts.page(&mut inventory.prompts, &page, list);
            }
            methods::INITIALIZE | methods::DISCOVER => return self.greeting(result),
            _ => {}
        }
        None
    }

    fn greeting(&mut self, result: &str) -> Option<String> {
        let text = |path: &[&str]| object::string_at(result, path).map(Cow::into_owned);
        let info = object::at(result, &["serverInfo"])
            .or_else(|| object::at(result, &["_meta", SERVER_INFO]))
            .unwrap_or_default();
        let known = self.inventory.server.take().unwrap_or_default();
        let version = text(&["protocolVersion"]);
        let versions = object::at(result, &["supportedVersions"]);
        let mut server = ServerInfo {
            protocol_version: version.clone().unwrap_or(known.protocol_version),
            supported_versions: versions.map_or(known.supported_versions, |list| {
                object::elements(list)
                    .filter_map(object::unescape)
                    .map(Into::into)
                    .collect()
            }),
            capabilities: object::at(result, &["capabilities"])
                .map_or(known.capabilities, Into::into),
            instructions: text(&["instructions"]).or(known.instructions),
            name: known.name,
            title: known.title,
            version: known.version,
        };
        if !info.is_empty() {
            name_server(&mut server, info);
        }
        self.inventory.server = Some(server);
        self.settle_version();
        version.or_else(|| versions.and(self.spoken.as_deref()).map(str::to_owned))
    }

    /// The `serverInfo` that a modern result carries.
    pub fn server_info(&mut self, raw: &str) {
        if *self.last_server_info == *raw {
            return;
        }
        self.last_server_info = raw.into();
        name_server(self.inventory.server.get_or_insert_default(), raw);
        self.settle_version();
    }

    /// A modern server chooses no version: it speaks the one that it is asked in.
    fn settle_version(&mut self) {
        if let (Some(server), Some(spoken)) = (&mut self.inventory.server, &self.spoken)
            && server.protocol_version.is_empty()
        {
            server.protocol_version = spoken.to_string();
        }
    }

    /// A notification of the server's; some say that a list has changed.
    pub fn list_changed(&mut self, method: &str, at: Timestamp) {
        let inventory = &mut self.inventory;
        match method {
            "notifications/tools/list_changed" => self.tools.changed(&mut inventory.tools, at),
            "notifications/prompts/list_changed" => {
                self.prompts.changed(&mut inventory.prompts, at)
            }
            "notifications/resources/list_changed" => {
                self.resources.changed(&mut inventory.resources, at);
                self.templates.changed(&mut inventory.templates, at);
            }
            _ => {}
        }
    }

    /// Its walks will not go on.
    pub fn close_session(&mut self, session: u32) {
        self.tools.stop(session);
        self.resources.stop(session);
        self.templates.stop(session);
        self.prompts.stop(session);
    }
}

fn is_list(method: &str) -> bool {
    matches!(
        method,
        methods::TOOLS_LIST
            | methods::RESOURCES_LIST
            | methods::TEMPLATES_LIST
            | methods::PROMPTS_LIST
    )
}

fn name_server(server: &mut ServerInfo, raw: &str) {
    let text = |key: &str| object::string_at(raw, &[key]).map(Cow::into_owned);
    server.name = text("name").unwrap_or_default();
    server.title = text("title");
    server.version = text("version").unwrap_or_default();
}

/// One answered page of a list.
struct Page<'a> {
    session: u32,
    cursor: Option<Box<str>>,
    result: &'a str,
    at: Timestamp,
}

impl<'a> Page<'a> {
    /// The items that stand under `member`.
    fn list<T>(&self, member: &str, read: fn(&str) -> T) -> impl Iterator<Item = T> + use<'a, T> {
        object::elements(object::at(self.result, &[member]).unwrap_or_default()).map(read)
    }
}

/// Something that a server lists.
trait Item: Sized {
    fn unlisted(name: &str) -> Self;
    fn key(&self) -> &str;
    fn raw(&self) -> &str;
    fn is_unlisted(&self) -> bool;
}

/// The walks through one list that sessions have under way.
#[derive(Debug)]
struct Walks<T> {
    under_way: HashMap<u32, Walk<T>>,
    /// The session whose unfinished walk is what the listing shows, as there is nothing better.
    shown: Option<u32>,
    /// Hashes of the keys of the last finished walk.
    listed: HashSet<u64>,
    /// Everything called, in order of the first call; kept to be compared with each new list.
    called: Vec<Box<str>>,
}

#[derive(Debug)]
struct Walk<T> {
    /// The cursor that the next page must be asked with.
    next: Box<str>,
    /// The pages so far; empty when the listing itself holds them.
    items: Vec<T>,
    /// Hashes of the keys so far: what a server lists twice is shown once, and counted.
    seen: HashSet<u64>,
    /// As in [`Listing`]; empty when the listing itself has it.
    again: HashMap<u64, Again>,
    bytes: usize,
    second_bytes: usize,
    from_start: bool,
    /// There was more than we keep.
    cut_off: bool,
    /// When the list changed during the walk.
    changed: Option<Timestamp>,
}

impl<T: Item> Walk<T> {
    /// Whether the next item is a new one that there is room for.
    fn takes(&mut self, item: &T, again: &mut HashMap<u64, Again>) -> bool {
        let key = stable_hash(item.key().as_bytes());
        if self.seen.contains(&key) {
            self.comes_again(item, again.entry(key).or_default());
            return false;
        }
        self.bytes = self.bytes.saturating_add(item.raw().len());
        self.cut_off |= self.seen.len() >= MOST_ITEMS || self.bytes > MOST_BYTES;
        !self.cut_off && self.seen.insert(key)
    }

    fn comes_again(&mut self, item: &T, again: &mut Again) {
        again.times = again.times.saturating_add(1);
        let bytes = self.second_bytes.saturating_add(item.raw().len());
        if again.times == 1 && bytes <= MOST_SECOND_BYTES {
            self.second_bytes = bytes;
            again.second = item.raw().into();
        }
    }

    fn is_whole(&self) -> bool {
        self.from_start && !self.cut_off && self.changed.is_none()
    }
}

impl<T> Default for Walks<T> {
    fn default() -> Self {
        Self {
            under_way: HashMap::new(),
            shown: None,
            listed: HashSet::new(),
            called: Vec::new(),
        }
    }
}

impl<T: Item> Walks<T> {
    fn page(&mut self, listing: &mut Listing<T>, page: &Page<'_>, list: impl Iterator<Item = T>) {
        let Some(mut walk) = self.resume(listing, page) else {
            return;
        };
        let in_place = self.shown == Some(page.session);
        let again = if in_place {
            &mut listing.again
        } else {
            &mut walk.again
        };
        let mut again = std::mem::take(again);
        let new: Vec<T> = list.filter(|item| walk.takes(item, &mut again)).collect();
        if in_place {
            listing.again = again;
            while listing.items.pop_if(|item| item.is_unlisted()).is_some() {}
            listing.items.extend(new);
        } else {
            walk.again = again;
            walk.items.extend(new);
        }
        let next = object::string_at(page.result, &["nextCursor"]);
        if in_place || next.is_none() {
            if !in_place {
                listing.items = std::mem::take(&mut walk.items);
                listing.again = std::mem::take(&mut walk.again);
                // A walk that was shown for want of a whole one has lost its pages, and nobody needs them now.
                if let Some(other) = self.shown.take() {
                    self.under_way.remove(&other);
                }
            }
            listing.listed_at = Some(page.at);
            listing.stale_since = walk.changed;
            listing.complete = next.is_none() && walk.is_whole();
            let missing = self
                .called
                .iter()
                .filter(|name| !walk.seen.contains(&stable_hash(name.as_bytes())));
            listing.items.extend(missing.map(|name| T::unlisted(name)));
        }
        match next {
            Some(next) => {
                walk.next = abridged(&next).into();
                self.under_way.insert(page.session, walk);
            }
            None => {
                self.listed = walk.seen;
                self.shown = None;
            }
        }
    }

    /// The walk that this page continues or begins; `None` for a page that says nothing new.
    fn resume(&mut self, listing: &mut Listing<T>, page: &Page<'_>) -> Option<Walk<T>> {
        let expected = self.under_way.get(&page.session).map(|walk| &walk.next);
        if expected.is_some() && expected == page.cursor.as_ref() {
            return self.under_way.remove(&page.session);
        }
        self.stop(page.session);
        // A page from the middle is worth showing only where there is nothing.
        if page.cursor.is_some() && listing.listed_at.is_some() {
            return None;
        }
        if !listing.complete && self.shown.is_none() {
            self.shown = Some(page.session);
            listing.items.clear();
            listing.again.clear();
        }
        Some(Walk {
            next: Box::default(),
            items: Vec::new(),
            seen: HashSet::new(),
            again: HashMap::new(),
            bytes: 0,
            second_bytes: 0,
            from_start: page.cursor.is_none(),
            cut_off: false,
            changed: None,
        })
    }

    /// The session's walk will not go on.
    fn stop(&mut self, session: u32) {
        let walk = self.under_way.remove(&session);
        if self.shown == Some(session) {
            self.shown = None;
            self.listed = walk.map(|walk| walk.seen).unwrap_or_default();
        }
    }

    fn called(&mut self, listing: &mut Listing<T>, name: &str) {
        let odd = name.is_empty() || name.len() > LONGEST_NAME;
        if odd || self.called.len() == MOST_UNLISTED {
            return;
        }
        self.called.push(name.into());
        let shown = self.shown.and_then(|session| self.under_way.get(&session));
        let listed = shown.map_or(&self.listed, |walk| &walk.seen);
        if !listed.contains(&stable_hash(name.as_bytes())) {
            listing.items.push(T::unlisted(name));
        }
    }

    fn changed(&mut self, listing: &mut Listing<T>, at: Timestamp) {
        if listing.listed_at.is_some() {
            listing.stale_since.get_or_insert(at);
        }
        for walk in self.under_way.values_mut() {
            walk.changed.get_or_insert(at);
        }
    }
}

impl Item for Tool {
    fn unlisted(name: &str) -> Self {
        Self {
            name: name.into(),
            unlisted: true,
            ..Self::default()
        }
    }
    fn key(&self) -> &str {
        &self.name
    }
    fn raw(&self) -> &str {
        &self.raw
    }
    fn is_unlisted(&self) -> bool {
        self.unlisted
    }
}

impl Item for Resource {
    fn unlisted(uri: &str) -> Self {
        Self {
            uri: uri.into(),
            unlisted: true,
            ..Self::default()
        }
    }
    fn key(&self) -> &str {
        &self.uri
    }
    fn raw(&self) -> &str {
        &self.raw
    }
    fn is_unlisted(&self) -> bool {
        self.unlisted
    }
}

impl Item for Prompt {
    fn unlisted(name: &str) -> Self {
        Self {
            name: name.into(),
            unlisted: true,
            ..Self::default()
        }
    }
    fn key(&self) -> &str {
        &self.name
    }
    fn raw(&self) -> &str {
        &self.raw
    }
    fn is_unlisted(&self) -> bool {
        self.unlisted
    }
}
