//! HTTP exchanges: which rows they carried, which rows they are, and what their ends mean for what they carried.

use crate::tap::{ASKED_AGAIN, CLIENT_GONE, Half, Party, SessionId};
use crate::traffic::digest::{Carrier, HttpStep};
use crate::traffic::http::{
    Asked, BRIDGED, CUT_OFF, HttpData, HttpEventKind, HttpLog, MODERN, REPEATS, RESUMABLE, STREAM,
    status_words,
};
use crate::traffic::links::{Scope, Side, alike};
use crate::traffic::storage::{NONE, RowData, abridged};
use crate::traffic::store::{Source, Store};
use crate::traffic::{Role, RowId, RowKind, Status, Traffic};

/// Requests of one batch looked at to find the one that is answered. In larger batches the id alone must do.
const MOST_ALIKE: usize = 64;

impl Traffic {
    /// What of an HTTP exchange is no message.
    pub(super) fn http_step(&mut self, source: Source, number: u64, step: HttpStep) {
        self.sessions.at(source.session, source.at);
        let index = self.store.http.enter(number);
        match step {
            HttpStep::Request { .. } => self.http_request(source, number, index, step),
            HttpStep::Response {
                status,
                stream,
                challenge,
                session,
            } => {
                self.name_session(source, session, None);
                let row = self.http_row(source, number, index);
                let Some(data) = self.store.http.get_mut(index) else {
                    return;
                };
                // Only the first head of a half counts.
                if data.status != 0 {
                    return;
                }
                data.head(Half::Response, source.place);
                data.status = status;
                data.mark(STREAM, stream);
                self.note_rows_with(index);
                if status == 401 || status == 403 && challenge {
                    self.challenged(row);
                }
                if stream && status < 300 && self.kind(row) == Some(RowKind::Http) {
                    self.open.remove(&(self.store.scope(row), row));
                    self.set_status(row, Status::Streaming);
                }
            }
            HttpStep::Event { numbered } => {
                self.http_row(source, number, index);
                self.stream_event(source, index, HttpEventKind::Event, numbered);
            }
            HttpStep::Body { of } => {
                self.http_row(source, number, index);
                let log = &mut self.store.http;
                log.add_event(index, HttpEventKind::Body(of), source.place);
            }
            HttpStep::End { of, bytes, broken } => {
                if of == Half::Response {
                    self.http_row(source, number, index);
                }
                let Some(data) = self.store.http.get_mut(index) else {
                    return;
                };
                // As with heads.
                if data.has_ended(of) {
                    return;
                }
                data.end(of, source.place, bytes);
                if of == Half::Request {
                    self.all_asked(source, number, index);
                }
                if of == Half::Response {
                    self.response_over(source, index, broken.as_deref());
                }
                if self
                    .store
                    .http
                    .get(index)
                    .is_some_and(|data| data.is_over())
                {
                    self.store.http.leave(number);
                }
            }
        }
    }

    fn http_request(&mut self, source: Source, number: u64, index: u32, step: HttpStep) {
        let HttpStep::Request {
            by,
            ours,
            method,
            path,
            query,
            session,
            agent,
        } = step
        else {
            return;
        };
        self.name_session(source, session, agent.filter(|_| by == Party::Client));
        let store = &mut self.store;
        let call = (store.intern(&method), store.intern(&path));
        match store.http.get_mut(index) {
            // What it was, everybody has been told by then.
            Some(data) if data.request_head().is_none() && data.goes_on() => {
                data.head(Half::Request, source.place);
                (data.method, data.path) = call;
                data.mark(BRIDGED, ours);
            }
            _ => return,
        }
        let at = source.at;
        store.http.set_asked(number, Asked { at, by, query });
        self.note_rows_with(index);
        // A POST is the row of the message that it carries, which comes next.
        if &*method != "POST" {
            self.http_row(source, number, index);
        }
    }

    /// All of a request is sent. One of ours that has said nothing itself repeats another.
    fn all_asked(&mut self, source: Source, number: u64, index: u32) {
        let Self { store, again, .. } = self;
        let is_ours = store.http.asked_by(number) == Some(Party::Sentinel);
        let method = store.http.get(index).map(|data| data.method);
        let is_post = method.is_some_and(|it| store.symbol(it) == "POST");
        if let Some(data) = store.http.get_mut(index)
            && is_ours
            && is_post
            && data.row == NONE
        {
            data.mark(REPEATS, again.repeats(SessionId(source.session)));
        }
    }

    fn name_session(&mut self, source: Source, key: Option<Box<str>>, agent: Option<Box<str>>) {
        let Some(session) = self.sessions.at(source.session, source.at) else {
            return;
        };
        if let Some(key) = key
            && session.key.as_deref() != Some(&key)
        {
            session.key = Some(key.into());
        }
        if let Some(agent) = agent
            && session.agent.is_none()
        {
            session.agent = Some(agent.into());
        }
    }

    /// The row of the exchange; a row of its own when it has carried no message so far.
    fn http_row(&mut self, source: Source, number: u64, index: u32) -> RowId {
        let Some(data) = self.store.http.get(index) else {
            return NONE;
        };
        if data.row != NONE {
            return data.row;
        }
        let asked = self.store.http.take_asked(number);
        self.push_http(source, index, asked)
    }

    fn push_http(&mut self, source: Source, index: u32, asked: Option<Asked>) -> RowId {
        let Some(data) = self.store.http.get(index) else {
            return NONE;
        };
        let head = data.request_head();
        let method = match self.store.symbol(data.method) {
            "" => "HTTP".to_owned(),
            known => known.to_owned(),
        };
        let path = self.store.symbol(data.path).to_owned();
        let asked = asked.unwrap_or(Asked {
            at: source.at,
            by: Party::Client,
            query: Box::default(),
        });
        let source = Source {
            at: asked.at,
            from: asked.by,
            place: head.unwrap_or(source.place),
            ..source
        };
        let row = self
            .store
            .push(source, RowKind::Http, &method, &path, &asked.query);
        if let Some(extra) = self.store.make_extra(row) {
            extra.http = index;
        }
        if let Some(data) = self.store.http.get_mut(index)
            && data.row == NONE
        {
            data.row = row;
        }
        self.set_status(row, Status::Pending);
        self.open.insert((self.store.scope(row), row));
        if let Some(parent) = self.retried(row).or_else(|| self.authorizes(row)) {
            self.store.nest(row, parent);
            self.changes.note(parent);
        }
        row
    }

    /// The exchange that carried a line, and what that says of it.
    pub(super) fn carried(&mut self, source: Source, to: Option<Party>, via: Carrier) -> u32 {
        let index = self.store.http.enter(via.exchange);
        if Side::of(source.from, to) == Side::Server {
            let known = |log: &HttpLog| log.get(index).and_then(HttpData::request_head);
            if known(&self.store.http).is_some() {
                self.http_row(source, via.exchange, index);
            }
            let data = self.store.http.get(index);
            if via.numbered || data.is_some_and(|data| data.is(STREAM)) {
                self.stream_event(source, index, HttpEventKind::Message, via.numbered);
            }
        }
        index
    }

    /// The exchange was made for this message, which is told with what it is about: the exchange's own row says it, too.
    pub(super) fn brought_only(
        &mut self,
        source: Source,
        to: Option<Party>,
        via: Carrier,
        words: &str,
    ) {
        let index = self.store.http.enter(via.exchange);
        let data = self.store.http.get(index);
        let is_bare = data.is_some_and(|data| data.row == NONE && data.request_head().is_some());
        if !is_bare || Side::of(source.from, to) == Side::Server {
            return;
        }
        let row = self.http_row(source, via.exchange, index);
        let words = self.store.texts.keep(words);
        if let Some(data) = self.store.row_mut(row) {
            data.summary = words;
        }
        self.store.attach(row, Role::Line, source);
    }

    fn stream_event(&mut self, source: Source, index: u32, kind: HttpEventKind, numbered: bool) {
        self.store.http.add_event(index, kind, source.place);
        if let Some(data) = self.store.http.get_mut(index) {
            data.mark(STREAM, true);
            data.mark(RESUMABLE, numbered);
        }
    }

    /// Notes that the client's message that made `row`, or ended it, went with this HTTP exchange; of what the server
    /// sent by itself, that it came with it.
    pub(super) fn sent_with(&mut self, row: RowId, scope: Scope, http: Option<u32>) {
        let Some((index, data)) = http.and_then(|it| Some((it, self.store.http.get(it)?))) else {
            return;
        };
        let with = |row: RowId| self.store.extra(row).map_or(NONE, |extra| extra.http);
        let belongs = match scope.side {
            // More than one come as a batch, one after the other.
            Side::Client => data.row == NONE || row > 0 && with(row - 1) == index,
            Side::Server => {
                let asks = self.store.is_exchange(row) && !self.is_asked(row);
                asks && with(row) == NONE && data.status != 0 && data.request_head().is_some()
            }
        };
        if !belongs {
            if with(row) == NONE {
                self.store.http.brought.add(row, index);
            }
            return;
        }
        if let Some(extra) = self.store.make_extra(row) {
            extra.http = index;
        }
        if scope.side == Side::Client
            && let Some(data) = self.store.http.get_mut(index)
            && data.row == NONE
        {
            data.row = row;
        }
    }

    /// The rows of what the asking side sent with this HTTP exchange.
    pub(super) fn rows_with(&self, index: u32) -> impl Iterator<Item = RowId> {
        let first = self.store.http.get(index).map_or(NONE, |data| data.row);
        (first..NONE).take_while(move |&row| {
            self.store
                .extra(row)
                .is_some_and(|extra| extra.http == index)
        })
    }

    /// What is known of the HTTP exchange has changed.
    fn note_rows_with(&mut self, index: u32) {
        let rows: Vec<RowId> = self.rows_with(index).collect();
        rows.into_iter().for_each(|row| self.changes.note(row));
    }

    /// The only, or first, request that went with this HTTP exchange and that `is` meant.
    pub(super) fn asked_with(
        &self,
        http: Option<u32>,
        asked: Scope,
        is: impl Fn(&Store, RowId) -> bool,
    ) -> Option<RowId> {
        let index = http.filter(|_| asked.side == Side::Client)?;
        self.rows_with(index)
            .take(MOST_ALIKE)
            .find(|&row| self.is_asked(row) && is(&self.store, row))
    }

    /// We asked of our own accord: that it failed is nobody's error.
    pub(super) fn is_ours(&self, row: RowId) -> bool {
        let data = self.store.row(row);
        data.is_some_and(|data| data.from == Party::Sentinel)
    }

    /// A request of the client's side.
    fn is_asked(&self, row: RowId) -> bool {
        self.store.is_exchange(row) && self.store.scope(row).side == Side::Client
    }

    /// The request that an answer in this HTTP exchange is to. Without an id it is to the only one there.
    pub(super) fn answered_with(
        &self,
        http: Option<u32>,
        asked: Scope,
        id: Option<&str>,
    ) -> Option<RowId> {
        if let Some(id) = id {
            let id = abridged(id);
            let exact = |store: &Store, row| store.id_bytes(row) == id.as_bytes();
            if let Some(row) = self.asked_with(http, asked, exact) {
                return Some(row);
            }
        }
        let (index, only) = (http?, self.asked_with(http, asked, |_, _| true)?);
        let mut others = self.rows_with(index).filter(|&row| self.is_asked(row));
        if others.nth(1).is_some() {
            return None;
        }
        let own = String::from_utf8_lossy(self.store.id_bytes(only));
        // Some servers refuse with an id of their own.
        let is_refused = || self.store.http.get(index).is_some_and(HttpData::is_refused);
        id.is_none_or(|id| id == "null" || alike(&own, id) || is_refused())
            .then_some(only)
    }

    /// The row of an HTTP exchange that carried no message of the asking side's.
    pub(super) fn without_message(&self, http: Option<u32>) -> Option<RowId> {
        let row = self.store.http.get(http?)?.row;
        (self.kind(row) == Some(RowKind::Http)).then_some(row)
    }

    pub(super) fn kind(&self, row: RowId) -> Option<RowKind> {
        self.store.row(row).map(|row| row.kind)
    }

    /// Nothing more comes: what still waits for an answer waits in vain, unless another stream may bring it.
    fn response_over(&mut self, source: Source, index: u32, broken: Option<&str>) {
        let rows: Vec<RowId> = self.rows_with(index).collect();
        let first = self.store.http.get(index).map_or(NONE, |data| data.row);
        let data = self.store.http.get(index);
        let is_last_word = broken != Some(ASKED_AGAIN);
        let failed = data.is_some_and(HttpData::is_refused) && is_last_word;
        let is_bridged = data.is_some_and(|data| data.is(BRIDGED));
        let mut told = false;
        if !is_last_word {
            let is_notification = |&row: &RowId| self.kind(row) == Some(RowKind::Notification);
            let repeats = data.is_some_and(|data| data.is(REPEATS));
            let is_one = repeats || rows.iter().any(is_notification);
            self.again.note(SessionId(source.session), is_one);
        }
        for row in rows {
            match self.kind(row) {
                Some(RowKind::Http) => {
                    let is_counted = self.take_explanation(index);
                    self.http_over(row, source.at, index, broken, is_counted);
                    told = true;
                }
                Some(RowKind::Exchange) if self.is_asked(row) => {
                    // A bridge tells itself what becomes of what it asks.
                    if !is_bridged
                        && self.store.is_open(row)
                        && let Some((status, why)) = self.fate(index, broken)
                    {
                        let status = match status {
                            Status::Lost => self.cut_short(row),
                            other => other,
                        };
                        let is_counted = self.take_explanation(index);
                        self.unanswered(row, source.at, status, &why, is_counted);
                    }
                    told = true;
                }
                Some(RowKind::Notification) if failed => {
                    if let Some((status, why)) = self.fate(index, broken) {
                        let is_counted = self.take_explanation(index);
                        self.unanswered(row, source.at, status, &why, is_counted);
                    }
                    told = true;
                }
                _ => {}
            }
        }
        // An answer of the client's that did not arrive.
        if failed && !told {
            let row = self.push_http(source, index, None);
            if first != NONE && self.store.row(row).is_some_and(|row| row.parent == NONE) {
                self.store.nest(row, first);
                self.changes.note(first);
            }
            let is_counted = self.take_explanation(index);
            self.http_over(row, source.at, index, broken, is_counted);
        }
    }

    /// The capture ends before these exchanges do.
    pub(super) fn cut_off_http(&mut self, why: &str) {
        for index in self.store.http.going_on() {
            let Some(data) = self.store.http.get_mut(index) else {
                continue;
            };
            data.mark(CUT_OFF, true);
            let row = data.row;
            let goes_on = |row: &RowData| {
                let open = matches!(row.status, Status::Pending | Status::Streaming);
                row.kind == RowKind::Http && open
            };
            if self.store.row(row).is_some_and(goes_on) {
                self.http_over(row, self.latest.0, index, Some(why), true);
            }
            self.note_rows_with(index);
        }
    }

    /// What becomes of a request whose HTTP exchange ended without an answer; `None` while one may still come.
    fn fate(&self, index: u32, broken: Option<&str>) -> Option<(Status, String)> {
        let data = self.store.http.get(index)?;
        let words = || format!("HTTP {}", status_words(data.status));
        Some(match (data.status, broken) {
            (400.., None) => (Status::Error, words()),
            (400.., Some(why)) => (Status::Error, format!("{}, {why}", words())),
            (_, Some(CLIENT_GONE)) if data.is(MODERN) => {
                (Status::Cancelled, CLIENT_GONE.to_owned())
            }
            _ if data.is(RESUMABLE) => return None,
            (_, Some(why)) => (Status::Lost, why.to_owned()),
            // The answer to a request that was only taken in comes another way, if it comes.
            (202 | 204, None) => return None,
            (_, None) if data.is(STREAM) => (
                Status::Lost,
                "the stream ended without an answer".to_owned(),
            ),
            (0, None) => (Status::Lost, "no response came".to_owned()),
            (_, None) => (Status::Lost, format!("{} without an answer", words())),
        })
    }

    /// A bridge may have more to say of a request than the HTTP exchange: that it ended without an answer was said too
    /// early.
    pub(super) fn reopen(&mut self, row: RowId) {
        let was = self.store.row(row).map_or(Status::None, |row| row.status);
        let by_http = self.store.extra(row).is_some_and(|extra| {
            let outcome = self.store.texts.bytes(extra.outcome);
            !extra.answered && extra.http != NONE && !outcome.is_empty()
        });
        if !by_http || !matches!(was, Status::Error | Status::Lost) {
            return;
        }
        let was_counted = was == Status::Error && !self.is_ours(row);
        // An error that said why may have been counted in its place.
        let errors = &mut self.counters.errors;
        *errors = errors.saturating_sub(u64::from(was_counted));
        self.stats.reopen(self.call_key(row), was == Status::Error);
        self.set_status(row, Status::Pending);
        self.tell_call(row, Status::InputRequired);
        self.open.insert((self.store.scope(row), row));
    }

    fn unanswered(&mut self, row: RowId, at: i64, status: Status, why: &str, is_counted: bool) {
        let outcome = self.store.texts.keep(why);
        let said = self.store.extra(row).map(|extra| extra.outcome);
        let has_said = said.is_some_and(|it| !self.store.texts.bytes(it).is_empty());
        if let Some(extra) = self.store.extra_mut(row).filter(|_| !has_said) {
            extra.outcome = outcome;
        }
        if status == Status::Error && !is_counted && !self.is_ours(row) {
            self.counters.errors += 1;
        }
        if self.store.is_exchange(row) {
            self.stop(row, status, at);
        } else {
            self.set_status(row, status);
        }
        self.changes.note(row);
    }

    /// The row that stands for an HTTP exchange ends with it.
    fn http_over(
        &mut self,
        row: RowId,
        at: i64,
        index: u32,
        broken: Option<&str>,
        is_counted: bool,
    ) {
        let Some(data) = self.store.http.get(index) else {
            return;
        };
        let (code, method) = (data.status, self.store.symbol(data.method));
        // What a bridge sent on, it tells of itself.
        let is_told = is_counted || self.is_ours(row) || data.is(BRIDGED) && method == "POST";
        let is_last_word = broken != Some(ASKED_AGAIN);
        let is_repeated_in_vain = code >= 400 && data.is(REPEATS) && is_last_word && !is_counted;
        // That is how a server says that it has no stream to open, or keeps no session to end.
        let usual = code == 405 && matches!(method, "GET" | "DELETE");
        let status = match (code, broken) {
            (0, Some(CLIENT_GONE)) => Status::Cancelled,
            (0, _) => Status::Lost,
            (400.., _) if !usual => Status::Error,
            (_, Some(why)) if why != CLIENT_GONE => Status::Lost,
            _ => Status::Ok,
        };
        let mut words = match code {
            0 => "no response".to_owned(),
            known => status_words(known),
        };
        if let Some(why) = broken {
            words = format!("{words}, {why}");
        }
        let outcome = self.store.texts.keep(&words);
        if let Some(extra) = self.store.extra_mut(row) {
            (extra.outcome, extra.ended_at) = (outcome, at);
        }
        // A refusal may be how things go: no stream here, another address for the metadata, a token first.
        self.counters.errors += u64::from(is_repeated_in_vain || code >= 500 && !is_told);
        self.open.remove(&(self.store.scope(row), row));
        self.set_status(row, status);
        self.changes.note(row);
    }
}
