//! The rows and everything that hangs on them.

use super::http::{HttpData, HttpLog};
use super::links::{Scope, Side};
use super::storage::{
    Chunked, Extra, ExtraPart, Kin, NONE, Place, RowData, Symbol, Symbols, Text, Texts,
};
use super::{
    DAMAGED_LINE, GAP, NO_MESSAGE, ON_STDOUT, Part, Progress, REFUSED, Role, Row, RowId, RowKind,
    Status, UNASKED,
};
use crate::capture::record::{Encoding, Location};
use crate::mcp::methods;
use crate::tap::{Party, SessionId, Timestamp};
use std::collections::HashMap;

/// Rows, their texts and their parts.
#[derive(Debug, Default)]
pub struct Store {
    rows: Chunked<RowData>,
    extras: Chunked<Extra>,
    kin: Chunked<Kin>,
    parts: Chunked<ExtraPart>,
    pub texts: Texts,
    pub symbols: Symbols,
    progress: HashMap<RowId, Progress>,
    /// Where the lines of the capture begin whose place does not tell the bytes on the wire, in order, and these.
    sizes: Chunked<(u64, u64)>,
    pub http: HttpLog,
}

/// Who wrote a captured message, when, and where it lies.
#[derive(Debug, Clone, Copy)]
pub struct Source {
    pub seq: u64,
    pub at: i64,
    pub session: u32,
    pub from: Party,
    pub place: Place,
}

impl Store {
    pub fn len(&self) -> u32 {
        self.rows.len()
    }
    pub fn row(&self, row: RowId) -> Option<&RowData> {
        self.rows.get(row)
    }
    pub fn row_mut(&mut self, row: RowId) -> Option<&mut RowData> {
        self.rows.get_mut(row)
    }
    pub fn rows_from(&self, first: RowId) -> impl Iterator<Item = &RowData> {
        self.rows.iter_from(first)
    }
    pub fn extra(&self, row: RowId) -> Option<&Extra> {
        self.extras.get(self.rows.get(row)?.extra)
    }
    pub fn extra_mut(&mut self, row: RowId) -> Option<&mut Extra> {
        self.extras.get_mut(self.rows.get(row)?.extra)
    }

    /// Adds a row of its own, with nothing attached. After 2^32 - 1 rows there are no more.
    pub fn push(
        &mut self,
        source: Source,
        kind: RowKind,
        method: &str,
        name: &str,
        summary: &str,
    ) -> RowId {
        let row = self.rows.len();
        let data = RowData {
            seq: source.seq,
            at: source.at,
            place: source.place,
            method: self.intern(method),
            name: self.intern(name),
            session: source.session,
            parent: NONE,
            next_sibling: NONE,
            extra: NONE,
            summary: self.texts.keep(summary),
            from: source.from,
            kind,
            status: Status::None,
            depth: 0,
        };
        self.rows.push(data);
        row
    }
    fn kin(&self, row: RowId) -> Option<&Kin> {
        self.kin.get(self.extra(row)?.kin)
    }
    /// The kin of `row`, made when it has none.
    fn make_kin(&mut self, row: RowId) -> Option<&mut Kin> {
        let next = self.kin.len();
        let extra = self.make_extra(row)?;
        if extra.kin == NONE {
            extra.kin = next;
            self.kin.push(Kin::default());
        }
        let index = self.extra(row)?.kin;
        self.kin.get_mut(index)
    }
    pub fn set_replay_of(&mut self, row: RowId, original: RowId) {
        if let Some(kin) = self.make_kin(row) {
            kin.replay_of = original;
        }
    }
    /// `row`, new, goes on with `call`, which was asked for input.
    pub fn add_round(&mut self, call: RowId, row: RowId) {
        let asked = self.row(call).map(|call| call.summary).unwrap_or_default();
        if let Some(kin) = self.make_kin(call) {
            if kin.rounds == 0 {
                kin.asked = asked;
            }
            kin.rounds = kin.rounds.max(1) + 1;
            kin.newest_round = row;
        }
        if let Some(kin) = self.make_kin(row) {
            kin.first_round = call;
        }
    }
    /// The call that `row` is a round of: often itself.
    pub fn first_round(&self, row: RowId) -> RowId {
        let first = self.kin(row).map(|kin| kin.first_round);
        first.filter(|&first| first != NONE).unwrap_or(row)
    }
    /// Takes the outcome of a round out of the summary of its call.
    pub fn forget_outcome(&mut self, call: RowId) {
        let asked = self.kin(call).map(|kin| kin.asked);
        if let (Some(row), Some(asked)) = (self.row_mut(call), asked) {
            row.summary = asked;
        }
    }
    /// The last that was sent of a call: often itself.
    pub fn newest_round(&self, call: RowId) -> RowId {
        let newest = self.kin(call).map(|kin| kin.newest_round);
        newest.filter(|&newest| newest != NONE).unwrap_or(call)
    }
    /// The extra of `row`, made when it has none.
    pub fn make_extra(&mut self, row: RowId) -> Option<&mut Extra> {
        let data = self.rows.get_mut(row)?;
        if data.extra == NONE {
            data.extra = self.extras.len();
            self.extras.push(Extra::default());
        }
        self.extras.get_mut(data.extra)
    }
    pub fn attach(&mut self, row: RowId, role: Role, source: Source) {
        let part = ExtraPart {
            seq: source.seq,
            at: source.at,
            place: source.place,
            next: NONE,
            role,
            from: source.from,
        };
        let number = self.parts.len();
        let Some(kin) = self.make_kin(row) else {
            return;
        };
        let last = std::mem::replace(&mut kin.last_part, number);
        if last == NONE {
            kin.first_part = number;
        } else if let Some(last) = self.parts.get_mut(last) {
            last.next = number;
        }
        self.parts.push(part);
    }
    /// Nests `child`, the newest row, under `parent`.
    pub fn nest(&mut self, child: RowId, mut parent: RowId) {
        // Deeper than a screen can show: beside the parent instead of under it.
        if self.row(parent).is_some_and(|row| row.depth == u8::MAX) {
            parent = self.row(parent).map_or(NONE, |row| row.parent);
        }
        let Some(depth) = self.row(parent).map(|row| row.depth + 1) else {
            return;
        };
        let Some(kin) = self.make_kin(parent) else {
            return;
        };
        kin.children += 1;
        let elder = std::mem::replace(&mut kin.last_child, child);
        if elder == NONE {
            kin.first_child = child;
        } else if let Some(elder) = self.row_mut(elder) {
            elder.next_sibling = child;
        }
        if let Some(row) = self.row_mut(child) {
            row.parent = parent;
            row.depth = depth;
        }
        self.recount_waiting(child, false);
    }
    /// Returns how the row stood before.
    pub fn set_status(&mut self, row: RowId, status: Status) -> Option<Status> {
        let waited = self.waits(row);
        let was = std::mem::replace(&mut self.row_mut(row)?.status, status);
        self.recount_waiting(row, waited);
        Some(was)
    }
    /// Whether it did not go as it should: it failed, came too late or never, or is no message that anybody waits for.
    pub fn went_wrong(&self, row: &RowData) -> bool {
        match (row.kind, row.status) {
            // Its call stands as it does, and is found in its place.
            (RowKind::Exchange, _) if self.goes_on(row) => self.is_answered_again(row),
            (RowKind::Garbage | RowKind::Orphan, _) => true,
            (RowKind::Mark, _) => matches!(self.symbol(row.method), GAP | DAMAGED_LINE),
            // That is how a server of the older era is recognized.
            (_, Status::Error) => self.symbol(row.method) != methods::DISCOVER,
            (_, Status::ToolError | Status::Late | Status::Lost) => true,
            _ => self.is_answered_again(row),
        }
    }
    /// Whether it is a later round of a call.
    fn goes_on(&self, row: &RowData) -> bool {
        let extra = self.extras.get(row.extra);
        let kin = extra.and_then(|extra| self.kin.get(extra.kin));
        kin.is_some_and(|kin| kin.first_round != NONE)
    }
    /// Whether an answer is waited for, by the row or by something under it.
    pub fn waits(&self, row: RowId) -> bool {
        let status = self.row(row).map(|row| row.status);
        status == Some(Status::Pending) || self.waiting_under(row) > 0
    }
    /// How many of the rows directly under `row` wait.
    pub fn waiting_under(&self, row: RowId) -> u32 {
        self.kin(row).map_or(0, |kin| kin.waiting)
    }
    /// Tells the rows above whether `row` waits, when it did not wait, or did, before.
    fn recount_waiting(&mut self, mut row: RowId, mut waited: bool) {
        loop {
            let waits = self.waits(row);
            let parent = self.row(row).map_or(NONE, |row| row.parent);
            if waits == waited || parent == NONE {
                return;
            }
            waited = self.waits(parent);
            if let Some(kin) = self.make_kin(parent) {
                kin.waiting += u32::from(waits);
                kin.waiting = kin.waiting.saturating_sub(u32::from(!waits));
            }
            row = parent;
        }
    }
    /// The first row of the message with this sequence number.
    pub fn row_of_seq(&self, seq: u64) -> Option<RowId> {
        // Rows come in the order of the capture, whose numbers ascend; in one where they do not, some are not found.
        let first = self.rows.first_not(|row| row.seq < seq);
        self.row(first)
            .is_some_and(|row| row.seq == seq)
            .then_some(first)
    }

    /// What the payload of the newest line had on the wire, other than its place tells.
    pub fn set_wire_len(&mut self, place: Place, bytes: u64) {
        self.sizes.push((place.location().line, bytes));
    }
    /// Bytes on the wire of what lies there, where its place tells `told`.
    fn wire_len(&self, place: Place, told: u64) -> u64 {
        let place = place.location();
        if place.encoding == Encoding::Verbatim {
            return told;
        }
        let first = self.sizes.first_not(|(line, _)| *line < place.line);
        let known = self.sizes.get(first);
        let known = known.filter(|(line, _)| *line == place.line);
        known.map_or(told, |(_, bytes)| *bytes)
    }
    pub fn set_progress(&mut self, row: RowId, progress: Progress) {
        self.progress.insert(row, progress);
    }
    pub fn has_progress(&self, row: RowId) -> bool {
        self.progress.contains_key(&row)
    }

    pub fn scope(&self, row: RowId) -> Scope {
        let (session, from) = self
            .row(row)
            .map_or((0, Party::Client), |row| (row.session, row.from));
        let side = if from == Party::Server {
            Side::Server
        } else {
            Side::Client
        };
        Scope { session, side }
    }
    /// Whether an answer is still to come, also after all that a subscription brings.
    pub fn is_open(&self, row: RowId) -> bool {
        self.row(row)
            .is_some_and(|row| matches!(row.status, Status::Pending | Status::Streaming))
    }
    pub fn is_exchange(&self, row: RowId) -> bool {
        self.row(row)
            .is_some_and(|row| row.kind == RowKind::Exchange)
    }
    pub fn id_bytes(&self, row: RowId) -> &[u8] {
        self.row(row).map_or(&[], |row| self.id_of(row))
    }
    pub fn id_of(&self, row: &RowData) -> &[u8] {
        self.texts.bytes(
            self.extras
                .get(row.extra)
                .map_or(Text::default(), |extra| extra.id),
        )
    }
    pub fn token_bytes(&self, row: RowId) -> &[u8] {
        self.texts
            .bytes(self.extra(row).map_or(Text::default(), |extra| extra.token))
    }
    pub fn has_id(&self, row: RowId, scope: Scope, id: &[u8]) -> bool {
        self.id_bytes(row) == id && self.scope(row) == scope
    }
    pub fn has_token(&self, row: RowId, scope: Scope, token: &[u8]) -> bool {
        self.token_bytes(row) == token && self.scope(row) == scope
    }
    pub fn symbol(&self, symbol: Symbol) -> &str {
        self.texts.get(self.symbols.text(symbol))
    }
    /// The same as a peer wrote it.
    pub fn written(&self, symbol: Symbol) -> &str {
        self.texts.get(self.symbols.written(symbol))
    }
    pub fn intern(&mut self, text: &str) -> Symbol {
        self.symbols.intern(&mut self.texts, text)
    }
    pub fn find_symbol(&self, text: &str) -> Option<Symbol> {
        self.symbols.find(&self.texts, text)
    }
    /// Why there is no answer.
    pub fn failure(&self, row: &RowData) -> Text {
        let extra = self.extras.get(row.extra);
        extra
            .filter(|extra| !extra.answered)
            .map_or(Text::default(), |extra| extra.outcome)
    }
    pub fn is_answered_again(&self, row: &RowData) -> bool {
        let extra = self.extras.get(row.extra);
        extra.is_some_and(|extra| extra.answered_again)
    }
    /// The word for how it stands.
    pub fn status_word(&self, row: &RowData) -> &'static str {
        match (row.kind, row.status) {
            // Only what came over HTTP has more to it.
            (RowKind::Garbage, _) if row.from == Party::Server => {
                match self.extras.get(row.extra) {
                    None => ON_STDOUT,
                    Some(_) => NO_MESSAGE,
                }
            }
            (RowKind::Orphan, _) => UNASKED,
            (_, Status::Error) if self.symbol(row.method) == methods::DISCOVER => REFUSED,
            (_, status) => self.elicited(row).unwrap_or(status.word()),
        }
    }
    /// See [`super::elicited`].
    pub fn elicited(&self, row: &RowData) -> Option<&'static str> {
        let extra = self.extras.get(row.extra)?;
        let outcome = self.texts.get(extra.outcome);
        super::elicited(self.symbol(row.method), row.status, outcome)
    }
    pub fn http_of(&self, row: &RowData) -> Option<&HttpData> {
        self.http.get(self.extras.get(row.extra)?.http)
    }
    /// The text of the summary column: what was asked, or what was answered when nothing was said in asking.
    pub fn summary(&self, row: &RowData) -> Text {
        match self.extras.get(row.extra) {
            Some(extra) if row.summary == Text::default() => extra.outcome,
            _ => row.summary,
        }
    }

    pub fn view(&self, id: RowId) -> Option<Row<'_>> {
        let row = self.row(id)?;
        let extra = self.extras.get(row.extra);
        let kin = extra.and_then(|extra| self.kin.get(extra.kin));
        let answer = extra
            .filter(|extra| extra.answered)
            .map(|extra| extra.answer);
        let ended = matches!(row.kind, RowKind::Exchange | RowKind::Http)
            && !matches!(row.status, Status::Pending | Status::Streaming);
        // Rounds that are over count from the first request to the last answer.
        let last = Some(self.newest_round(id)).filter(|&last| !self.is_open(last));
        let ended_at = self
            .extra(last.unwrap_or(id))
            .map_or(0, |extra| extra.ended_at);
        let size = match (row.kind, self.http_of(row)) {
            (RowKind::Http, Some(http)) => http.bytes(),
            _ => {
                let answered = answer.map_or(0, |it| self.wire_len(it, it.wire_len()));
                self.wire_len(row.place, row.told_len()) + answered
            }
        };
        Some(Row {
            id,
            seq: row.seq,
            at: Timestamp(row.at),
            session: SessionId(row.session),
            from: row.from,
            kind: row.kind,
            method: self.symbol(row.method),
            name: self.symbol(row.name),
            summary: self.texts.get(self.summary(row)),
            outcome: extra.map_or("", |extra| self.texts.get(extra.outcome)),
            message_id: extra.map_or("", |extra| self.texts.get(extra.id)),
            status: row.status,
            status_word: self.status_word(row),
            http_status: self
                .http_of(row)
                .map(|http| http.status)
                .filter(|status| *status != 0),
            // Nobody knows, where the clock was set back meanwhile or there was none.
            took: extra
                .filter(|_| ended && ended_at >= row.at && Timestamp(row.at).is_known())
                .map(|_| ended_at.saturating_sub(row.at)),
            size,
            progress: self.progress.get(&id).copied(),
            parent: Some(row.parent).filter(|&row| row != NONE),
            children: kin.map_or(0, |kin| kin.children),
            waiting: kin.map_or(0, |kin| kin.waiting),
            rounds: kin.map_or(0, |kin| kin.rounds),
            replay_of: kin.map(|kin| kin.replay_of).filter(|&row| row != NONE),
            request: row.place.location(),
            answer: answer.map(Place::location),
            answered_again: extra.is_some_and(|extra| extra.answered_again),
        })
    }
    /// The messages of a row, oldest first.
    pub fn parts_of(&self, id: RowId) -> Vec<Part> {
        let Some(row) = self.row(id) else {
            return Vec::new();
        };
        let part = |role, seq, at, from, location: Location| Part {
            role,
            seq,
            at: Timestamp(at),
            from,
            location,
        };
        let first = if row.kind == RowKind::Exchange {
            Role::Request
        } else {
            Role::Line
        };
        let mut parts = vec![part(first, row.seq, row.at, row.from, row.place.location())];
        let Some(extra) = self.extras.get(row.extra) else {
            return parts;
        };
        let mut next = self.kin.get(extra.kin).map_or(NONE, |kin| kin.first_part);
        while let Some(more) = self.parts.get(next) {
            parts.push(part(
                more.role,
                more.seq,
                more.at,
                more.from,
                more.place.location(),
            ));
            next = more.next;
        }
        if extra.answered {
            let (seq, at) = (extra.answer_seq, extra.ended_at);
            let answer = part(
                Role::Answer,
                seq,
                at,
                extra.answer_from,
                extra.answer.location(),
            );
            let place = parts.partition_point(|part| part.seq <= seq).max(1);
            parts.insert(place, answer);
        }
        parts
    }
    /// Where the newest progress lies, unless something else came after it.
    pub fn newest_progress(&self, id: RowId) -> Option<Location> {
        let extra = self.extras.get(self.row(id)?.extra)?;
        let last = self.parts.get(self.kin.get(extra.kin)?.last_part)?;
        (last.role == Role::Progress).then(|| last.place.location())
    }
    /// `row` and everything nested under it, each row before what it holds. What is not `wanted` is left out with
    /// all that it holds.
    pub fn family(
        &self,
        row: RowId,
        wanted: impl Fn(RowId, &RowData) -> bool,
    ) -> impl Iterator<Item = RowId> {
        // Most rows hold nothing: nothing is set aside for them.
        let (mut first, mut pending) = (Some(row), Vec::new());
        std::iter::from_fn(move || {
            loop {
                let next = first.take().or_else(|| pending.pop())?;
                let data = self.row(next)?;
                if next != row && data.next_sibling != NONE {
                    pending.push(data.next_sibling);
                }
                if wanted(next, data) {
                    pending.extend(self.children(next).next());
                    return Some(next);
                }
            }
        })
    }
    /// The rows nested directly under `row`, oldest first.
    pub fn children(&self, row: RowId) -> impl Iterator<Item = RowId> {
        let first = self.kin(row).map_or(NONE, |kin| kin.first_child);
        std::iter::successors(Some(first), |&row| {
            self.row(row).map(|row| row.next_sibling)
        })
        .take_while(|&row| row != NONE)
    }
}
